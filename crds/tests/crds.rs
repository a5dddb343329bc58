//! The generated CRDs: shape, vocabulary, bounds and rules, without a server.

#![allow(clippy::expect_used, reason = "helpers of tests")]

use koan_crds::v1alpha1::{DevStack, GoDuration};
use koan_crds::vocabulary::{ConditionType, ExitCode, Reason};
use koan_crds::{GeneratedCrd, definitions, events::Event, generated, names, secret_like};
use proptest::prelude::*;
use serde_json::Value;

fn crds() -> Vec<GeneratedCrd> {
    generated().expect("derived CRDs serialise")
}

/// K-1: what programs read of the definitions is what the types say.
#[test]
fn written_definitions_equal_the_types() {
    assert_eq!(definitions().expect("they read"), crds());
}

fn schema(crd: &GeneratedCrd) -> &Value {
    crd.document.pointer("/spec/versions/0/schema/openAPIV3Schema").expect("one version with a schema")
}

/// Calls `visit` with the dotted path of each schema below `node`.
fn each_schema<'a>(path: &str, node: &'a Value, in_items: bool, visit: &mut impl FnMut(&str, &'a Value, bool)) {
    visit(path, node, in_items);
    for (name, inner) in node.get("properties").and_then(Value::as_object).into_iter().flatten() {
        each_schema(&format!("{path}.{name}"), inner, in_items, visit);
    }
    if let Some(items) = node.get("items") {
        each_schema(&format!("{path}[]"), items, true, visit);
    }
    if let Some(values) = node.get("additionalProperties").filter(|v| v.is_object()) {
        each_schema(&format!("{path}.*"), values, in_items, visit);
    }
}

/// K-1: no promise that no server keeps, no default inside a list, no key that YAML 1.1 reads as a boolean.
#[test]
fn schemas_hold_no_null_no_list_default_and_no_boolean_key() {
    for crd in crds() {
        each_schema("", schema(&crd), false, &mut |path, node, in_items| {
            assert!(node.get("nullable").is_none(), "{path}: nullable");
            assert!(!(in_items && node.get("default").is_some()), "{path}: default inside a list");
            assert!(node.get("format").and_then(Value::as_str).is_none_or(|f| !f.starts_with("uint")), "{path}: uint format");
            let key = path.rsplit('.').next().unwrap_or_default();
            assert!(!["n", "y", "on", "off", "yes", "no"].contains(&key), "{path}: boolean in YAML 1.1");
        });
    }
}

/// K-10: each list, map and free string has a bound.
#[test]
fn every_list_map_and_string_is_bounded() {
    for crd in crds() {
        let mut unbounded = Vec::new();
        each_schema("", schema(&crd), false, &mut |path, node, _| {
            if path.starts_with(".metadata") || path == ".apiVersion" || path == ".kind" {
                return;
            }
            let has = |key: &str| node.get(key).is_some();
            let bounded = match node.get("type").and_then(Value::as_str) {
                Some("array") => has("maxItems"),
                Some("object") => !has("additionalProperties") || has("maxProperties"),
                Some("string") => has("maxLength") || has("enum") || has("format"),
                _ => true,
            };
            if !bounded {
                unbounded.push(path.to_owned());
            }
        });
        assert!(unbounded.is_empty(), "{}: {unbounded:?}", crd.file_name);
    }
}

/// K-1: lists of objects are maps with the keys of K-10, so that two managers can own different entries.
#[test]
fn lists_of_objects_are_keyed() {
    let expected = [
        ("services", "name"),
        ("env", "name"),
        ("ports", "name"),
        ("volumes", "target"),
        ("files", "path"),
        ("dependsOn", "name"),
        ("conditions", "type"),
    ];
    for crd in crds() {
        each_schema("", schema(&crd), false, &mut |path, node, _| {
            let Some((_, key)) = expected.iter().find(|(name, _)| path.ends_with(&format!(".{name}"))) else { return };
            if node.pointer("/items/type").and_then(Value::as_str) != Some("object") {
                return;
            }
            assert_eq!(node.get("x-kubernetes-list-type").and_then(Value::as_str), Some("map"), "{path}");
            let keys = node.get("x-kubernetes-list-map-keys").and_then(Value::as_array).expect("keys");
            assert!(keys.iter().any(|k| k.as_str() == Some(key)), "{path}: {keys:?}");
        });
    }
}

