//! Bodies as clients send them, and as nobody should.

use serde_json::json;

use super::{DecodeError, MAX_DEPTH, apply_strict_error, in_order, json as decode_json, keys, told, warnings, yaml};

/// Section 8 (a map that loses duplicate keys), table of section 4: repeated keys are found, the last one stands.
#[test]
fn repeated_keys_are_found_and_the_last_one_stands() {
    let decoded = decode_json(br#"{"spec":{"replicas":1,"replicas":2,"l":[{"a":1,"a":2}]}}"#).unwrap();
    assert_eq!(decoded.value, json!({"spec": {"replicas": 2, "l": [{"a": 2}]}}));
    assert_eq!(
        told(&warnings(&decoded.duplicates, &["spec.u".to_owned()])).unwrap(),
        r#"strict decoding error: duplicate field "spec.replicas", duplicate field "spec.l[0].a", unknown field "spec.u""#
    );
    assert_eq!(told(&[]), None);
}

/// Table of section 4: core kinds list what is wrong in document order, and nothing of what lies below an unknown field.
#[test]
fn findings_keep_the_order_of_the_document() {
    let text = br#"{"u":{"a":1,"a":2},"data":{"k":"1","k":"2","k":"3"},"z":1,"u":3,"data":{}}"#;
    let findings = in_order(&keys(text), &["z".to_owned(), "u".to_owned()]);
    assert_eq!(
        findings,
        [r#"unknown field "u""#, r#"duplicate field "data.k""#, r#"unknown field "z""#, r#"duplicate field "data""#]
    );
}

/// Table of section 4: a repeated key in an apply body is named with its line.
#[test]
fn repeated_yaml_keys_come_with_their_line() {
    let decoded = yaml(b"apiVersion: v1\nspec:\n  foo: 1\n  8080: x\n  foo: 2\n").unwrap();
    assert_eq!(decoded.value, json!({"apiVersion": "v1", "spec": {"foo": 2, "8080": "x"}}));
    assert_eq!(
        apply_strict_error(&decoded.duplicates).unwrap(),
        "error strict decoding YAML: error converting YAML to JSON: yaml: unmarshal errors:\n  line 5: key \"foo\" already set in map"
    );
    assert_eq!(yaml(br#"{"a": {"b": [1, 2.5, null, true]}}"#).unwrap().value, json!({"a": {"b": [1, 2.5, null, true]}}));
}

/// Limits of section 6: nesting is bounded in both forms; alias bombs and second documents end in an error.
#[test]
fn nesting_and_aliases_are_bounded() {
    let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    assert!(decode_json(nested(MAX_DEPTH).as_bytes()).is_ok());
    for body in [nested(MAX_DEPTH + 1), nested(100_000)] {
        assert_eq!(decode_json(body.as_bytes()), Err(DecodeError::TooDeep { limit: MAX_DEPTH }));
    }
    assert!(yaml(nested(MAX_DEPTH).as_bytes()).is_ok());
    assert!(yaml(nested(MAX_DEPTH + 5).as_bytes()).is_err());
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..9 {
        bomb.push_str(&format!("a{level}: &a{level} [{}]\n", vec![format!("*a{}", level - 1); 10].join(", ")));
    }
    assert!(matches!(yaml(bomb.as_bytes()), Err(DecodeError::Yaml { .. })));
    assert!(matches!(yaml(b"a: 1\n---\nb: 2\n"), Err(DecodeError::Yaml { .. })));
}

/// Bad input: one clear error with the place.
#[test]
fn malformed_bodies_name_the_place() {
    let Err(DecodeError::Json { detail }) = decode_json(b"{\"a\": }") else { panic!("accepted") };
    assert!(detail.contains("line 1 column 7"), "{detail}");
    assert!(matches!(decode_json(b"{} {}"), Err(DecodeError::Json { .. })));
    assert!(matches!(decode_json(b""), Err(DecodeError::Json { .. })));
    assert!(matches!(yaml(b"a: [1"), Err(DecodeError::Yaml { .. })));
    assert!(matches!(yaml(b"\xff"), Err(DecodeError::Yaml { .. })));
}
