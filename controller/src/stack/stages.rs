//! The stages of a visit: validate → render → apply children → variables and launch state → conclude → publish.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use koan_core::conclude::{Deletion, StackInput, Verdict, conclude_stack, expires_at};
use koan_core::decide::EngineVerdict;
use koan_core::validate::{StackEntry, StackOptions, ValidStack, validate_stack};
use koan_core::violation::{Violation, Violations};
use koan_crds::events::Event;
use koan_crds::labels;
use koan_crds::v1alpha1::{DevStackStatus, EngineName, ServiceSpec};
use koan_crds::vocabulary::{ConditionType, Reason};
use kube::ResourceExt;

use super::children::{self, Children, Which};
use super::visit::Visit;
use super::{env, teardown};
use crate::gather;
use crate::publish::next;
use crate::runtime::Next;
use crate::service::VisitError;

/// Children that were applied answer within this time, or the stack concludes without them.
const ANSWER: Duration = Duration::from_secs(1);

/// What a visit worked out.
struct Course {
    objects: BTreeMap<String, ServiceSpec>,
    engine: EngineVerdict,
    env_written: bool,
    plan_failure: Option<String>,
}

/// Runs every stage once.
pub(super) async fn run(visit: &mut Visit<'_>) -> Result<Next, VisitError> {
    let object = Arc::clone(&visit.object);
    tell_start(visit).await;
    let stack = match validate_stack(&object, &StackOptions::default(), visit.context.recipes) {
        Ok(stack) => stack,
        Err(violations) => return refuse(visit, &violations).await,
    };
    visit.watch(targets(&stack).into_values());
    if expired(visit, &stack) {
        return expire(visit, &stack).await;
    }
    let children = children::read(visit.context, &stack).await?;
    assert!(children.objects.len() == stack.members().count(), "{}: a service without a child", visit.key);
    if let Some(violations) = duplicate(visit, &children).await? {
        return refuse(visit, &violations).await;
    }
    assert!(!expired(visit, &stack), "{}: what is over is not brought up", visit.key);
    let applied = children::apply(visit.context, &stack, &children, Which::All).await;
    let asked = applied.as_ref().is_ok_and(|count| *count > 0);
    let plan_failure = applied.err();
    children::prune(visit.context, &object, &stack).await?;
    let env_written = write_beside(visit, &stack, &children).await?;
    let course = Course {
        objects: objects(visit, &stack).await?,
        engine: engine(visit).await?,
        env_written,
        plan_failure: plan_failure.as_ref().map(ToString::to_string),
    };
    let verdict = conclude(visit, Ok(&stack), &course, None, None);
    if asked && visit.status.observed_generation.is_some() {
        // What the children say now is about what they were: the status waits for their answer, which ends the delay.
        let verdict = verdict.without_status(visit.status.clone());
        visit.publish(verdict).await?;
        return Ok(Next::After(ANSWER));
    }
    let requeue = verdict.requeue;
    visit.publish(verdict).await?;
    match plan_failure {
        Some(error) => Err(error.into()),
        None => Ok(next(requeue)),
    }
}

/// Logs that a new generation is planned and brought up.
async fn tell_start(visit: &Visit<'_>) {
    let generation = visit.object.metadata.generation;
    if visit.status.observed_generation == generation || !visit.context.told.first(&visit.subject.identity.uid, generation) {
        return;
    }
    for (event, message) in [(Event::PlanBuildStart, "Planning the stack"), (Event::UpStart, "Bringing the stack up")] {
        visit.context.events.emit(event, false, &visit.subject.about(), message).await;
    }
}

/// Names in the stack, each with the name of its object.
fn targets(stack: &ValidStack) -> BTreeMap<String, String> {
    let target = |entry: &StackEntry| match entry {
        StackEntry::Inline(member) => (member.name.clone(), member.object.name_any()),
        StackEntry::Reference { name, target } => (name.clone(), target.clone()),
    };
    stack.entries.iter().map(target).collect()
}

async fn objects(visit: &Visit<'_>, stack: &ValidStack) -> Result<BTreeMap<String, ServiceSpec>, VisitError> {
    let mut found = BTreeMap::new();
    for name in targets(stack).into_values() {
        if let Some(object) = visit.context.reader.service(&stack.namespace, &name).await? {
            found.insert(name, ServiceSpec::clone(&object));
        }
    }
    Ok(found)
}

/// The life of the stack is over: its time since the last spec change.
fn expired(visit: &Visit<'_>, stack: &ValidStack) -> bool {
    let started = visit.status.timeline.as_ref().and_then(|timeline| timeline.started_at.as_ref());
    let current = visit.status.observed_generation == visit.object.metadata.generation;
    let end = started.filter(|_| current).and_then(|started| expires_at(stack, started.0));
    end.is_some_and(|end| visit.context.clock.now() >= end)
}

