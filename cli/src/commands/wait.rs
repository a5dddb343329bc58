use std::time::Duration;

use clap::Args;
use koan_crds::v1alpha1::ServiceSpec;

use super::{Run, target};
use crate::failure::{Failure, suggest};
use crate::follow::{self, Verdict};
use crate::home::Session;
use crate::output::ServiceView;

/// Wait for a condition of a stack or of one service
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// NAME of the stack, or NAME/SERVICE
    name: String,
    /// condition=TYPE[=VALUE], Completed or Deleted
    #[arg(long = "for", default_value = "condition=Ready", value_name = "WHAT")]
    what: String,
}

/// Longest wait where no --timeout is given.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

/// What is waited for.
enum Goal {
    Condition { type_: String, value: String },
    Completed,
    Deleted,
}

pub(crate) async fn run(run: &Run, arguments: &Arguments) -> Result<u8, Failure> {
    let goal = goal(&arguments.what)?;
    let (stack, service) = arguments.name.split_once('/').map_or((arguments.name.as_str(), None), |(s, v)| (s, Some(v)));
    let Some(session) = target::session(run).await? else {
        return match goal {
            Goal::Deleted => Ok(0),
            Goal::Condition { .. } | Goal::Completed => {
                Err(Failure::Unknown { kind: "stack", name: stack.to_owned(), nearest: Vec::new() })
            }
        };
    };
    let timeout = run.settings.timeout.unwrap_or(DEFAULT_TIMEOUT);
    match follow::bounded(Some(timeout), wait(&session, stack, service, &goal)).await {
        Some(answer) => answer.map(|()| 0),
        None => Err(Failure::Timeout {
            message: format!("`{}` is not {} after {}s", arguments.name, arguments.what, timeout.as_secs()),
            hints: Vec::new(),
        }),
    }
}

fn goal(text: &str) -> Result<Goal, Failure> {
    match text.split_once('=') {
        Some(("condition", rest)) if !rest.is_empty() => {
            let (type_, value) = rest.split_once('=').unwrap_or((rest, "True"));
            Ok(Goal::Condition { type_: type_.to_owned(), value: value.to_owned() })
        }
        None if text.eq_ignore_ascii_case("completed") => Ok(Goal::Completed),
        None if text.eq_ignore_ascii_case("deleted") || text.eq_ignore_ascii_case("delete") => Ok(Goal::Deleted),
        _ => Err(Failure::Usage {
            message: format!("--for: `{text}` is nothing to wait for"),
            hint: "condition=Ready, condition=Ready=False, Completed or Deleted".to_owned(),
        }),
    }
}

async fn wait(session: &Session, stack: &str, service: Option<&str>, goal: &Goal) -> Result<(), Failure> {
    let namespace = session.namespace.clone();
    let mut missing = None;
    let waiting = follow::watch_until(session, &namespace, stack, |object, specs| {
        let Some(service) = service else {
            return match (goal, follow::judge(object, specs)) {
                (Goal::Deleted, _) => None,
                (Goal::Completed, Verdict::Ready(_)) => Some(Ok(())),
                (Goal::Condition { type_, value }, _)
                    if holds(object.status.iter().flat_map(|s| &s.conditions), type_, value) =>
                {
                    Some(Ok(()))
                }
                (Goal::Condition { .. } | Goal::Completed, Verdict::Failed(failure)) => Some(Err(failure)),
                (Goal::Condition { .. } | Goal::Completed, Verdict::Ready(_) | Verdict::Waiting(_)) => None,
            };
        };
        let found = specs.iter().find(|spec| ServiceView::of(spec).name == service);
        let declared = object.spec.services.iter().any(|s| s.name == service);
        match (found, goal) {
            (None, Goal::Deleted) => Some(Ok(())),
            (None, _) if !declared => {
                let names = object.spec.services.iter().map(|s| s.name.clone());
                missing = Some(Failure::Unknown { kind: "service", name: service.to_owned(), nearest: suggest(service, names) });
                Some(Ok(()))
            }
            (None, _) | (Some(_), Goal::Deleted) => None,
            (Some(spec), goal) => service_answer(object, spec, goal),
        }
    });
    match waiting.await {
        Ok(answer) => missing.map_or(answer, Err),
        Err(Failure::Unknown { .. }) if matches!(goal, Goal::Deleted) => Ok(()),
        Err(failure) => Err(failure),
    }
}

fn service_answer(stack: &koan_crds::v1alpha1::DevStack, spec: &ServiceSpec, goal: &Goal) -> Option<Result<(), Failure>> {
    let conditions = || spec.status.iter().flat_map(|s| &s.conditions);
    let met = match goal {
        Goal::Condition { type_, value } => holds(conditions(), type_, value),
        Goal::Completed => conditions().any(|c| c.type_ == "Ready" && c.status == "True" && c.reason == "Completed"),
        Goal::Deleted => false,
    };
    if met {
        return Some(Ok(()));
    }
    let mut alone = stack.clone();
    alone.status = None;
    alone.metadata.generation = None;
    match follow::judge(&alone, std::slice::from_ref(spec)) {
        Verdict::Failed(failure) => Some(Err(failure)),
        Verdict::Ready(_) | Verdict::Waiting(_) => None,
    }
}

fn holds<'a>(
    conditions: impl Iterator<Item = &'a k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition>,
    type_: &str,
    value: &str,
) -> bool {
    conditions.into_iter().any(|c| c.type_ == type_ && c.status.eq_ignore_ascii_case(value))
}
