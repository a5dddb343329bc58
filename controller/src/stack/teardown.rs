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
    let free = free(&left);
    assert!(left.is_empty() || !free.is_empty(), "nothing would go first, and the stack would stay for ever (L-6)");
    for child in free {
        let ours = child.owner_references().iter().any(|owner| Some(&owner.uid) == stack.metadata.uid.as_ref());
        assert!(ours, "{}: only what the stack owns goes with it (S-3)", child.name_any());
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
    let identity = crate::gateway::Identity::of(&found);
    assert!(Some(&identity.uid) == stack.metadata.uid.as_ref(), "{name}: another stack was read than the one that ended (S-8)");
    context.gateway.delete(ApiKind::DevStack, labels::MANAGER_STACK, &identity).await?;
    Ok(())
}
