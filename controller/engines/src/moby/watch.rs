//! `watch()`: events are hints. The stream ends when the connection ends; the caller subscribes again and lists (REL-5).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::BoxStream;
use http_body_util::BodyExt;
use koan_core::identity::ObjectId;
use koan_crds::labels;
use serde::Deserialize;
use tokio_util::codec::{FramedRead, LinesCodec};
use tokio_util::io::StreamReader;

use super::engine::Moby;
use super::transport::Transport;
use crate::{Hint, Hints, Scope};

/// Budget until the stream is open.
const OPEN_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest event; a longer one ends the stream, and the next list finds what it said.
const EVENT_BYTES_MAX: usize = 256 * 1024;

/// What a bring-up does to containers, networks and volumes, in the words of both engines.
const MADE: [&str; 6] = ["create", "init", "start", "attach", "connect", "mount"];

/// The fields of an event that a hint needs. Both engines send the same shape; unknown types must not end the stream.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Event {
    #[serde(rename = "Type")]
    kind: String,
    action: String,
    actor: Actor,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Actor {
    #[serde(rename = "ID")]
    id: String,
    #[serde(rename = "Attributes")]
    attributes: Option<HashMap<String, String>>,
}

impl Moby {
    /// See [`crate::Engine::watch`].
    pub(crate) fn hints(&self, scope: &Scope) -> Hints {
        let path = events_path(self.options.dialect.event_filters, &scope.instance.0);
        let (transport, instance) = (self.transport.clone(), scope.instance.0.clone());
        let details = Arc::clone(&self.details);
        Box::pin(futures::stream::once(open(transport, path)).flat_map(move |lines| {
            let (instance, details) = (instance.clone(), Arc::clone(&details));
            match lines {
                None => futures::stream::empty().boxed(),
                Some(lines) => futures::stream::once(async { Hint::Relist })
                    .chain(lines.filter_map(move |line| {
                        let hint = hint_of(&line, &instance);
                        if let Some(Hint::Object(id)) = &hint {
                            details.forget(&id.0);
                        }
                        async move { hint }
                    }))
                    .boxed(),
            }
        }))
    }
}

/// Docker's stream is narrowed to our label; Podman's is read whole and narrowed here.
fn events_path(filtered: bool, instance: &str) -> String {
    if !filtered {
        return "/events".to_owned();
    }
    let filters = serde_json::json!({
        "label": [format!("{}={instance}", labels::INSTANCE)],
        "type": ["container", "network", "volume"],
    });
    format!("/events?filters={}", percent(&filters.to_string()))
}

/// Percent-encodes everything but letters and digits.
fn percent(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len() * 3), |mut out, byte| {
        if byte.is_ascii_alphanumeric() {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push_str(&koan_crds::names::hex(&[byte]).to_ascii_uppercase());
        }
        out
    })
}

/// Lines of the open stream; `None` where it could not be opened.
async fn open(transport: Transport, path: String) -> Option<BoxStream<'static, String>> {
    let response = tokio::time::timeout(OPEN_TIMEOUT, transport.get(&path)).await.ok()?.ok()?;
    if !response.status().is_success() {
        return None;
    }
    let bytes = response.into_body().into_data_stream().map(|part| part.map_err(std::io::Error::other));
    let lines = FramedRead::new(StreamReader::new(bytes), LinesCodec::new_with_max_length(EVENT_BYTES_MAX));
    Some(lines.take_while(|line| std::future::ready(line.is_ok())).filter_map(|line| std::future::ready(line.ok())).boxed())
}

fn hint_of(line: &str, instance: &str) -> Option<Hint> {
    let Ok(event) = serde_json::from_str::<Event>(line) else { return (!line.trim().is_empty()).then_some(Hint::Relist) };
    let known_kind = matches!(event.kind.as_str(), "container" | "network" | "volume");
    // Probes inside a container make three exec events each; they change nothing that an inventory shows.
    let noise = event.action.starts_with("exec_") || event.action.starts_with("health_status") || event.action == "top";
    let owner = event.actor.attributes.as_ref().and_then(|map| map.get(labels::INSTANCE));
    let foreign = owner.is_some_and(|owner| owner != instance);
    if !known_kind || noise || foreign || event.actor.id.is_empty() {
        return None;
    }
    let id = ObjectId(event.actor.id);
    Some(if MADE.contains(&event.action.as_str()) { Hint::Made(id) } else { Hint::Object(id) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: &str, action: &str, labels: &str) -> String {
        format!(r#"{{"Type":"{kind}","Action":"{action}","Actor":{{"ID":"abc","Attributes":{{{labels}}}}}}}"#)
    }

    /// REL-5: Podman's stream carries no filter at all, Docker's only label and type.
    #[test]
    fn podman_streams_are_never_filtered() {
        assert_eq!(events_path(false, "i"), "/events");
        let docker = events_path(true, "i");
        assert!(docker.starts_with("/events?filters=%7B%22label%22") && !docker.contains("action"), "{docker}");
    }

    /// REL-5: an event without labels is a hint, one of another instance is not, noise of probes is not, garbage asks for a
    /// list. PERF-80: a start is told apart from an end, since the reply of the start told it already.
    #[test]
    fn events_become_hints() {
        let hint = Some(Hint::Object("abc".into()));
        assert_eq!(hint_of(&event("container", "died", ""), "i"), hint);
        assert_eq!(hint_of(&event("container", "die", r#""koan.dev/instance":"i""#), "i"), hint);
        assert_eq!(hint_of(&event("container", "die", r#""koan.dev/instance":"other""#), "i"), None);
        assert_eq!(hint_of(&event("container", "start", r#""koan.dev/instance":"i""#), "i"), Some(Hint::Made("abc".into())));
        assert_eq!(hint_of(&event("container", "exec_start: sh", ""), "i"), None);
        assert_eq!(hint_of(&event("pod", "create", ""), "i"), None);
        assert_eq!(hint_of("{broken", "i"), Some(Hint::Relist));
    }
}
