//! Whole requests against the reference: each corpus is a file of requests beside a file of the reference's answers.
//!
//! `tests/goldens/<topic>/<corpus>.requests.json` holds what is sent, in order; `<corpus>.answers.json` what kube-apiserver 1.36.2
//! answered, without names of the moment (uids, times, versions). Where a reference runs (`hack/reference up` prints the variable
//! that names it) the answers are compared with it, or written anew with `KOAN_RECORD=1`. A request may say
//! - `until`: it is sent again until the answer has that value at that pointer (clients of the reference have to wait);
//! - `ignore`: pointers of what is not compared;
//! - `text`: the body is compared as text;
//! - `koan`: the answer of this server where it departs from the reference on purpose: code, message, why.

use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::BodyExt as _;
use koan_apiserver::Server;
use kube::Client;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::{Map, Value, json};

const REFERENCE: &str = "KOAN_TEST_REFERENCE_KUBECONFIG";
const RECORD: &str = "KOAN_RECORD";
/// How long a request with `until` is sent again, and the pause between.
const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(50);
/// Fields whose values are of the moment.
const MOMENTARY: [&str; 8] = [
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "deletionTimestamp",
    "lastTransitionTime",
    "time",
    "storageVersionHash",
    "selfLink",
];

fn folder(topic: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens").join(topic)
}

