//! Which stack a command means: the name given, else the manifest's, else the only one there is.

use koan_crds::labels;
use koan_crds::v1alpha1::DevStack;
use kube::api::ListParams;
use kube::{Api, ResourceExt};

use super::Run;
use super::prepare::{isolated_namespace, owner};
use crate::failure::{Failure, suggest};
use crate::home::{Session, Start, api, connect};
use crate::manifest::find;

/// A stack by namespace and name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) namespace: String,
    pub(crate) name: String,
}

/// Connects to a running server, `None` without one; a stack that this project folder has isolated is found without being told.
///
/// # Errors
/// As [`connect`], and [`Failure::Api`].
pub(crate) async fn session(run: &Run) -> Result<Option<Session>, Failure> {
    let Some(mut session) = connect(&run.settings, Start::Never).await? else { return Ok(None) };
    if !run.settings.namespace_named {
        let project = project(run);
        let (own, owner) = (isolated_namespace(&project), owner(&run.settings, &project));
        if run.settings.is_isolated()
            || lives(&session, &own, &owner).await? && !lives(&session, &session.namespace, &owner).await?
        {
            session.namespace = own;
        }
    }
    Ok(Some(session))
}

/// The project folder of this run: the manifest's, else the working folder.
fn project(run: &Run) -> String {
    let working = std::env::current_dir().unwrap_or_default();
    let found = find(&run.globals.files, &working).map(|found| found.project);
    found.unwrap_or_else(|_| working.canonicalize().unwrap_or(working)).display().to_string()
}

/// True where a stack of the project lives in the namespace.
async fn lives(session: &Session, namespace: &str, project: &str) -> Result<bool, Failure> {
    let stacks: Api<DevStack> = Api::namespaced(session.client.clone(), namespace);
    let list = stacks.list(&ListParams::default()).await.map_err(|e| api("list", "devstacks", e))?;
    Ok(list.items.iter().any(|stack| stack.annotations().get(labels::PROJECT).is_some_and(|owner| owner == project)))
}

/// Finds the stack that a command means among those that exist.
///
/// # Errors
/// [`Failure::Unknown`] with the nearest names, [`Failure::Ambiguous`] with all of them.
pub(crate) async fn resolve(run: &Run, session: &Session, name: Option<&str>) -> Result<Target, Failure> {
    let stacks: Api<DevStack> = Api::namespaced(session.client.clone(), &session.namespace);
    let list = stacks.list(&ListParams::default()).await.map_err(|e| api("list", "devstacks", e))?;
    let names: Vec<String> = list.items.iter().map(ResourceExt::name_any).collect();
    let wanted = name.map(str::to_owned).or_else(|| manifest_name(run).filter(|n| names.contains(n)));
    let target = |name: String| Target { namespace: session.namespace.clone(), name };
    match (wanted, names.as_slice()) {
        (Some(name), _) if names.contains(&name) => Ok(target(name)),
        (Some(name), _) => Err(Failure::Unknown { kind: "stack", nearest: suggest(&name, names), name }),
        (None, [only]) => Ok(target(only.clone())),
        (None, []) => Err(Failure::Unknown { kind: "stack", name: String::new(), nearest: Vec::new() }),
        (None, _) => Err(Failure::Ambiguous { names }),
    }
}

/// Name of the one stack of the manifest, where there is a readable one.
pub(crate) fn manifest_name(run: &Run) -> Option<String> {
    let working = std::env::current_dir().ok()?;
    let found = find(&run.globals.files, &working).ok()?;
    let mut names = found.documents.iter().filter(|d| d.kind == "DevStack").map(|d| d.name().to_owned());
    let first = names.next()?;
    names.next().is_none().then_some(first)
}
