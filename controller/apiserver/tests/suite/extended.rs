//! The extended mode beside the reference: what it fills into the smallest object of each kind, and what it refuses.
//!
//! `tests/extended/<name>.json` holds exchanges with kube-apiserver 1.36.2: what was POSTed (as a dry run, so that nothing stays)
//! and what was answered, without names of the moment and without the pointers in `ignore`, where this server departs on purpose.
//! Where a reference runs they are compared with it, or written anew with `KOAN_RECORD=1`.

use std::path::PathBuf;

use http_body_util::BodyExt as _;
use koan_apiserver::Server;
use kube::Client;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};

use super::support::{get, patch, post};

const CORPORA: [&str; 2] = ["defaults", "refused"];
const REFERENCE: &str = "KOAN_TEST_REFERENCE_KUBECONFIG";
const RECORD: &str = "KOAN_RECORD";

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/extended").join(format!("{name}.json"))
}

fn exchanges(name: &str) -> Vec<Value> {
    serde_json::from_slice(&std::fs::read(file(name)).unwrap()).unwrap()
}

/// What of an answer is compared: a Status by its causes, an object without what is of the moment.
fn normal(mut answer: Value, ignored: &Value) -> Value {
    if answer["kind"] == "Status" {
        let mut causes = answer["details"]["causes"].as_array().cloned().unwrap_or_default();
        causes.iter_mut().for_each(Value::sort_all_objects);
        causes.sort_by_key(ToString::to_string);
        return json!({"reason": answer["reason"], "kind": answer["details"]["kind"], "causes": causes});
    }
    let momentary = ["/metadata/uid", "/metadata/creationTimestamp", "/metadata/managedFields", "/metadata/resourceVersion"];
    let ignored = ignored.as_array().into_iter().flatten().filter_map(Value::as_str);
    for pointer in momentary.into_iter().chain(ignored) {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        if let Some(fields) = answer.pointer_mut(parent).and_then(Value::as_object_mut) {
            fields.remove(&name.replace("~1", "/"));
        }
    }
    answer
}

async fn ask(client: &Client, exchange: &Value) -> (Value, Value) {
    let request = http::Request::post(exchange["path"].as_str().unwrap()).header("content-type", "application/json");
    let response = client.send(request.body(exchange["body"].to_string().into_bytes().into()).unwrap()).await.unwrap();
    let code = response.status().as_u16();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (json!(code), normal(serde_json::from_slice(&bytes).unwrap(), &exchange["ignore"]))
}

/// The columns and the cells of the same object as a Table; a cell of the moment is `null`.
async fn table(client: &Client, exchange: &Value) -> (Value, Value) {
    let request = http::Request::post(exchange["path"].as_str().unwrap()).header("content-type", "application/json");
    let request = request.header("accept", "application/json;as=Table;v=v1;g=meta.k8s.io");
    let response = client.send(request.body(exchange["body"].to_string().into_bytes().into()).unwrap()).await.unwrap();
    let found: Value = serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap();
    let columns = found["columnDefinitions"].as_array().unwrap().iter();
    let columns =
        columns.map(|column| ["name", "type", "format", "priority"].map(|field| column[field].clone())).map(Value::from_iter);
    let mut cells = found["rows"][0]["cells"].clone();
    for (cell, written) in cells.as_array_mut().unwrap().iter_mut().zip(exchange["cells"].as_array().unwrap()) {
        if written.is_null() {
            *cell = Value::Null;
        }
    }
    (columns.collect(), cells)
}

/// One line for each answer that is another one than is written.
async fn differences(client: &Client, name: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for exchange in exchanges(name) {
        let (code, answer) = ask(client, &exchange).await;
        if exchange["cells"].is_array() {
            let (columns, cells) = table(client, &exchange).await;
            if (&columns, &cells) != (&exchange["columns"], &exchange["cells"]) {
                let (wanted, shown) = (&exchange["columns"], &exchange["cells"]);
                lines.push(format!(
                    "{name}: {} as a Table\n  wanted {wanted} {shown}\n  found  {columns} {cells}",
                    exchange["path"]
                ));
            }
        }
        if (&code, &answer) != (&exchange["code"], &exchange["answer"]) {
            let (path, object) = (&exchange["path"], &exchange["body"]["metadata"]["name"]);
            lines.push(format!(
                "{name}: {path} {object}\n  wanted {} {}\n  found  {code} {answer}",
                exchange["code"], exchange["answer"]
            ));
        }
    }
    lines
}

async fn server() -> Server {
    Server::builder().extended_kinds(true).start().await.unwrap()
}

/// API-5: the smallest object of each kind comes back with what the reference fills in, and what it refuses is refused field by
/// field.
#[tokio::test]
async fn kinds_are_completed_and_refused_as_by_the_reference() {
    let server = server().await;
    let client = Client::new(server.service(), "default");
    let mut lines = Vec::new();
    for name in CORPORA {
        lines.extend(differences(&client, name).await);
    }
    assert!(lines.is_empty(), "{} answers differ from the reference's:\n{}", lines.len(), lines.join("\n"));
}

