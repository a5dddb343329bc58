use std::collections::BTreeMap;

use clap::Args;
use koan_crds::labels;
use koan_crds::v1alpha1::DevStack;
use koan_crds::vocabulary::ExitCode;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams, ValidationDirective};
use kube::{Api, ResourceExt};
use serde_json::json;

use super::redetect::Redetection;
use super::{Run, prepare, up};
use crate::engines::addresses;
use crate::failure::Failure;
use crate::home::{ServerRecord, Session, Start, api, connect};
use crate::manifest::Document;
use crate::output::say;

/// Apply manifests: everything is validated before the first write
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Let the server merge; the default, and the only way
    #[arg(long = "server-side")]
    _server_side: bool,
    /// Delete stacks of this project that the manifest no longer holds
    #[arg(long)]
    prune: bool,
    /// Look for host services again
    #[arg(long)]
    redetect: bool,
    /// Wait until each stack is Ready
    #[arg(long)]
    wait: bool,
}

pub(crate) async fn run(run: &Run, arguments: &Arguments) -> Result<u8, Failure> {
    let prepared = prepare::prepare(run)?;
    for warning in &prepared.warnings {
        say(run.globals.quiet, &format!("warning: {warning}"));
    }
    let session = open(run, Start::IfNeeded).await?;
    let documents = &prepared.found.documents;
    if session.home.is_some() {
        up::ensure_namespace(&session, documents).await?;
    }
    let namespaces = documents.iter().map(namespace_of).collect();
    let redetection = if arguments.redetect { Some(Redetection::ask(&session, &namespaces).await?) } else { None };
    apply_all(run, &session, documents, redetection.as_ref()).await?;
    if arguments.prune {
        let owner = prepare::owner(&run.settings, &prepared.found.project.display().to_string());
        prune(run, &session, documents, &owner).await?;
    }
    if arguments.wait {
        let before = up::Before::redetected(redetection);
        for stack in prepared.stacks() {
            up::wait_ready(run, &session, stack, &before).await?;
        }
    }
    Ok(0)
}

/// Connects, starting a server if the target is this machine.
///
/// # Errors
/// As [`connect`].
pub(crate) async fn open(run: &Run, start: Start) -> Result<Session, Failure> {
    let session = connect(&run.settings, start).await?.ok_or_else(|| Failure::Home {
        message: "no server runs for this home".to_owned(),
        hint: "`koan up` starts one".to_owned(),
        exit: ExitCode::General,
    })?;
    let record = session.home.as_ref().and_then(ServerRecord::living);
    if let Some(words) = record.and_then(|record| record.elsewhere(&addresses(&run.settings).ok()?)) {
        say(run.globals.quiet, &format!("warning: {words}; `koan serve stop`, and the next command starts one that does"));
    }
    Ok(session)
}

/// Applies documents in an order that needs no second try: namespaces, Secrets and ConfigMaps, services, stacks.
///
/// # Errors
/// [`Failure::ForeignProject`] before the first write; [`Failure::Api`].
pub(crate) async fn apply_all(
    run: &Run,
    session: &Session,
    documents: &[Document],
    redetection: Option<&Redetection>,
) -> Result<(), Failure> {
    let mut ordered: Vec<&Document> = documents.iter().collect();
    let rank =
        |kind: &str| ["Namespace", "Secret", "ConfigMap", "ServiceSpec"].iter().position(|k| *k == kind).unwrap_or(usize::MAX);
    ordered.sort_by_key(|document| rank(&document.kind));
    // A rebuild that was asked for once stays part of what runs (K-11).
    let mut marks = BTreeMap::new();
    for document in ordered.iter().filter(|d| d.kind == "DevStack") {
        let stored = check_project(session, document).await?;
        let mark = stored.and_then(|stack| stack.annotations().get(labels::REBUILD).cloned());
        marks.extend(mark.map(|mark| ((namespace_of(document), document.name()), mark)));
    }
    for document in ordered {
        let mut value = document.value.clone();
        let rebuilt = marks.get(&(namespace_of(document), document.name()));
        if let Some(mark) = rebuilt.filter(|_| document.kind == "DevStack") {
            let annotations = &mut value["metadata"]["annotations"];
            if annotations[labels::REBUILD].is_null() {
                annotations[labels::REBUILD] = json!(mark);
            }
        }
        if let Some(redetection) = redetection.filter(|_| document.api_version == koan_crds::API_VERSION) {
            value["metadata"]["annotations"][labels::REDETECT] = json!(redetection.mark());
        }
        let before = version_of(session, document).await?;
        let after = apply_one(session, document, &value).await?;
        let verb = match before {
            None => "created",
            Some(version) if Some(&version) == after.resource_version().as_ref() => "unchanged",
            Some(_) => "configured",
        };
        say(run.globals.quiet, &format!("{}/{} {verb}", document.kind.to_ascii_lowercase(), document.name()));
    }
    Ok(())
}

