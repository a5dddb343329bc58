//! Waits for a stack or a service: watches its conditions, ends at the first final answer (CLI-18).

use std::collections::BTreeMap;
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use koan_crds::labels;
use koan_crds::v1alpha1::{DevStack, ServiceSpec};
use koan_crds::vocabulary::{ConditionType, ExitCode, Reason};
use kube::api::{ListParams, WatchParams};
use kube::core::WatchEvent;
use kube::{Api, ResourceExt};

use crate::disk;
use crate::failure::{BUG_HINT, Failure};
use crate::home::{Session, api};
use crate::output::{ServiceView, StackStatus, evidence};
use crate::redact::redact;

/// One watch lasts at most this long before it is opened again, in seconds.
const WATCH_SECONDS: u32 = 60;
/// Lines of a failed service's log that the error quotes.
const LOG_LINES: usize = 20;

/// Reads a stack and its services.
///
/// # Errors
/// [`Failure::Api`]; a stack that does not exist is `None`.
pub(crate) async fn load(
    session: &Session,
    namespace: &str,
    name: &str,
) -> Result<Option<(DevStack, Vec<ServiceSpec>)>, Failure> {
    let stacks: Api<DevStack> = Api::namespaced(session.client.clone(), namespace);
    let Some(stack) = stacks.get_opt(name).await.map_err(|e| api("get", &format!("devstack {name}"), e))? else {
        return Ok(None);
    };
    let specs: Api<ServiceSpec> = Api::namespaced(session.client.clone(), namespace);
    let selector = ListParams::default().labels(&format!("{}={name}", labels::STACK));
    let specs = specs.list(&selector).await.map_err(|e| api("list", "servicespecs", e))?.items;
    Ok(Some((stack, specs)))
}

/// What a look at a stack says.
pub(crate) enum Verdict {
    /// Every service is ready, for the stack's current generation.
    Ready(Box<StackStatus>),
    /// Not yet.
    Waiting(Box<StackStatus>),
    /// A service failed for good.
    Failed(Failure),
}

/// Judges a stack: pure.
pub(crate) fn judge(stack: &DevStack, specs: &[ServiceSpec]) -> Verdict {
    let status = StackStatus::of(stack, specs);
    let observed = stack.status.as_ref().and_then(|s| s.observed_generation);
    if observed != stack.metadata.generation {
        return Verdict::Waiting(Box::new(status));
    }
    if status.is_ready() {
        return Verdict::Ready(Box::new(status));
    }
    let own = stack.status.iter().flat_map(|s| &s.conditions);
    // A service says more than the stack's summary of it (CLI-18).
    let failures = specs.iter().filter_map(failed_service).chain(own.filter_map(|c| terminal(&stack.name_any(), c, None)));
    let worst = failures.collect::<Vec<_>>();
    let first = ExitCode::first_of(worst.iter().map(|(reason, _)| ExitCode::of(*reason)));
    match worst.into_iter().find(|(reason, _)| ExitCode::of(*reason) == first) {
        Some((_, failure)) => Verdict::Failed(failure),
        None => Verdict::Waiting(Box::new(status)),
    }
}

fn failed_service(spec: &ServiceSpec) -> Option<(Reason, Failure)> {
    let status = spec.status.as_ref()?;
    if status.observed_generation != spec.metadata.generation {
        return None;
    }
    let name = ServiceView::of(spec).name;
    status.conditions.iter().find_map(|condition| terminal(&name, condition, Some(spec)))
}

/// A condition that no waiting mends.
fn terminal(name: &str, condition: &Condition, spec: Option<&ServiceSpec>) -> Option<(Reason, Failure)> {
    let reason = Reason::parse(&condition.reason)?;
    let kind = ConditionType::ALL.into_iter().find(|t| t.as_str() == condition.type_)?;
    let is_final = condition.status == "False" && final_reason(kind, reason);
    is_final.then(|| {
        let failure = spec.and_then(|s| s.status.as_ref()?.last_failure.as_ref());
        let decision = spec.and_then(|s| s.status.as_ref()?.decision.as_ref());
        let proof = decision.into_iter().flat_map(|d| &d.evidence).map(evidence);
        let log = failure.into_iter().flat_map(|f| f.log_tail.iter().take(LOG_LINES)).map(|line| format!("| {}", redact(line)));
        let bug = (reason == Reason::Panic).then(|| BUG_HINT.to_owned());
        let why = spec.map(|_| format!("`koan why {name}` shows the chain of causes"));
        let hints = bug.into_iter().chain(why).collect();
        let said = failure.map(|f| redact(&f.message)).filter(|message| !condition.message.contains(message.as_str()));
        let details = proof.chain(said).chain(log).collect();
        (reason, Failure::Condition { reason, message: format!("`{name}`: {}", condition.message), details, hints, event: None })
    })
}

