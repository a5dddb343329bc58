//! Bodies as Go clients encode them: every text is present, empty or not.

use std::collections::BTreeMap;

use k8s_pb::api::coordination::v1::{Lease, LeaseSpec};
use k8s_pb::api::core::v1::{ConfigMap, Event, Namespace, NamespaceSpec, NamespaceStatus, ObjectReference, Secret};
use k8s_pb::apimachinery::pkg::apis::meta::v1::{DeleteOptions, MicroTime, ObjectMeta, OwnerReference, Preconditions, Time};
use k8s_pb::apimachinery::pkg::runtime::{TypeMeta, Unknown};
use proptest::prelude::*;
use prost::Message;
use serde_json::{Value, json};

use super::{MAGIC, ProtoError, decode};

fn body(api_version: &str, kind: &str, object: &impl Message) -> Vec<u8> {
    let type_meta = TypeMeta { api_version: Some(api_version.to_owned()), kind: Some(kind.to_owned()) };
    let text = || Some(String::new());
    let envelope =
        Unknown { type_meta: Some(type_meta), raw: Some(object.encode_to_vec()), content_encoding: text(), content_type: text() };
    [MAGIC, &envelope.encode_to_vec()].concat()
}

fn decoded(api_version: &str, kind: &str, object: &impl Message) -> Value {
    decode(&body(api_version, kind, object)).unwrap()
}

fn meta(name: &str) -> Option<ObjectMeta> {
    let empty = || Some(String::new());
    Some(ObjectMeta {
        name: Some(name.to_owned()),
        generate_name: empty(),
        namespace: empty(),
        self_link: empty(),
        uid: empty(),
        resource_version: empty(),
        generation: Some(0),
        creation_timestamp: Some(Time::default()),
        labels: BTreeMap::from([("owner".to_owned(), "helm".to_owned())]),
        owner_references: vec![OwnerReference {
            uid: Some("1".to_owned()),
            controller: Some(false),
            ..OwnerReference::default()
        }],
        ..ObjectMeta::default()
    })
}

/// API-18: `kubectl create` and Helm send these; the JSON has what a JSON client would have sent and nothing empty.
#[test]
fn core_kinds_decode_to_the_json_of_the_same_client() {
    let metadata = json!({"name": "x", "labels": {"owner": "helm"}, "ownerReferences": [{"uid": "1", "controller": false}]});
    let secret = Secret {
        metadata: meta("x"),
        data: BTreeMap::from([("release".to_owned(), b"H4sI\xff".to_vec())]),
        r#type: Some("helm.sh/release.v1".to_owned()),
        ..Secret::default()
    };
    assert_eq!(
        decoded("v1", "Secret", &secret),
        json!({"kind": "Secret", "apiVersion": "v1", "metadata": metadata, "data": {"release": "SDRzSf8="}, "type": "helm.sh/release.v1"})
    );
    let map = ConfigMap { metadata: meta("x"), immutable: Some(false), ..ConfigMap::default() };
    assert_eq!(
        decoded("v1", "ConfigMap", &map),
        json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": metadata, "immutable": false})
    );
    let empty = NamespaceStatus { phase: Some(String::new()), ..NamespaceStatus::default() };
    let namespace = Namespace { metadata: meta("x"), spec: Some(NamespaceSpec::default()), status: Some(empty) };
    assert_eq!(decoded("v1", "Namespace", &namespace), json!({"kind": "Namespace", "apiVersion": "v1", "metadata": metadata}));
}

/// API-18: times keep their precision, counts and references their names.
#[test]
fn times_and_references_keep_their_form() {
    let micro = MicroTime { seconds: Some(1_767_225_600), nanos: Some(1_500) };
    let spec = LeaseSpec {
        holder_identity: Some(String::new()),
        renew_time: Some(micro),
        lease_transitions: Some(0),
        ..LeaseSpec::default()
    };
    let lease = decoded("coordination.k8s.io/v1", "Lease", &Lease { metadata: None, spec: Some(spec) });
    assert_eq!(lease["spec"], json!({"holderIdentity": "", "renewTime": "2026-01-01T00:00:00.000001Z", "leaseTransitions": 0}));
    let event = Event {
        involved_object: Some(ObjectReference { kind: Some("Pod".to_owned()), ..ObjectReference::default() }),
        first_timestamp: Some(Time { seconds: Some(1_767_225_600), nanos: Some(7) }),
        count: Some(0),
        ..Event::default()
    };
    let event = decoded("v1", "Event", &event);
    assert_eq!(
        (&event["involvedObject"], &event["firstTimestamp"], event.get("count")),
        (&json!({"kind": "Pod"}), &json!("2026-01-01T00:00:00Z"), None)
    );
    let options = DeleteOptions {
        grace_period_seconds: Some(0),
        preconditions: Some(Preconditions { uid: Some("u".to_owned()), resource_version: None }),
        dry_run: vec!["All".to_owned()],
        ..DeleteOptions::default()
    };
    assert_eq!(
        decoded("meta.k8s.io/v1", "DeleteOptions", &options),
        json!({"kind": "DeleteOptions", "apiVersion": "meta.k8s.io/v1", "gracePeriodSeconds": 0, "preconditions": {"uid": "u"}, "dryRun": ["All"]})
    );
}

/// Bad input: what is no body of a served kind is refused by name.
#[test]
fn other_bodies_are_refused_by_name() {
    assert_eq!(decode(b"{}"), Err(ProtoError::Prefix));
    let deployment = decode(&body("example.org/v1", "Deployment", &ConfigMap::default())).unwrap_err();
    assert_eq!(deployment.to_string(), "no protobuf form of example.org/v1, Kind=Deployment is served; send JSON");
    let mut torn = body("v1", "Secret", &Secret { metadata: meta("x"), ..Secret::default() });
    torn.truncate(torn.len() - 9);
    assert_eq!(decode(&torn), Err(ProtoError::Envelope { detail: "unexpected EOF".to_owned() }));
}

proptest! {
    /// API-40: no bytes make the decoder panic.
    #[test]
    fn any_bytes_decode_or_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..64), raw in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = decode(&[MAGIC, &bytes].concat());
        let type_meta = TypeMeta { api_version: Some("v1".to_owned()), kind: Some("Secret".to_owned()) };
        let envelope = Unknown { type_meta: Some(type_meta), raw: Some(raw), ..Unknown::default() };
        let _ = decode(&[MAGIC, &envelope.encode_to_vec()].concat());
    }
}
