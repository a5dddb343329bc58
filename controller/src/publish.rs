//! The last stage: writes a verdict's status where it changed, then its events; and says when the object is visited again.

use koan_core::conclude::{Requeue, RequeueClass, Verdict};
use serde::Serialize;
use serde_json::Value;
use std::time::Duration;

use crate::gateway::ApiError;
use crate::runtime::Next;
use crate::subject::Subject;

/// A slow poll: nothing but time or somebody's help changes the answer.
const SLOW: Duration = Duration::from_secs(60);

impl Subject<'_> {
    /// Writes the status, if it differs from the `old` one on the wire, and then the events. True where something was written.
    ///
    /// Times have whole seconds on the wire: a status that differs by less is the same (B-6).
    pub(crate) async fn publish<S: Serialize>(&mut self, old: &S, verdict: &Verdict<S>) -> Result<bool, ApiError> {
        let status = if verdict.changed { Some(self.wire(&verdict.status)?) } else { None };
        let status = match status {
            Some(status) if status == self.wire(old)? => None,
            status => status,
        };
        let written = status.is_some();
        if let Some(status) = status {
            self.write_status(status).await?;
        }
        let about = self.about();
        for record in &verdict.events {
            self.context.events.emit(record.event, record.warning, &about, &record.message).await;
        }
        Ok(written)
    }

    fn wire<S: Serialize>(&self, status: &S) -> Result<Value, ApiError> {
        let refused = |error: serde_json::Error| ApiError::Refused { subject: self.key.to_string(), message: error.to_string() };
        serde_json::to_value(status).map_err(refused)
    }
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