fn read(path: &Path) -> Value {
    let text = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The corpora of a topic, by name.
fn corpora(topic: &str) -> Vec<String> {
    let entries = std::fs::read_dir(folder(topic)).unwrap();
    let name = |path: &str| path.strip_suffix(".requests.json").map(str::to_owned);
    let mut names: Vec<String> = entries.filter_map(|entry| name(entry.unwrap().file_name().to_str().unwrap())).collect();
    names.sort();
    assert!(!names.is_empty(), "no corpus of {topic}");
    names
}

async fn send(client: &Client, request: &Value) -> Value {
    let mut builder = http::Request::builder().method(request["method"].as_str().unwrap()).uri(request["path"].as_str().unwrap());
    let mut headers = json!({"user-agent": "golden/1", "accept": "application/json", "content-type": "application/json"});
    headers.as_object_mut().unwrap().extend(request["headers"].as_object().cloned().unwrap_or_default());
    if request["body"].is_null() {
        headers.as_object_mut().unwrap().remove("content-type");
    }
    for (name, value) in headers.as_object().unwrap() {
        builder = builder.header(name, value.as_str().unwrap());
    }
    let body = match &request["body"] {
        Value::Null => Vec::new(),
        Value::String(text) => text.clone().into_bytes(),
        other => other.to_string().into_bytes(),
    };
    let response = client.send(builder.body(body.into()).unwrap()).await.unwrap();
    let code = response.status().as_u16();
    let warnings: Vec<String> =
        response.headers().get_all("warning").iter().map(|value| value.to_str().unwrap().to_owned()).collect();
    let text = String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap();
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    let mut answer = json!({"code": code, "body": body});
    if !warnings.is_empty() {
        answer["warnings"] = json!(warnings);
    }
    answer
}

/// Sends a request, again and again where it says until when.
async fn settled(client: &Client, request: &Value) -> Value {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let answer = send(client, request).await;
        let until = &request["until"];
        let reached = match until["pointer"].as_str() {
            None | Some("") => true,
            Some("/code") => answer["code"] == until["value"],
            Some(pointer) => answer["body"].pointer(pointer) == Some(&until["value"]),
        };
        // An answer that never comes shows as the one that differs.
        if reached || tokio::time::Instant::now() > deadline {
            return answer;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// What of an answer is compared.
fn normalised(request: &Value, mut answer: Value) -> Value {
    for pointer in request["ignore"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if let Some(place) = answer["body"].pointer_mut(pointer) {
            *place = json!("<ignored>");
        }
    }
    if request["text"] == true {
        return answer;
    }
    let mut learned = Vec::new();
    learn(&answer["body"], &mut learned);
    tidy(&mut answer["body"], &learned);
    answer
}

/// Collects the uids and versions of an answer, which its messages repeat.
fn learn(value: &Value, learned: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, child) in fields {
                if matches!(name.as_str(), "uid" | "resourceVersion") && child.as_str().is_some_and(|text| text.len() > 2) {
                    learned.push(child.as_str().unwrap().to_owned());
                }
                learn(child, learned);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| learn(item, learned)),
        _ => {}
    }
}

fn tidy(value: &mut Value, learned: &[String]) {
    match value {
        Value::Object(fields) => {
            for (name, child) in fields.iter_mut() {
                if MOMENTARY.contains(&name.as_str()) && child.as_str().is_some_and(|text| !text.is_empty()) {
                    *child = Value::String(format!("<{name}>"));
                } else {
                    tidy(child, learned);
                }
            }
            several_causes(fields);
            fields.sort_keys();
            // Entries stand in the order of their times, which have whole seconds.
            if let Some(owners) = fields.get_mut("managedFields").and_then(Value::as_array_mut) {
                owners.sort_by_key(ToString::to_string);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| tidy(item, learned)),
        Value::String(text) => {
            for known in learned {
                *text = text.replace(known, "<known>");
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The reference walks maps in any order: several causes are compared as a set, and the message by what stands before them.
fn several_causes(status: &mut Map<String, Value>) {
    let Some(causes) = status.get_mut("details").and_then(|details| details.get_mut("causes")).and_then(Value::as_array_mut)
    else {
        return;
    };
    if causes.len() < 2 {
        return;
    }
    causes.sort_by_key(ToString::to_string);
    if let Some(Value::String(message)) = status.get_mut("message")
        && let Some((head, _)) = message.split_once(" is invalid: ")
    {
        *message = format!("{head} is invalid: <causes>");
    }
}

async fn run(client: &Client, requests: &Value) -> Vec<Value> {
    let mut answers = Vec::new();
    for request in requests["requests"].as_array().unwrap() {
        answers.push(normalised(request, settled(client, request).await));
    }
    answers
}

/// One line for each answer that is not the expected one.
fn differences(requests: &Value, expected: &Value, found: &[Value]) -> Vec<String> {
    let requests = requests["requests"].as_array().unwrap();
    let expected = expected.as_array().unwrap();
    assert_eq!(expected.len(), found.len(), "record the answers anew");
    let mut lines = Vec::new();
    for (index, ((request, expected), found)) in requests.iter().zip(expected).zip(found).enumerate() {
        let same = match &request["koan"] {
            Value::Null => found == expected,
            ours => found["code"] == ours["code"] && (ours["message"].is_null() || found["body"]["message"] == ours["message"]),
        };
        if !same {
            lines.push(format!(
                "request {index}, {} {}\n  expected {}\n  found    {}",
                request["method"], request["path"], expected, found
            ));
        }
    }
    lines
}

async fn ours() -> Client {
    // The server lives as long as its service.
    let server = Server::builder().start().await.unwrap();
    let client = Client::new(server.service(), "default");
    std::mem::forget(server);
    client
}

async fn replay(topic: &str) {
    let mut lines = Vec::new();
    for name in corpora(topic) {
        let requests = read(&folder(topic).join(format!("{name}.requests.json")));
        let expected = read(&folder(topic).join(format!("{name}.answers.json")));
        let found = run(&ours().await, &requests).await;
        lines.extend(differences(&requests, &expected, &found).into_iter().map(|line| format!("{topic}/{name}: {line}")));
    }
    assert!(lines.is_empty(), "{} answers differ from the reference's:\n{}", lines.len(), lines.join("\n"));
}

/// API-1, API-12, API-17, API-38: definitions written by clients are answered as the reference answers them, refusals included.
#[tokio::test]
async fn definitions_are_answered_as_by_the_reference() {
    replay("crds").await;
}

/// API-38: the committed answers are the reference's, compared or recorded wherever one runs.
#[tokio::test]
async fn the_committed_answers_are_the_references() {
    let Ok(path) = std::env::var(REFERENCE) else {
        println!("SKIPPED reference: {REFERENCE} names no running kube-apiserver (hack/reference up)");
        return;
    };
    let config = Kubeconfig::read_from(path).unwrap();
    let config = kube::Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await.unwrap();
    let client = Client::try_from(config).unwrap();
    for name in corpora("crds") {
        let requests = read(&folder("crds").join(format!("{name}.requests.json")));
        let found = run(&client, &requests).await;
        let path = folder("crds").join(format!("{name}.answers.json"));
        if std::env::var_os(RECORD).is_some() {
            let lines: Vec<String> = found.iter().map(|answer| format!("  {answer}")).collect();
            std::fs::write(path, format!("[\n{}\n]\n", lines.join(",\n"))).unwrap();
        } else {
            let requests = json!({"requests": requests["requests"].as_array().unwrap().iter().cloned().map(|mut request| {
                request.as_object_mut().unwrap().remove("koan");
                request
            }).collect::<Vec<Value>>()});
            let lines = differences(&requests, &read(&path), &found);
            assert!(lines.is_empty(), "{name}: the reference answers otherwise now:\n{}", lines.join("\n"));
        }
    }
}
