//! Kubernetes Events with Koan's numeric ids, through the gateway: past tense, only on change (CLI-36, style rule 25).

use std::sync::Arc;

use koan_core::identity::InstanceId;
use koan_crds::events::Event;
use koan_crds::labels;
use serde_json::json;

use crate::gateway::{ApiKind, Gateway};
use crate::ports::Clock;

/// Longest message of an Event, in characters; the API server takes 1,024 bytes.
const MESSAGE_LIMIT: usize = 900;
/// What Events name as their source.
const COMPONENT: &str = "koan";

/// The object that an Event is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct About {
    pub(crate) kind: ApiKind,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) uid: String,
}

/// Writes Events and their log records.
pub(crate) struct Recorder {
    gateway: Arc<Gateway>,
    clock: Arc<dyn Clock>,
    instance: InstanceId,
}

impl Recorder {
    /// A recorder.
    pub(crate) fn new(gateway: Arc<Gateway>, clock: Arc<dyn Clock>, instance: InstanceId) -> Self {
        Self { gateway, clock, instance }
    }

    /// Logs an event and, unless it is a log record only, writes it. A failed write is logged and forgotten: an Event
    /// decides nothing.
    pub(crate) async fn emit(&self, event: Event, warning: bool, about: &About, message: &str) {
        let subject = format!("{}/{}", about.namespace, about.name);
        if warning {
            tracing::warn!(event_id = event.id(), object = %subject, "{}: {message}", event.as_str());
        } else {
            tracing::info!(event_id = event.id(), object = %subject, "{}: {message}", event.as_str());
        }
        if event.is_log_only() {
            return;
        }
        let body = self.body(event, warning, about, message);
        if let Err(error) = self.gateway.create(ApiKind::Event, labels::MANAGER_SERVICE, body, None).await {
            tracing::debug!(event_id = event.id(), object = %subject, "the Event was not written: {error}");
        }
    }

    fn body(&self, event: Event, warning: bool, about: &About, message: &str) -> serde_json::Value {
        let now = self.clock.now();
        let stamp = jiff::Timestamp::from_second(now.as_second()).unwrap_or(now).to_string();
        let message: String = message.chars().take(MESSAGE_LIMIT).collect();
        json!({
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": format!("{}.{:x}{:x}", about.name, now.as_nanosecond(), event.id()),
                "namespace": about.namespace,
                "labels": {labels::INSTANCE: self.instance.0, labels::NAMESPACE: about.namespace},
                "annotations": {labels::EVENT_ID: event.id().to_string()},
            },
            "involvedObject": {
                "apiVersion": about.kind.api_version(), "kind": about.kind.as_str(),
                "namespace": about.namespace, "name": about.name, "uid": about.uid,
            },
            "reason": event.as_str(),
            "message": message,
            "type": if warning { "Warning" } else { "Normal" },
            "source": {"component": COMPONENT},
            "reportingComponent": "koan.dev/koan",
            "reportingInstance": self.instance.0,
            "firstTimestamp": stamp,
            "lastTimestamp": stamp,
            "count": 1,
        })
    }
}
