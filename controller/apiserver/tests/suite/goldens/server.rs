//! The two servers that are asked, over their sockets: the embedded one, started for one corpus, and the reference.

use std::path::Path;

use koan_apiserver::{ListenOptions, Listening, Server};
use kube::Client;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::corpus::{Corpus, definition};
use super::exchange::Exchange;

/// An embedded server that lives as long as this value.
pub(super) struct Embedded {
    pub(super) exchange: Exchange,
    listening: Listening,
    _server: Server,
    _directory: TempDir,
}

impl Embedded {
    pub(super) async fn start(extended: bool) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let server = Server::builder().extended_kinds(extended).start().await.unwrap();
        let options = ListenOptions { state_dir: directory.path().join("state"), port: None, origins: Vec::new() };
        let listening = server.listen(options).await.unwrap();
        let exchange = connect(listening.kubeconfig()).await;
        Self { exchange, listening, _server: server, _directory: directory }
    }

    /// The file that says how to reach it.
    pub(super) fn kubeconfig(&self) -> &Path {
        self.listening.kubeconfig()
    }
}

/// A connection that sends exactly what a request says: no token, no retry of its own.
pub(super) async fn connect(kubeconfig: &Path) -> Exchange {
    let text = std::fs::read_to_string(kubeconfig).unwrap();
    let value: Value = serde_saphyr::from_str(&text).unwrap();
    let token = value.pointer("/users/0/user/token").and_then(Value::as_str).unwrap().to_owned();
    let file = Kubeconfig::read_from(kubeconfig).unwrap();
    let mut config = kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.unwrap();
    config.auth_info.token = None;
    config.default_retry = false;
    Exchange::new(Client::try_from(config).unwrap(), token)
}

/// Makes what a corpus expects to find: its definitions, and a namespace of its own with its account.
pub(super) async fn prepare(exchange: &mut Exchange, corpus: &Corpus) {
    furnish(exchange, corpus.definitions().map(definition), corpus.wants_namespace()).await;
}

/// Writes definitions, and makes a namespace if one is wanted.
pub(super) async fn furnish(exchange: &mut Exchange, definitions: impl IntoIterator<Item = Value>, wants_namespace: bool) {
    for definition in definitions {
        define(exchange, definition).await;
    }
    if !wants_namespace {
        return;
    }
    let namespace = format!("golden-{}", uuid::Uuid::new_v4().simple());
    let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
    expect(exchange, json!({"method": "POST", "path": "/api/v1/namespaces", "body": body}), "/code", json!(201)).await;
    let account = json!({"method": "GET", "path": format!("/api/v1/namespaces/{namespace}/serviceaccounts/default")});
    expect(exchange, account, "/code", json!(200)).await;
    exchange.namespace = namespace;
}

/// Lets the namespace of a corpus go, if one was made.
pub(super) async fn forget(exchange: &mut Exchange) {
    if !exchange.namespace.is_empty() {
        exchange.settled(&[json!({"method": "DELETE", "path": "/api/v1/namespaces/${ns}"})]).await;
    }
}

/// Writes a definition and waits until its objects are served.
async fn define(exchange: &mut Exchange, definition: Value) {
    let (group, plural) = (definition["spec"]["group"].clone(), definition["spec"]["names"]["plural"].clone());
    let (group, plural) = (group.as_str().unwrap(), plural.as_str().unwrap());
    let version = definition.pointer("/spec/versions/0/name").and_then(Value::as_str).unwrap();
    let objects = format!("/apis/{group}/{version}/{plural}");
    let path =
        format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{plural}.{group}?fieldManager=goldens&force=true");
    let headers = json!({"content-type": "application/apply-patch+yaml"});
    exchange.settled(&[json!({"method": "PATCH", "path": path, "headers": headers, "body": definition})]).await;
    expect(exchange, json!({"method": "GET", "path": objects}), "/code", json!(200)).await;
}

async fn expect(exchange: &mut Exchange, mut request: Value, pointer: &str, value: Value) {
    request["until"] = json!({"pointer": pointer, "value": value});
    let answer = exchange.settled(std::slice::from_ref(&request)).await.remove(0);
    assert_eq!(answer.pointer(pointer), Some(&value), "{request}: {answer}");
}
