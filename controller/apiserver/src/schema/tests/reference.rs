//! Validation against kube-apiserver: `reference.json` holds what it answered, and is checked against a running one where there is one.
//!
//! `hack/reference up` prints the variable that names the running server; with `KOAN_RECORD=1` beside it the file is written anew.

use std::path::PathBuf;

use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};

use crate::schema::Schema;

const SERVER: &str = "KOAN_TEST_REFERENCE_KUBECONFIG";
const RECORD: &str = "KOAN_RECORD";
const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
/// Tries until a definition is served, and the pause between them.
const TRIES: u32 = 50;
const PAUSE: std::time::Duration = std::time::Duration::from_millis(200);

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/schema/tests/reference.json")
}

fn recorded() -> Value {
    serde_json::from_slice(&std::fs::read(file()).unwrap()).unwrap()
}

fn sorted(mut lines: Vec<String>) -> Value {
    lines.sort();
    json!(lines)
}

fn object(case: &Value) -> Value {
    let mut object = json!({"apiVersion": "example.com/v1", "kind": "Example", "metadata": {"name": "one"}});
    for (key, value) in case["object"].as_object().unwrap() {
        object[key] = value.clone();
    }
    object
}

/// What this crate makes of a create.
fn ours(schema: &Schema, case: &Value) -> Value {
    let body = object(case).to_string();
    let mut object = crate::codec::json(body.as_bytes()).unwrap().value;
    schema.prune(&mut object);
    schema.drop_nulls(&mut object);
    schema.default(&mut object);
    let problems = schema.validate(&object, None);
    let mut out = json!({"object": case["object"]});
    out["problems"] = sorted(
        problems.iter().map(|problem| format!("{} | {} | {}", problem.path, problem.kind.reason(), problem.message)).collect(),
    );
    if problems.is_empty() {
        out["spec"] = object["spec"].clone();
    }
    out
}

/// API-10, API-12, table of section 4: what is stored and every cause of a refusal equal the reference's.
#[test]
fn causes_and_stored_objects_equal_the_reference() {
    let golden = recorded();
    let schema = Schema::parse(&golden["definition"]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]).unwrap();
    assert!(schema.verify().is_empty(), "{:?}", schema.verify());
    for case in golden["cases"].as_array().unwrap() {
        let ours = ours(&schema, case);
        assert_eq!(ours["problems"], case["problems"], "{}", case["object"]);
        assert_eq!(ours.get("spec"), case.get("spec"), "{}", case["object"]);
    }
}

async fn request(client: &kube::Client, method: &str, path: &str, body: &Value) -> Value {
    let request = http::Request::builder().method(method).uri(path).header("content-type", "application/json");
    let text = client.request_text(request.body(body.to_string().into_bytes()).unwrap()).await;
    match text {
        Ok(text) => serde_json::from_str(&text).unwrap(),
        Err(kube::Error::Api(status)) => serde_json::to_value(status).unwrap(),
        Err(error) => panic!("{method} {path}: {error}"),
    }
}

/// What the running reference makes of a create.
async fn theirs(client: &kube::Client, case: &Value) -> Value {
    let path = "/apis/example.com/v1/namespaces/default/examples?dryRun=All&fieldValidation=Ignore";
    let answer = request(client, "POST", path, &object(case)).await;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let causes = answer["details"]["causes"].as_array().cloned().unwrap_or_default();
    let mut out = json!({"object": case["object"]});
    out["problems"] = sorted(
        causes
            .iter()
            .map(|cause| format!("{} | {} | {}", text(&cause["field"]), text(&cause["reason"]), text(&cause["message"])))
            .collect(),
    );
    if answer["kind"] == "Example" {
        out["spec"] = answer["spec"].clone();
    }
    out
}

/// API-38: the recorded answers are those of the reference, compared or recorded wherever one runs.
#[tokio::test]
async fn the_recorded_answers_are_the_references() {
    let Ok(path) = std::env::var(SERVER) else {
        println!("SKIPPED reference: {SERVER} names no running kube-apiserver (hack/reference up)");
        return;
    };
    let config = Kubeconfig::read_from(path).unwrap();
    let config = kube::Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await.unwrap();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = kube::Client::try_from(config).unwrap();
    let mut golden = recorded();
    request(&client, "POST", DEFINITIONS, &golden["definition"]).await;
    let mut tries = 0;
    while request(&client, "GET", "/apis/example.com/v1/namespaces/default/examples", &Value::Null).await["kind"] != "ExampleList"
    {
        tries += 1;
        assert!(tries < TRIES, "the definition is not served");
        tokio::time::sleep(PAUSE).await;
    }
    let mut answers = Vec::new();
    for case in golden["cases"].as_array().unwrap() {
        answers.push(theirs(&client, case).await);
    }
    request(&client, "DELETE", &format!("{DEFINITIONS}/examples.example.com"), &json!({})).await;
    let answers = Value::Array(answers);
    if std::env::var_os(RECORD).is_some() {
        golden["cases"] = answers;
        std::fs::write(file(), format!("{golden:#}\n")).unwrap();
    } else {
        assert_eq!(answers, golden["cases"]);
    }
}
