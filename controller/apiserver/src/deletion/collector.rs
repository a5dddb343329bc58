//! Owners and dependents, after the reference's garbage collector: uids decide, never names.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Task, in_portions};
use crate::crds::stored_resource;
use crate::handlers::{DeleteOptions, FOREGROUND, Internal, ORPHAN, Propagation};
use crate::server::Core;
use crate::status::Failure;
use crate::store::{Key, Object, Owner};

/// How one owner of an object stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It lives, or nothing is known of its kind.
    Alive,
    /// It waits for its dependents to go first.
    Waiting,
    /// It is gone, or another object has its name.
    Gone,
}

fn internal(core: &Arc<Core>, key: &Key) -> Option<Internal> {
    Some(Internal::new(core, &stored_resource(core, &key.kind)?, key.namespace(), key.name()))
}

fn standing(core: &Core, dependent: &Object, owner: &Owner) -> Standing {
    let registry = core.registry();
    let Some(resource) = registry.find_kind(&owner.api_version, &owner.kind) else { return Standing::Alive };
    if resource.namespaced && dependent.meta.namespace.is_empty() {
        // Such a reference cannot be looked up; the reference leaves it alone.
        return Standing::Alive;
    }
    let namespace = if resource.namespaced { dependent.meta.namespace.as_str() } else { "" };
    match core.store.get(&Key::new(&resource.storage, namespace, &owner.name)) {
        Some(found) if found.meta.uid == owner.uid => {
            let foreground = found.deleting() && found.meta.finalizers.iter().any(|finalizer| finalizer == FOREGROUND);
            if foreground && owner.block_owner_deletion == Some(true) { Standing::Waiting } else { Standing::Alive }
        }
        Some(_) | None => Standing::Gone,
    }
}

/// Deletes the object under `key` when none of its owners lives, or strips the dead ones when one does.
pub(super) async fn check(core: &Arc<Core>, key: &Key) -> Result<(), Failure> {
    let Some(object) = core.store.get(key) else { return Ok(()) };
    assert!(object.meta.name == key.name(), "{}: the store answered with {}", key.path, object.meta.name);
    let foreground = object.meta.finalizers.iter().any(|finalizer| finalizer == FOREGROUND);
    if object.meta.owner_references.is_empty() || (object.deleting() && !foreground) {
        return Ok(());
    }
    let Some(internal) = internal(core, key) else { return Ok(()) };
    let standings: Vec<(String, Standing)> =
        object.meta.owner_references.iter().map(|owner| (owner.uid.clone(), standing(core, &object, owner))).collect();
    let any = |wanted: Standing| standings.iter().any(|(_, standing)| *standing == wanted);
    if any(Standing::Alive) {
        let dead: Vec<&str> =
            standings.iter().filter(|(_, standing)| *standing != Standing::Alive).map(|(uid, _)| uid.as_str()).collect();
        assert!(dead.len() < standings.len(), "{}: the owner that lives would be taken off", key.path);
        return if dead.is_empty() { Ok(()) } else { internal.edit(&|value| without_owners(value, &dead)).await };
    }
    assert!(!standings.is_empty(), "{}: nothing without an owner is collected (API-15)", key.path);
    let propagation = if any(Standing::Waiting) && !core.store.dependents(&object.meta.uid).is_empty() {
        unblock_cycle(core, &object, &internal).await?;
        Propagation::Foreground
    } else if object.meta.finalizers.iter().any(|finalizer| finalizer == ORPHAN) {
        Propagation::Orphan
    } else if foreground {
        Propagation::Foreground
    } else {
        Propagation::Background
    };
    if object.deleting() {
        return Ok(());
    }
    assert!(!object.meta.uid.is_empty(), "{}: what is collected is named by its uid", key.path);
    let options = DeleteOptions {
        propagation: Some(propagation),
        uid: Some(object.meta.uid.clone()),
        version: None,
        dry_run: false,
        grace: None,
    };
    match internal.delete(&options).await {
        Ok(_) => Ok(()),
        Err(failure) if matches!(failure.code(), 404 | 409) => Ok(()),
        Err(failure) => Err(failure),
    }
}

