use std::collections::BTreeMap;

use clap::{Args, ValueEnum};
use koan_crds::v1alpha1::ServiceSpec;
use kube::ResourceExt;
use serde_json::{Value, json};

use super::amend::Amendments;
use super::planning::{self, Manner};
use super::prepare::{self, Prepared};
use super::progress::Progress;
use super::promised::{self, Shown};
use super::redetect::Redetection;
use super::{Run, apply, environment, foreground, retry, target};
use crate::failure::Failure;
use crate::follow;
use crate::home::{Session, Start};
use crate::manifest::Document;
use crate::output::{Document as _, StackStatus, emit, say};

/// Bring a stack up and wait until every service is ready
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Name of the stack, where the manifest holds several
    stack: Option<String>,
    /// Wait until every service is ready; the default
    #[arg(long, conflicts_with = "no_wait")]
    wait: bool,
    /// Do not wait for Ready
    #[arg(long, conflicts_with_all = ["attach", "ephemeral"])]
    no_wait: bool,
    /// Stay in the foreground and print what the services print; the stack goes on afterwards
    #[arg(long)]
    attach: bool,
    /// Stay in the foreground; take the stack down at the end, however this command ends
    #[arg(long)]
    ephemeral: bool,
    /// Use a namespace of this project folder's own
    #[arg(long)]
    pub(crate) isolated: bool,
    #[command(flatten)]
    amendments: Amendments,
    /// Show engine, evidence, gates and ports with their reasons before anything is done
    #[arg(long)]
    explain: bool,
    /// Only show what would be done: without asking an engine, or with engines and the server's checks
    #[arg(long, value_enum, value_name = "WHERE", num_args = 0..=1, require_equals = true, default_missing_value = "client")]
    dry_run: Option<DryRun>,
}

/// Where a dry run is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum DryRun {
    // Host services are looked for; no engine is asked and no server is started.
    Client,
    // The engines are asked for what they hold, and the server checks each object.
    Server,
}

pub(crate) async fn run(run: &Run, arguments: &Arguments) -> Result<u8, Failure> {
    let prepared = prepare::prepare_one(run, arguments.stack.as_deref(), |value| arguments.amendments.apply(value))?;
    for warning in &prepared.warnings {
        say(run.globals.quiet, &format!("warning: {warning}"));
    }
    let stack = prepared.stack()?;
    if let Some(place) = arguments.dry_run {
        return dry_run(run, arguments, &prepared, stack, place).await;
    }
    let documents = &prepared.found.documents;
    let session = apply::open(run, Start::IfNeeded).await?;
    let shown = if arguments.explain { Some(explain(run, &session, &prepared, stack).await?) } else { None };
    let built = if arguments.amendments.rebuilds() { workloads_of_builds(&session, stack).await? } else { BTreeMap::new() };
    ensure_namespace(&session, documents).await?;
    let guard = if arguments.ephemeral { Some(foreground::guard(run, stack)?) } else { None };
    environment::store(run, &session, stack, None).await?;
    apply::apply_all(run, &session, documents, None).await?;
    environment::adopt(run, &session, stack).await?;
    let asked = retry::ask(&session, &namespace(stack), stack.name()).await?;
    if arguments.no_wait {
        return Ok(0);
    }
    let before = Before { built, asked, redetected: None };
    let outcome = stand(run, arguments, &session, stack, &before, shown.as_ref()).await;
    match guard {
        Some(guard) => guard.finish(outcome),
        None => outcome,
    }
}

/// Waits, prints the endpoints, and stays where that was asked for.
async fn stand(
    run: &Run,
    arguments: &Arguments,
    session: &Session,
    stack: &Document,
    before: &Before,
    shown: Option<&Shown>,
) -> Result<u8, Failure> {
    let status = wait_ready(run, session, stack, before).await?;
    emit(&status, run.globals.format());
    if let Some(shown) = shown {
        shown.compare(&status, &promised::workloads(session, &namespace(stack), stack.name()).await?)?;
    }
    match (arguments.attach, arguments.ephemeral) {
        (true, _) => foreground::attach(run, session, stack).await,
        (false, true) => foreground::hold(run).await,
        (false, false) => Ok(0),
    }
}

/// Explains on stderr; stdout is for the status.
async fn explain(run: &Run, session: &Session, prepared: &Prepared, stack: &Document) -> Result<Shown, Failure> {
    let before = promised::workloads(session, &namespace(stack), stack.name()).await?;
    let manner = Manner { explained: true, ..Manner::default() };
    let outlook = planning::plan(run, Some(session), &prepared.found.documents, stack, manner).await?;
    outlook.warn(run.globals.quiet, &prepared.warnings);
    say(run.globals.quiet, outlook.report.human(false).trim_end());
    Ok(Shown { report: outlook.report, fates: outlook.fates, before })
}

