//! The children of a stack: applied where they differ, pruned where the manifest lists them no more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use koan_core::order;
use koan_core::render::render;
use koan_core::validate::ValidStack;
use koan_crds::labels;
use koan_crds::v1alpha1::{DevStack, ServiceSpec};
use kube::ResourceExt;
use serde_json::{Value, json};

use super::drift;
use crate::context::Context;
use crate::gateway::{ApiError, ApiKind, Identity};
use crate::runtime::Key;
use crate::service::VisitError;

/// The children as they stand, in the manifest's order, and the name that somebody else has taken.
pub(super) struct Children {
    /// Name in the stack and object, as far as it exists.
    pub(super) objects: Vec<(String, Option<Arc<ServiceSpec>>)>,
}

/// Reads the children of a valid stack.
pub(super) async fn read(context: &Context, stack: &ValidStack) -> Result<Children, VisitError> {
    let mut objects = Vec::new();
    for child in render(stack) {
        let object = context.reader.service(&stack.namespace, &child.name_any()).await?;
        objects.push((child.labels().get(labels::SERVICE).cloned().unwrap_or_default(), object));
    }
    Ok(Children { objects })
}

/// The first child whose name something else has: `<name>` and its owner. Nothing is applied then.
pub(super) fn taken(stack: &DevStack, children: &Children) -> Option<(String, String)> {
    let uid = stack.uid().unwrap_or_default();
    children.objects.iter().filter_map(|(_, object)| object.as_ref()).find_map(|object| {
        let owner = object.owner_references().iter().find(|owner| owner.controller == Some(true));
        match owner {
            Some(owner) if owner.uid == uid => None,
            Some(owner) => Some((object.name_any(), format!("{} {}", owner.kind, owner.name))),
            None => Some((object.name_any(), format!("the ServiceSpec {} that somebody applied", object.name_any()))),
        }
    })
}

/// Which children are applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// All of them.
    All,
    /// Those that are there.
    Existing,
}

/// How long each child took from its start to readiness when it last came up, by object.
fn boots(children: &Children) -> BTreeMap<String, Duration> {
    let boot = |object: &Arc<ServiceSpec>| {
        let workload = object.status.as_ref()?.workload.as_ref()?;
        let took = workload.ready_at.as_ref()?.0.duration_since(workload.started_at.as_ref()?.0);
        Some((object.name_any(), Duration::try_from(took).ok()?))
    };
    children.objects.iter().filter_map(|(_, object)| boot(object.as_ref()?)).collect()
}

/// Applies each child that differs from what the manifest says, those before whom most lies first (PERF-84); one that is being
/// deleted is made anew once it is gone. How many were applied.
pub(super) async fn apply(context: &Context, stack: &ValidStack, children: &Children, which: Which) -> Result<usize, ApiError> {
    let key = Key::stack(&stack.namespace, &stack.name);
    let learnt =
        context.boots.learn(&stack.namespace, &boots(children), stack.members().map(|one| one.service.key.name.as_str()));
    let order = order::of_stack(stack, &learnt);
    context.interests.rank(order.iter().map(|(name, path)| (Key::service(&stack.namespace, name), *path)));
    let rendered = render(stack);
    assert!(
        rendered.len() == children.objects.len(),
        "{key}: {} services and {} objects",
        rendered.len(),
        children.objects.len()
    );
    let mut wanted: Vec<_> = rendered.iter().zip(&children.objects).collect();
    wanted.sort_by_key(|(child, _)| order.iter().position(|(name, _)| *name == child.name_any()));
    let mut count = 0;
    for (child, (_, object)) in wanted {
        let body = body(child)?;
        assert!(child.namespace().as_deref() == Some(&stack.namespace), "{key}: a child in another namespace (SEC-9)");
        assert!(object.as_ref().is_none_or(|object| object.name_any() == child.name_any()), "{key}: children out of order");
        let applied = match object {
            Some(object) => object.metadata.deletion_timestamp.is_some() || !drift::differs(&body, object.as_ref()),
            None => which == Which::Existing,
        };
        if applied {
            continue;
        }
        context.gateway.apply(ApiKind::ServiceSpec, labels::MANAGER_STACK, body, Some(key.clone())).await?;
        count += 1;
    }
    Ok(count)
}

/// The object to apply, with the hash of what was rendered, so that a field that went from the manifest is noticed.
fn body(child: &ServiceSpec) -> Result<Value, ApiError> {
    let subject = || format!("ServiceSpec {}", child.name_any());
    let mut body =
        serde_json::to_value(child).map_err(|error| ApiError::Refused { subject: subject(), message: error.to_string() })?;
    if let Some(object) = body.as_object_mut() {
        object.remove("status");
    }
    let hash = drift::hash(&body);
    let annotations = body.pointer("/metadata/annotations").cloned().unwrap_or_else(|| json!({}));
    let mut annotations = annotations.as_object().cloned().unwrap_or_default();
    annotations.insert(labels::SPEC_HASH.to_owned(), json!(hash));
    if let Some(metadata) = body.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("annotations".to_owned(), Value::Object(annotations));
    }
    Ok(body)
}

/// Deletes the children that the manifest lists no more, each after an uncached read, by UID.
pub(super) async fn prune(context: &Context, stack: &DevStack, valid: &ValidStack) -> Result<(), VisitError> {
    let wanted: BTreeSet<String> = render(valid).iter().map(ResourceExt::name_any).collect();
    for object in owned(context, stack).await? {
        if !wanted.contains(&object.name_any()) && object.metadata.deletion_timestamp.is_none() {
            delete(context, stack, &object).await?;
        }
    }
    Ok(())
}

/// Every `ServiceSpec` that this stack owns, by UID.
pub(super) async fn owned(context: &Context, stack: &DevStack) -> Result<Vec<Arc<ServiceSpec>>, VisitError> {
    let uid = stack.uid().unwrap_or_default();
    let all = context.reader.services(stack.namespace().as_deref()).await?;
    let ours = |object: &Arc<ServiceSpec>| object.owner_references().iter().any(|owner| owner.uid == uid);
    assert!(!uid.is_empty(), "a stack without a UID owns nothing");
    Ok(all.into_iter().filter(ours).collect())
}

/// Deletes one child: its UID and owner are compared uncached before.
pub(super) async fn delete(context: &Context, stack: &DevStack, object: &ServiceSpec) -> Result<(), VisitError> {
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    let Some(found) = context.gateway.read(ApiKind::ServiceSpec, &namespace, &name).await? else { return Ok(()) };
    let ours = found.metadata.uid == object.metadata.uid
        && found.owner_references().iter().any(|owner| Some(&owner.uid) == stack.metadata.uid.as_ref());
    if !ours || found.metadata.deletion_timestamp.is_some() {
        return Ok(());
    }
    let identity = Identity::of(&found);
    assert!(Some(&identity.uid) == object.metadata.uid.as_ref(), "{}: another object was read (P9)", object.name_any());
    Ok(context.gateway.delete(ApiKind::ServiceSpec, labels::MANAGER_STACK, &identity).await?)
}