/// An object whose own dependent already waits for it would wait for ever; its references then stop blocking.
async fn unblock_cycle(core: &Arc<Core>, object: &Object, internal: &Internal) -> Result<(), Failure> {
    let waits = core.store.dependents(&object.meta.uid).iter().any(|key| {
        core.store
            .get(key)
            .is_some_and(|found| found.deleting() && found.meta.finalizers.iter().any(|finalizer| finalizer == FOREGROUND))
    });
    if !waits {
        return Ok(());
    }
    internal
        .edit(&|value| {
            if !is(value, &object.meta.uid) {
                return None;
            }
            let mut next = value.clone();
            for owner in next["metadata"]["ownerReferences"].as_array_mut().into_iter().flatten() {
                owner["blockOwnerDeletion"] = json!(false);
            }
            (next != *value).then_some(next)
        })
        .await
}

/// The owner `uid` is gone: everything that names it is looked at.
pub(super) fn release(core: &Core, uid: &str) {
    for key in core.store.dependents(uid) {
        core.work.add(Task::Check(key));
    }
}

/// Takes the collector's finalizers off the object `uid` once its dependents are let go or gone.
pub(super) async fn finish(core: &Arc<Core>, uid: &str) -> Result<(), Failure> {
    let Some(key) = core.store.find_uid(uid) else { return Ok(()) };
    // Another object may have come under its name meanwhile.
    let same = |object: &Arc<Object>| object.meta.uid == uid && object.deleting();
    let Some(object) = core.store.get(&key).filter(same) else { return Ok(()) };
    let Some(internal) = internal(core, &key) else { return Ok(()) };
    let has = |wanted: &str| object.meta.finalizers.iter().any(|finalizer| finalizer == wanted);
    let dependents = core.store.dependents(uid);
    if has(ORPHAN) {
        let releases = dependents
            .iter()
            .filter_map(|dependent| self::internal(core, dependent))
            .map(|dependent| async move { dependent.edit(&|value| without_owners(value, &[uid])).await });
        let released: Vec<Result<(), Failure>> = in_portions(releases.collect()).await;
        assert!(released.len() <= dependents.len(), "{uid}: more was let go than was held");
        released.into_iter().collect::<Result<(), Failure>>()?;
        return internal.edit(&|value| without_finalizer(value, uid, ORPHAN)).await;
    }
    if has(FOREGROUND) {
        let blocking = dependents.iter().any(|key| {
            core.store.get(key).is_some_and(|found| {
                found.meta.owner_references.iter().any(|owner| owner.uid == uid && owner.block_owner_deletion == Some(true))
            })
        });
        if blocking {
            release(core, uid);
            return Ok(());
        }
        return internal.edit(&|value| without_finalizer(value, uid, FOREGROUND)).await;
    }
    Ok(())
}

fn without_owners(value: &Value, uids: &[&str]) -> Option<Value> {
    without(value, "ownerReferences", &|owner| owner["uid"].as_str().is_some_and(|uid| uids.contains(&uid)))
}

fn without_finalizer(value: &Value, uid: &str, finalizer: &str) -> Option<Value> {
    if !is(value, uid) {
        return None;
    }
    assert!(value["metadata"]["deletionTimestamp"].is_string(), "{uid}: what stays keeps its finalizers");
    without(value, "finalizers", &|entry| entry == finalizer)
}

/// Whether it is still the object `uid`, not a successor of its name.
fn is(value: &Value, uid: &str) -> bool {
    value["metadata"]["uid"] == uid
}

/// `value` without the entries of a metadata list that `gone` picks; `None` when there are none.
fn without(value: &Value, field: &str, gone: &dyn Fn(&Value) -> bool) -> Option<Value> {
    let list = value["metadata"][field].as_array()?;
    let kept: Vec<Value> = list.iter().filter(|entry| !gone(entry)).cloned().collect();
    if kept.len() == list.len() {
        return None;
    }
    assert!(kept.len() < list.len() && kept.iter().all(|entry| !gone(entry)), "{field}: what was to go stays");
    let mut next = value.clone();
    if kept.is_empty() {
        next["metadata"].as_object_mut()?.remove(field);
    } else {
        next["metadata"][field] = Value::Array(kept);
    }
    Some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// API-15: only the object that was looked at loses its finalizer, never a successor of its name.
    #[test]
    fn a_successor_keeps_its_finalizers() {
        let going =
            json!({"metadata": {"uid": "1", "deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": [FOREGROUND, "a/b"]}});
        assert_eq!(without_finalizer(&going, "1", FOREGROUND).unwrap()["metadata"]["finalizers"], json!(["a/b"]));
        assert_eq!(without_finalizer(&going, "1", ORPHAN), None);
        let successor = json!({"metadata": {"uid": "2", "finalizers": [FOREGROUND]}});
        assert_eq!(without_finalizer(&successor, "1", FOREGROUND), None);
    }
}