async fn dry_run(run: &Run, arguments: &Arguments, prepared: &Prepared, stack: &Document, place: DryRun) -> Result<u8, Failure> {
    let session = match place {
        DryRun::Client => target::session(run).await?,
        DryRun::Server => Some(apply::open(run, Start::IfNeeded).await?),
    };
    if let (DryRun::Server, Some(session)) = (place, &session) {
        apply::check_all(session, &prepared.found.documents).await?;
    }
    let manner = Manner { explained: arguments.explain, diff: true, redetect: false, offline: place == DryRun::Client };
    let outlook = planning::plan(run, session.as_ref(), &prepared.found.documents, stack, manner).await?;
    outlook.warn(run.globals.quiet, &prepared.warnings);
    emit(&outlook.report, run.globals.format());
    outlook.failure.map_or(Ok(0), Err)
}

/// Waits for a stack that was applied, showing changes on stderr; what runs from a built image must have been replaced since
/// `before`.
///
/// # Errors
/// As [`follow::until_ready`].
pub(crate) async fn wait_ready(run: &Run, session: &Session, stack: &Document, before: &Before) -> Result<StackStatus, Failure> {
    let namespace = namespace(stack);
    let mut progress = Progress::of(&run.globals);
    let stale = |specs: &[ServiceSpec]| {
        let is_built = |spec| before.built.get(&ServiceSpec::name_any(spec)).is_some_and(|id| workload(spec) == Some(id));
        specs.iter().any(is_built) || before.redetected.as_ref().is_some_and(|asked| !asked.stands(specs))
    };
    let undecided = |spec: &ServiceSpec| before.redetected.as_ref().is_some_and(|asked| asked.awaits(spec));
    let retried = |specs: &[ServiceSpec]| specs.iter().any(|spec| before.asked.awaits(spec) || undecided(spec));
    let wait = follow::Wait {
        namespace: &namespace,
        name: stack.name(),
        timeout: run.settings.timeout,
        stale: &stale,
        retried: &retried,
    };
    let answer = follow::until_ready(session, &wait, |service| progress.changed(service)).await;
    progress.clear();
    answer
}

/// What stood before this run and does not answer for it.
#[derive(Debug, Default)]
pub(crate) struct Before {
    /// Workloads that run from an image that is built anew, by `ServiceSpec`.
    built: BTreeMap<String, String>,
    /// Services that were asked to try again.
    asked: retry::Asked,
    /// Decisions of before this request do not answer for it.
    redetected: Option<Redetection>,
}

impl Before {
    /// Nothing stood before but decisions that are made again.
    pub(super) fn redetected(asked: Option<Redetection>) -> Self {
        Self { redetected: asked, ..Self::default() }
    }
}

fn workload(spec: &ServiceSpec) -> Option<&String> {
    spec.status.as_ref()?.workload.as_ref()?.id.as_ref()
}

/// Workloads that run from a built image, by `ServiceSpec`.
async fn workloads_of_builds(session: &Session, stack: &Document) -> Result<BTreeMap<String, String>, Failure> {
    let Some((_, specs)) = follow::load(session, &namespace(stack), stack.name()).await? else { return Ok(BTreeMap::new()) };
    let builds = |spec: &&ServiceSpec| spec.spec.service.container.as_ref().is_some_and(|container| container.build.is_some());
    Ok(specs.iter().filter(builds).filter_map(|spec| Some((spec.name_any(), workload(spec)?.clone()))).collect())
}

pub(super) fn namespace(document: &Document) -> String {
    document.value.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or("default").to_owned()
}

/// Makes the namespaces of the documents.
///
/// # Errors
/// [`Failure::Api`].
pub(super) async fn ensure_namespace(session: &Session, documents: &[Document]) -> Result<(), Failure> {
    use k8s_openapi::api::core::v1::Namespace;
    use kube::api::{Patch, PatchParams};
    let mut wanted: Vec<String> = documents.iter().filter(|d| d.kind != "Namespace").map(namespace).collect();
    wanted.sort();
    wanted.dedup();
    let namespaces: kube::Api<Namespace> = kube::Api::all(session.client.clone());
    for name in wanted.iter().filter(|name| name.as_str() != "default") {
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        let parameters = PatchParams::apply(koan_crds::labels::MANAGER_CLI).force();
        namespaces
            .patch(name, &parameters, &Patch::Apply(&object))
            .await
            .map_err(|e| crate::home::api("apply", &format!("namespace {name}"), e))?;
    }
    Ok(())
}
