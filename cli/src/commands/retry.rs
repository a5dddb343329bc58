//! A repeated `up` has what an engine refused tried again: a failure counts once it was met again.

use std::collections::BTreeMap;

use koan_crds::labels;
use koan_crds::v1alpha1::ServiceSpec;
use koan_crds::vocabulary::{ConditionType, Reason};
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::json;

use crate::failure::Failure;
use crate::follow;
use crate::home::{Session, api};

/// Objects of a stack that were asked to try again, with the version that each had then.
#[derive(Debug, Default)]
pub(super) struct Asked(BTreeMap<String, u64>);

impl Asked {
    /// True while the object shows what it showed before it was asked: every answer is a later version.
    pub(super) fn awaits(&self, spec: &ServiceSpec) -> bool {
        self.0.get(&spec.name_any()).is_some_and(|asked| version(spec) <= *asked)
    }
}

/// Asks the services of a stack that an engine refused to try again.
///
/// # Errors
/// [`Failure::Api`].
pub(super) async fn ask(session: &Session, namespace: &str, stack: &str) -> Result<Asked, Failure> {
    let mut asked = Asked::default();
    let Some((_, specs)) = follow::load(session, namespace, stack).await? else { return Ok(asked) };
    let objects: Api<ServiceSpec> = Api::namespaced(session.client.clone(), namespace);
    let now = jiff::Timestamp::now().to_string();
    for spec in specs.iter().filter(|spec| was_refused(spec)) {
        let name = spec.name_any();
        let body = json!({"metadata": {"annotations": {labels::RETRY: now}}});
        let patch = objects.patch(&name, &PatchParams::default(), &Patch::Merge(&body)).await;
        let written = patch.map_err(|error| api("patch", &format!("servicespec {name}"), error))?;
        asked.0.insert(name, version(&written));
    }
    Ok(asked)
}

/// A refusal of an engine that another try may mend; what an edit must mend stays as it is.
fn was_refused(spec: &ServiceSpec) -> bool {
    let Some(status) = &spec.status else { return false };
    let refusals = [
        (ConditionType::Healthy, Reason::ImagePullFailed),
        (ConditionType::Provisioned, Reason::ProvisionFailed),
        (ConditionType::Provisioned, Reason::ForeignResource),
    ];
    status.observed_generation == spec.metadata.generation
        && status.conditions.iter().any(|found| {
            let is = |(kind, reason): &(ConditionType, Reason)| found.type_ == kind.as_str() && found.reason == reason.as_str();
            found.status == "False" && refusals.iter().any(is)
        })
}

/// The version of an object; 0 where it is no number.
fn version(spec: &ServiceSpec) -> u64 {
    spec.resource_version().and_then(|text| text.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(version: &str, kind: &str, reason: &str) -> ServiceSpec {
        serde_json::from_value(json!({
            "apiVersion": "koan.dev/v1alpha1", "kind": "ServiceSpec",
            "metadata": {"name": "shop-db", "generation": 1, "resourceVersion": version},
            "spec": {"service": {"adapter": "postgres"}},
            "status": {"observedGeneration": 1, "conditions": [{
                "type": kind, "status": "False", "reason": reason, "message": "m", "lastTransitionTime": "2026-01-01T00:00:00Z",
            }]},
        }))
        .expect("a ServiceSpec")
    }

    /// CLI-18: only what another try may mend is asked for; the failure counts again with the object's next version.
    #[test]
    fn a_refusal_counts_once_it_was_met_again() {
        assert!(
            was_refused(&spec("5", "Healthy", "ImagePullFailed")) && was_refused(&spec("5", "Provisioned", "ProvisionFailed"))
        );
        assert!(!was_refused(&spec("5", "Healthy", "CrashLooping")) && !was_refused(&spec("5", "Accepted", "Invalid")));
        let asked = Asked(BTreeMap::from([("shop-db".to_owned(), 7)]));
        assert!(asked.awaits(&spec("7", "Healthy", "ImagePullFailed")));
        assert!(!asked.awaits(&spec("8", "Healthy", "ImagePullFailed")));
        assert!(!Asked::default().awaits(&spec("1", "Healthy", "ImagePullFailed")));
    }
}