/// K-1: each property is described, so that `kubectl explain` answers.
#[test]
fn every_property_is_described() {
    for crd in crds() {
        let mut bare = Vec::new();
        each_schema("", schema(&crd), false, &mut |path, node, _| {
            let root = path.is_empty() || path.starts_with(".metadata") || path == ".apiVersion" || path == ".kind";
            let item = path.ends_with("[]") || path.ends_with(".*");
            if !root && !item && node.get("description").is_none() {
                bare.push(path.to_owned());
            }
        });
        assert!(bare.is_empty(), "{}: {bare:?}", crd.file_name);
    }
}

/// K-1, K-3: defaults, columns, short names and categories are exactly those of the contract.
#[test]
fn defaults_columns_and_names_are_the_contract() {
    let crds = crds();
    let stack = &crds[0];
    let mut defaults = Vec::new();
    each_schema("", schema(stack), false, &mut |path, node, _| {
        if let Some(value) = node.get("default") {
            defaults.push(format!("{path}={value}"));
        }
    });
    assert_eq!(
        defaults,
        [
            r#".spec.engine={"name":"Auto"}"#,
            r#".spec.engine.name="Auto""#,
            ".spec.exposeInternals=false",
            ".spec.suspend=false",
            r#".spec.volumeReclaim="Retain""#
        ]
    );
    let columns = |crd: &GeneratedCrd, wide: bool| -> Vec<String> {
        let columns = crd.document.pointer("/spec/versions/0/additionalPrinterColumns").and_then(Value::as_array).cloned();
        let kept = columns.unwrap_or_default().into_iter().filter(|c| c.get("priority").is_some() == wide);
        kept.filter_map(|c| Some(c.get("name")?.as_str()?.to_uppercase())).collect()
    };
    assert_eq!(columns(stack, false), ["PROFILE", "ENGINE", "READY", "SERVICES", "REASON", "AGE"]);
    assert_eq!(columns(&crds[1], false), ["STACK", "ADAPTER", "DECISION", "ENDPOINT", "READY", "REASON", "AGE"]);
    assert_eq!(stack.document["spec"]["names"]["shortNames"], serde_json::json!(["stack", "dst"]));
    assert_eq!(crds[1].document["spec"]["names"]["shortNames"], serde_json::json!(["svcspec"]));
    assert_eq!(stack.document["spec"]["names"]["categories"], serde_json::json!(["koan", "all"]));
}

/// K-2: Go-style durations and the seed's form are read; anything else is not a duration.
#[test]
fn durations_are_read_in_both_forms() {
    let millis = |text: &str| GoDuration::from(text).parse().map(|d| d.as_millis());
    assert_eq!(millis("500ms"), Some(500));
    assert_eq!(millis("1h30m"), Some(5_400_000));
    assert_eq!(millis("1.5s"), Some(1_500));
    assert_eq!(millis("00:00:05"), Some(5_000));
    for bad in ["", "5", "-5s", "5 s", "s", "1d", "00:61:00", "1:2", "99999999999999999999h", ".s"] {
        assert_eq!(millis(bad), None, "{bad:?}");
    }
}

/// K-4, EXP-15: keys that are secret-like, and those that only look so.
#[test]
fn secret_like_keys_and_values() {
    for key in ["API_TOKEN", "db-password", "Pwd", "DSN", "SIGNING_KEY", "ConnectionStrings__X", "apiKey", "PASSPHRASE"] {
        assert!(secret_like::key(key), "{key}");
    }
    for key in ["MONKEY", "KEYBOARD_LAYOUT", "PUBLIC_KEY_URL", "PORT", "LOG_LEVEL"] {
        assert!(!secret_like::key(key), "{key}");
    }
    assert!(secret_like::value("postgres://u:p@h/db"));
    assert!(!secret_like::value("https://example.org/@scope/pkg"));
    assert!(secret_like::hidden("MONKEY") && secret_like::hidden("Authorization"));
}

