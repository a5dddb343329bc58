//! The controller of `ServiceSpec`: one service from manifest to status.
//!
//! Level-based and without memory: a visit reads what is, says what is wanted, does what is missing and writes what came of
//! it. Safe to drop at any await.

mod cleanup;
mod depart;
mod holding;
mod probes;
mod reach;
mod record;
mod stages;
mod visit;

use koan_core::identity::{ServiceKey, Uid};

use crate::context::Context;
use crate::gateway::ApiError;
use crate::reader::ReadError;
use crate::runtime::{Key, Next};
use visit::Visit;

/// Why a visit could not be ended; it is made again with backoff.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VisitError {
    /// An object could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A write did not go through.
    #[error(transparent)]
    Write(#[from] ApiError),
}

impl VisitError {
    /// When to visit again: what changed meanwhile is met at once by its own event, the rest with backoff.
    pub(crate) fn next(&self, key: &Key) -> Next {
        match self {
            Self::Write(ApiError::Conflict { .. } | ApiError::Absent { .. }) => tracing::debug!(%key, "{self}"),
            Self::Read(_) | Self::Write(_) => tracing::warn!(%key, "{self}"),
        }
        Next::Backoff
    }
}

/// One visit.
pub(crate) async fn reconcile(context: &Context, key: &Key) -> Next {
    match visit(context, key).await {
        Ok(next) => next,
        Err(error) => error.next(key),
    }
}

async fn visit(context: &Context, key: &Key) -> Result<Next, VisitError> {
    let Some(object) = context.reader.service(&key.namespace, &key.name).await? else {
        forget(context, key, None);
        return Ok(Next::Rest);
    };
    let mut visit = Visit::new(context, key, object);
    if visit.object.metadata.deletion_timestamp.is_some() {
        return depart::depart(&mut visit).await;
    }
    visit.subject.ensure_finalizer().await?;
    stages::run(&mut visit).await
}

/// Shows a panic on its object (REL-2).
pub(crate) async fn panicked(context: &Context, key: &Key, message: &str) {
    let Ok(Some(object)) = context.reader.service(&key.namespace, &key.name).await else { return };
    let mut visit = Visit::new(context, key, object);
    if let Err(error) = stages::show_panic(&mut visit, message).await {
        tracing::warn!(%key, "the panic could not be shown: {error}");
    }
}

/// Forgets what was remembered of a service that is gone.
fn forget(context: &Context, key: &Key, uid: Option<&str>) {
    let service = ServiceKey { namespace: key.namespace.clone(), name: key.name.clone() };
    context.board.leave(&service, &context.wake);
    context.arbiter.release(&service);
    reach::close(context, &service);
    context.interests.set(key, std::collections::BTreeSet::new());
    if let Some(uid) = uid {
        let uid = Uid(uid.to_owned());
        context.restarts.forget(&uid);
        context.asks.forget(&uid);
    }
}
