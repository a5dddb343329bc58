//! A terminating namespace is emptied kind by kind; its conditions say what remains.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::in_portions;
use crate::handlers::{DeleteOptions, Internal, Propagation};
use crate::kinds::{KUBERNETES, NAMESPACES};
use crate::server::Core;
use crate::status::Failure;
use crate::store::{Key, Scope};

/// Who writes what remains.
const MANAGER: &str = "koan-apiserver";

/// Deletes what is in `name` if it is terminating, and lets it go when nothing remains.
pub(super) async fn empty(core: &Arc<Core>, name: &str) -> Result<(), Failure> {
    let registry = core.registry();
    let Some(namespaces) = registry.find("", "v1", "namespaces") else { return Ok(()) };
    let key = Key::new(&Arc::from(NAMESPACES), "", name);
    let Some(namespace) = core.store.get(&key).filter(|object| object.deleting()) else { return Ok(()) };
    if !namespace.value()["spec"]["finalizers"].as_array().is_some_and(|list| list.contains(&json!(KUBERNETES))) {
        return Ok(());
    }
    let scope = Scope::Namespace(name.to_owned());
    let mut remaining: BTreeMap<String, usize> = BTreeMap::new();
    let mut finalizers: BTreeMap<String, usize> = BTreeMap::new();
    for resource in registry.by_storage().into_values().filter(|resource| resource.namespaced) {
        // A mirror leaves with what it mirrors.
        let (_, objects) = core.store.list(&resource.storage, &scope, &|object| !object.deleting() && !resource.is_mirror());
        let inside = objects.iter().all(|object| object.meta.namespace == name);
        assert!(inside, "{name}: only what is in a namespace goes with it (API-16)");
        let removals = objects.iter().map(|object| {
            let internal = Internal::new(core, resource, name, &object.meta.name);
            async move {
                let options = DeleteOptions {
                    propagation: Some(Propagation::Background),
                    uid: None,
                    version: None,
                    dry_run: false,
                    grace: None,
                };
                internal.delete(&options).await
            }
        });
        let removals: Vec<_> = in_portions(removals.collect()).await;
        assert!(removals.len() == objects.len(), "{name}: something was left out");
        for removal in removals {
            match removal {
                Ok(_) => {}
                Err(failure) if failure.code() == 404 => {}
                Err(failure) => return Err(failure),
            }
        }
        let (_, held) = core.store.list(&resource.storage, &scope, &|_| true);
        if !held.is_empty() {
            remaining.insert(format!("{}.{}", resource.plural, resource.group), held.len());
        }
        for finalizer in held.iter().flat_map(|object| &object.meta.finalizers) {
            *finalizers.entry(finalizer.clone()).or_default() += 1;
        }
    }
    assert!(remaining.values().all(|count| *count > 0), "{name}: nothing of a kind is no remainder");
    let internal = Internal::new(core, namespaces, "", name);
    if remaining.is_empty() {
        return internal.edit(&released).await;
    }
    let now = internal.now();
    match internal.edit_status(&|value| conditions(value, &remaining, &finalizers, &now), MANAGER).await {
        Ok(_) => Ok(()),
        // It went in the meantime.
        Err(failure) if failure.code() == 404 => Ok(()),
        Err(failure) => Err(failure),
    }
}

/// The namespace without the finalizer that kept it.
fn released(value: &Value) -> Option<Value> {
    let mut next = value.clone();
    next["spec"]["finalizers"].as_array_mut()?.retain(|entry| entry != KUBERNETES);
    Some(next)
}

fn conditions(
    value: &Value,
    remaining: &BTreeMap<String, usize>,
    finalizers: &BTreeMap<String, usize>,
    now: &str,
) -> Option<Value> {
    let resources: Vec<String> = remaining.iter().map(|(kind, count)| format!("{kind} has {count} resource instances")).collect();
    let held: Vec<String> = finalizers.iter().map(|(name, count)| format!("{name} in {count} resource instances")).collect();
    let lines = [
        ("NamespaceDeletionDiscoveryFailure", false, "ResourcesDiscovered", "All resources successfully discovered".to_owned()),
        (
            "NamespaceDeletionGroupVersionParsingFailure",
            false,
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed".to_owned(),
        ),
        (
            "NamespaceDeletionContentFailure",
            false,
            "ContentDeleted",
            "All content successfully deleted, may be waiting on finalization".to_owned(),
        ),
        (
            "NamespaceContentRemaining",
            true,
            "SomeResourcesRemain",
            format!("Some resources are remaining: {}", resources.join(", ")),
        ),
        if held.is_empty() {
            (
                "NamespaceFinalizersRemaining",
                false,
                "ContentHasNoFinalizers",
                "All content-preserving finalizers finished".to_owned(),
            )
        } else {
            (
                "NamespaceFinalizersRemaining",
                true,
                "SomeFinalizersRemain",
                format!("Some content in the namespace has finalizers remaining: {}", held.join(", ")),
            )
        },
    ];
    let old = &value["status"]["conditions"];
    let next: Vec<Value> = lines
        .into_iter()
        .map(|(kind, set, reason, message)| {
            let status = if set { "True" } else { "False" };
            let known = old.as_array().into_iter().flatten().find(|entry| entry["type"] == kind && entry["status"] == status);
            let since = known.and_then(|entry| entry["lastTransitionTime"].as_str()).unwrap_or(now);
            json!({"type": kind, "status": status, "lastTransitionTime": since, "reason": reason, "message": message})
        })
        .collect();
    let others = old.as_array().into_iter().flatten().filter(|entry| next.iter().all(|line| line["type"] != entry["type"]));
    let next = Value::Array(others.cloned().chain(next.iter().cloned()).collect());
    if *old == next {
        return None;
    }
    let mut changed = value.clone();
    changed["status"]["conditions"] = next;
    Some(changed)
}
