//! Definitions that clients bring: no gap before they are served, an end that takes their objects with it.

use bytes::Bytes;
use http::Method;
use koan_apiserver::Server;
use serde_json::{Value, json};

use super::support::*;

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const CUPS: &str = "/apis/cups.koan.dev/v1/namespaces/default/cups";

fn cups(spec: &Value) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "cups.cups.koan.dev"},
        "spec": {"group": "cups.koan.dev", "names": {"kind": "Cup", "plural": "cups"}, "scope": "Namespaced",
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object", "properties": spec}}}}}]},
    })
}

fn cup(name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "cups.koan.dev/v1", "kind": "Cup", "metadata": {"name": name}, "spec": spec})
}

async fn merge(server: &Server, path: &str, patch_of: &Value) -> Answer {
    patch(server, path, "application/merge-patch+json", &patch_of.to_string()).await
}

/// API-1: once the create of a definition is answered, its kind can be used; discovery and both OpenAPI documents have it.
#[tokio::test]
async fn a_definition_is_served_once_it_is_answered() {
    let server = Server::builder().start().await.unwrap();
    assert_eq!(get(&server, CUPS).await.code, 404);
    assert_eq!(post(&server, DEFINITIONS, &cups(&json!({"size": {"type": "integer"}}))).await.code, 201);
    assert_eq!(post(&server, CUPS, &cup("a", &json!({"size": 1}))).await.code, 201);
    let stored = get(&server, &format!("{DEFINITIONS}/cups.cups.koan.dev")).await.json();
    assert_eq!(stored["status"]["conditions"][1]["type"], "Established");
    assert_eq!(stored["status"]["conditions"][1]["status"], "True");
    assert!(get(&server, "/apis").await.text.contains("cups.koan.dev"));
    assert!(get(&server, "/apis/cups.koan.dev/v1").await.text.contains("\"cups\""));
    assert!(get(&server, "/openapi/v3/apis/cups.koan.dev/v1").await.text.contains("dev.koan.cups.v1.Cup"));
    assert!(get(&server, "/openapi/v2").await.text.contains("dev.koan.cups.v1.Cup"));
}

/// API-1, API-2: under a new schema stored objects read pruned and defaulted, and keep their versions.
#[tokio::test]
async fn a_new_schema_changes_how_objects_read() {
    let server = Server::builder().start().await.unwrap();
    post(&server, DEFINITIONS, &cups(&json!({"size": {"type": "integer"}, "old": {"type": "string"}}))).await;
    let before = post(&server, CUPS, &cup("a", &json!({"size": 1, "old": "x"}))).await.json();
    let changed = cups(&json!({"size": {"type": "integer"}, "lid": {"type": "boolean", "default": true}}));
    let answer = merge(&server, &format!("{DEFINITIONS}/cups.cups.koan.dev"), &json!({"spec": changed["spec"]})).await;
    assert_eq!(answer.code, 200, "{}", answer.text);
    let after = get(&server, &format!("{CUPS}/a")).await.json();
    assert_eq!(after["spec"], json!({"size": 1, "lid": true}));
    assert_eq!(after["metadata"]["resourceVersion"], before["metadata"]["resourceVersion"]);
}

/// API-1, API-8: a watch of a kind whose definition is deleted gets the end of each object and then ends itself.
#[tokio::test]
async fn a_watch_ends_with_its_definition() {
    let server = Server::builder().start().await.unwrap();
    post(&server, DEFINITIONS, &cups(&json!({}))).await;
    post(&server, CUPS, &cup("a", &json!({}))).await;
    let mut watch = start(&server, Method::GET, &format!("{CUPS}?watch=true"), &[], Bytes::new()).await;
    let mut buffer = Vec::new();
    assert_eq!(line(&mut watch, &mut buffer).await.unwrap()["type"], "ADDED");
    let path = format!("{DEFINITIONS}/cups.cups.koan.dev");
    assert_eq!(send(&server, Method::DELETE, &path, &[], "").await.code, 200);
    let mut words = Vec::new();
    while let Some(event) = line(&mut watch, &mut buffer).await {
        words.push(event["type"].as_str().unwrap().to_owned());
    }
    // The kind ends its watches when it stops taking objects, before or after the last of them is gone.
    assert!(words.iter().all(|word| word == "DELETED"), "{words:?}");
    until("the definition is gone", async || (get(&server, &path).await.code == 404).then_some(())).await;
    assert_eq!(get(&server, CUPS).await.code, 404);
    assert!(!get(&server, "/apis").await.text.contains("cups.koan.dev"));
    assert_eq!(post(&server, DEFINITIONS, &cups(&json!({}))).await.code, 201);
    assert_eq!(get(&server, CUPS).await.json()["items"], json!([]));
}