/// The end of its life stands in the status before the stack is deleted, so that it is told once.
async fn expire(visit: &mut Visit<'_>, stack: &ValidStack) -> Result<Next, VisitError> {
    assert!(stack.ttl.is_some(), "{}: a stack without a time to live came to its end (P20)", visit.key);
    let env_written = visit.status.env_secret.is_some();
    let course = Course { objects: objects(visit, stack).await?, engine: engine(visit).await?, env_written, plan_failure: None };
    let verdict = conclude(visit, Ok(stack), &course, None, None);
    visit.publish(verdict).await?;
    teardown::expire(visit.context, &visit.object).await?;
    Ok(Next::Rest)
}

/// A name that something else already has.
async fn duplicate(visit: &Visit<'_>, children: &Children) -> Result<Option<Violations>, VisitError> {
    let taken = match children::taken(&visit.object, children) {
        Some(taken) => Some(taken),
        None => env::taken(visit.context, &visit.object).await?,
    };
    Ok(taken.and_then(|(name, owner)| {
        let violation = Violation::invalid("metadata.name", format!("the name {name} already belongs to {owner}"))
            .because(Reason::DuplicateName)
            .hint("rename this stack or the service, or delete the other object");
        Violations::new(vec![violation])
    }))
}

/// Variables and launch state, once all decisions stand; true when they are up to date.
async fn write_beside(visit: &Visit<'_>, stack: &ValidStack, children: &Children) -> Result<bool, VisitError> {
    if !env::all_decided(children) {
        return Ok(false);
    }
    let variables = env::variables(visit.context, stack).await?;
    env::write_launch(visit.context, &visit.object, stack, children).await?;
    env::write_env(visit.context, &visit.object, &variables).await?;
    Ok(true)
}

/// The engine of the stack, as its services were promised it, in the words of the first that says why. After a restart
/// nothing is promised yet, and their statuses tell it.
async fn engine(visit: &Visit<'_>) -> Result<EngineVerdict, VisitError> {
    let context = visit.context;
    let children = children::owned(context, &visit.object).await?;
    let promised = context.arbiter.engine(&visit.subject.identity.uid);
    let told = |engine: EngineName| Some((engine, children.iter().find_map(|child| gather::told(child, engine))?));
    let told = promised.map_or_else(|| context.pool.names().find_map(told), told);
    let Some(engine) = promised.or_else(|| told.as_ref().map(|(engine, _)| *engine)) else {
        return Ok(obstacle(visit, &children));
    };
    Ok(match context.pool.info(engine).await {
        Some(info) if info.available => {
            let evidence = told.into_iter().map(|(_, words)| words).collect();
            EngineVerdict::Selected { engine, version: info.version, endpoint: info.endpoint, evidence }
        }
        info => {
            let reason = info.as_ref().and_then(|info| info.reason.as_deref()).unwrap_or("does not answer");
            let remedy = info.as_ref().and_then(|info| info.remedy.clone()).unwrap_or_else(|| format!("start {engine:?}"));
            EngineVerdict::Unreachable { engine, message: format!("{engine:?}: {reason}"), remedy }
        }
    })
}

/// Why no service got an engine, as the first of them says; none was needed where none says so.
fn obstacle(visit: &Visit<'_>, children: &[Arc<ServiceSpec>]) -> EngineVerdict {
    let conditions = children.iter().filter_map(|child| child.status.as_ref()).flat_map(|status| &status.conditions);
    let failed = conditions
        .into_iter()
        .find(|condition| condition.type_ == ConditionType::EngineSelected.as_str() && condition.status == "False")
        .cloned();
    let Some(failed) = failed else { return EngineVerdict::NotNeeded };
    let (message, remedy) = failed.message.rsplit_once("; ").unwrap_or((failed.message.as_str(), ""));
    let (message, remedy) = (message.to_owned(), remedy.to_owned());
    match Reason::parse(&failed.reason) {
        Some(Reason::ForcedUnavailable) => {
            EngineVerdict::ForcedUnavailable { engine: visit.object.spec.engine.name, message, remedy }
        }
        _ => EngineVerdict::NoneAvailable { message, remedy },
    }
}

