//! Keeps one ConfigMap beside each Deployment that asks for it: small enough to read, real enough to test.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt as _};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, Error, Resource as _, ResourceExt as _};
use kube_runtime::controller::{Action, Controller};
use kube_runtime::watcher;

/// The annotation that holds the greeting of a Deployment.
pub const ANNOTATION: &str = "example.koan.dev/greeting";
/// Who writes the ConfigMaps.
const MANAGER: &str = "greeter";
/// How long a failed attempt rests.
const RETRY: Duration = Duration::from_secs(1);

/// Runs the controller until it is dropped: one item for each reconciliation.
pub fn run(client: Client) -> impl Stream<Item = ()> {
    let deployments: Api<Deployment> = Api::all(client.clone());
    let configs: Api<ConfigMap> = Api::all(client.clone());
    Controller::new(deployments, watcher::Config::default())
        .owns(configs, watcher::Config::default())
        .run(reconcile, |_, _, _| Action::requeue(RETRY), Arc::new(client))
        .map(drop)
}

/// Writes the greeting of a Deployment into a ConfigMap that it owns.
async fn reconcile(deployment: Arc<Deployment>, client: Arc<Client>) -> Result<Action, Error> {
    let Some(greeting) = deployment.annotations().get(ANNOTATION) else { return Ok(Action::await_change()) };
    let (name, namespace) = (deployment.name_any(), deployment.namespace().unwrap_or_default());
    let mut config =
        ConfigMap { data: Some(BTreeMap::from([("greeting".to_owned(), greeting.clone())])), ..ConfigMap::default() };
    config.metadata.name = Some(name.clone());
    config.metadata.owner_references = deployment.controller_owner_ref(&()).map(|owner| vec![owner]);
    let configs: Api<ConfigMap> = Api::namespaced(client.as_ref().clone(), &namespace);
    configs.patch(&name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(&config)).await?;
    Ok(Action::await_change())
}
