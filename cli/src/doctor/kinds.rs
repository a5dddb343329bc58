//! Koan's own kinds as the home's server has them: one that a newer program stored is left alone, and said here (API-2).

use koan_crds::{definitions, labels};
use kube::api::{ApiResource, DynamicObject, GroupVersionKind};
use kube::{Api, ResourceExt as _};

use super::report::{Check, Verdict};
use crate::commands::Run;
use crate::failure::Failure;
use crate::home::{Start, api, connect};

const ID: &str = "kube.crds";
const TITLE: &str = "kinds of the server";

/// The check; it starts no server.
pub(super) async fn check(run: &Run) -> Check {
    match stored(run).await {
        Ok(Some(stored)) => judge(&stored, env!("CARGO_PKG_VERSION")),
        Ok(None) => Check::not_ok(ID, TITLE, Verdict::Skip, "no server runs", "koan serve, then run this again"),
        Err(failure) => Check::not_ok(ID, TITLE, Verdict::Skip, failure.to_string(), failure.hints().join("; ")),
    }
}

/// Each kind with the version of the program that made what is stored; `None` where it is not there.
type Stored = Vec<(String, Option<String>)>;

async fn stored(run: &Run) -> Result<Option<Stored>, Failure> {
    let Some(session) = connect(&run.settings, Start::Never).await? else { return Ok(None) };
    let kind = GroupVersionKind::gvk("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
    let all: Api<DynamicObject> =
        Api::all_with(session.client, &ApiResource::from_gvk_with_plural(&kind, "customresourcedefinitions"));
    let mut found = Vec::new();
    for definition in definitions()? {
        let name = definition.document["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let object = all.get_opt(&name).await.map_err(|error| api("get", &name, error))?;
        let version = object.map(|object| object.annotations().get(labels::MADE_BY).cloned().unwrap_or_default());
        found.push((name, version));
    }
    Ok(Some(found))
}

/// Numbers between dots; a text that has none is older than any.
fn number(version: &str) -> Vec<u64> {
    version.split('.').map_while(|part| part.parse().ok()).collect()
}

fn judge(stored: &Stored, own: &str) -> Check {
    let missing: Vec<&str> = stored.iter().filter(|(_, version)| version.is_none()).map(|(name, _)| name.as_str()).collect();
    if !missing.is_empty() {
        let detail = format!("the server lacks {}", missing.join(", "));
        return Check::not_ok(
            ID,
            TITLE,
            Verdict::Fail,
            detail,
            "koan serve stop; the next command starts a server that has them",
        );
    }
    let newer = stored.iter().filter_map(|(name, version)| Some((name, version.as_deref()?)));
    let newer: Vec<(&String, &str)> = newer.filter(|(_, version)| number(version) > number(own)).collect();
    let Some((_, newest)) = newer.iter().max_by_key(|(_, version)| number(version)) else {
        return Check::ok(ID, TITLE, format!("{} kinds, none newer than Koan {own}", stored.len()));
    };
    let names: Vec<String> = newer.iter().map(|(name, version)| format!("{name} (Koan {version})")).collect();
    let detail = format!("newer than Koan {own}, and left alone: {}", names.join(", "));
    Check::not_ok(ID, TITLE, Verdict::Warn, detail, format!("use Koan {newest} or a later one with this home"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// API-2: a kind that a newer program stored is told with its version and the way out; an older one is no matter; one that is
    /// missing is a fault.
    #[test]
    fn newer_kinds_are_told() {
        let of = |version: Option<&str>| vec![("devstacks.koan.dev".to_owned(), version.map(str::to_owned))];
        assert_eq!(judge(&of(Some("0.9.12")), "0.10.0").status, Verdict::Ok);
        assert_eq!(judge(&of(Some("")), "0.10.0").status, Verdict::Ok);
        assert_eq!(judge(&of(None), "0.10.0").status, Verdict::Fail);
        let warned = judge(&of(Some("0.10.1")), "0.10.0");
        assert_eq!(warned.status, Verdict::Warn);
        assert!(warned.detail.contains("devstacks.koan.dev (Koan 0.10.1)"), "{}", warned.detail);
        assert_eq!(warned.remedy.as_deref(), Some("use Koan 0.10.1 or a later one with this home"));
    }
}