/// API-4, API-5: the built-in kinds are absent unless they are asked for; then they are plain data with status, scale, strategic
/// merge by the reference's keys, selectors and columns.
#[tokio::test]
async fn extended_kinds_are_plain_data() {
    const PODS: &str = "/api/v1/namespaces/default/pods";
    const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";
    let plain = Server::builder().start().await.unwrap();
    assert_eq!(get(&plain, DEPLOYMENTS).await.code, 404);
    let server = Server::builder().extended_kinds(true).start().await.unwrap();
    let pod = json!({"metadata": {"name": "a"}, "spec": {"nodeName": "n", "containers": [{"name": "one", "image": "x"}]}});
    let made = post(&server, PODS, &pod).await;
    assert_eq!(made.code, 201, "{}", made.text);
    let changed = json!({"spec": {"containers": [{"name": "one", "image": "y"}], "activeDeadlineSeconds": 9}});
    let strategic = patch(&server, &format!("{PODS}/a"), "application/strategic-merge-patch+json", &changed.to_string()).await;
    assert_eq!(strategic.code, 200, "{}", strategic.text);
    let containers = strategic.json()["spec"]["containers"].clone();
    assert_eq!((&containers[0]["image"], containers[0]["imagePullPolicy"].is_string()), (&json!("y"), true));
    let added = json!({"spec": {"containers": [{"name": "two", "image": "y"}]}});
    let refused = patch(&server, &format!("{PODS}/a"), "application/strategic-merge-patch+json", &added.to_string()).await;
    assert_eq!(refused.code, 422, "what a Pod runs stays: {}", refused.text);
    let status = merge(&server, &format!("{PODS}/a/status"), &json!({"status": {"phase": "Running"}})).await;
    assert_eq!(status.json()["status"]["phase"], "Running");
    assert_eq!(
        get(&server, &format!("{PODS}?fieldSelector=spec.nodeName%3Dn")).await.json()["items"].as_array().unwrap().len(),
        1
    );
    let strict =
        post(&server, &format!("{PODS}?fieldValidation=Strict"), &json!({"metadata": {"name": "b"}, "spec": {"x": 1}})).await;
    assert!(strict.message().contains("unknown field \"spec.x\""), "{}", strict.text);
    let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "one", "image": "x"}]}});
    let deployment = json!({"metadata": {"name": "d"}, "spec": {"replicas": 1, "selector": {"matchLabels": {"a": "b"}}, "template": template}});
    assert_eq!(post(&server, DEPLOYMENTS, &deployment).await.code, 201);
    let scaled = merge(&server, &format!("{DEPLOYMENTS}/d/scale"), &json!({"spec": {"replicas": 3}})).await;
    assert_eq!(scaled.json()["spec"]["replicas"], 3);
    let applied = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": {"paused": true}});
    let applied =
        patch(&server, &format!("{DEPLOYMENTS}/d?fieldManager=me"), "application/apply-patch+yaml", &applied.to_string()).await;
    assert_eq!(applied.json()["spec"]["paused"], true, "{}", applied.text);
    assert_eq!(get(&server, "/apis/rbac.authorization.k8s.io/v1/clusterroles/cluster-admin").await.code, 200);
    let document = get(&server, "/openapi/v3/api/v1").await.json();
    let containers = &document["components"]["schemas"]["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"];
    assert_eq!(containers["x-kubernetes-list-map-keys"], json!(["name"]));
}