fn conclude(
    visit: &Visit<'_>,
    valid: Result<&ValidStack, &Violations>,
    course: &Course,
    deletion: Option<&Deletion>,
    panic: Option<&str>,
) -> Verdict<DevStackStatus> {
    conclude_stack(&StackInput {
        generation: visit.object.metadata.generation.unwrap_or_default(),
        valid,
        objects: &course.objects,
        engine: &course.engine,
        env_written: course.env_written,
        plan_failure: course.plan_failure.as_deref(),
        deletion,
        panic,
        old: &visit.status,
        now: visit.context.clock.now(),
    })
}

fn nothing() -> Course {
    Course { objects: BTreeMap::new(), engine: EngineVerdict::NotNeeded, env_written: false, plan_failure: None }
}

/// A stack that is not accepted: no effect on its services, and the user sees each violation.
async fn refuse(visit: &mut Visit<'_>, violations: &Violations) -> Result<Next, VisitError> {
    let verdict = conclude(visit, Err(violations), &nothing(), None, None);
    let requeue = verdict.requeue;
    visit.publish(verdict).await?;
    Ok(next(requeue))
}

/// The last visits of a stack: its services in reverse order, then the finalizer.
pub(super) async fn depart(visit: &mut Visit<'_>) -> Result<Next, VisitError> {
    let context = visit.context;
    let object = Arc::clone(&visit.object);
    let valid = validate_stack(&object, &StackOptions::default(), context.recipes);
    if let Ok(stack) = &valid
        && object.annotations().contains_key(labels::DELETE_VOLUMES)
    {
        // The wish to delete volumes reaches each service before its deletion does.
        let children = children::read(context, stack).await?;
        children::apply(context, stack, &children, Which::Existing).await?;
    }
    if !began_to_go(&visit.status) {
        context.events.emit(Event::DownStart, false, &visit.subject.about(), "Taking the stack down").await;
    }
    let left = teardown::wave(context, &object).await?;
    visit.watch(left.iter().map(|child| child.name_any()));
    if left.is_empty() {
        assert!(object.metadata.deletion_timestamp.is_some(), "{}: a stack that stays takes nothing down", visit.key);
        env::drop_launch(context, &object).await?;
        visit.subject.release().await?;
        context.arbiter.release_engine(&visit.subject.identity.uid);
        context.told.forget(&visit.subject.identity.uid);
        context.events.emit(Event::DownOk, false, &visit.subject.about(), "The stack was taken down").await;
        return Ok(Next::Rest);
    }
    let deletion = blocked(&left);
    if deletion == Deletion::Running && says_terminating(&visit.status) {
        // What is left is told by the services themselves; the stack says so once.
        return Ok(Next::Rest);
    }
    let objects = left.iter().map(|child| (child.name_any(), ServiceSpec::clone(child))).collect();
    let course = Course { objects, engine: engine(visit).await?, env_written: true, plan_failure: None };
    let verdict = conclude(visit, valid.as_ref(), &course, Some(&deletion), None);
    let requeue = verdict.requeue;
    visit.publish(verdict).await?;
    Ok(next(requeue))
}

/// The status says that deletion goes on and nothing is in its way.
fn says_terminating(status: &DevStackStatus) -> bool {
    let blocked = |condition: &Condition| condition.type_ == ConditionType::CleanupBlocked.as_str();
    began_to_go(status) && !status.conditions.iter().any(blocked)
}

/// The status says that deletion goes on.
fn began_to_go(status: &DevStackStatus) -> bool {
    let ready = status.conditions.iter().find(|condition| condition.type_ == ConditionType::Ready.as_str());
    ready.is_some_and(|ready| ready.reason == Reason::Terminating.as_str())
}

/// What is in the way of the services' deletion, as the first of them says.
fn blocked(left: &[Arc<ServiceSpec>]) -> Deletion {
    let conditions = left.iter().filter_map(|child| child.status.as_ref()).flat_map(|status| &status.conditions);
    let found = conditions
        .into_iter()
        .find(|condition| condition.type_ == ConditionType::CleanupBlocked.as_str() && condition.status == "True");
    match found {
        Some(condition) => Deletion::Blocked {
            reason: Reason::parse(&condition.reason).unwrap_or(Reason::EngineUnreachable),
            message: condition.message.clone(),
        },
        None => Deletion::Running,
    }
}

/// The verdict about a panic (REL-2).
pub(super) async fn show_panic(visit: &mut Visit<'_>, message: &str) -> Result<(), VisitError> {
    let object = Arc::clone(&visit.object);
    let valid = validate_stack(&object, &StackOptions::default(), visit.context.recipes);
    let mut course = nothing();
    if let Ok(stack) = &valid {
        course.objects = objects(visit, stack).await?;
    }
    let verdict = conclude(visit, valid.as_ref(), &course, None, Some(message));
    visit.publish(verdict).await?;
    Ok(())
}
