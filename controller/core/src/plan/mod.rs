//! `plan`: ordered steps with a cause, a price and their dependencies; empty when converged.

mod deletion;
mod service;
mod steps;

pub use deletion::plan_deletion;
pub use service::{hold, plan};

use crate::step::{Plan, Step, StepAction, StepId};

/// The plans of a stack's services as one: ids renumbered, what several services ask for listed once.
pub fn plan_stack(plans: impl IntoIterator<Item = Plan>) -> Plan {
    let mut steps: Vec<Step> = Vec::new();
    for plan in plans {
        let mut ids: Vec<StepId> = Vec::new();
        for step in plan.steps {
            let same = steps.iter().find(|known| shared(&known.action) && known.action == step.action).map(|known| known.id);
            let id = same.unwrap_or_else(|| StepId(u32::try_from(steps.len()).unwrap_or(u32::MAX)));
            let depends_on = step.depends_on.iter().filter_map(|old| ids.get(old.0 as usize)).copied().collect();
            ids.push(id);
            if same.is_none() {
                steps.push(Step { id, depends_on, ..step });
            }
        }
    }
    Plan { steps }
}

/// True for steps that several services of a stack may ask for.
fn shared(action: &StepAction) -> bool {
    match action {
        StepAction::EnsureNetwork(_) | StepAction::EnsureImage(_) | StepAction::EnsureVolume(_) => true,
        StepAction::Create(_)
        | StepAction::Start(_)
        | StepAction::Stop { .. }
        | StepAction::Remove(_)
        | StepAction::RemoveNetwork(_)
        | StepAction::RemoveVolume { .. } => false,
    }
}
