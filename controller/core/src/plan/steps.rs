//! Collects steps in order; each knows what it waits for.

use std::time::Duration;

use crate::identity::Owner;
use crate::inventory::WorkloadRecord;
use crate::step::{Downtime, ObjectRef, Plan, Step, StepAction, StepId};

/// Steps of one plan under construction.
#[derive(Default)]
pub(super) struct Steps {
    steps: Vec<Step>,
}

/// Why a step is done and what it costs.
pub(super) struct Cause<'a> {
    pub(super) text: &'a str,
    pub(super) evidence: &'a [String],
    pub(super) downtime: Downtime,
    pub(super) repair: bool,
}

impl<'a> Cause<'a> {
    pub(super) fn free(text: &'a str) -> Self {
        Self { text, evidence: &[], downtime: Downtime::None, repair: false }
    }
}

impl Steps {
    /// Adds a step; it waits for `after`.
    pub(super) fn add(&mut self, object: &str, action: StepAction, cause: &Cause, after: &[StepId]) -> StepId {
        let id = StepId(u32::try_from(self.steps.len()).unwrap_or(u32::MAX));
        self.steps.push(Step {
            id,
            evidence: cause.evidence.to_vec(),
            repair: cause.repair,
            downtime: cause.downtime,
            depends_on: after.to_vec(),
            ..Step::alone(object, cause.text, action)
        });
        id
    }

    /// Stops a workload that may run.
    pub(super) fn stop(&mut self, record: &WorkloadRecord, grace: Duration, cause: &Cause, after: &[StepId]) -> StepId {
        self.add(&record.name, StepAction::Stop { object: reference(record), grace }, cause, after)
    }

    /// Removes a stopped workload.
    pub(super) fn remove(&mut self, record: &WorkloadRecord, cause: &Cause, after: &[StepId]) -> StepId {
        self.add(&record.name, StepAction::Remove(reference(record)), cause, after)
    }

    pub(super) fn plan(self) -> Plan {
        Plan { steps: self.steps }
    }
}

/// The workload as a step names it: by id, with the owner that its labels must show.
pub(super) fn reference(record: &WorkloadRecord) -> ObjectRef {
    ObjectRef { name: record.name.clone(), id: Some(record.id.clone()), owner: record.owner.clone() }
}

/// A workload that this plan creates: the id is not known yet.
pub(super) fn created(name: &str, owner: &Owner) -> ObjectRef {
    ObjectRef { name: name.to_owned(), id: None, owner: owner.clone() }
}
