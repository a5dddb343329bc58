//! Deletion: stop, remove, the network when nobody is left in it, volumes only by S-2. Works without a valid manifest.

use super::steps::{Cause, Steps};
use crate::desired::Ownership;
use crate::identity::Owner;
use crate::inventory::{Inventory, VolumeRecord, WorkloadRecord, WorkloadState};
use crate::step::{Downtime, ObjectRef, Plan, StepAction, StepId};

/// Everything that goes when the object of `own` is deleted. Empty once each owned effect is gone (S-7).
///
/// `volumes` go only where the ownership says so; they are named by full name and creation time.
pub fn plan_deletion(own: &Ownership, inventory: &Inventory) -> Plan {
    let mut steps = Steps::default();
    let mine: Vec<&WorkloadRecord> = inventory.workloads.iter().filter(|record| owns(&own.owner, &record.owner)).collect();
    let mut removed = Vec::new();
    for record in &mine {
        removed.push(take_down(&mut steps, record, own, "the service is deleted"));
    }
    if own.deletes_volumes {
        for volume in inventory.volumes.iter().filter(|volume| same_place(&own.owner, &volume.owner)) {
            remove_volume(&mut steps, volume, &removed);
        }
    }
    remove_networks(&mut steps, own, inventory, &removed);
    steps.plan()
}

/// Stops and removes one workload.
pub(super) fn take_down(steps: &mut Steps, record: &WorkloadRecord, own: &Ownership, cause: &str) -> StepId {
    let cause = Cause { text: cause, evidence: &[], downtime: Downtime::Recreate, repair: false };
    let after: Vec<StepId> = may_run(record.state).then(|| steps.stop(record, own.grace, &cause, &[])).into_iter().collect();
    steps.remove(record, &cause, &after)
}

/// True where the workload has to be stopped before it can be removed.
pub(super) fn may_run(state: WorkloadState) -> bool {
    match state {
        WorkloadState::Running | WorkloadState::Paused | WorkloadState::Restarting => true,
        WorkloadState::Created | WorkloadState::Exited | WorkloadState::Removing | WorkloadState::Dead => false,
    }
}

fn remove_volume(steps: &mut Steps, volume: &VolumeRecord, after: &[StepId]) {
    let object = ObjectRef { name: volume.name.clone(), id: Some(volume.name.as_str().into()), owner: volume.owner.clone() };
    let action = StepAction::RemoveVolume { object, created_at: volume.created_at.clone() };
    steps.add(&volume.name, action, &Cause::free("the object says that its volumes go with it"), after);
}

/// The networks of the stack go with its last workload.
fn remove_networks(steps: &mut Steps, own: &Ownership, inventory: &Inventory, after: &[StepId]) {
    let others = inventory.workloads.iter().any(|record| {
        !owns(&own.owner, &record.owner)
            && record.owner.instance == own.owner.instance
            && record.owner.namespace == own.owner.namespace
            && record.owner.stack == own.owner.stack
            && own.owner.stack.is_some()
    });
    if others {
        return;
    }
    for network in inventory.networks.iter().filter(|network| owns(&own.network_owner, &network.owner)) {
        let object = ObjectRef { name: network.name.clone(), id: Some(network.id.clone()), owner: network.owner.clone() };
        steps.add(&network.name, StepAction::RemoveNetwork(object), &Cause::free("nothing is left in it"), after);
    }
}

/// Same instance and same owning object, by UID (P9).
pub(super) fn owns(own: &Owner, other: &Owner) -> bool {
    own.instance == other.instance && own.uid == other.uid
}

/// Same instance, namespace, stack and service: a volume's place; its UID names only the creator.
pub(super) fn same_place(own: &Owner, other: &Owner) -> bool {
    own.instance == other.instance && own.namespace == other.namespace && own.stack == other.stack && own.service == other.service
}
