//! The reference's texts and order of work, on small schemas.

mod budget;
mod reference;

use serde_json::{Value, json};

use crate::schema::{Problem, Schema};

fn schema(properties: Value) -> Schema {
    let document = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}});
    Schema::parse(&document).unwrap()
}

fn texts(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}

fn object(spec: Value) -> Value {
    json!({"apiVersion": "example.com/v1", "kind": "Example", "metadata": {"name": "one"}, "spec": spec})
}

/// API-10: undeclared fields go, with the paths that clients know from `unknown field` warnings; metadata has fixed fields.
#[test]
fn pruning_names_what_it_removed() {
    let schema = schema(json!({
        "list": {"type": "array", "items": {"type": "object", "properties": {"a": {"type": "string"}}}},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {"a": {"type": "object", "properties": {}}}},
        "labels": {"type": "object", "additionalProperties": {"type": "object", "properties": {"x": {"type": "string"}}}},
    }));
    let mut value = object(
        json!({"u": 1, "list": [{"a": "x", "b": 2}], "free": {"any": {"thing": 1}, "a": {"no": 1}}, "labels": {"k": {"y": 1}}}),
    );
    value["top"] = json!(1);
    value["metadata"]["foo"] = json!("bar");
    let unknown = schema.prune(&mut value);
    assert_eq!(unknown, ["metadata.foo", "spec.free.a.no", "spec.labels.k.y", "spec.list[0].b", "spec.u", "top"]);
    assert_eq!(value, object(json!({"list": [{"a": "x"}], "free": {"any": {"thing": 1}, "a": {}}, "labels": {"k": {}}})));
}

/// API-10, section 8: a defaulted `{}` gets its inner defaults; null counts as absent where a default exists and the field is not nullable.
#[test]
fn defaults_reach_into_defaulted_objects() {
    let schema = schema(json!({
        "engine": {"type": "object", "default": {}, "properties": {"name": {"type": "string", "default": "Auto"}}},
        "replicas": {"type": "integer", "default": 1},
        "note": {"type": "string", "nullable": true, "default": "x"},
        "plain": {"type": "string"},
        "items": {"type": "array", "items": {"type": "object", "properties": {"port": {"type": "integer", "default": 80}}}},
    }));
    let mut value = object(json!({"replicas": null, "note": null, "plain": null, "items": [{}]}));
    schema.drop_nulls(&mut value);
    schema.default(&mut value);
    assert_eq!(value["spec"], json!({"replicas": 1, "note": null, "items": [{"port": 80}], "engine": {"name": "Auto"}}));
    let mut bare = json!({"spec": {}});
    schema.default(&mut bare);
    assert_eq!(bare["spec"]["engine"]["name"], "Auto");
}

/// API-12, table of section 4: all problems at once, each in the reference's words.
#[test]
fn all_problems_come_at_once_in_the_words_of_the_reference() {
    let document = json!({"type": "object", "required": ["spec"], "properties": {"spec": {"type": "object", "required": ["must"], "properties": {
        "must": {"type": "string"},
        "count": {"type": "integer", "minimum": 1},
        "text": {"type": "string", "maxLength": 3},
        "name": {"type": "string", "pattern": "^[a-z]+$"},
        "mode": {"type": "string", "enum": ["A", "B"]},
        "list": {"type": "array", "maxItems": 1, "items": {"type": "string"}},
        "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "either": {"x-kubernetes-int-or-string": true},
        "when": {"type": "string", "format": "date-time"},
        "wrong": {"type": "integer"},
    }}}});
    let schema = Schema::parse(&document).unwrap();
    let value = object(json!({
        "count": 0, "text": "four", "name": "A1", "mode": "C", "list": ["a", "b"], "set": ["x", "x"], "either": true, "when": "noon", "wrong": "7"
    }));
    assert_eq!(
        texts(&schema.validate(&value, None)),
        [
            "spec.count: Invalid value: 0: spec.count in body should be greater than or equal to 1",
            "spec.either: Invalid value: \"boolean\": spec.either in body must be of type integer,string: \"boolean\"",
            "spec.list: Too many: 2: must have at most 1 item",
            "spec.mode: Unsupported value: \"C\": supported values: \"A\", \"B\"",
            "spec.name: Invalid value: \"A1\": spec.name in body should match '^[a-z]+$'",
            "spec.text: Too long: may not be more than 3 bytes",
            "spec.when: Invalid value: \"noon\": spec.when in body must be of type date-time: \"noon\"",
            "spec.wrong: Invalid value: \"string\": spec.wrong in body must be of type integer: \"string\"",
            "spec.must: Required value",
            "spec.set[1]: Duplicate value: \"x\"",
        ]
    );
    assert_eq!(texts(&schema.validate(&json!({}), None)), ["spec: Required value"]);
}

/// API-12: an update is not refused for a value that it did not change, and is for one that it did.
#[test]
fn an_update_is_forgiven_what_it_did_not_change() {
    let schema = schema(json!({
        "mode": {"type": "string", "enum": ["A"]},
        "other": {"type": "string"},
        "ports": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"], "items": {
            "type": "object", "required": ["name"], "properties": {"name": {"type": "string"}, "port": {"type": "integer", "maximum": 9}}}},
    }));
    let old = object(json!({"mode": "Z", "ports": [{"name": "a", "port": 99}]}));
    let unchanged = object(json!({"mode": "Z", "other": "new", "ports": [{"name": "b", "port": 1}, {"name": "a", "port": 99}]}));
    assert!(schema.validate(&unchanged, Some(&old)).is_empty());
    let worse = object(json!({"mode": "Y", "ports": [{"name": "a", "port": 98}]}));
    assert_eq!(schema.validate(&worse, Some(&old)).len(), 2);
}

