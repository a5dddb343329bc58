//! The controller against an API server inside the test: no process, no port, no files.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ConfigMap;
use koan_apiserver::Server;
use koan_example_envtest::{ANNOTATION, run};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use kube_runtime::wait::await_condition;
use serde_json::json;

/// How long a test waits for the controller before it fails.
const PATIENCE: Duration = Duration::from_secs(30);

fn deployment() -> Deployment {
    serde_json::from_value(json!({
        "metadata": {"name": "web", "annotations": {ANNOTATION: "hello"}},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "nginx:1.27"}]}},
        },
    }))
    .unwrap()
}

/// Waits until the ConfigMap of a Deployment greets with these words, or is gone.
async fn eventually(configs: &Api<ConfigMap>, words: Option<&'static str>) {
    let is = move |found: Option<&ConfigMap>| {
        found.and_then(|config| config.data.as_ref()?.get("greeting")).map(String::as_str) == words
    };
    tokio::time::timeout(PATIENCE, await_condition(configs.clone(), "web", is)).await.expect("the greeting in time").unwrap();
}

/// API-5: a controller of somebody else is tested against a server inside its test: it writes, follows a change, mends what was
/// taken away, and what a Deployment owns goes with it.
#[tokio::test]
async fn a_deployment_is_greeted() {
    let server = Server::builder().extended_kinds(true).start().await.unwrap();
    let client = Client::new(server.service(), "default");
    let controller = tokio::spawn(run(client.clone()).for_each(|()| std::future::ready(())));

    let deployments: Api<Deployment> = Api::default_namespaced(client.clone());
    let configs: Api<ConfigMap> = Api::default_namespaced(client);
    let made = deployments.create(&PostParams::default(), &deployment()).await.unwrap();
    assert_eq!(made.spec.unwrap().replicas, Some(1), "the server fills in what a cluster does");
    eventually(&configs, Some("hello")).await;

    let change = Patch::Merge(json!({"metadata": {"annotations": {ANNOTATION: "good evening"}}}));
    deployments.patch("web", &PatchParams::default(), &change).await.unwrap();
    eventually(&configs, Some("good evening")).await;
    configs.delete("web", &DeleteParams::default()).await.unwrap();
    eventually(&configs, Some("good evening")).await;

    deployments.delete("web", &DeleteParams::default()).await.unwrap();
    eventually(&configs, None).await;
    controller.abort();
}