/// API-5, API-38: what is written is what the reference answers, compared or recorded wherever one runs.
#[tokio::test]
async fn the_written_exchanges_are_the_references() {
    let Ok(path) = std::env::var(REFERENCE) else {
        println!("SKIPPED reference: {REFERENCE} names no running kube-apiserver (hack/reference up)");
        return;
    };
    let config = Kubeconfig::read_from(path).unwrap();
    let config = kube::Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await.unwrap();
    let client = Client::try_from(config).unwrap();
    for name in CORPORA {
        if std::env::var_os(RECORD).is_some() {
            let mut lines = Vec::new();
            for mut exchange in exchanges(name) {
                let (code, answer) = ask(&client, &exchange).await;
                exchange["code"] = code;
                exchange["answer"] = answer;
                if exchange["cells"].is_array() {
                    (exchange["columns"], exchange["cells"]) = table(&client, &exchange).await;
                }
                lines.push(format!("  {exchange}"));
            }
            std::fs::write(file(name), format!("[\n{}\n]\n", lines.join(",\n"))).unwrap();
        }
        let lines = differences(&client, name).await;
        assert!(lines.is_empty(), "the reference answers otherwise now:\n{}", lines.join("\n"));
    }
}

/// API-5: a token of a ServiceAccount is known to TokenReview until its account goes; a Pod is bound once and evicted; HPAs are
/// one object in two versions; a Deployment is scaled and says whom it selects.
#[tokio::test]
async fn actions_and_views_work() {
    let server = server().await;
    let core = "/api/v1/namespaces/default";
    let accounts = format!("{core}/serviceaccounts");
    let wish = json!({"spec": {"audiences": ["api"]}});
    let token = post(&server, &format!("{accounts}/default/token"), &wish).await.json()["status"]["token"].clone();
    let review = json!({"spec": {"token": token, "audiences": ["api", "other"]}});
    let status = post(&server, "/apis/authentication.k8s.io/v1/tokenreviews", &review).await.json()["status"].clone();
    assert_eq!(
        (&status["user"]["username"], &status["audiences"]),
        (&json!("system:serviceaccount:default:default"), &json!(["api"]))
    );
    let other = json!({"spec": {"token": token, "audiences": ["other"]}});
    let status = post(&server, "/apis/authentication.k8s.io/v1/tokenreviews", &other).await.json()["status"].clone();
    assert!(status["authenticated"].is_null() && status["error"].is_string());

    let pod = json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "a", "image": "b"}]}});
    assert_eq!(post(&server, &format!("{core}/pods"), &pod).await.code, 201);
    let binding = json!({"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n"}});
    assert_eq!(post(&server, &format!("{core}/pods/p/binding"), &binding).await.code, 201);
    assert_eq!(post(&server, &format!("{core}/pods/p/binding"), &binding).await.code, 409);
    let on_node = get(&server, "/api/v1/pods?fieldSelector=spec.nodeName%3Dn,spec.hostNetwork%3Dfalse").await.json();
    assert_eq!(on_node["items"][0]["status"]["conditions"][0]["type"], "PodScheduled");
    let eviction = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p"}});
    assert_eq!(post(&server, &format!("{core}/pods/p/eviction"), &eviction).await.code, 201);
    assert_eq!(get(&server, &format!("{core}/pods/p")).await.code, 404);

    let scaler = json!({"metadata": {"name": "h"}, "spec": {"maxReplicas": 3, "targetCPUUtilizationPercentage": 50,
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}}});
    let scalers = |version: &str| format!("/apis/autoscaling/{version}/namespaces/default/horizontalpodautoscalers");
    assert_eq!(post(&server, &scalers("v1"), &scaler).await.code, 201);
    let second = get(&server, &format!("{}/h", scalers("v2"))).await.json();
    assert_eq!(second["spec"]["metrics"][0]["resource"]["target"], json!({"type": "Utilization", "averageUtilization": 50}));
    assert_eq!(get(&server, &format!("{}/h", scalers("v1"))).await.json()["spec"]["targetCPUUtilizationPercentage"], 50);

    let deployments = "/apis/apps/v1/namespaces/default/deployments";
    let deployment = json!({"metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "a", "image": "b"}]}}}});
    assert_eq!(post(&server, deployments, &deployment).await.code, 201);
    let path = format!("{deployments}/d/scale");
    let scaled = patch(&server, &path, "application/merge-patch+json", r#"{"spec":{"replicas":5}}"#).await.json();
    assert_eq!((&scaled["spec"]["replicas"], &scaled["status"]["selector"]), (&json!(5), &json!("a=b")));
    let moved = r#"{"spec":{"selector":{"matchLabels":{"a":"c"}},"template":{"metadata":{"labels":{"a":"c"}}}}}"#;
    let refused = patch(&server, &format!("{deployments}/d"), "application/merge-patch+json", moved).await;
    assert_eq!((refused.code, refused.json()["details"]["causes"][0]["field"].clone()), (422, json!("spec.selector")));
    let added = r#"{"spec":{"template":{"spec":{"containers":[{"name":"c","image":"d"}]}}}}"#;
    let merged = patch(&server, &format!("{deployments}/d"), "application/strategic-merge-patch+json", added).await.json();
    assert_eq!(merged["spec"]["template"]["spec"]["containers"].as_array().map(Vec::len), Some(2));
    assert_eq!(get(&server, "/api/v1/componentstatuses/scheduler").await.json()["conditions"][0]["status"], "True");
    assert_eq!(get(&server, &format!("{core}/services/kubernetes")).await.json()["spec"]["clusterIP"], "10.96.0.1");
}