/// True where `up` and `wait` end at once instead of sitting out the time-out.
fn final_reason(kind: ConditionType, reason: Reason) -> bool {
    match kind {
        ConditionType::Accepted => reason != Reason::Pending,
        ConditionType::EngineSelected | ConditionType::PortsAllocated => {
            reason != Reason::EngineUnreachable && reason != Reason::Pending
        }
        ConditionType::Planned => reason == Reason::PlanFailed,
        ConditionType::Provisioned => {
            matches!(reason, Reason::HostServiceRequired | Reason::ForeignResource | Reason::ProvisionFailed)
        }
        ConditionType::Healthy => matches!(reason, Reason::CrashLooping | Reason::ImagePullFailed),
        ConditionType::Ready => matches!(reason, Reason::ReadinessTimeout | Reason::Expired | Reason::Suspended | Reason::Panic),
        ConditionType::DependenciesReady | ConditionType::Activated | ConditionType::CleanupBlocked => false,
    }
}

/// A wait for a stack.
pub(crate) struct Wait<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
    /// Longest wait; without one each service ends by its own budget.
    pub(crate) timeout: Option<Duration>,
    /// True while the services are still those of before, whatever their conditions say.
    pub(crate) stale: &'a dyn Fn(&[ServiceSpec]) -> bool,
    /// True while a service shows a failure that it was asked to try again.
    pub(crate) retried: &'a dyn Fn(&[ServiceSpec]) -> bool,
}

/// Waits until the stack is ready or a service has failed for good.
///
/// `changed` is called with each service whose state changed since the last look.
///
/// # Errors
/// The failure of the service; [`Failure::Timeout`] naming what is not ready; [`Failure::Interrupted`] at Ctrl-C or TERM.
pub(crate) async fn until_ready(
    session: &Session,
    wait: &Wait<'_>,
    mut changed: impl FnMut(&ServiceView),
) -> Result<StackStatus, Failure> {
    let Wait { namespace, name, timeout, stale, retried } = *wait;
    let mut seen: BTreeMap<String, (String, String)> = BTreeMap::new();
    let mut last: Option<Box<StackStatus>> = None;
    let waiting = watch_until(session, namespace, name, |stack, specs| {
        let verdict = judge(stack, specs);
        for spec in specs {
            let view = ServiceView::of(spec);
            let state = (view.state.clone(), view.health.clone());
            if seen.insert(view.name.clone(), state.clone()) != Some(state) {
                changed(&view);
            }
        }
        match verdict {
            Verdict::Ready(status) if stale(specs) => {
                last = Some(status);
                None
            }
            Verdict::Ready(status) => Some(Ok(*status)),
            Verdict::Failed(_) if retried(specs) => {
                last = Some(Box::new(StackStatus::of(stack, specs)));
                None
            }
            Verdict::Failed(failure) => Some(Err(failure)),
            Verdict::Waiting(status) => {
                last = Some(status);
                None
            }
        }
    });
    let waiting = async {
        tokio::select! {
            answer = waiting => answer,
            failure = disk::refuses(session) => Err(failure),
        }
    };
    let outcome = bounded(timeout, Box::pin(waiting)).await;
    match outcome {
        Some(answer) => answer?,
        None => Err(Failure::Timeout {
            message: timeout_message(name, last.as_deref()),
            hints: vec![format!("`koan why` and `koan logs` show why; the stack goes on")],
        }),
    }
}

fn timeout_message(name: &str, last: Option<&StackStatus>) -> String {
    let waiting: Vec<String> = last
        .into_iter()
        .flat_map(|s| &s.services)
        .filter(|s| !s.is_ready())
        .map(|s| format!("{} ({})", s.name, s.state))
        .collect();
    let what = match (waiting.as_slice(), last) {
        ([], None) => "not judged yet".to_owned(),
        ([], Some(_)) => "its services have not answered this request yet".to_owned(),
        (names, _) => names.join(", "),
    };
    format!("stack `{name}` is not ready in time: {what}")
}

