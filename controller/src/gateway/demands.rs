//! What must hold of every effect before it is sent, whoever asks for it: a violation is a bug of Koan and is told as one (REL-2,
//! REL-7). Nothing here depends on what users or engines do.

use koan_core::identity::Owner;
use koan_core::outcome::{Done, Outcome};
use koan_core::step::{ObjectRef, Step, StepAction};
use koan_core::workload::WorkloadSpec;
use koan_crds::labels;
use serde_json::Value;

use super::effect::{ApiKind, ApiVerb, ApiWrite, Effect};

/// Holds an effect to what must be true of it.
pub(super) fn check(effect: &Effect) {
    match effect {
        Effect::Api(write) => check_write(write),
        Effect::Engine { engine: _, step } => check_step(step),
    }
}

fn check_write(write: &ApiWrite) {
    let subject = format!("{} {} {}/{}", write.verb.as_str(), write.kind.as_str(), write.namespace, write.name);
    assert!(!write.namespace.is_empty() && !write.name.is_empty(), "{subject}: a write names its object");
    assert!(may_write(write), "{subject}: {} does not write this", write.manager);
    let has = |pointer: &str| write.body.pointer(pointer).is_some();
    let says = |pointer: &str| write.body.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    match write.verb {
        ApiVerb::Apply | ApiVerb::Create => {
            assert!(says("/kind") == write.kind.as_str(), "{subject}: the body is of another kind");
            assert!(says("/apiVersion") == write.kind.api_version(), "{subject}: the body is of another version");
            assert!(!has("/status"), "{subject}: a status goes by its subresource alone");
            assert!(!has("/metadata/uid"), "{subject}: nobody but the server gives a UID");
            let instance = write.body.pointer("/metadata/labels").and_then(|all| all.get(labels::INSTANCE));
            let marked = instance.and_then(Value::as_str).is_some_and(|instance| !instance.is_empty());
            assert!(marked || write.kind == ApiKind::ServiceSpec, "{subject}: it would carry no instance label (B-5)");
        }
        ApiVerb::Status => {
            assert!(!says("/metadata/uid").is_empty(), "{subject}: a status write names the UID (S-8)");
            assert!(!says("/metadata/resourceVersion").is_empty(), "{subject}: a status write names the version (S-8)");
            assert!(has("/status") && !has("/spec"), "{subject}: a status write writes the status alone");
        }
        ApiVerb::Patch => {
            assert!(!says("/metadata/uid").is_empty(), "{subject}: a patch names the UID (S-8)");
            assert!(!says("/metadata/resourceVersion").is_empty(), "{subject}: a patch names the version (S-8)");
            let fields = write.body.as_object().map_or(0, serde_json::Map::len);
            let notes = write.body.pointer("/metadata/annotations").and_then(Value::as_object);
            let of_restart = |name: &String| [labels::RESTART, labels::RESTART_GRACE].contains(&name.as_str());
            let restart = notes.is_some_and(|notes| notes.keys().all(of_restart));
            assert!(
                fields == 1 && has("/metadata/finalizers") != restart && restart == notes.is_some(),
                "{subject}: a patch sets finalizers, or asks for a restart, alone"
            );
        }
        ApiVerb::Delete => {
            assert!(!says("/uid").is_empty(), "{subject}: a delete names the UID (S-8)");
            assert!(!says("/resourceVersion").is_empty(), "{subject}: a delete follows an uncached read of that version (S-8)");
        }
    }
}