/// Asks the server whether it would take the documents; nothing is stored. What lies in a namespace that does not exist yet
/// was judged by this command alone.
///
/// # Errors
/// [`Failure::ForeignProject`], [`Failure::Api`].
pub(crate) async fn check_all(session: &Session, documents: &[Document]) -> Result<(), Failure> {
    for document in documents {
        if document.kind == "DevStack" {
            check_project(session, document).await?;
        }
        let mut parameters = parameters().dry_run();
        parameters.field_validation = Some(ValidationDirective::Strict);
        let object = format!("{} {}", document.kind.to_ascii_lowercase(), document.name());
        match api_for(session, document).patch(document.name(), &parameters, &Patch::Apply(&document.value)).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(error) => return Err(api("check", &object, error)),
        }
    }
    Ok(())
}

fn parameters() -> PatchParams {
    PatchParams::apply(labels::MANAGER_CLI).force()
}

fn namespace_of(document: &Document) -> String {
    document.value.pointer("/metadata/namespace").and_then(|v| v.as_str()).unwrap_or("default").to_owned()
}

fn resource(document: &Document) -> ApiResource {
    let (group, version) = document.api_version.split_once('/').unwrap_or(("", document.api_version.as_str()));
    let plural = format!("{}s", document.kind.to_ascii_lowercase());
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, &document.kind), &plural)
}

fn api_for(session: &Session, document: &Document) -> Api<DynamicObject> {
    let resource = resource(document);
    if document.kind == "Namespace" {
        return Api::all_with(session.client.clone(), &resource);
    }
    Api::namespaced_with(session.client.clone(), &namespace_of(document), &resource)
}

async fn version_of(session: &Session, document: &Document) -> Result<Option<String>, Failure> {
    let object = format!("{} {}", document.kind.to_ascii_lowercase(), document.name());
    let found = api_for(session, document).get_metadata_opt(document.name()).await.map_err(|e| api("get", &object, e))?;
    Ok(found.and_then(|f| f.metadata.resource_version))
}

async fn apply_one(session: &Session, document: &Document, value: &serde_json::Value) -> Result<DynamicObject, Failure> {
    let mut parameters = parameters();
    parameters.field_validation = Some(ValidationDirective::Strict);
    let object = format!("{} {}", document.kind.to_ascii_lowercase(), document.name());
    api_for(session, document)
        .patch(document.name(), &parameters, &Patch::Apply(value))
        .await
        .map_err(|e| api("apply", &object, e))
}

/// A stack belongs to its project folder (CLI-10); answers the stored one.
async fn check_project(session: &Session, document: &Document) -> Result<Option<DevStack>, Failure> {
    let stacks: Api<DevStack> = Api::namespaced(session.client.clone(), &namespace_of(document));
    let object = format!("devstack {}", document.name());
    let found = stacks.get_opt(document.name()).await.map_err(|e| api("get", &object, e))?;
    let theirs = found.as_ref().and_then(|stack| stack.annotations().get(labels::PROJECT).cloned());
    let ours = document.value.pointer("/metadata/annotations").and_then(|a| a.get(labels::PROJECT)).and_then(|v| v.as_str());
    match theirs {
        Some(owner) if Some(owner.as_str()) != ours => Err(Failure::ForeignProject { name: document.name().to_owned(), owner }),
        _ => Ok(found),
    }
}

async fn prune(run: &Run, session: &Session, documents: &[Document], project: &str) -> Result<(), Failure> {
    let stacks: Api<DevStack> = Api::namespaced(session.client.clone(), &session.namespace);
    let list = stacks.list(&ListParams::default()).await.map_err(|e| api("list", "devstacks", e))?;
    let kept: Vec<&str> = documents.iter().filter(|d| d.kind == "DevStack").map(Document::name).collect();
    let ours = list.items.iter().filter(|s| s.annotations().get(labels::PROJECT).is_some_and(|p| p == project));
    for stack in ours.filter(|s| !kept.contains(&s.name_any().as_str())) {
        let name = stack.name_any();
        stacks.delete(&name, &Default::default()).await.map_err(|e| api("delete", &format!("devstack {name}"), e))?;
        say(run.globals.quiet, &format!("devstack/{name} pruned"));
    }
    Ok(())
}