/// API-12: rules run with message, reason and field path; transition rules on update only; list entries are matched by key.
#[test]
fn rules_run_and_transition_rules_wait_for_an_update() {
    let document = json!({"type": "object",
    "x-kubernetes-validations": [{"rule": "self.metadata.name.size() < 5", "message": "name too long"}],
    "properties": {
        "metadata": {"type": "object", "properties": {"name": {"type": "string", "maxLength": 10}}},
        "spec": {"type": "object",
        "x-kubernetes-validations": [
            {"rule": "self.min <= self.max", "messageExpression": "'min ' + string(self.min) + ' is above max'"},
            {"rule": "!has(self.foo)", "message": "no foo", "reason": "FieldValueForbidden", "fieldPath": ".foo"},
        ],
        "properties": {
            "min": {"type": "integer"}, "max": {"type": "integer"}, "foo": {"type": "string"},
            "list": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"], "items": {"type": "object",
                "required": ["name"], "properties": {"name": {"type": "string"}, "class": {"type": "string", "x-kubernetes-validations": [
                    {"rule": "self == oldSelf", "message": "class is immutable"}]}}}},
        }}}});
    let schema = Schema::parse(&document).unwrap();
    let old = object(json!({"min": 1, "max": 2, "list": [{"name": "a", "class": "x"}, {"name": "b", "class": "y"}]}));
    assert!(schema.validate(&old, None).is_empty());
    let mut bad =
        object(json!({"min": 3, "max": 2, "foo": "f", "list": [{"name": "b", "class": "y"}, {"name": "a", "class": "z"}]}));
    bad["metadata"]["name"] = json!("longer");
    assert_eq!(
        texts(&schema.validate(&bad, Some(&old))),
        [
            "<nil>: Invalid value: name too long",
            "spec: Invalid value: min 3 is above max",
            "spec.foo: Forbidden: no foo",
            "spec.list[1].class: Invalid value: \"z\": class is immutable",
        ]
    );
    let unchecked = object(json!({"min": "3"}));
    assert_eq!(
        texts(&schema.validate(&unchecked, None))[1],
        "<nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation"
    );
}

/// API-1: a schema that is not structural is refused with the field's path, a bad rule with its position.
#[test]
fn schemas_that_are_not_structural_are_refused() {
    let unread = Schema::parse(&json!({"type": "object", "properties": {"spec": {"properties": {"a": {"type": "count"}}}}}));
    let paths: Vec<_> = unread.unwrap_err().into_iter().map(|problem| problem.path).collect();
    let spec = "openAPIV3Schema.properties[spec]";
    assert_eq!(paths, [format!("{spec}.properties[a].type"), format!("{spec}.type")], "each once, both told");
    let problems =
        Schema::parse(&json!({"type": "object", "properties": {"spec": {"properties": {"a": {"type": "array"}}}}})).unwrap_err();
    assert_eq!(
        texts(&problems),
        [
            "openAPIV3Schema.properties[spec].properties[a].items: Required value: must be specified",
            "openAPIV3Schema.properties[spec].type: Required value: must not be empty for specified object fields",
        ]
    );
    let lists = schema(json!({
        "keys": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name", "gone"],
            "items": {"type": "object", "properties": {"name": {"type": "string"}}}},
        "text": {"type": "string", "x-kubernetes-list-type": "set"},
    }));
    let keys = "openAPIV3Schema.properties[spec].properties[keys]";
    let missing = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property";
    assert_eq!(
        texts(&lists.verify()),
        [
            format!("{keys}.items.properties[name].default: Required value: {missing}"),
            format!("{keys}.x-kubernetes-list-map-keys: Invalid value: [\"name\",\"gone\"]: entries must all be names of item properties"),
            "openAPIV3Schema.properties[spec].properties[text].type: Invalid value: \"string\": must be array if x-kubernetes-list-type is specified".to_owned(),
        ]
    );
    let rules = schema(json!({"a": {"type": "string", "pattern": "(", "x-kubernetes-validations": [
        {"rule": "self.("}, {"rule": "cel.bind(x, self, x == 'a')"}, {"rule": "[1].sortBy(e, e) == [1]"}, {"rule": "oter == 'a'"}]}}));
    let problems = rules.verify();
    assert_eq!(problems.len(), 5, "{problems:?}");
}

/// API-1, API-2: the CRDs of this repository parse, and each of their patterns and rules compiles.
#[test]
fn the_seeded_definitions_are_structural_and_their_rules_compile() {
    for name in ["koan.dev_devstacks.yaml", "koan.dev_servicespecs.yaml"] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crds").join(name);
        let definition = crate::codec::yaml(&std::fs::read(path).unwrap()).unwrap().value;
        for version in definition["spec"]["versions"].as_array().unwrap() {
            let schema = Schema::parse(&version["schema"]["openAPIV3Schema"])
                .unwrap_or_else(|problems| panic!("{name}: {:?}", texts(&problems)));
            assert_eq!(texts(&schema.verify()), Vec::<String>::new(), "{name}");
        }
    }
}
