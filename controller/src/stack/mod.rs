//! The controller of `DevStack`: renders its services as `ServiceSpec`s and sums up their statuses.
//!
//! It writes ServiceSpecs, `<stack>-env`, `<stack>-launch` and its own status, and never the engine. Level-based and without
//! memory; safe to drop at any await.

mod boots;
mod children;
mod drift;
mod env;
mod stages;
mod teardown;
mod told;
mod visit;

#[cfg(test)]
mod tests;

use crate::context::Context;
use crate::runtime::{Key, Next};
use crate::service::VisitError;
pub(crate) use boots::Boots;
pub(crate) use told::Told;
use visit::Visit;

/// One visit.
pub(crate) async fn reconcile(context: &Context, key: &Key) -> Next {
    match visit(context, key).await {
        Ok(next) => next,
        Err(error) => error.next(key),
    }
}

async fn visit(context: &Context, key: &Key) -> Result<Next, VisitError> {
    let Some(object) = context.reader.stack(&key.namespace, &key.name).await? else {
        context.interests.set(key, std::collections::BTreeSet::new());
        return Ok(Next::Rest);
    };
    let mut visit = Visit::new(context, key, object);
    if visit.object.metadata.deletion_timestamp.is_some() {
        return stages::depart(&mut visit).await;
    }
    visit.subject.ensure_finalizer().await?;
    stages::run(&mut visit).await
}

/// Shows a panic on its object (REL-2).
pub(crate) async fn panicked(context: &Context, key: &Key, message: &str) {
    let Ok(Some(object)) = context.reader.stack(&key.namespace, &key.name).await else { return };
    let mut visit = Visit::new(context, key, object);
    if let Err(error) = stages::show_panic(&mut visit, message).await {
        tracing::warn!(%key, "the panic could not be shown: {error}");
    }
}
