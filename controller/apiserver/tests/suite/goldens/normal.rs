//! What of an answer is compared: everything but the names of the moment.
//!
//! A uid becomes the name of its object, a version its place among those of the object which the corpus has shown, so that a
//! write which keeps a version looks different from one which moves it on. Times, tokens and ages become words.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value, json};

/// Fields whose values are of the moment, whoever carries them.
const TIMES: [&str; 6] =
    ["creationTimestamp", "deletionTimestamp", "lastTransitionTime", "time", "firstTimestamp", "lastTimestamp"];
/// Fields that no two servers have in common.
const OWN: [&str; 3] = ["storageVersionHash", "continue", "selfLink"];
/// Characters that a server adds to `generateName`.
const SUFFIX: usize = 5;

/// How managed items begin whose key is a uid.
const BY_UID: &str = r#"k:{"uid":"#;

static TIME: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$").unwrap());
static AGE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^(\d+[smhd])+$").unwrap());
static MOMENT: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ").unwrap());
static QUOTED: LazyLock<Regex> = LazyLock::new(|| Regex::new(r#"(resourceVersion\\*":\\*")\d+"#).unwrap());
static CERTIFICATE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----\n?").unwrap());
/// Managed fields in a quoted object: their entries stand in the order of their times.
static OWNERS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"(managedFields\\*":)\[.*?"time\\*":\\*"<time>\\*"\}\]"#).unwrap());
static VERSION: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?i)(resource ?version[a-z ]*:? )\(?\d+\)?(?:, current: \d+| \(\d+\))?").unwrap());

/// An object of a corpus, as far as its answers have shown it.
struct Known {
    /// Its name, or what that was generated from.
    name: String,
    uid: String,
    versions: Vec<String>,
}

/// The objects that a corpus has shown.
pub(super) struct Memory {
    /// The namespace of the corpus, which has another name each time.
    namespace: String,
    objects: Vec<Known>,
}

impl Memory {
    pub(super) fn new(namespace: &str) -> Self {
        Self { namespace: namespace.to_owned(), objects: Vec::new() }
    }

    /// What of `answer` is compared.
    pub(super) fn normalised(&mut self, request: &Value, mut answer: Value) -> Value {
        for pointer in request["ignore"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if let Some(place) = answer["body"].pointer_mut(pointer) {
                *place = json!("<ignored>");
            }
        }
        for rule in request["keep"].as_array().into_iter().flatten() {
            keep(&mut answer["body"], rule["array"].as_str().unwrap(), rule);
        }
        if let Some(pointers) = request["pick"].as_array() {
            let picked = pointers.iter().map(|pointer| {
                let pointer = pointer.as_str().unwrap();
                (pointer.to_owned(), answer["body"].pointer(pointer).cloned().unwrap_or(Value::Null))
            });
            answer["body"] = Value::Object(picked.collect());
        }
        self.learn(&answer["body"]);
        self.tidy(&mut answer);
        answer
    }

    /// Notes the uids and versions of objects, in the order of the document.
    fn learn(&mut self, value: &Value) {
        match value {
            Value::Object(fields) => {
                let text = |name: &str| fields.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
                let name = text("generateName").or(text("name"));
                if let (Some(name), Some(uid)) = (name, text("uid")) {
                    let name = if name == self.namespace { "${ns}" } else { name };
                    self.note(name, uid, text("resourceVersion"));
                }
                fields.iter().filter(|(name, _)| *name != "managedFields").for_each(|(_, child)| self.learn(child));
            }
            Value::Array(items) => items.iter().for_each(|item| self.learn(item)),
            _ => {}
        }
    }

    fn note(&mut self, name: &str, uid: &str, version: Option<&str>) {
        if !self.objects.iter().any(|known| known.uid == uid) {
            self.objects.push(Known { name: name.to_owned(), uid: uid.to_owned(), versions: Vec::new() });
        }
        if let (Some(version), Some(known)) = (version, self.objects.iter_mut().find(|known| known.uid == uid))
            && !known.versions.iter().any(|known| known == version)
        {
            known.versions.push(version.to_owned());
        }
    }