/// SEC-21: names of engine objects are injective over their parts, fit 63 characters and are DNS labels.
#[test]
fn sec_21_engine_names_are_injective() {
    assert_ne!(names::engine_object(&["a-b", "c"], "u"), names::engine_object(&["a", "b-c"], "u"));
    let long = "x".repeat(80);
    assert_ne!(names::engine_object(&[&long, "1"], "u"), names::engine_object(&[&long, "2"], "u"));
    assert!(names::engine_object(&[&long], "u").len() <= 63);
}

proptest! {
    /// SEC-21: two different sets of parts never share a name.
    #[test]
    fn sec_21_different_parts_give_different_names(a in "[a-z][a-z0-9-]{0,20}", b in "[a-z][a-z0-9-]{0,20}", c in "[a-z][a-z0-9-]{0,20}", d in "[a-z][a-z0-9-]{0,20}") {
        prop_assume!((&a, &b) != (&c, &d));
        prop_assert_ne!(names::engine_object(&[&a, &b], "uid"), names::engine_object(&[&c, &d], "uid"));
    }

    /// K-2: reading a duration never panics.
    #[test]
    fn durations_are_total(text in ".{0,40}") {
        let _ = GoDuration(text).parse();
    }
}

/// CLI-17: each pair of condition type and reason maps to one exit code, and the precedence is the table's.
#[test]
fn every_reason_has_an_exit_code() {
    let judged = ConditionType::ALL.iter().flat_map(|t| t.reasons()).count();
    assert!(judged > 60);
    for reason in Reason::ALL {
        assert_eq!(Reason::parse(reason.as_str()), Some(reason));
    }
    assert_eq!(ExitCode::of(Reason::HostServiceRequired), ExitCode::HostService);
    assert_eq!(ExitCode::of(Reason::ForcedUnavailable), ExitCode::Engine);
    assert_eq!(ExitCode::first_of([ExitCode::Readiness, ExitCode::Ports, ExitCode::Engine]), ExitCode::Engine);
    assert_eq!(ExitCode::first_of([]), ExitCode::Ok);
}

/// CLI-36: event ids are unique and inside their block.
#[test]
fn event_ids_are_unique() {
    let mut ids: Vec<u32> = Event::ALL.iter().map(|e| e.id()).collect();
    ids.dedup();
    assert_eq!(ids.len(), Event::ALL.len());
    assert!(ids.iter().all(|id| (48_000..48_100).contains(id)));
}

fn rules(yaml: &str) -> Vec<String> {
    let stack: DevStack = serde_saphyr::from_str(yaml).expect("a stack");
    stack.validate_cel().err().into_iter().flatten().map(|e| e.to_string()).collect()
}

/// K-1: exactly one workload per entry, and nothing beside a reference.
#[test]
fn rules_name_the_wrong_entry() {
    let head = "apiVersion: koan.dev/v1alpha1\nkind: DevStack\nmetadata: {name: shop}\nspec:\n  services:\n";
    assert_eq!(rules(&format!("{head}  - {{name: db, adapter: postgres}}")), Vec::<String>::new());
    assert_eq!(rules(&format!("{head}  - {{name: api, adapter: redis, container: {{image: x}}}}")), Vec::<String>::new());
    assert_eq!(rules(&format!("{head}  - {{name: db}}")).len(), 1);
    assert_eq!(rules(&format!("{head}  - {{name: db, process: {{command: [a]}}, container: {{image: b}}}}")).len(), 1);
    assert!(!rules(&format!("{head}  - {{name: db, adapter: redis, serviceRef: {{name: other}}}}")).is_empty());
    assert_eq!(rules(&format!("{head}  - {{name: db, adapter: redis, dependsOn: [{{name: db}}]}}")).len(), 1);
}

/// K-6: a stored object of this version reads back unchanged.
#[test]
fn objects_round_trip() {
    let yaml = include_str!("fixtures/shop.yaml");
    let stack: DevStack = serde_saphyr::from_str(yaml).expect("the example of the contract");
    let text = serde_json::to_string(&stack).expect("serialises");
    let again: DevStack = serde_json::from_str(&text).expect("reads back");
    assert_eq!(stack, again);
    assert_eq!(stack.spec.services.len(), 6);
}
