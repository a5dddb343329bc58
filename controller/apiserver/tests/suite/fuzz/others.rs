//! Targets that take more than one request, or none: rules and columns of definitions, paths and queries, options of a DELETE, the
//! user's own kubeconfig.

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use koan_apiserver::{ContextEntry, Server};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::{Subject, run};
use crate::support::*;

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const PROBE: &str = "/apis/fuzz.koan.dev/v1/namespaces/default/probes";
/// The longest answer to a request whose input is short.
const ANSWER_BYTES: usize = 8 * 1024 * 1024;

/// A definition with a rule and a column.
fn definition(rule: &str, column: &str) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "probes.fuzz.koan.dev"},
        "spec": {"group": "fuzz.koan.dev", "names": {"kind": "Probe", "plural": "probes"}, "scope": "Namespaced", "versions": [{
            "name": "v1", "served": true, "storage": true,
            "additionalPrinterColumns": [{"name": "Column", "type": "string", "jsonPath": column}],
            "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": {
                "type": "object",
                "x-kubernetes-validations": [{"rule": rule}],
                "properties": {
                    "text": {"type": "string", "maxLength": 20},
                    "number": {"type": "integer"},
                    "list": {"type": "array", "maxItems": 5, "items": {"type": "string", "maxLength": 9}},
                    "map": {"type": "object", "maxProperties": 5, "additionalProperties": {"type": "integer"}},
                },
            }}}},
        }]},
    })
}

/// An answer that the input alone is to blame for.
fn blamed(answer: &Answer) -> Result<(), String> {
    let short: String = answer.text.chars().take(500).collect();
    if answer.code >= 500 {
        return Err(format!("{} {short}", answer.code));
    }
    if answer.text.len() > ANSWER_BYTES { Err(format!("{} bytes: {short}", answer.text.len())) } else { Ok(()) }
}

/// Stores a definition, an object of it, shows it as a table, and takes both away.
async fn define(subject: &Subject, definition: &Value) -> Result<(), String> {
    let server = &subject.server;
    let gone = format!("{DEFINITIONS}/probes.fuzz.koan.dev");
    let outcome = use_it(server, definition).await;
    send(server, Method::DELETE, &gone, &[], "").await;
    until("its name is free", async || (get(server, &gone).await.code == 404).then_some(())).await;
    outcome
}

async fn use_it(server: &Server, definition: &Value) -> Result<(), String> {
    let made = post(server, DEFINITIONS, definition).await;
    blamed(&made)?;
    if made.code != 201 {
        return if made.code == 422 { Ok(()) } else { Err(format!("{} {}", made.code, made.text)) };
    }
    let probe = json!({"apiVersion": "fuzz.koan.dev/v1", "kind": "Probe", "metadata": {"name": "p"},
        "spec": {"text": "aé", "number": 7, "list": ["x", "y"], "map": {"a": 1, "b": 2}}});
    blamed(&post(server, PROBE, &probe).await)?;
    let table = [("accept", "application/json;as=Table;v=v1;g=meta.k8s.io,application/json")];
    let shown = send(server, Method::GET, PROBE, &table, "").await;
    blamed(&shown)?;
    if shown.json()["kind"] != "Table" {
        return Err(format!("no table: {}", shown.text));
    }
    Ok(())
}

/// REL-22, API-12, API-40: the text of a rule is compiled and run, or refused with its place; none hangs or breaks the server.
#[tokio::test]
async fn rules() {
    run("cel-rule", async |subject, input| define(subject, &definition(&String::from_utf8_lossy(input), ".spec.text")).await)
        .await;
}

/// REL-22, API-18, API-40: the path of a column is read and shown, or refused.
#[tokio::test]
async fn columns() {
    run("printer-column", async |subject, input| define(subject, &definition("true", &String::from_utf8_lossy(input))).await)
        .await;
}

/// REL-22, API-15, API-40: options of a DELETE, as protobuf and as JSON, are read or refused.
#[tokio::test]
async fn delete_options() {
    run("delete-options", async |subject, input| {
        for media in ["application/vnd.kubernetes.protobuf", "application/json"] {
            let headers = [("content-type", media)];
            let path = format!("{}/seed", super::MAPS);
            let answer = send(&subject.server, Method::DELETE, &path, &headers, Bytes::copy_from_slice(input)).await;
            blamed(&answer)?;
            subject.seed().await;
        }
        Ok(())
    })
    .await;
}

/// Sends a GET whose path and query are `input`, as far as they can be sent at all; a watch is only begun.
async fn ask(subject: &Subject, input: &[u8]) -> Result<(), String> {
    let Ok(request) = Request::get(input).body(Full::new(Bytes::new())) else { return Ok(()) };
    let response = subject.server.service().oneshot(request).await.unwrap_or_else(|never| match never {});
    let code = response.status().as_u16();
    let streams = code == 200 && input.windows(5).any(|window| window.eq_ignore_ascii_case(b"watch"));
    if streams {
        return Ok(());
    }
    let bytes = response.into_body().collect().await.unwrap_or_else(|never| match never {}).to_bytes();
    let text = String::from_utf8_lossy(&bytes);
    // A version that is no number is a 500 in the reference too.
    if code >= 500 && code != 504 && !text.contains("Invalid value") {
        return Err(format!("{code} {text}"));
    }
    if bytes.len() > ANSWER_BYTES { Err(format!("{} bytes", bytes.len())) } else { Ok(()) }
}

/// REL-22, API-40: any path gets an answer.
#[tokio::test]
async fn paths() {
    run("url-path", async |subject, input| ask(subject, input).await).await;
}

/// REL-22, API-7, API-8, API-40: any query of a list or a watch gets an answer.
#[tokio::test]
async fn queries() {
    run("url-query", async |subject, input| ask(subject, &[super::MAPS.as_bytes(), b"?", input].concat()).await).await;
}

/// REL-22, API-33: whatever lies in the user's kubeconfig, a merge is refused or can be undone to the last byte.
#[tokio::test]
async fn kubeconfigs() {
    let entry = ContextEntry {
        name: "koan".to_owned(),
        server: "https://127.0.0.1:4711".to_owned(),
        ca_pem: "PEM".to_owned(),
        token_file: "/home/me/state/token".into(),
    };
    run("kubeconfig", async |_, input| {
        let Ok(text) = std::str::from_utf8(input) else { return Ok(()) };
        let was_merged = entry.is_merged(text);
        for current in [false, true] {
            let Ok(merged) = entry.merge(text, current) else { continue };
            if !entry.is_merged(&merged) {
                return Err(format!("it is not merged: {merged:?}"));
            }
            let again = entry.merge(&merged, current).map_err(|error| format!("a second merge: {error}"))?;
            if again != merged {
                return Err(format!("a second merge changes it: {again:?} for {merged:?}"));
            }
            let undone = entry.remove(&merged).map_err(|error| format!("it is not undone: {error}: {merged:?}"))?;
            if !was_merged && !current && undone != text && !text.trim().is_empty() {
                return Err(format!("undone it is {undone:?}"));
            }
        }
        Ok(())
    })
    .await;
}
