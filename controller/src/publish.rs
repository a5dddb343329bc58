//! The last stage: writes a verdict's status where it changed, then its events.

use koan_core::conclude::{Requeue, RequeueClass, Verdict};
use serde::Serialize;
use std::time::Duration;

use crate::context::Context;
use crate::events::About;
use crate::gateway::{ApiError, ApiKind, Identity};
use crate::runtime::{Key, Next};

/// A slow poll: nothing but time or somebody's help changes the answer.
const SLOW: Duration = Duration::from_secs(60);

/// Where a status is written.
pub(crate) struct Place<'a> {
    /// Kind of the object.
    pub(crate) kind: ApiKind,
    /// Field manager.
    pub(crate) manager: &'static str,
    /// The object, with the version that the verdict was made from; moved on by the write.
    pub(crate) identity: &'a mut Identity,
    /// Its key.
    pub(crate) key: &'a Key,
}

/// Writes the status, if it differs from the `old` one on the wire, and then the events. True where something was written.
///
/// Times have whole seconds on the wire: a status that differs by less is the same (B-6).
pub(crate) async fn publish<S: Serialize>(
    context: &Context,
    place: Place<'_>,
    old: &S,
    verdict: &Verdict<S>,
) -> Result<bool, ApiError> {
    let Place { kind, manager, identity, key } = place;
    let wire = |status: &S| {
        serde_json::to_value(status).map_err(|error| ApiError::Refused { subject: key.to_string(), message: error.to_string() })
    };
    let status = if verdict.changed { Some(wire(&verdict.status)?) } else { None };
    let status = match status {
        Some(status) if status == wire(old)? => None,
        status => status,
    };
    let written = status.is_some();
    if let Some(status) = status {
        let written = context.gateway.status(kind, manager, identity, status, key.clone()).await?;
        assert!(written.uid == identity.uid, "{key}: a status write met another object");
        identity.version = written.version;
    }
    let about = About { kind, namespace: identity.namespace.clone(), name: identity.name.clone(), uid: identity.uid.clone() };
    for record in &verdict.events {
        context.events.emit(record.event, record.warning, &about, &record.message).await;
    }
    Ok(written)
}

/// When the object is visited again (style rule 17).
pub(crate) fn next(requeue: Requeue) -> Next {
    match (requeue.class, requeue.after) {
        (RequeueClass::Backoff, None) => Next::Backoff,
        (RequeueClass::Slow, None) => Next::After(SLOW),
        (RequeueClass::Change | RequeueClass::Healthy | RequeueClass::Waiting, None) => Next::Rest,
        (_, Some(delay)) => Next::After(delay),
    }
}
