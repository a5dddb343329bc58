//! Random sequences of applies and updates against the Go implementation: objects, managers and conflicts must be equal.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::oracle::{Oracle, schema_document};
use super::random::{Random, Style, value};
use crate::schema::Schema;
use crate::ssa::element::path_text;
use crate::ssa::set::Set;
use crate::ssa::typed::{faults_text, validate};
use crate::ssa::types::{TypeInfo, Types};
use crate::ssa::updater::{Context, Managers, Owned, Stop};
use crate::ssa::value::equal;

/// Sequences of a normal run; `KOAN_SMD_SEQUENCES` asks for more, `KOAN_SMD_FIRST` for later ones.
const SEQUENCES: u64 = 2_000;
const STEPS: u64 = 6;
const VERSIONS: [&str; 2] = ["v1", "v2"];
const MANAGERS: [&str; 4] = ["one", "two", "three", "four"];

/// One of each: map lists with one key, two keys and a default, sets, atomic and granular lists and maps, free-form fields, both kinds
/// of unknown fields, embedded objects, int-or-string. In `v2` some are atomic that are granular in `v1`.
fn schema(version: &str) -> Schema {
    let changed = if version == "v1" { "granular" } else { "atomic" };
    let list = if version == "v1" { json!("set") } else { json!("atomic") };
    let text = json!({"type": "string"});
    Schema::parse(&json!({"type": "object", "properties": {
        "number": {"type": "integer"},
        "flag": {"type": "boolean"},
        "text": text,
        "either": {"x-kubernetes-int-or-string": true},
        "map": {"type": "object", "additionalProperties": text},
        "maps": {"type": "object", "additionalProperties": {"type": "object", "properties": {"a": text, "b": {"type": "integer"}}}},
        "changing": {"type": "object", "x-kubernetes-map-type": changed, "properties": {"a": text, "b": {"type": "object", "additionalProperties": text}}},
        "atomicMap": {"type": "object", "x-kubernetes-map-type": "atomic", "properties": {"a": text, "b": text}},
        "set": {"type": "array", "x-kubernetes-list-type": "set", "items": text},
        "numbers": {"type": "array", "x-kubernetes-list-type": list, "items": {"type": "integer"}},
        "atomicList": {"type": "array", "items": {"type": "object", "properties": {"a": text}}},
        "keyed": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["a"], "items": {"type": "object", "properties": {
            "a": text, "b": {"type": "integer"}, "inner": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["a"],
                "items": {"type": "object", "properties": {"a": text, "b": text}}}, "map": {"type": "object", "additionalProperties": text}}}},
        "twoKeys": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["a", "b"], "items": {"type": "object",
            "properties": {"a": text, "b": {"type": "string", "default": "a"}, "c": {"type": "integer"}}}},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {"a": {"type": "integer"}, "list": {"type": "array",
            "x-kubernetes-list-type": "set", "items": text}}},
        "open": {"type": "object"},
    }}))
    .unwrap()
}

fn managers_document(managers: &Managers) -> Value {
    let entry = |owned: &Owned| json!({"fields": owned.set.to_fields(), "version": owned.api_version, "applied": owned.applied});
    Value::Object(managers.iter().map(|(name, owned)| (name.clone(), entry(owned))).collect::<Map<String, Value>>())
}

/// What one side made of a step.
#[derive(Debug, PartialEq)]
struct Outcome {
    object: Option<Value>,
    managers: Value,
    conflicts: Vec<(String, String)>,
    error: bool,
}

struct Step<'a> {
    version: &'a str,
    manager: &'a str,
    apply: bool,
    force: bool,
    object: Value,
}

fn ours(types: &Types, live: &Value, managers: &Managers, step: &Step<'_>) -> (Outcome, String) {
    let nothing = Set::default();
    let ty = types.get(step.version).unwrap();
    let context = Context { types, api_version: step.version, ty, reset: &nothing };
    let failed = |text: String| (Outcome { object: None, managers: Value::Null, conflicts: Vec::new(), error: true }, text);
    let faults = [validate(ty, live, true), validate(ty, &step.object, !step.apply)].concat();
    if !faults.is_empty() {
        return failed(faults_text(&faults));
    }
    let done = |object: Option<Value>, managers: &Managers| Outcome {
        object,
        managers: managers_document(managers),
        conflicts: Vec::new(),
        error: false,
    };
    if !step.apply {
        return match context.update(live, &step.object, managers.clone(), step.manager) {
            Ok(managers) => (done(Some(step.object.clone()), &managers), String::new()),
            Err(faults) => failed(faults_text(&faults)),
        };
    }
    match context.apply(live, step.object.clone(), managers.clone(), (step.manager, step.force)) {
        Ok((object, managers)) => (done(object, &managers), String::new()),
        Err(Stop::Faults(faults)) => failed(faults_text(&faults)),
        Err(Stop::Conflicts(conflicts)) => {
            let mut conflicts: Vec<(String, String)> =
                conflicts.into_iter().map(|(manager, path)| (manager, path_text(&path))).collect();
            conflicts.sort();
            (Outcome { object: None, managers: Value::Null, conflicts, error: false }, String::new())
        }
    }
}