/// Who writes what (architecture, "who writes what"): each controller its own kind's status and finalizers, the stack controller
/// the children, and nobody a manifest of the user's.
fn may_write(write: &ApiWrite) -> bool {
    let (by_stack, by_service) = (write.manager == labels::MANAGER_STACK, write.manager == labels::MANAGER_SERVICE);
    match (write.kind, write.verb) {
        (ApiKind::DevStack, ApiVerb::Status | ApiVerb::Patch | ApiVerb::Delete) => by_stack,
        (ApiKind::DevStack, ApiVerb::Apply | ApiVerb::Create) => false,
        (ApiKind::ServiceSpec, ApiVerb::Status | ApiVerb::Patch) => by_service,
        (ApiKind::ServiceSpec, ApiVerb::Apply | ApiVerb::Delete) => by_stack,
        (ApiKind::ServiceSpec, ApiVerb::Create) => false,
        (ApiKind::ConfigMap, ApiVerb::Apply | ApiVerb::Delete) => by_stack,
        (ApiKind::ConfigMap, ApiVerb::Create | ApiVerb::Status | ApiVerb::Patch) => false,
        (ApiKind::Secret, ApiVerb::Apply) => by_stack || by_service,
        (ApiKind::Secret, ApiVerb::Create | ApiVerb::Delete) => by_service,
        (ApiKind::Secret, ApiVerb::Status | ApiVerb::Patch) => false,
        (ApiKind::Event, ApiVerb::Create) => by_service,
        (ApiKind::Event, ApiVerb::Apply | ApiVerb::Status | ApiVerb::Patch | ApiVerb::Delete) => false,
    }
}

fn check_step(step: &Step) {
    let subject = format!("{} {}", step.action.verb(), step.object);
    assert!(!step.object.is_empty(), "{subject}: a step names its object");
    assert!(!step.cause.is_empty(), "{subject}: a step has a cause");
    assert!(step.depends_on.iter().all(|before| *before < step.id), "{subject}: a step waits for earlier ones alone");
    assert!(step.data_effect == step.action.data_effect(), "{subject}: the price that was shown is not the price");
    match &step.action {
        StepAction::EnsureNetwork(network) => {
            check_owner(&subject, &network.owner);
            assert!(network.owner.service.is_empty(), "{subject}: a network belongs to a stack or an object, not to a service");
        }
        StepAction::EnsureVolume(volume) => {
            check_owner(&subject, &volume.owner);
            assert!(!volume.path.is_empty(), "{subject}: a volume serves a path");
            assert!(!volume.name.is_empty() && volume.name == step.object, "{subject}: a volume is made under its own name");
        }
        StepAction::EnsureImage(image) => assert!(!image.reference.is_empty(), "{subject}: an image has a reference"),
        StepAction::Create(workload) => check_workload(&subject, workload),
        StepAction::Start(object) => check_owner(&subject, &object.owner),
        StepAction::Stop { object, .. } | StepAction::Remove(object) | StepAction::RemoveNetwork(object) => {
            check_target(&subject, object);
        }
        StepAction::RemoveVolume { object, created_at: _ } => {
            check_target(&subject, object);
            let named = object.id.as_ref().is_some_and(|id| id.0 == object.name);
            assert!(named, "{subject}: the id of a volume is its full name (S-2)");
        }
    }
}

fn check_workload(subject: &str, workload: &WorkloadSpec) {
    check_owner(subject, &workload.owner);
    assert!(!workload.owner.service.is_empty(), "{subject}: a workload belongs to a service");
    assert!(!workload.hash.0.is_empty(), "{subject}: a workload carries the hash of what it is");
}

/// What is destroyed is named by its id, and by the owner that its labels must show (S-3).
fn check_target(subject: &str, object: &ObjectRef) {
    check_owner(subject, &object.owner);
    assert!(object.id.is_some(), "{subject}: what is stopped or removed is named by its id (S-3)");
}

fn check_owner(subject: &str, owner: &Owner) {
    assert!(!owner.instance.0.is_empty(), "{subject}: an owner has an instance (B-5)");
    assert!(!owner.uid.0.is_empty(), "{subject}: an owner has a UID (B-5)");
    assert!(!owner.namespace.is_empty(), "{subject}: an owner has a namespace");
}

/// Holds the reply of an engine to what the next step relies on.
pub(super) fn check_outcome(step: &Step, outcome: &Outcome) {
    let Outcome::Done(Done { id, .. }) = outcome else { return };
    let named = matches!(step.action, StepAction::Create(_) | StepAction::EnsureNetwork(_));
    assert!(!named || id.is_some(), "{} {}: done, and what was made has no id", step.action.verb(), step.object);
}
