//! What an Event may hold: older clients are let through with little, `events.k8s.io/v1` is strict and changes the series alone.

use serde_json::{Map, Value, json};

use super::event::served;
use super::resource::{CoreKind, Resource};
use crate::schema::go_quote;
use crate::selectors::label_key_problems;
use crate::status::Cause;

/// The longest reporting instance, action and reason.
const SHORT_LIMIT: usize = 128;
/// The longest message.
const MESSAGE_LIMIT: usize = 1024;

/// The fields that a strict update may not change, in the order in which they are looked at; the reason twice, as in the reference.
const IMMUTABLE: [&str; 14] = [
    "involvedObject",
    "reason",
    "message",
    "source",
    "firstTimestamp",
    "lastTimestamp",
    "count",
    "reason",
    "type",
    "eventTime",
    "action",
    "related",
    "reportingComponent",
    "reportingInstance",
];

/// An event by the names of the stored shape, whichever shape it has.
struct Event<'a> {
    resource: &'a Resource,
    value: &'a Value,
}

impl<'a> Event<'a> {
    fn field(&self, name: &'static str) -> &'a Value {
        &self.value[served(self.resource, name)]
    }

    fn text(&self, name: &'static str) -> &'a str {
        self.field(name).as_str().unwrap_or_default()
    }

    fn strict(&self) -> bool {
        self.resource.core() == Some(CoreKind::EventV1)
    }
}

/// Every violation of the rules of an event.
pub(super) fn validate(resource: &Resource, new: &Value, old: Option<&Value>) -> Vec<Cause> {
    let event = Event { resource, value: new };
    let mut causes = legacy(&event);
    if event.strict() {
        match old {
            None => created(&event, &mut causes),
            Some(old) => updated(&event, &Event { resource, value: old }, &mut causes),
        }
    }
    causes
}

fn wrong(field: &str, why: &str) -> Cause {
    Cause::invalid(field, "\"\"", why)
}

/// What every event keeps; those with a time of their own more.
fn legacy(event: &Event<'_>) -> Vec<Cause> {
    let mut causes = Vec::new();
    let own = event.value["metadata"]["namespace"].as_str().unwrap_or_default();
    let about = event.field("involvedObject")["namespace"].as_str().unwrap_or_default();
    let elsewhere = || Cause::invalid("involvedObject.namespace", &go_quote(about), "does not match event.namespace");
    if event.field("eventTime").is_null() {
        let agrees = if about.is_empty() { own.is_empty() || own == "default" } else { own == about };
        if !agrees {
            causes.push(elsewhere());
        }
        return causes;
    }
    if about.is_empty() && own != "default" && own != "kube-system" {
        causes.push(elsewhere());
    }
    let (controller, field) = (event.text("reportingComponent"), served(event.resource, "reportingComponent"));
    if controller.is_empty() {
        causes.push(Cause::required(field, ""));
    }
    causes.extend(label_key_problems(controller).iter().map(|why| Cause::invalid(field, &go_quote(controller), why)));
    for name in ["reportingInstance", "action", "reason"] {
        if event.text(name).is_empty() {
            causes.push(Cause::required(name, ""));
        }
        if event.text(name).len() > SHORT_LIMIT {
            causes.push(wrong(name, &format!("can have at most {SHORT_LIMIT} characters")));
        }
    }
    if event.text("message").len() > MESSAGE_LIMIT {
        causes.push(wrong("message", &format!("can have at most {MESSAGE_LIMIT} characters")));
    }
    causes
}

fn series(event: &Event<'_>, causes: &mut Vec<Cause>) {
    let series = event.field("series");
    if series.is_null() {
        return;
    }
    /// An event that happened once has no series.
    const LEAST: i64 = 2;
    if series["count"].as_i64().unwrap_or_default() < LEAST {
        causes.push(wrong("series.count", &format!("should be at least {LEAST}")));
    }
    if series["lastObservedTime"].is_null() {
        causes.push(Cause::required("series.lastObservedTime", ""));
    }
}

fn created(event: &Event<'_>, causes: &mut Vec<Cause>) {
    series(event, causes);
    if event.field("eventTime").is_null() {
        causes.push(Cause::required("eventTime", ""));
    }
    let kind = event.text("type");
    if !matches!(kind, "Normal" | "Warning") {
        causes.push(wrong("type", &format!("has invalid value: {kind}")));
    }
    let source = event.field("source");
    let set = [
        ("firstTimestamp", !event.field("firstTimestamp").is_null()),
        ("lastTimestamp", !event.field("lastTimestamp").is_null()),
        ("count", event.field("count").as_i64().unwrap_or_default() != 0),
        ("source", ["component", "host"].iter().any(|part| !source[*part].as_str().unwrap_or_default().is_empty())),
    ];
    causes.extend(set.iter().filter(|(_, set)| *set).map(|(field, _)| wrong(field, "needs to be unset")));
}

fn updated(event: &Event<'_>, old: &Event<'_>, causes: &mut Vec<Cause>) {
    if event.field("series") != old.field("series") {
        series(event, causes);
    }
    for name in IMMUTABLE {
        if event.field(name) != old.field(name) {
            let path = if name == "reportingComponent" { "reportingController" } else { name };
            causes.push(Cause::invalid(path, &shown(name, event.field(name)), "field is immutable"));
        }
    }
}

/// A value as the reference shows one of its own types: by the names that its fields have in Go, all of them.
fn shown(name: &str, value: &Value) -> String {
    /// A field of a reference to an object, in JSON and in Go.
    const REFERENCE: [(&str, &str); 7] = [
        ("kind", "Kind"),
        ("namespace", "Namespace"),
        ("name", "Name"),
        ("uid", "UID"),
        ("apiVersion", "APIVersion"),
        ("resourceVersion", "ResourceVersion"),
        ("fieldPath", "FieldPath"),
    ];
    const SOURCE: [(&str, &str); 2] = [("component", "Component"), ("host", "Host")];
    let all = |fields: &[(&str, &str)]| -> Value {
        let texts = fields.iter().map(|(json, go)| ((*go).to_owned(), json!(value[*json].as_str().unwrap_or_default())));
        Value::Object(texts.collect::<Map<String, Value>>())
    };
    match name {
        "involvedObject" => all(&REFERENCE).to_string(),
        "related" if !value.is_null() => all(&REFERENCE).to_string(),
        "source" => all(&SOURCE).to_string(),
        "count" => value.as_i64().unwrap_or_default().to_string(),
        "firstTimestamp" | "lastTimestamp" | "eventTime" | "related" => value.to_string(),
        _ => go_quote(value.as_str().unwrap_or_default()),
    }
}
