//! Deletion of a stack: its children in reverse order of their gates, by UID; then the finalizer (S-7).

use std::collections::BTreeSet;
use std::sync::Arc;

use koan_crds::labels;
use koan_crds::v1alpha1::{DevStack, ServiceSpec};
use kube::ResourceExt;

use super::children;
use crate::context::Context;
use crate::gateway::ApiKind;
use crate::service::VisitError;

/// Deletes the next wave of children; what is left after it.
pub(super) async fn wave(context: &Context, stack: &DevStack) -> Result<Vec<Arc<ServiceSpec>>, VisitError> {
    let left = children::owned(context, stack).await?;
    for child in free(&left) {
        if child.metadata.deletion_timestamp.is_none() {
            children::delete(context, stack, child).await?;
        }
    }
    Ok(left)
}

/// Children that nobody who is left waits for; all of them where the gates form a cycle.
fn free(left: &[Arc<ServiceSpec>]) -> Vec<&Arc<ServiceSpec>> {
    let awaited: BTreeSet<String> =
        left.iter().flat_map(|child| child.spec.service.depends_on.iter().flatten().map(|on| on.name.clone())).collect();
    let free: Vec<&Arc<ServiceSpec>> = left.iter().filter(|child| !awaited.contains(&child.name_any())).collect();
    if free.is_empty() { left.iter().collect() } else { free }
}

/// Deletes the stack itself at the end of its life (`ttl`), after an uncached read.
pub(super) async fn expire(context: &Context, stack: &DevStack) -> Result<(), VisitError> {
    let (namespace, name) = (stack.namespace().unwrap_or_default(), stack.name_any());
    let Some(found) = context.gateway.read(ApiKind::DevStack, &namespace, &name).await? else { return Ok(()) };
    let same = found.metadata.uid == stack.metadata.uid && found.metadata.generation == stack.metadata.generation;
    if !same || found.metadata.deletion_timestamp.is_some() {
        return Ok(());
    }
    let identity = crate::gateway::Identity {
        namespace,
        name,
        uid: found.metadata.uid.unwrap_or_default(),
        version: found.metadata.resource_version.unwrap_or_default(),
    };
    context.gateway.delete(ApiKind::DevStack, labels::MANAGER_STACK, &identity).await?;
    Ok(())
}
