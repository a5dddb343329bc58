//! Columns as `kubectl get` shows them.

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Columns, Include, JsonPath, Shape, human_duration, partial_list, table};

const V1: Shape = Shape { version: "v1", include: Include::Metadata, headers: true };

fn now() -> Timestamp {
    "2026-01-01T00:10:00Z".parse().unwrap()
}

fn row(columns: &Columns, object: Value) -> Value {
    table(columns, &[&object], &json!({"resourceVersion": "7"}), V1, now())["rows"][0]["cells"].clone()
}

/// API-18: filters, escaped dots, indices and wildcards find what stock columns ask for; missing keys find nothing.
#[test]
fn paths_of_printer_columns_are_understood() {
    let object = json!({"metadata": {"labels": {"koan.dev/stack": "shop"}}, "spec": {"ports": [80, 443]},
        "status": {"conditions": [{"type": "Old", "status": "False"}, {"type": "Ready", "status": "True", "n": 3}]}});
    let cases = [
        (r#".status.conditions[?(@.type=="Ready")].status"#, json!("True")),
        (".status.conditions[?(@.type=='Ready')].n", json!(3)),
        (".status.conditions[?(@.n>2)].type", json!("Ready")),
        (".status.conditions[?(@.n)].type", json!("Ready")),
        (r".metadata.labels.koan\.dev/stack", json!("shop")),
        (".metadata.labels['koan.dev/stack']", json!("shop")),
        (".spec.ports[1]", json!(443)),
        (".spec.ports[-1]", json!(443)),
        (".spec.ports[*]", json!(80)),
        (".spec.ports[1:]", json!(443)),
    ];
    for (path, expected) in cases {
        assert_eq!(JsonPath::parse(path).unwrap().first(&object), Some(&expected), "{path}");
    }
    for missing in [".spec.nothing.at.all", ".spec.ports[9]", ".status.conditions[?(@.type==\"No\")].status"] {
        assert_eq!(JsonPath::parse(missing).unwrap().first(&object), None, "{missing}");
    }
    for broken in ["", "spec", ".spec[", ".spec[x]", ".a..b", ".a[?(@.x==)]"] {
        assert!(JsonPath::parse(broken).is_err(), "{broken}");
    }
}

/// API-18: custom columns keep type, priority and description; dates are ages, wrong types are empty.
#[test]
fn custom_columns_make_typed_cells() {
    let columns = Columns::of_custom(&[
        json!({"name": "Ready", "type": "string", "jsonPath": ".status.ready"}),
        json!({"name": "Count", "type": "integer", "jsonPath": ".spec.count", "priority": 1, "description": "how many"}),
        json!({"name": "Seen", "type": "date", "jsonPath": ".status.seen"}),
        json!({"name": "List", "type": "string", "jsonPath": ".spec.list"}),
    ])
    .unwrap();
    let object = json!({"metadata": {"name": "one", "uid": "u"}, "spec": {"count": "no", "list": [1, {"b": 1, "a": 2}]}, "status": {"seen": "2026-01-01T00:00:00Z", "ready": true}});
    let made = table(&columns, &[&object], &json!({"resourceVersion": "7", "continue": ""}), V1, now());
    assert_eq!(made["rows"][0]["cells"], json!(["one", "true", null, "10m", r#"[1,{"a":2,"b":1}]"#]));
    assert_eq!(
        made["columnDefinitions"][2],
        json!({"name": "Count", "type": "integer", "format": "", "description": "how many", "priority": 1})
    );
    assert_eq!(
        made["columnDefinitions"][1]["description"],
        "Custom resource definition column (in JSONPath format): .status.ready"
    );
    assert_eq!(made["metadata"], json!({"resourceVersion": "7"}));
    assert_eq!(
        made["rows"][0]["object"],
        json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": {"name": "one", "uid": "u"}})
    );
    let bare =
        table(&columns, &[&object], &json!({}), Shape { include: Include::None, headers: false, version: "v1beta1" }, now());
    assert_eq!(
        (&bare["columnDefinitions"], &bare["rows"][0]["object"], &bare["apiVersion"]),
        (&Value::Null, &Value::Null, &json!("meta.k8s.io/v1beta1"))
    );
    assert!(Columns::of_custom(&[json!({"name": "X", "type": "string", "jsonPath": "spec"})]).is_err());
}

/// API-18: the columns of the built-in kinds.
#[test]
fn built_in_kinds_have_the_columns_of_the_reference() {
    let made = |version: &str, kind: &str, object: Value| row(&Columns::of_builtin(version, kind), object);
    let meta = json!({"name": "x", "creationTimestamp": "2026-01-01T00:08:00Z"});
    assert_eq!(
        made("v1", "Secret", json!({"metadata": meta, "type": "Opaque", "data": {"a": "", "b": ""}})),
        json!(["x", "Opaque", 2, "2m"])
    );
    assert_eq!(
        made("v1", "ConfigMap", json!({"metadata": meta, "data": {"a": ""}, "binaryData": {"b": ""}})),
        json!(["x", 2, "2m"])
    );
    assert_eq!(made("v1", "Namespace", json!({"metadata": meta, "status": {"phase": "Active"}})), json!(["x", "Active", "2m"]));
    assert_eq!(
        made("coordination.k8s.io/v1", "Lease", json!({"metadata": meta, "spec": {"holderIdentity": "me"}})),
        json!(["x", "me", "2m"])
    );
    assert_eq!(
        made("apiextensions.k8s.io/v1", "CustomResourceDefinition", json!({"metadata": meta})),
        json!(["x", "2026-01-01T00:08:00Z"])
    );
    let old = json!({"metadata": meta, "involvedObject": {"kind": "DevStack", "name": "shop"}, "type": "Normal", "reason": "Made", "message": " made \n",
        "source": {"component": "koan"}, "firstTimestamp": "2026-01-01T00:05:00Z", "lastTimestamp": "2026-01-01T00:09:00Z", "count": 4});
    assert_eq!(made("v1", "Event", old), json!(["60s", "Normal", "Made", "devstack/shop", "", "koan", "made", "5m", 4, "x"]));
    let new = json!({"metadata": meta, "regarding": {"kind": "DevStack"}, "note": "n", "eventTime": "2026-01-01T00:09:30.000000Z", "reportingController": "koan", "reportingInstance": "i"});
    assert_eq!(made("events.k8s.io/v1", "Event", new), json!(["30s", "", "", "devstack", "", "koan, i", "n", "30s", 1, "x"]));
    let list = partial_list(&[&json!({"metadata": meta})], &json!({"resourceVersion": "9"}), "v1");
    assert_eq!((&list["kind"], &list["items"][0]["metadata"]["name"]), (&json!("PartialObjectMetadataList"), &json!("x")));
}

/// API-18: the column definitions of the built-in kinds are those that kube-apiserver 1.36.2 sent (`reference.json`).
#[test]
fn built_in_columns_equal_the_reference() {
    let recorded: Value = serde_json::from_str(include_str!("reference.json")).unwrap();
    for (name, expected) in recorded.as_object().unwrap() {
        let (version, kind) = name.split_once(' ').unwrap();
        let made = table(&Columns::of_builtin(version, kind), &[], &json!({}), V1, now());
        assert_eq!(&made["columnDefinitions"], expected, "{name}");
    }
}

/// API-18: ages in the reference's two or three figures.
#[test]
fn ages_are_rendered_as_kubectl_expects() {
    let cases = [
        (-5, "<invalid>"),
        (-1, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (200, "3m20s"),
        (600, "10m"),
        (179 * 60, "179m"),
        (3 * 3600, "3h"),
        (3 * 3600 + 300, "3h5m"),
        (9 * 3600, "9h"),
        (49 * 3600, "2d1h"),
        (8 * 86400, "8d"),
        (729 * 86400, "729d"),
        (800 * 86400, "2y70d"),
        (9 * 365 * 86400, "9y"),
    ];
    for (seconds, expected) in cases {
        assert_eq!(human_duration(seconds), expected, "{seconds}");
    }
}

proptest! {
    /// API-40: no text makes the path parser panic, and what it accepts never panics on an object.
    #[test]
    fn any_text_is_a_path_or_an_error(path in r#"[.\[\]?()@=<>'"a-b0-2*:\\ -]{0,24}"#) {
        if let Ok(path) = JsonPath::parse(&path) {
            path.first(&json!({"a": [{"b": 1}, {"a": "b"}], "b": {"a": null}}));
        }
    }
}
