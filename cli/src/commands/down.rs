use std::io::{IsTerminal, Write};
use std::time::Duration;

use clap::Args;
use koan_crds::labels;
use koan_crds::v1alpha1::DevStack;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::json;

use super::{Run, target};
use crate::failure::Failure;
use crate::follow;
use crate::home::{Session, api};
use crate::output::say;

/// Delete a stack: its workloads go, its volumes stay unless named
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Name of the stack; the manifest's, or the only one
    name: Option<String>,
    /// Delete the data volumes too
    #[arg(long, alias = "prune-data")]
    volumes: bool,
    /// Every stack of the namespace
    #[arg(long, conflicts_with = "name")]
    all: bool,
}

/// Longest wait for the finalizer where no --timeout is given.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(120);

pub(crate) async fn run(run: &Run, arguments: &Arguments) -> Result<u8, Failure> {
    let Some(session) = target::session(run).await? else {
        say(run.globals.quiet, "nothing to do: no server runs for this home");
        return Ok(0);
    };
    let names = names(run, &session, arguments).await?;
    if names.is_empty() {
        say(run.globals.quiet, "nothing to do: no such stack");
        return Ok(0);
    }
    if arguments.volumes {
        confirm(run, &names)?;
    }
    for name in &names {
        delete(&session, name, arguments.volumes).await?;
    }
    let timeout = run.settings.timeout.unwrap_or(DEFAULT_TIMEOUT);
    for name in &names {
        match follow::bounded(Some(timeout), gone(&session, name)).await {
            Some(answer) => answer?,
            None => return Err(blocked(&session, name, timeout).await),
        }
        let volumes = if arguments.volumes { "volumes deleted" } else { "volumes kept" };
        say(run.globals.quiet, &format!("{name}: down, {volumes}"));
    }
    Ok(0)
}

async fn names(run: &Run, session: &Session, arguments: &Arguments) -> Result<Vec<String>, Failure> {
    let stacks: Api<DevStack> = Api::namespaced(session.client.clone(), &session.namespace);
    let list = stacks.list(&ListParams::default()).await.map_err(|e| api("list", "devstacks", e))?;
    let present: Vec<String> = list.items.iter().map(ResourceExt::name_any).collect();
    if arguments.all {
        return Ok(present);
    }
    let wanted = arguments.name.clone().or_else(|| target::manifest_name(run));
    match wanted {
        Some(name) => Ok(present.into_iter().filter(|p| *p == name).collect()),
        None if present.len() > 1 => Err(Failure::Ambiguous { names: present }),
        None => Ok(present),
    }
}

/// `--volumes` asks on a terminal, elsewhere it needs `--yes` (SEC-3).
fn confirm(run: &Run, names: &[String]) -> Result<(), Failure> {
    if run.globals.yes {
        return Ok(());
    }
    let refuse =
        |message: &str| Failure::Usage { message: message.to_owned(), hint: "add --yes to delete the data volumes".to_owned() };
    if !std::io::stdin().is_terminal() {
        return Err(refuse("--volumes deletes data and nobody can be asked"));
    }
    let mut err = std::io::stderr().lock();
    // A closed terminal answers with an empty line, which is a no.
    let _ = write!(err, "delete the data volumes of {}? [y/N] ", names.join(", ")).and_then(|()| err.flush());
    let mut answer = String::new();
    let _ = std::io::stdin().read_line(&mut answer);
    if answer.trim().eq_ignore_ascii_case("y") { Ok(()) } else { Err(refuse("not confirmed; nothing was deleted")) }
}

async fn delete(session: &Session, name: &str, volumes: bool) -> Result<(), Failure> {
    let stacks: Api<DevStack> = Api::namespaced(session.client.clone(), &session.namespace);
    let object = format!("devstack {name}");
    if volumes {
        let patch = json!({"metadata": {"annotations": {labels::DELETE_VOLUMES: "true"}}});
        stacks.patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await.map_err(|e| api("annotate", &object, e))?;
    }
    stacks.delete(name, &DeleteParams::default()).await.map_err(|e| api("delete", &object, e))?;
    Ok(())
}

async fn gone(session: &Session, name: &str) -> Result<(), Failure> {
    match follow::watch_until(session, &session.namespace.clone(), name, |_, _| None::<()>).await {
        Err(Failure::Unknown { .. }) => Ok(()),
        other => other,
    }
}

async fn blocked(session: &Session, name: &str, timeout: Duration) -> Failure {
    let loaded = follow::load(session, &session.namespace.clone(), name).await.ok().flatten();
    let conditions = loaded.iter().flat_map(|(stack, specs)| {
        let own = stack.status.iter().flat_map(|s| &s.conditions);
        own.chain(specs.iter().flat_map(|s| s.status.iter().flat_map(|s| &s.conditions)))
    });
    let blocked = conditions.into_iter().find(|c| c.type_ == "CleanupBlocked" && c.status == "True");
    let reason = blocked.and_then(|c| koan_crds::vocabulary::Reason::parse(&c.reason));
    match (reason, blocked) {
        (Some(reason), Some(condition)) => Failure::Condition {
            reason,
            message: condition.message.clone(),
            details: Vec::new(),
            hints: vec!["start the engine and run `koan down` again".to_owned()],
            event: Some(koan_crds::events::Event::CleanupBlocked.id()),
        },
        _ => Failure::Timeout {
            message: format!("`{name}` is not gone after {}s", timeout.as_secs()),
            hints: vec!["`koan status` shows what remains".to_owned()],
        },
    }
}
