//! The generated CRDs on a real API server.

use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use koan_tests::{Component, component};
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, ValidationDirective};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::{Value, json};

/// Longest wait for a definition to be established.
const ESTABLISHED: Duration = Duration::from_secs(30);
/// Pause between two looks.
const POLL: Duration = Duration::from_millis(50);

async fn client(suite: &str) -> Option<Client> {
    let path = component(suite, Component::Reference)?;
    let kubeconfig = Kubeconfig::read_from(path).expect("a kubeconfig");
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.expect("a configuration");
    config.proxy_url = None;
    Some(Client::try_from(config).expect("a client"))
}

fn renamed(mut definition: Value, suffix: &str) -> Value {
    let group = format!("{suffix}.koan.dev");
    let plural = definition["spec"]["names"]["plural"].as_str().expect("a plural").to_owned();
    definition["metadata"]["name"] = json!(format!("{plural}.{group}"));
    definition["spec"]["group"] = json!(group);
    definition
}

/// Applies a definition under a group of this test's own and waits until it is established.
async fn establish(client: &Client, definition: &Value) -> Result<(), kube::Error> {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let name = definition["metadata"]["name"].as_str().expect("a name");
    let mut parameters = PatchParams::apply(koan_crds::labels::MANAGER_CRDS).force();
    parameters.field_validation = Some(ValidationDirective::Strict);
    definitions.patch(name, &parameters, &Patch::Apply(definition)).await?;
    let deadline = tokio::time::Instant::now() + ESTABLISHED;
    loop {
        let found = definitions.get(name).await?;
        let conditions = found.status.and_then(|s| s.conditions).unwrap_or_default();
        if conditions.iter().any(|c| c.type_ == "Established" && c.status == "True") {
            return Ok(());
        }
        assert!(tokio::time::Instant::now() < deadline, "{name} is not established: {conditions:?}");
        tokio::time::sleep(POLL).await;
    }
}

async fn remove(client: &Client, definition: &Value) {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let name = definition["metadata"]["name"].as_str().expect("a name");
    definitions.delete(name, &DeleteParams::default()).await.expect("the definition goes");
}

fn stacks(client: &Client, group: &str) -> Api<DynamicObject> {
    let kind = kube::api::GroupVersionKind::gvk(group, "v1alpha1", "DevStack");
    let resource = kube::api::ApiResource::from_gvk_with_plural(&kind, "devstacks");
    Api::namespaced_with(client.clone(), "default", &resource)
}

/// K-1, K-10: a real API server takes the CRDs under strict validation, and with four times the services too.
#[tokio::test]
async fn a_real_server_takes_the_crds_with_four_times_the_services() {
    let Some(client) = client("crds").await else { return };
    for (index, crd) in koan_crds::generated().expect("CRDs").into_iter().enumerate() {
        let plain = renamed(crd.document, &format!("plain{index}"));
        establish(&client, &plain).await.expect("accepted");
        remove(&client, &plain).await;
        let mut large = renamed(plain, &format!("large{index}"));
        if let Some(bound) =
            large.pointer_mut("/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/services/maxItems")
        {
            *bound = json!(4 * bound.as_u64().expect("a bound"));
        }
        establish(&client, &large).await.expect("accepted with four times the services");
        remove(&client, &large).await;
    }
}

/// K-1, K-3: defaults, rules and unknown fields behave on a real server as the contract says.
#[tokio::test]
async fn a_real_server_applies_defaults_and_refuses_what_the_rules_refuse() {
    let Some(client) = client("crds").await else { return };
    let group = "rules.koan.dev";
    let crd = koan_crds::generated().expect("CRDs").remove(0);
    let definition = renamed(crd.document, "rules");
    establish(&client, &definition).await.expect("accepted");
    let stacks = stacks(&client, group);
    let apply = |name: &'static str, spec: Value| {
        let stacks = stacks.clone();
        async move {
            let object =
                json!({"apiVersion": format!("{group}/v1alpha1"), "kind": "DevStack", "metadata": {"name": name}, "spec": spec});
            let mut parameters = PatchParams::apply("koan").force();
            parameters.field_validation = Some(ValidationDirective::Strict);
            stacks.patch(name, &parameters, &Patch::Apply(&object)).await
        }
    };
    let stored = apply("shop", json!({"services": [{"name": "db", "adapter": "postgres"}]})).await.expect("accepted");
    assert_eq!(stored.data["spec"]["engine"]["name"], "Auto");
    assert_eq!(stored.data["spec"]["volumeReclaim"], "Retain");
    assert_eq!(stored.data["spec"]["services"][0].as_object().expect("a service").len(), 2, "no default inside a list");
    let refused = [
        (json!({"services": [{"name": "db"}]}), "exactly one workload"),
        (json!({"services": [{"name": "db", "adapter": "postgres", "serviceRef": {"name": "x"}}]}), "serviceRef"),
        (
            json!({"services": [{"name": "db", "adapter": "postgres", "ports": [{"name": "p", "containerPort": 0}]}]}),
            "containerPort",
        ),
        (json!({"ttl": "5s"}), "at least 1m"),
        (json!({"unknown": true}), "field not declared in schema"),
    ];
    for (spec, text) in refused {
        let error = apply("bad", spec.clone()).await.expect_err("refused").to_string();
        assert!(error.contains(text), "{spec}: {error}");
    }
    remove(&client, &definition).await;
}