    fn tidy(&self, value: &mut Value) {
        match value {
            Value::Object(fields) => self.tidy_object(fields),
            Value::Array(items) => items.iter_mut().for_each(|item| self.tidy(item)),
            Value::String(text) => {
                self.tidy_names(text);
                if text.contains(' ') {
                    *text = VERSION.replace_all(text, "$1<version>").into_owned();
                    *text = QUOTED.replace_all(text, "$1<version>").into_owned();
                    *text = MOMENT.replace_all(text, "<time>").into_owned();
                    *text = OWNERS.replace_all(text, "$1<owners>").into_owned();
                    *text = CERTIFICATE.replace_all(text, "<certificate>").into_owned();
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// Replaces the namespace and the uids that stand in a text or are part of a field's name.
    fn tidy_names(&self, text: &mut String) {
        if !self.namespace.is_empty() && text.contains(&self.namespace) {
            *text = text.replace(&self.namespace, "${ns}");
        }
        for known in self.objects.iter().filter(|known| known.uid.len() > SUFFIX) {
            if text.contains(&known.uid) {
                *text = text.replace(&known.uid, &format!("<uid of {}>", known.name));
            }
        }
    }

    fn tidy_cell(&self, cell: &mut Value) {
        match cell.as_str() {
            Some(text) if AGE.is_match(text) => *cell = json!("<age>"),
            Some(text) if TIME.is_match(text) => *cell = json!("<time>"),
            _ => self.tidy(cell),
        }
    }

    /// What stands for the version of the object with this uid.
    fn place(&self, uid: &str, version: &str) -> Option<String> {
        let known = self.objects.iter().find(|known| known.uid == uid)?;
        known.versions.iter().position(|known| known == version).map(|place| format!("<version {}>", place + 1))
    }

    fn tidy_object(&self, fields: &mut Map<String, Value>) {
        *fields = std::mem::take(fields)
            .into_iter()
            .map(|(mut name, value)| {
                self.tidy_names(&mut name);
                (name, value)
            })
            .collect();
        // Managed items stand in the order of their keys, and a uid is a key of the moment.
        if fields.keys().any(|name| name.starts_with(BY_UID)) {
            fields.sort_keys();
        }
        let uid = fields.get("uid").and_then(Value::as_str).unwrap_or_default().to_owned();
        generated(fields);
        for (name, child) in fields.iter_mut() {
            match (name.as_str(), &mut *child) {
                ("cells", Value::Array(cells)) => cells.iter_mut().for_each(|cell| self.tidy_cell(cell)),
                ("resourceVersion", Value::String(text)) if !text.is_empty() => {
                    *text = self.place(&uid, text).unwrap_or_else(|| "<version>".to_owned());
                }
                (name, Value::String(text)) if TIMES.contains(&name) && TIME.is_match(text) => "<time>".clone_into(text),
                (name, Value::String(text)) if OWN.contains(&name) && !text.is_empty() => *text = format!("<{name}>"),
                _ => self.tidy(child),
            }
        }
        several_causes(fields);
        // Entries stand in the order of their times, which have whole seconds.
        if let Some(owners) = fields.get_mut("managedFields").and_then(Value::as_array_mut) {
            owners.sort_by_key(ToString::to_string);
        }
    }
}

fn generated(fields: &mut Map<String, Value>) {
    let Some(prefix) = fields.get("generateName").and_then(Value::as_str).map(str::to_owned) else { return };
    if let Some(Value::String(name)) = fields.get_mut("name")
        && name.strip_prefix(&prefix).is_some_and(|suffix| suffix.len() == SUFFIX)
    {
        *name = format!("{prefix}<{SUFFIX}>");
    }
}

/// Keeps the items of the arrays at `path` (`*` = each item) whose value at `by` is one of `in`.
fn keep(value: &mut Value, path: &str, rule: &Value) {
    if let Some((head, rest)) = path.split_once("/*") {
        for item in value.pointer_mut(head).and_then(Value::as_array_mut).into_iter().flatten() {
            keep(item, rest, rule);
        }
        return;
    }
    let wanted = rule["in"].as_array().unwrap();
    if let Some(items) = value.pointer_mut(path).and_then(Value::as_array_mut) {
        items.retain(|item| item.pointer(rule["by"].as_str().unwrap()).is_some_and(|found| wanted.contains(found)));
    }
}

/// The reference walks maps in any order: several causes are compared as a set, and the message by what stands before them.
fn several_causes(status: &mut Map<String, Value>) {
    let Some(causes) = status.get_mut("details").and_then(|details| details.get_mut("causes")).and_then(Value::as_array_mut)
    else {
        return;
    };
    if causes.len() < 2 {
        return;
    }
    causes.sort_by_key(ToString::to_string);
    if let Some(Value::String(message)) = status.get_mut("message")
        && let Some((head, _)) = message.split_once(" is invalid: ")
    {
        *message = format!("{head} is invalid: <causes>");
    }
}
