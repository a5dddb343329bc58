//! `APIGroupDiscoveryList`: everything in one document.

use serde_json::{Value, json};

use super::legacy::{SUB_VERBS, action, stream};
use crate::kinds::{Registry, Resource};

/// The list for the core group, or for all others.
pub(super) fn list(registry: &Registry, core_group: bool) -> Value {
    let items: Vec<Value> = registry
        .groups()
        .into_iter()
        .filter(|(group, _)| group.is_empty() == core_group)
        .map(|(group, versions)| {
            let versions: Vec<Value> = versions
                .into_iter()
                .map(|version| {
                    let resources: Vec<Value> = registry.of(group, version).map(|resource| entry(resource)).collect();
                    json!({"version": version, "resources": resources, "freshness": "Current"})
                })
                .collect();
            if group.is_empty() {
                json!({"metadata": {}, "versions": versions})
            } else {
                json!({"metadata": {"name": group}, "versions": versions})
            }
        })
        .collect();
    json!({
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    })
}

fn entry(resource: &Resource) -> Value {
    let kind = |group: &str, version: &str, kind: &str| json!({"group": group, "version": version, "kind": kind});
    // The reference names group and version of its own kinds only where they are others.
    let (group, version) = if resource.is_custom() { (resource.group.as_str(), resource.version.as_str()) } else { ("", "") };
    let own = kind(group, version, &resource.kind);
    let mut entry = json!({
        "resource": resource.plural,
        "responseKind": own,
        "scope": if resource.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": resource.singular,
        "verbs": resource.listed_verbs(),
    });
    if !resource.short_names.is_empty() {
        entry["shortNames"] = json!(resource.short_names);
    }
    if !resource.categories.is_empty() {
        entry["categories"] = json!(resource.categories);
    }
    let streams = resource.streams().iter().map(|name| {
        let (answer, verbs) = stream(name);
        json!({"subresource": name, "responseKind": kind("", "", answer), "verbs": verbs})
    });
    let subresources: Vec<Value> = resource
        .subresources()
        .into_iter()
        .map(|name| {
            let verbs: &[&str] = if name == "finalize" { &["update"] } else { &SUB_VERBS };
            let answer = if name == "scale" { kind("autoscaling", "v1", "Scale") } else { own.clone() };
            json!({"subresource": name, "responseKind": answer, "verbs": verbs})
        })
        .chain(resource.actions().map(|name| {
            let (group, version, answer) = action(name);
            json!({"subresource": name, "responseKind": kind(group, version, answer), "verbs": ["create"]})
        }))
        .chain(streams)
        .collect();
    if !subresources.is_empty() {
        entry["subresources"] = json!(subresources);
    }
    entry
}
