use std::io::{IsTerminal, Write};
use std::time::Duration;

use clap::Args;
use koan_crds::labels;
use koan_crds::v1alpha1::{DevStack, ServiceSpec};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::json;

use super::{Run, held, target};
use crate::failure::Failure;
use crate::follow;
use crate::home::{Session, api};
use crate::output::{GcReport, emit, say};

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
    /// Let a stack go whose clean-up is blocked; what the engine still holds is left to the collector
    #[arg(long)]
    force: bool,
}

/// How long a forced stack may go by itself.
const FORCE_PATIENCE: Duration = Duration::from_secs(20);
/// Longest wait for the finalizer where no --timeout is given.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(120);

pub(crate) async fn run(run: &Run, arguments: &Arguments) -> Result<u8, Failure> {
    let Some(session) = target::session(run).await? else {
        return Ok(nothing(run, "nothing to do: no server runs for this home"));
    };
    let names = names(run, &session, arguments).await?;
    if names.is_empty() {
        return Ok(nothing(run, "nothing to do: no such stack"));
    }
    if arguments.volumes {
        confirm(run, &format!("--volumes deletes the data volumes of {}", names.join(", ")))?;
    }
    if arguments.force {
        confirm(run, &format!("--force gives up what {} still holds", names.join(", ")))?;
    }
    let (mut goes, mut stays) = (Vec::new(), Vec::new());
    for name in &names {
        let held = held::of_stack(run, &session, name, arguments.volumes).await?;
        goes.extend(held.0);
        stays.extend(held.1);
    }
    emit(&GcReport::of(names.clone(), goes, stays), run.globals.format());
    for name in &names {
        delete(&session, name, arguments.volumes).await?;
    }
    for name in &names {
        wait_gone(run, &session, name, arguments.force).await?;
        let volumes = if arguments.volumes { "volumes deleted" } else { "volumes kept" };
        say(run.globals.quiet, &format!("{name}: down, {volumes}"));
    }
    Ok(0)
}

fn nothing(run: &Run, text: &str) -> u8 {
    say(run.globals.quiet, text);
    emit(&GcReport::of(Vec::new(), Vec::new(), Vec::new()), run.globals.format());
    0
}

async fn wait_gone(run: &Run, session: &Session, name: &str, force: bool) -> Result<(), Failure> {
    let timeout = run.settings.timeout.unwrap_or(DEFAULT_TIMEOUT);
    let patience = if force { FORCE_PATIENCE.min(timeout) } else { timeout };
    if let Some(answer) = follow::bounded(Some(patience), gone(session, name)).await {
        return answer;
    }
    let blocked = blocked(session, name, patience).await;
    if !force {
        return Err(blocked);
    }
    say(run.globals.quiet, &format!("warning: {blocked}; its records go, the collector removes the rest once it can"));
    release(session, name).await?;
    match follow::bounded(Some(timeout), gone(session, name)).await {
        Some(answer) => answer,
        None => Err(blocked),
    }
}

/// Takes the finalizers of a stack and its services away.
async fn release(session: &Session, name: &str) -> Result<(), Failure> {
    let Some((_, specs)) = follow::load(session, &session.namespace, name).await? else { return Ok(()) };
    let patch = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    let services: Api<ServiceSpec> = Api::namespaced(session.client.clone(), &session.namespace);
    for spec in specs {
        let object = spec.name_any();
        absent_is_fine(services.patch(&object, &PatchParams::default(), &patch).await, &object)?;
    }
    let stacks: Api<DevStack> = Api::namespaced(session.client.clone(), &session.namespace);
    absent_is_fine(stacks.patch(name, &PatchParams::default(), &patch).await, name)
}

fn absent_is_fine<T>(answer: Result<T, kube::Error>, object: &str) -> Result<(), Failure> {
    match answer {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(api("release", object, error)),
    }
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

/// What cannot be undone asks on a terminal, elsewhere it needs `--yes` (SEC-3).
fn confirm(run: &Run, what: &str) -> Result<(), Failure> {
    if run.globals.yes {
        return Ok(());
    }
    let refuse = |message: String| Failure::Usage { message, hint: "add --yes to do it all the same".to_owned() };
    if !std::io::stdin().is_terminal() {
        return Err(refuse(format!("{what}, and nobody can be asked")));
    }
    let mut err = std::io::stderr().lock();
    // A closed terminal answers with an empty line, which is a no.
    let _ = write!(err, "{what}: go on? [y/N] ").and_then(|()| err.flush());
    let mut answer = String::new();
    let _ = std::io::stdin().read_line(&mut answer);
    if answer.trim().eq_ignore_ascii_case("y") { Ok(()) } else { Err(refuse("not confirmed; nothing was deleted".to_owned())) }
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