/// Runs a wait with an optional limit and the signals of a terminal; `None` is the limit.
pub(crate) async fn bounded<T>(
    timeout: Option<Duration>,
    wait: impl Future<Output = Result<T, Failure>>,
) -> Option<Result<T, Failure>> {
    let limit = async {
        match timeout {
            Some(limit) => tokio::time::sleep(limit).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        answer = wait => Some(answer),
        () = limit => None,
        signal = interrupted() => Some(Err(Failure::Interrupted { signal })),
    }
}

/// Number of the signal that asked this process to end.
async fn interrupted() -> i32 {
    use tokio::signal::unix::{SignalKind, signal};
    let wait = |kind: SignalKind| async move {
        match signal(kind) {
            Ok(mut stream) => {
                stream.recv().await;
                kind.as_raw_value()
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        number = wait(SignalKind::interrupt()) => number,
        number = wait(SignalKind::terminate()) => number,
    }
}

/// Looks at the stack now and after each change of it or of a service, until `look` answers.
///
/// # Errors
/// [`Failure::Api`]; [`Failure::Unknown`] where the stack is gone.
pub(crate) async fn watch_until<T>(
    session: &Session,
    namespace: &str,
    name: &str,
    mut look: impl FnMut(&DevStack, &[ServiceSpec]) -> Option<T>,
) -> Result<T, Failure> {
    loop {
        let Some((stack, specs)) = load(session, namespace, name).await? else {
            return Err(Failure::Unknown { kind: "stack", name: name.to_owned(), nearest: Vec::new() });
        };
        if let Some(answer) = look(&stack, &specs) {
            return Ok(answer);
        }
        let mut changes = changes(session, namespace, name, &stack.resource_version().unwrap_or_default()).await?;
        while changes.next().await.is_some() {
            // What came at once is one change.
            while let Some(Some(())) = changes.next().now_or_never() {}
            let Some((stack, specs)) = load(session, namespace, name).await? else { break };
            if let Some(answer) = look(&stack, &specs) {
                return Ok(answer);
            }
        }
    }
}

/// Changes of a stack and of its services since a version of the store; ends where either watch does.
async fn changes(
    session: &Session,
    namespace: &str,
    name: &str,
    version: &str,
) -> Result<futures::stream::BoxStream<'static, ()>, Failure> {
    let stacks: Api<DevStack> = Api::namespaced(session.client.clone(), namespace);
    let specs: Api<ServiceSpec> = Api::namespaced(session.client.clone(), namespace);
    let parameters = WatchParams::default().timeout(WATCH_SECONDS);
    let own = parameters.clone().fields(&format!("metadata.name={name}"));
    let own = stacks.watch(&own, version).await.map_err(|e| api("watch", &format!("devstack {name}"), e))?;
    let of_stack = parameters.labels(&format!("{}={name}", labels::STACK));
    let of_stack = specs.watch(&of_stack, version).await.map_err(|e| api("watch", "servicespecs", e))?;
    let own = own.map(|event| matches!(event, Ok(WatchEvent::Added(_) | WatchEvent::Modified(_) | WatchEvent::Bookmark(_))));
    // A service that goes is a change, not the end.
    let of_stack = of_stack.map(|event| matches!(event, Ok(ref event) if !matches!(event, WatchEvent::Error(_))));
    let ended = || futures::stream::once(async { false });
    let both = futures::stream::select(own.chain(ended()), of_stack.chain(ended()));
    Ok(both.take_while(|goes_on| std::future::ready(*goes_on)).map(|_| ()).boxed())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn condition(kind: &str, reason: &str) -> Value {
        json!({"type": kind, "status": "False", "reason": reason, "message": "m", "lastTransitionTime": "2026-01-01T00:00:00Z"})
    }

    /// How a stack whose services have these conditions is judged: exit code and hints.
    fn judged(conditions: &[(&str, &str)]) -> Option<(u8, Vec<String>)> {
        let services: Vec<Value> = (0..conditions.len()).map(|n| json!({"name": format!("s{n}"), "adapter": "redis"})).collect();
        let ready = condition("Ready", "ServicesNotReady");
        let stack = json!({
            "apiVersion": "koan.dev/v1alpha1", "kind": "DevStack", "metadata": {"name": "shop", "generation": 1},
            "spec": {"services": services}, "status": {"observedGeneration": 1, "conditions": [ready]},
        });
        let spec = |(n, (kind, reason)): (usize, &(&str, &str))| {
            json!({
                "apiVersion": "koan.dev/v1alpha1", "kind": "ServiceSpec",
                "metadata": {"name": format!("shop-s{n}"), "labels": {"koan.dev/stack": "shop", "koan.dev/service": format!("s{n}")}},
                "spec": {"adapter": "redis"}, "status": {"conditions": [condition(kind, reason)]},
            })
        };
        let specs: Vec<ServiceSpec> =
            conditions.iter().enumerate().map(spec).map(|value| serde_json::from_value(value).unwrap()).collect();
        match judge(&serde_json::from_value(stack).unwrap(), &specs) {
            Verdict::Failed(failure) => Some((failure.exit(), failure.hints())),
            Verdict::Ready(_) | Verdict::Waiting(_) => None,
        }
    }

    /// CLI-17, CLI-18, CLI-32, REL-2: ports that cannot be had end with 5, a panic in a reconcile with 70 and what to report; if several
    /// apply, the worst in the order of the table.
    #[test]
    fn ports_end_with_5_and_a_panic_with_70() {
        for reason in ["Conflict", "Exhausted"] {
            assert_eq!(judged(&[("PortsAllocated", reason)]).unwrap().0, 5, "{reason}");
        }
        let (exit, hints) = judged(&[("PortsAllocated", "Conflict"), ("Ready", "Panic")]).unwrap();
        assert!(exit == 70 && hints[0].contains("report"), "{exit}: {hints:?}");
        assert_eq!(judged(&[("PortsAllocated", "Conflict"), ("Ready", "ReadinessTimeout")]).unwrap().0, 5);
        assert!(judged(&[("Ready", "Starting")]).is_none());
    }
}
