use std::collections::BTreeMap;

use k8s_pb::api::apps::v1::{Deployment, DeploymentSpec};
use k8s_pb::api::core::v1::{Container, EnvVar, Pod, PodSpec, Probe, ProbeHandler, ResourceRequirements, TcpSocketAction};
use k8s_pb::apimachinery::pkg::api::resource::Quantity;
use k8s_pb::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_pb::apimachinery::pkg::util::intstr::IntOrString;
use proptest::prelude::*;
use prost::Message;
use serde_json::{Value, json};

use super::table::{Kind, fields, names};
use super::*;

fn whole(api_version: &str, kind: &str, value: Value) -> Value {
    let Value::Object(map) = value else { panic!("no object") };
    Value::Object(full(root(api_version, kind).unwrap(), map, &|_, _| {}))
}

/// API-5: what is empty goes or stands as it does with Go, `null` is absence, and a struct that nothing was given for is there.
#[test]
fn the_full_form_is_gos() {
    let deployment = json!({"kind": "Deployment", "spec": {"replicas": 0, "paused": false, "minReadySeconds": 0,
        "template": {"metadata": {"labels": {}}, "spec": {"containers": [{"name": "a", "env": [], "tty": null}]}}}});
    let expected = json!({"kind": "Deployment", "metadata": {}, "spec": {"replicas": 0, "selector": null,
        "template": {"metadata": {}, "spec": {"containers": [{"name": "a", "resources": {}}]}}, "strategy": {}}, "status": {}});
    assert_eq!(whole("apps/v1", "Deployment", deployment), expected);
    let role = whole("rbac.authorization.k8s.io/v1", "Role", json!({}));
    assert_eq!(role["rules"], Value::Null);
    let kept = json!({"spec": {"containers": "wrong"}});
    assert_eq!(whole("v1", "Pod", kept)["spec"]["containers"], "wrong");
}

/// API-5: inlined structs stand among the fields of their owner, and are shown to who completes them.
#[test]
fn inlined_structs_are_completed_in_place() {
    let Value::Object(pod) = json!({"spec": {"ephemeralContainers": [{"name": "a"}]}}) else { panic!("no object") };
    let pod = full(root("v1", "Pod").unwrap(), pod, &|name, map| {
        if name == "core.v1.EphemeralContainerCommon" {
            map.insert("image".to_owned(), json!("b"));
        }
    });
    assert_eq!(pod["spec"]["ephemeralContainers"], json!([{"name": "a", "image": "b", "resources": {}}]));
}

/// API-5: every type that the table names is in it.
#[test]
fn the_table_is_closed() {
    fn inner(kind: &Kind) -> Option<&'static str> {
        match kind {
            Kind::Struct(name) => Some(*name),
            Kind::List(kind) | Kind::Map(kind) => inner(kind),
            _ => None,
        }
    }
    let known = names();
    for name in &known {
        for field in fields(name) {
            assert!(inner(&field.kind).is_none_or(|name| known.contains(&name)), "{name}.{}", field.name);
        }
    }
}

/// API-5, API-18: protobuf bodies of Go clients become the JSON that the same client would have sent.
#[test]
fn protobuf_becomes_json() {
    let quantity = |text: &str| Quantity { string: Some(text.to_owned()) };
    let port = IntOrString { r#type: Some(1), int_val: Some(0), str_val: Some("http".to_owned()) };
    let tcp = TcpSocketAction { port: Some(port), host: Some(String::new()) };
    let container = Container {
        name: Some("a".to_owned()),
        image: Some(String::new()),
        args: vec!["x".to_owned()],
        env: vec![EnvVar { name: Some("A".to_owned()), value: Some(String::new()), value_from: None }],
        resources: Some(ResourceRequirements {
            limits: BTreeMap::from([("cpu".to_owned(), quantity("1"))]),
            ..ResourceRequirements::default()
        }),
        readiness_probe: Some(Probe {
            handler: Some(ProbeHandler { tcp_socket: Some(tcp), ..ProbeHandler::default() }),
            period_seconds: Some(3),
            ..Probe::default()
        }),
        tty: Some(false),
        ..Container::default()
    };
    let pod = Pod {
        metadata: Some(ObjectMeta { name: Some("p".to_owned()), ..ObjectMeta::default() }),
        spec: Some(PodSpec { containers: vec![container], priority: Some(-1), ..PodSpec::default() }),
        status: None,
    };
    let decoded = decode(root("v1", "Pod").unwrap(), &pod.encode_to_vec()).unwrap();
    let container = json!({"name": "a", "args": ["x"], "env": [{"name": "A"}], "resources": {"limits": {"cpu": "1"}},
        "readinessProbe": {"tcpSocket": {"port": "http"}, "periodSeconds": 3}});
    assert_eq!(
        Value::Object(decoded),
        json!({"metadata": {"name": "p"}, "spec": {"containers": [container], "priority": -1}, "status": {}})
    );
    let selector = LabelSelector { match_labels: BTreeMap::from([("a".to_owned(), "b".to_owned())]), ..LabelSelector::default() };
    let spec = DeploymentSpec { replicas: Some(0), selector: Some(selector), ..DeploymentSpec::default() };
    let deployment = Deployment { metadata: None, spec: Some(spec), status: None };
    let decoded = decode(root("apps/v1", "Deployment").unwrap(), &deployment.encode_to_vec()).unwrap();
    assert_eq!((&decoded["spec"]["replicas"], &decoded["spec"]["selector"]), (&json!(0), &json!({"matchLabels": {"a": "b"}})));
}

proptest! {
    /// API-40: no bytes make the decoder panic.
    #[test]
    fn any_bytes_decode_or_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..96)) {
        let _ = decode(root("v1", "Pod").unwrap(), &bytes);
    }
}
