//! What follows a write of a definition: its names, its conditions, what is served, and the end of its objects.
//!
//! Guarantees: once a definition reads as established, its resources, discovery and documents are there; once a write of a
//! definition is answered, it is settled. Names are given to one definition at a time.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use super::naming::{self, Taken};
use crate::deletion::Task;
use crate::handlers::{DeleteOptions, Internal, Propagation};
use crate::kinds::{self, CRDS, Registry, Resource, encode};
use crate::server::Core;
use crate::status::Failure;
use crate::store::{Key, Layout, Object, Scope};

/// The manager of what the server writes into a definition's status, under the reference's name.
const SERVER: &str = "kube-apiserver";
/// The finalizer that keeps a definition until its objects are gone.
pub(super) const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";
/// Objects of a definition that are deleted at a time; their writes share syncs.
const DELETE_WIDTH: usize = 256;

/// What of a neighbour counts for names.
#[derive(Deserialize)]
struct Neighbour {
    spec: Group,
    #[serde(default)]
    status: Names,
}

#[derive(Deserialize)]
struct Group {
    #[serde(default)]
    group: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Names {
    accepted_names: Value,
    conditions: Option<Vec<Value>>,
}

impl Names {
    fn refused(&self) -> bool {
        self.conditions.iter().flatten().any(|condition| condition["type"] == "NamesAccepted" && condition["status"] == "False")
    }
}

fn key(name: &str) -> Key {
    Key::new(&Arc::from(CRDS), "", name)
}

fn internal(core: &Arc<Core>, name: &str) -> Option<Internal> {
    let resource = core.registry().find("apiextensions.k8s.io", "v1", "customresourcedefinitions").cloned()?;
    Some(Internal::new(core, &resource, "", name))
}

/// Settles every definition that was written since the last call.
///
/// # Errors
/// The store refused a status; its definition stays to be settled.
pub(crate) async fn settle(core: &Arc<Core>) -> Result<(), Failure> {
    // Names are taken to be settled under the lock: while somebody holds it, what he took is not settled yet.
    if core.work.settled() && core.definitions.try_lock().is_ok() {
        return Ok(());
    }
    let _turn = core.definitions.lock().await;
    loop {
        let names = core.work.unsettled();
        if names.is_empty() {
            return Ok(());
        }
        let next: Vec<(String, Option<Value>)> = judge(core, names);
        for (name, definition) in &next {
            // What a status promises is served before anybody can read the promise.
            show(core, name, definition.as_ref());
        }
        let writes = next.into_iter().filter_map(|(name, definition)| Some((name, definition?)));
        let writes = futures::future::join_all(writes.map(|(name, definition)| write(core, name, definition))).await;
        writes.into_iter().collect::<Result<Vec<()>, Failure>>()?;
    }
}

async fn write(core: &Arc<Core>, name: String, definition: Value) -> Result<(), Failure> {
    let Some(internal) = internal(core, &name) else { return Ok(()) };
    match internal.write_status(definition, SERVER).await {
        Ok(_) => Ok(()),
        // It went meanwhile.
        Err(failure) if failure.code() == 404 => Ok(()),
        Err(failure) => {
            core.work.unsettle(name);
            Err(failure)
        }
    }
}

/// The definitions of `names` with the status that they should have; those that are gone as `None`. Neighbours that wait for a
/// name are looked at again.
fn judge(core: &Arc<Core>, names: Vec<String>) -> Vec<(String, Option<Value>)> {
    let (_, objects) = core.store.list(&Arc::from(CRDS), &Scope::All, &|_| true);
    let mut known: BTreeMap<String, (String, Names)> = objects.iter().filter_map(|object| neighbour(object)).collect();
    let now = crate::handlers::timestamp(core.clock.now());
    let mut judged = Vec::new();
    for name in names {
        let group = name.split_once('.').map_or("", |(_, group)| group).to_owned();
        let definition = core.store.get(&key(&name)).map(|object| object.value());
        let next = definition.map(|definition| {
            let mut taken = Taken::default();
            known
                .iter()
                .filter(|(other, held)| **other != name && held.0 == group)
                .for_each(|(_, held)| taken.add(&held.1.accepted_names));
            let status = naming::status(&definition, &taken, &now);
            let mut next = definition;
            next["status"] = status;
            next
        });
        let names = next.as_ref().map(|next| next["status"]["acceptedNames"].clone());
        let before = known.get(&name).map(|(_, held)| held.accepted_names.clone());
        // A definition that is gone has released its names.
        if names.is_none() || names != before {
            let waiting = known.iter().filter(|(other, held)| **other != name && held.0 == group && held.1.refused());
            waiting.for_each(|(other, _)| core.work.unsettle(other.clone()));
        }
        if let Some(names) = names {
            known.insert(name.clone(), (group, Names { accepted_names: names, conditions: None }));
        }
        if next.as_ref().is_some_and(|next| !next["metadata"]["deletionTimestamp"].is_null()) {
            core.work.add(Task::Definition(name.clone()));
        }
        judged.push((name, next));
    }
    judged
}

fn neighbour(object: &Object) -> Option<(String, (String, Names))> {
    let found: Neighbour = serde_json::from_slice(&object.bytes).ok()?;
    Some((object.meta.name.clone(), (found.spec.group, found.status)))
}

/// Serves what `definition` says from now on.
fn show(core: &Arc<Core>, name: &str, definition: Option<&Value>) {
    let before = core.registry();
    let resources = definition.map(kinds::resources_of).unwrap_or_default();
    let Some(registry) = before.with(name, resources) else { return };
    // First how objects read: whoever writes by the new definition finds them in its shape already.
    let changed = registry.by_storage().into_values().filter(|resource| resource.is_custom() && !before.serves(resource));
    changed.for_each(|resource| lay_out(core, &registry, resource));
    core.serve(Arc::new(registry));
}

/// Prunes and defaults the stored objects of `resource` under its schema, and those that are being written. Their versions stay,
/// and nothing is written: it is how they read.
pub(super) fn lay_out(core: &Core, registry: &Registry, resource: &Arc<Resource>) {
    let kinds::Origin::Custom { storage_version, .. } = &resource.origin else { return };
    let version = format!("{}/{storage_version}", resource.group);
    let current = registry.all().iter().filter(|other| other.storage == resource.storage).cloned().collect();
    let reshaping = Arc::clone(resource);
    let reshape = move |object: &Object| {
        // A schema is compiled when it is first needed (PERF-96).
        let compiled = reshaping.compiled().ok()?;
        let before = object.value();
        let mut after = before.clone();
        after["apiVersion"] = Value::String(version.clone());
        compiled.stored.as_ref().unwrap_or(&compiled.schema).reshape(&mut after);
        (after != before).then(|| encode(&reshaping, &after).finish(object.revision))
    };
    core.store.lay_out(&resource.storage, Layout { current, reshape: Box::new(reshape) });
}

/// The resource under which objects are stored, whether it is served or, as of a definition without a served version, not.
pub(crate) fn stored_resource(core: &Core, storage: &str) -> Option<Arc<Resource>> {
    if let Some(found) = core.registry().all().iter().find(|resource| &*resource.storage == storage) {
        return Some(Arc::clone(found));
    }
    let (group, plural) = storage.split_once('/')?;
    let definition = core.store.get(&key(&format!("{plural}.{group}")))?;
    kinds::stored_resource_of(&definition.value()).map(Arc::new)
}

/// Deletes the objects of a definition that is being deleted, and lets it go when none is left.
///
/// # Errors
/// The store refused a write.
pub(crate) async fn clean_up(core: &Arc<Core>, name: &str) -> Result<(), Failure> {
    let held = |object: &Arc<Object>| object.deleting() && object.meta.finalizers.iter().any(|finalizer| finalizer == CLEANUP);
    let Some(object) = core.store.get(&key(name)).filter(held) else { return Ok(()) };
    let Some(internal) = internal(core, name) else { return Ok(()) };
    let definition = object.value();
    let (group, plural) = (&definition["spec"]["group"], &definition["spec"]["names"]["plural"]);
    let (group, plural) = (group.as_str().unwrap_or_default(), plural.as_str().unwrap_or_default());
    let registry = core.registry();
    if registry.is_builtin(group, plural) {
        return let_go(&internal, ("OverlappingBuiltInResource", "instances overlap with built-in resources in storage")).await;
    }
    if !kinds::condition(&definition, "Established") {
        return let_go(&internal, ("NeverEstablished", "resource was never established")).await;
    }
    let storage: Arc<str> = Arc::from(format!("{group}/{plural}"));
    let (_, all) = core.store.list(&storage, &Scope::All, &|_| true);
    if all.is_empty() {
        return let_go(&internal, ("InstanceDeletionCompleted", "removed all instances")).await;
    }
    let mut next = definition;
    let (reason, message) = ("InstanceDeletionInProgress", "CustomResource deletion is in progress");
    naming::terminating(&mut next["status"], true, reason, message, &internal.now());
    internal.write_status(next, SERVER).await?;
    let Some(resource) = stored_resource(core, &storage) else { return Ok(()) };
    let alive: Vec<&Arc<Object>> = all.iter().filter(|object| !object.deleting()).collect();
    for chunk in alive.chunks(DELETE_WIDTH) {
        let removals = chunk.iter().map(|object| {
            let internal = Internal::new(core, &resource, &object.meta.namespace, &object.meta.name);
            async move {
                let propagation = Some(Propagation::Background);
                internal.delete(&DeleteOptions { propagation, uid: None, version: None, grace: None, dry_run: false }).await
            }
        });
        for removal in futures::future::join_all(removals).await {
            match removal {
                Ok(_) => {}
                Err(failure) if failure.code() == 404 => {}
                Err(failure) => return Err(failure),
            }
        }
    }
    // The last object's end brings this task back.
    if core.store.list(&storage, &Scope::All, &|_| true).1.is_empty() {
        core.work.add(Task::Definition(name.to_owned()));
    }
    Ok(())
}

/// Takes the finalizer off, so that the definition goes.
async fn let_go(internal: &Internal, (reason, message): (&'static str, &'static str)) -> Result<(), Failure> {
    let now = internal.now();
    internal
        .edit(&|value| {
            let mut next = value.clone();
            naming::terminating(&mut next["status"], false, reason, message, &now);
            next["metadata"]["finalizers"].as_array_mut()?.retain(|finalizer| finalizer != CLEANUP);
            if next["metadata"]["finalizers"].as_array().is_some_and(Vec::is_empty) {
                next["metadata"].as_object_mut()?.shift_remove("finalizers");
            }
            Some(next)
        })
        .await
}

/// Marks a definition whose deletion is asked for: it stays until its objects are gone.
pub(crate) fn terminate(definition: &mut Value, now: &str) {
    if let Some(metadata) = definition["metadata"].as_object_mut() {
        let finalizers = metadata.entry("finalizers").or_insert_with(|| Value::Array(Vec::new()));
        if let Some(list) = finalizers.as_array_mut()
            && !list.iter().any(|finalizer| finalizer == CLEANUP)
        {
            list.push(Value::String(CLEANUP.to_owned()));
        }
    }
    let message = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon";
    naming::terminating(&mut definition["status"], true, "InstanceDeletionPending", message, now);
}
