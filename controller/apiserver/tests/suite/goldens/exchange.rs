//! Sends a request of a corpus and reads its answer: a body, or the lines of a stream.

use std::sync::LazyLock;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::join_all;
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use regex::{Captures, Regex};
use serde_json::{Map, Value, json};

/// How long a request with `until` is sent again, and the pause between.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(50);
/// How long the next piece of a stream may take.
const STREAM_PATIENCE: Duration = Duration::from_secs(10);

/// A connection to a server, and what was taken from its answers.
pub(super) struct Exchange {
    client: Client,
    taken: Map<String, Value>,
    /// The namespace of the corpus.
    pub(super) namespace: String,
}

impl Exchange {
    pub(super) fn new(client: Client, token: String) -> Self {
        let mut taken = Map::new();
        taken.insert("token".to_owned(), Value::String(token));
        Self { client, taken, namespace: String::new() }
    }

    /// Sends requests at the same time, each again and again where it says until when, and takes from the answers what later
    /// requests use.
    pub(super) async fn settled(&mut self, requests: &[Value]) -> Vec<Value> {
        let answers = join_all(requests.iter().map(|request| self.asked(self.filled(request)))).await;
        for (request, answer) in requests.iter().zip(&answers) {
            for (name, pointer) in request["take"].as_object().into_iter().flatten() {
                let value = answer.pointer(pointer.as_str().unwrap()).cloned().unwrap_or(Value::Null);
                self.taken.insert(name.clone(), value);
            }
        }
        answers
    }

    async fn asked(&self, request: Value) -> Value {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let request = &request;
        loop {
            let answer = self.send(request).await;
            let until = &request["until"];
            let reached = match until["pointer"].as_str() {
                None | Some("") => true,
                Some("/code") => answer["code"] == until["value"],
                Some(pointer) => answer["body"].pointer(pointer) == Some(&until["value"]),
            };
            // An answer that never comes shows as the one that differs.
            if reached || tokio::time::Instant::now() > deadline {
                break answer;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// The request with `${name}` replaced by what was taken under that name.
    fn filled(&self, request: &Value) -> Value {
        match request {
            Value::String(text) => Value::String(self.filled_text(text)),
            Value::Array(items) => items.iter().map(|item| self.filled(item)).collect(),
            Value::Object(fields) => {
                Value::Object(fields.iter().map(|(name, value)| (self.filled_text(name), self.filled(value))).collect())
            }
            other => other.clone(),
        }
    }

    fn filled_text(&self, text: &str) -> String {
        if !text.contains("${") {
            return text.to_owned();
        }
        let text = repeated(&text.replace("${ns}", &self.namespace));
        self.taken.iter().fold(text, |text, (name, value)| {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            text.replace(&format!("${{{name}}}"), &value)
        })
    }

    async fn send(&self, request: &Value) -> Value {
        let mut builder =
            http::Request::builder().method(request["method"].as_str().unwrap()).uri(request["path"].as_str().unwrap());
        let mut headers = json!({"user-agent": "golden/1", "accept": "application/json", "content-type": "application/json"});
        headers["authorization"] = json!(self.filled_text("Bearer ${token}"));
        if request["body"].is_null() && request["body64"].is_null() {
            headers["content-type"] = Value::Null;
        }
        headers.as_object_mut().unwrap().extend(request["headers"].as_object().cloned().unwrap_or_default());
        for (name, value) in headers.as_object().unwrap() {
            if let Some(value) = value.as_str() {
                builder = builder.header(name, value);
            }
        }
        match self.client.send(builder.body(Body::from(body(request))).unwrap()).await {
            Ok(response) => answer(request, response).await,
            // A server that hangs up differs from one that answers.
            Err(error) => json!({"code": 0, "body": error.to_string()}),
        }
    }
}

/// The text with `${x*3}` replaced by `xxx`.
fn repeated(text: &str) -> String {
    static REPEAT: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\$\{(.)\*(\d+)\}").unwrap());
    REPEAT.replace_all(text, |found: &Captures<'_>| found[1].repeat(found[2].parse().unwrap())).into_owned()
}

fn body(request: &Value) -> Vec<u8> {
    match (&request["body"], &request["body64"]) {
        (Value::Null, Value::String(text)) => STANDARD.decode(text).unwrap(),
        (Value::Null, _) => Vec::new(),
        (Value::String(text), _) => text.clone().into_bytes(),
        (other, _) => other.to_string().into_bytes(),
    }
}

/// Code, content type, warnings, the headers that the request names, and the body.
async fn answer(request: &Value, response: http::Response<Body>) -> Value {
    let (parts, body) = response.into_parts();
    let header = |name: &str| -> Vec<String> {
        parts.headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect()
    };
    let mut answer = json!({"code": parts.status.as_u16(), "type": header("content-type").join(", ")});
    let named = request["show"].as_array().into_iter().flatten().filter_map(Value::as_str);
    for name in named.chain(["warning"]) {
        let values = header(name);
        if !values.is_empty() {
            answer["headers"][name] = json!(values);
        }
    }
    let streams = parts.status == http::StatusCode::OK && !request["events"].is_null();
    answer["body"] = if streams { lines(body, &request["events"]).await } else { whole(body).await };
    answer
}

async fn whole(body: Body) -> Value {
    let bytes = body.collect().await.unwrap().to_bytes();
    match String::from_utf8(bytes.to_vec()) {
        Ok(text) => serde_json::from_str(&text).unwrap_or(Value::String(text)),
        Err(_) => json!(format!("{} bytes", bytes.len())),
    }
}

/// The events of a watch: as many as are wanted, or all until the server ends it where `events` is `"end"`.
async fn lines(mut body: Body, wanted: &Value) -> Value {
    let limit = wanted.as_u64().map_or(usize::MAX, |count| usize::try_from(count).unwrap());
    let (mut buffer, mut events) = (Vec::new(), Vec::new());
    while events.len() < limit {
        if let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = buffer.drain(..=end).collect();
            events.push(serde_json::from_slice(&line).unwrap());
            continue;
        }
        match tokio::time::timeout(STREAM_PATIENCE, body.frame()).await {
            Ok(Some(Ok(frame))) => buffer.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data)),
            Ok(Some(Err(error))) => events.push(json!({"type": "BROKEN", "object": error.to_string()})),
            Ok(None) => break,
            Err(_) => {
                events.push(json!({"type": "SILENT"}));
                break;
            }
        }
    }
    Value::Array(events)
}