/// API-17 (decision 0014): who reads OpenAPI v2 as protobuf gets a document that describes nothing; other types are not acceptable.
#[tokio::test]
async fn open_api_v2_as_protobuf_describes_nothing() {
    const PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
    let server = Server::builder().start().await.unwrap();
    let ask = async |accept: &str| send(&server, Method::GET, "/openapi/v2", &[("accept", accept)], "").await;
    let found = ask(PROTOBUF).await;
    assert_eq!((found.code, found.text.as_str()), (200, "\n\u{3}2.0\u{12}\n\n\u{4}Koan\u{12}\u{2}v1B\0"));
    assert_eq!(found.headers["content-type"], "application/com.github.proto-openapi.spec.v2.v1.0+protobuf");
    assert!(ask("application/json").await.text.starts_with("{\"swagger\":\"2.0\""));
    assert_eq!(ask("application/yaml").await.code, 406);
}

/// API-5: a new object of an extended kind carries its status, empty as it is, whatever was sent.
#[tokio::test]
async fn extended_kinds_carry_an_empty_status() {
    let server = Server::builder().extended_kinds(true).start().await.unwrap();
    let service = json!({"metadata": {"name": "a"}, "spec": {"ports": [{"port": 80}]}, "status": {"conditions": []}});
    let made = post(&server, "/api/v1/namespaces/default/services", &service).await.json();
    assert_eq!(made["status"], json!({"loadBalancer": {}}));
    let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "one", "image": "x"}]}});
    let controller = json!({"metadata": {"name": "a"}, "spec": {"selector": {"a": "b"}, "template": template}});
    let made = post(&server, "/api/v1/namespaces/default/replicationcontrollers", &controller).await.json();
    assert_eq!(made["status"], json!({"replicas": 0}));
}

/// API-5: every kind of the extended mode has a schema that is structural, and can be listed.
#[tokio::test]
async fn every_extended_kind_is_usable() {
    let server = Server::builder().extended_kinds(true).start().await.unwrap();
    let aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    let mut seen = 0;
    for root in ["/api", "/apis"] {
        let found = send(&server, Method::GET, root, &[("accept", aggregated)], "").await.json();
        for group in found["items"].as_array().unwrap() {
            for version in group["versions"].as_array().unwrap() {
                for resource in version["resources"].as_array().unwrap() {
                    let (version, plural) = (version["version"].as_str().unwrap(), resource["resource"].as_str().unwrap());
                    let prefix = match group["metadata"]["name"].as_str() {
                        Some(name) => format!("/apis/{name}/{version}"),
                        None => format!("/api/{version}"),
                    };
                    if !resource["verbs"].as_array().unwrap().iter().any(|verb| verb == "list") {
                        continue;
                    }
                    let table = ("accept", "application/json;as=Table;v=v1;g=meta.k8s.io");
                    let list = send(&server, Method::GET, &format!("{prefix}/{plural}"), &[table], "").await;
                    assert_eq!(list.code, 200, "{plural}: {}", list.text);
                    assert!(list.json()["columnDefinitions"].is_array(), "{plural}: {}", list.text);
                    seen += 1;
                }
            }
        }
    }
    assert!(seen > 50, "{seen}");
}

/// API-1, API-15: a definition that serves no version loses its objects all the same when it is deleted, and goes.
#[tokio::test]
async fn an_unserved_definition_ends_with_its_objects() {
    let server = Server::builder().start().await.unwrap();
    let path = format!("{DEFINITIONS}/cups.cups.koan.dev");
    post(&server, DEFINITIONS, &cups(&json!({}))).await;
    for name in ["a", "b"] {
        assert_eq!(post(&server, CUPS, &cup(name, &json!({}))).await.code, 201);
    }
    let mut hidden = cups(&json!({}));
    hidden["spec"]["versions"][0]["served"] = json!(false);
    assert_eq!(merge(&server, &path, &json!({"spec": hidden["spec"]})).await.code, 200);
    assert_eq!(get(&server, CUPS).await.code, 404);
    assert_eq!(send(&server, Method::DELETE, &path, &[], "").await.code, 200);
    until("the definition goes", async || (get(&server, &path).await.code == 404).then_some(())).await;
    post(&server, DEFINITIONS, &cups(&json!({}))).await;
    assert_eq!(get(&server, CUPS).await.json()["items"], json!([]), "none came back");
}
