//! One function per condition of a stack, each a summary of the services.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use koan_crds::v1alpha1::{ServiceSpec, ServiceSpecStatus};
use koan_crds::vocabulary::{ConditionType, Reason};

use super::conditions::Judged;
use super::service::Deletion;
use super::stack::{StackInput, StackJudgement};

/// An entry of the stack and the object behind it.
pub(super) struct Member<'a> {
    pub(super) name: &'a str,
    pub(super) object: Option<&'a ServiceSpec>,
}

impl<'a> Member<'a> {
    /// Status of the object, where it describes the object's present generation.
    pub(super) fn status(&self) -> Option<&'a ServiceSpecStatus> {
        let object = self.object?;
        object.status.as_ref().filter(|status| status.observed_generation == object.metadata.generation)
    }

    /// A condition of the object's present generation.
    pub(super) fn condition(&self, kind: ConditionType) -> Option<&'a Condition> {
        self.status()?.conditions.iter().find(|condition| condition.type_ == kind.as_str())
    }

    fn reason(&self, kind: ConditionType) -> Option<Reason> {
        self.condition(kind).and_then(|condition| Reason::parse(&condition.reason))
    }

    /// It leaves the count (DET-3).
    fn disabled(&self) -> bool {
        self.reason(ConditionType::Ready) == Some(Reason::Disabled)
    }

    /// Its own specification was refused.
    fn refused(&self) -> bool {
        self.reason(ConditionType::Accepted).is_some_and(|reason| !matches!(reason, Reason::Valid | Reason::Pending))
    }

    fn ready(&self) -> bool {
        self.condition(ConditionType::Ready).is_some_and(|condition| condition.status == "True")
    }
}

/// Ready services of all that count, such as `5/6`.
pub(super) fn count(members: &[Member]) -> String {
    let counted = members.iter().filter(|member| !member.disabled());
    let (ready, all) = counted.fold((0, 0), |(ready, all), member| (ready + usize::from(member.ready()), all + 1));
    format!("{ready}/{all}")
}

/// Every condition of a stack.
pub(super) fn judge(input: &StackInput, members: &[Member], expired: bool) -> StackJudgement {
    let blocked = match input.deletion {
        Some(Deletion::Blocked { reason, message }) => Some(Judged::yes(*reason, message.clone())),
        Some(Deletion::Running) | None => None,
    };
    let accepted = match input.valid {
        Ok(_) => Judged::yes(Reason::Valid, "the specification is valid"),
        Err(violations) => Judged::no(violations.reason(), violations.sentence()),
    };
    if input.valid.is_err() {
        let pending = || Judged::pending("the specification is not accepted");
        let text = format!("not accepted: {}", accepted.message);
        return StackJudgement {
            ready: special(input).unwrap_or_else(|| Judged::no(Reason::ServicesNotReady, text)),
            accepted,
            planned: pending(),
            engine: pending(),
            ports: pending(),
            blocked,
        };
    }
    StackJudgement {
        ready: ready(input, members, expired),
        accepted,
        planned: planned(input, members),
        engine: engine(input, members),
        ports: ports(members),
        blocked,
    }
}

fn special(input: &StackInput) -> Option<Judged> {
    match (input.panic, input.deletion) {
        (Some(text), _) => Some(Judged::no(Reason::Panic, format!("Koan met a bug of its own: {text}"))),
        (None, Some(_)) => Some(Judged::no(Reason::Terminating, "the stack is being deleted")),
        (None, None) => None,
    }
}

fn planned(input: &StackInput, members: &[Member]) -> Judged {
    if let Some(message) = input.plan_failure {
        return Judged::no(Reason::PlanFailed, message);
    }
    let open: Vec<&str> = members.iter().filter(|member| member.status().is_none()).map(|member| member.name).collect();
    if open.is_empty() {
        Judged::yes(Reason::Planned, format!("{} services are planned", members.len()))
    } else {
        Judged::pending(format!("not decided yet: {}", open.join(", ")))
    }
}

/// The worst that any service says, then the choice.
fn engine(input: &StackInput, members: &[Member]) -> Judged {
    let refused = members.iter().find_map(|member| {
        let condition = member.condition(ConditionType::EngineSelected).filter(|condition| condition.status == "False")?;
        Some(Judged::no(Reason::parse(&condition.reason)?, condition.message.clone()))
    });
    if let Some(refused) = refused {
        return refused;
    }
    let undecided = members
        .iter()
        .filter(|member| !member.disabled() && !member.refused())
        .any(|member| member.condition(ConditionType::EngineSelected).is_none_or(|condition| condition.status == "Unknown"));
    if undecided {
        return Judged::pending("the decisions do not stand yet");
    }
    super::conditions::engine(input.engine, true)
}

fn ports(members: &[Member]) -> Judged {
    let failed: Vec<(&str, &Condition)> = members
        .iter()
        .filter_map(|member| Some((member.name, member.condition(ConditionType::PortsAllocated)?)))
        .filter(|(_, condition)| condition.status == "False")
        .collect();
    if let Some((_, first)) = failed.first() {
        let text: Vec<String> = failed.iter().map(|(name, condition)| format!("{name}: {}", condition.message)).collect();
        return Judged::no(Reason::parse(&first.reason).unwrap_or(Reason::Exhausted), text.join("; "));
    }
    let open = members
        .iter()
        .filter(|member| !member.disabled())
        .any(|member| member.condition(ConditionType::PortsAllocated).is_none_or(|condition| condition.status != "True"));
    if open {
        Judged::pending("not every service has its ports yet")
    } else {
        Judged::yes(Reason::Allocated, "each published port has a host port")
    }
}

/// This very generation was ready already: that an object could not be put back says nothing against it.
fn stood(input: &StackInput) -> bool {
    let ready = |condition: &Condition| condition.type_ == ConditionType::Ready.as_str() && condition.status == "True";
    input.old.observed_generation == Some(input.generation) && input.old.conditions.iter().any(ready)
}

fn ready(input: &StackInput, members: &[Member], expired: bool) -> Judged {
    if let Some(special) = special(input) {
        return special;
    }
    if expired {
        return Judged::no(Reason::Expired, "its time to live is over");
    }
    if input.valid.is_ok_and(|stack| stack.suspend) {
        return Judged::no(Reason::Suspended, "the stack is suspended; its data and ports are kept");
    }
    if let Some(message) = input.plan_failure.filter(|_| !stood(input)) {
        // What is ready is still the specification before this one.
        return Judged::no(Reason::ServicesNotReady, format!("not every service has its specification: {message}"));
    }
    let waiting: Vec<&Member> = members.iter().filter(|member| !member.disabled() && !member.ready()).collect();
    if waiting.is_empty() {
        return Judged::yes(Reason::AllReady, format!("{} services are ready", count(members)));
    }
    let late: Vec<&str> = waiting
        .iter()
        .filter(|member| member.reason(ConditionType::Ready) == Some(Reason::ReadinessTimeout))
        .map(|member| member.name)
        .collect();
    if !late.is_empty() {
        return Judged::no(Reason::ReadinessTimeout, format!("not ready in time: {}", late.join(", ")));
    }
    let names: Vec<String> = waiting
        .iter()
        .map(|member| format!("{} ({})", member.name, member.reason(ConditionType::Ready).unwrap_or(Reason::Pending)))
        .collect();
    Judged::no(Reason::ServicesNotReady, format!("not ready: {}", names.join(", ")))
}