fn theirs(answer: &Value) -> Outcome {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let conflicts: Vec<(String, String)> = answer["conflicts"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|conflict| (text(&conflict["manager"]), text(&conflict["path"])))
        .collect();
    let error = answer["error"] != "";
    let object = Some(answer["object"].clone()).filter(|object| !object.is_null());
    let managers = if error || !conflicts.is_empty() { Value::Null } else { answer["managers"].clone() };
    Outcome { object, managers, conflicts, error }
}

fn same(left: &Outcome, right: &Outcome) -> bool {
    // Everything pruned and nothing changed look alike in the answer.
    let objects = match (left.object.as_ref().filter(|object| !object.is_null()), &right.object) {
        (Some(left), Some(right)) => equal(left, right),
        (left, right) => left == right.as_ref(),
    };
    objects && equal(&left.managers, &right.managers) && left.conflicts == right.conflicts && left.error == right.error
}

fn decoded(managers: &Value) -> Managers {
    let owned = |entry: &Value| Owned {
        set: Arc::new(Set::from_fields(&entry["fields"]).unwrap()),
        api_version: entry["version"].as_str().unwrap().to_owned(),
        applied: entry["applied"] == true,
    };
    managers.as_object().unwrap().iter().map(|(name, entry)| (name.clone(), owned(entry))).collect()
}

/// Says what is missing, or fails where nothing may be.
fn skip(missing: &str) {
    let required = std::env::var("KOAN_TEST_REQUIRE").unwrap_or_default();
    assert!(!required.split(',').any(|component| component == "smd"), "smd is required, and lacks {missing}");
    println!("SKIPPED smd: {missing}");
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// API-14, API-36, API-40, suite `smd` of section 11: object, managers and conflicts equal structured-merge-diff's at every step.
#[test]
fn random_sequences_end_as_in_structured_merge_diff() {
    let mut oracle = match Oracle::start() {
        Ok(oracle) => oracle,
        Err(missing) => {
            skip(&missing);
            return;
        }
    };
    let begin = number("KOAN_SMD_FIRST").unwrap_or_default();
    let sequences = number("KOAN_SMD_SEQUENCES").unwrap_or(SEQUENCES);
    let infos = VERSIONS.map(|version| TypeInfo::from_schema(&schema(version)));
    let schemas = json!({"v1": schema_document(&infos[0].root), "v2": schema_document(&infos[1].root)});
    let [first, second] = infos;
    let types = Types::single("v1", first).with("v2", second);
    let greeting = oracle.ask(&json!({"schemas": schemas, "operation": ""}));
    assert_ne!(greeting["error"], "", "a request without an operation");
    let (mut applied, mut refused, mut conflicted) = (0_u64, 0_u64, 0_u64);
    for seed in begin..begin + sequences {
        let mut random = Random(seed);
        let mut live = json!({});
        let mut managers = Managers::new();
        let style = Style { duplicates: false, wrong: if seed % 10 == 0 { 40 } else { 0 } };
        let mixed = seed % 4 == 0;
        for number in 0..STEPS {
            let version = if mixed { *random.pick(&VERSIONS) } else { "v1" };
            let apply = random.below(3) < 2;
            let style = Style { duplicates: !apply && random.one_in(3), ..style };
            let object = match value(&types.get(version).unwrap().clone(), &mut random, style, 0) {
                Value::Object(fields) => Value::Object(fields),
                _ => json!({}),
            };
            let manager = *random.pick(&MANAGERS);
            let step = Step { version, manager, apply, force: random.one_in(3), object };
            let request = json!({"live": live, "object": step.object, "managers": managers_document(&managers),
                "manager": step.manager, "version": version, "operation": if apply { "apply" } else { "update" }, "force": step.force});
            let answer = oracle.ask(&request);
            let ((ours, text), theirs) = (ours(&types, &live, &managers, &step), theirs(&answer));
            assert!(
                same(&ours, &theirs),
                "seed {seed}, step {number}:\nlive {live}\nmanagers {}\noperation {} of {} at {version} by {} (force {})\nours   {ours:?} {text}\ntheirs {theirs:?} {}",
                managers_document(&managers),
                request["operation"],
                step.object,
                step.manager,
                step.force,
                answer["error"]
            );
            refused += u64::from(theirs.error);
            conflicted += u64::from(!theirs.conflicts.is_empty());
            if !theirs.error && theirs.conflicts.is_empty() {
                applied += 1;
                live = ours.object.map_or(live, |object| if object.is_null() { json!({}) } else { object });
                managers = decoded(&theirs.managers);
            }
        }
    }
    println!("smd: {sequences} sequences from {begin}: {applied} steps applied, {conflicted} in conflict, {refused} refused");
    assert!(
        sequences < 100 || (applied > sequences && conflicted > 0 && refused > 0),
        "the sequences no longer exercise all outcomes"
    );
}
