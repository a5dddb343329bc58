//! ObjectMeta: what the server sets, what it keeps, what it refuses.

use serde_json::{Map, Value, json};

use crate::kinds::{CoreKind, Resource};
use crate::selectors::{label_key_problems, label_value_problems};
use crate::status::{Cause, Failure};

/// The most bytes of all annotations of one object.
const ANNOTATIONS_LIMIT_BYTES: usize = 256 * 1024;
/// The longest object name.
const NAME_LIMIT: usize = 253;
/// The longest namespace name.
const LABEL_LIMIT: usize = 63;

/// The fields of metadata that only the server writes and an update keeps.
const KEPT: [&str; 6] =
    ["uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "generateName"];

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must \
    start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end \
    with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";

/// The metadata of an object, made if it is absent.
///
/// # Errors
/// 400 when `metadata` or one of its fields has the wrong type.
pub(super) fn of(value: &mut Value) -> Result<&mut Map<String, Value>, Failure> {
    let wrong = |field: &str, wanted: &str| Failure::bad_request(format!("metadata{field}: must be {wanted}"));
    let map = value.as_object_mut().ok_or_else(|| Failure::bad_request("the body of the request is not an object"))?;
    let slot = map.entry("metadata").or_insert_with(|| json!({}));
    if slot.is_null() {
        *slot = json!({});
    }
    let metadata = slot.as_object_mut().ok_or_else(|| wrong("", "an object"))?;
    metadata.retain(|_, field| !field.is_null());
    for field in ["name", "generateName", "namespace", "uid", "resourceVersion", "creationTimestamp", "deletionTimestamp"] {
        if metadata.get(field).is_some_and(|found| !found.is_string()) {
            return Err(wrong(&format!(".{field}"), "a string"));
        }
    }
    for field in ["labels", "annotations"] {
        match metadata.get(field) {
            None => {}
            Some(Value::Object(entries)) if entries.values().all(Value::is_string) => {}
            Some(_) => return Err(wrong(&format!(".{field}"), "an object whose values are strings")),
        }
    }
    for (field, text) in [("finalizers", true), ("ownerReferences", false), ("managedFields", false)] {
        match metadata.get(field) {
            None => {}
            Some(Value::Array(items)) if items.iter().all(|item| if text { item.is_string() } else { item.is_object() }) => {}
            Some(_) => return Err(wrong(&format!(".{field}"), if text { "a list of strings" } else { "a list of objects" })),
        }
    }
    // Empty collections are not stored, so that a no-op write is seen as one.
    metadata.retain(|name, field| match name.as_str() {
        "labels" | "annotations" => field.as_object().is_none_or(|entries| !entries.is_empty()),
        "finalizers" | "ownerReferences" => field.as_array().is_none_or(|items| !items.is_empty()),
        _ => true,
    });
    Ok(metadata)
}

/// Takes over from `old` what an update may not touch.
pub(super) fn keep(new: &mut Map<String, Value>, old: &Value) {
    for field in KEPT {
        match old.get(field) {
            Some(value) => {
                new.insert(field.to_owned(), value.clone());
            }
            None => {
                new.remove(field);
            }
        }
    }
    for field in ["name", "namespace"] {
        if let Some(value) = old.get(field) {
            new.insert(field.to_owned(), value.clone());
        }
    }
    new.remove("selfLink");
}

/// Every violation in the metadata of `new`.
pub(super) fn validate(resource: &Resource, new: &Value, old: Option<&Value>) -> Vec<Cause> {
    let metadata = &new["metadata"];
    let mut causes = Vec::new();
    if old.is_none() {
        name(resource, metadata["name"].as_str().unwrap_or_default(), &mut causes);
    }
    let entries = |field: &str| metadata[field].as_object().into_iter().flatten();
    for (key, value) in entries("labels") {
        for problem in label_key_problems(key) {
            causes.push(Cause::invalid("metadata.labels", &format!("{key:?}"), &problem));
        }
        for problem in label_value_problems(value.as_str().unwrap_or_default()) {
            causes.push(Cause::invalid("metadata.labels", &value.to_string(), &problem));
        }
    }
    let mut bytes = 0;
    for (key, value) in entries("annotations") {
        bytes += key.len() + value.as_str().map_or(0, str::len);
        for problem in label_key_problems(&key.to_lowercase()) {
            causes.push(Cause::invalid("metadata.annotations", &format!("{key:?}"), &problem));
        }
    }
    if bytes > ANNOTATIONS_LIMIT_BYTES {
        causes.push(Cause::new(
            "FieldValueTooLong",
            "metadata.annotations",
            format!("Too long: may not be more than {ANNOTATIONS_LIMIT_BYTES} bytes"),
        ));
    }
    owners(metadata, &mut causes);
    finalizers(metadata, old, &mut causes);
    causes
}

fn name(resource: &Resource, name: &str, causes: &mut Vec<Cause>) {
    if name.is_empty() {
        causes.push(Cause::required("metadata.name", "name or generateName is required"));
        return;
    }
    let label = resource.core() == Some(CoreKind::Namespace);
    let (limit, rule) = if label { (LABEL_LIMIT, LABEL) } else { (NAME_LIMIT, SUBDOMAIN) };
    let shown = format!("{name:?}");
    if name.len() > limit {
        causes.push(Cause::invalid("metadata.name", &shown, &format!("must be no more than {limit} bytes")));
    }
    let part = |part: &str| {
        !part.is_empty()
            && part.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-')
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    let good = if label { part(name) } else { name.split('.').all(part) };
    if label && name.contains('.') {
        causes.push(Cause::invalid("metadata.name", &shown, "must not contain dots"));
    } else if !good {
        causes.push(Cause::invalid("metadata.name", &shown, rule));
    }
}

fn owners(metadata: &Value, causes: &mut Vec<Cause>) {
    let mut controllers = 0;
    for (index, owner) in metadata["ownerReferences"].as_array().into_iter().flatten().enumerate() {
        for (field, why) in [
            ("apiVersion", "version must not be empty"),
            ("kind", "must not be empty"),
            ("name", "must not be empty"),
            ("uid", "must not be empty"),
        ] {
            if owner[field].as_str().unwrap_or_default().is_empty() {
                causes.push(Cause::invalid(format!("metadata.ownerReferences[{index}].{field}"), "\"\"", why));
            }
        }
        controllers += usize::from(owner["controller"] == Value::Bool(true));
    }
    if controllers > 1 {
        causes.push(Cause::invalid(
            "metadata.ownerReferences",
            &metadata["ownerReferences"].to_string(),
            "Only one reference can have Controller set to true",
        ));
    }
}

fn finalizers(metadata: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let list = |metadata: &Value| -> Vec<String> {
        metadata["finalizers"].as_array().into_iter().flatten().filter_map(|item| item.as_str().map(str::to_owned)).collect()
    };
    let new = list(metadata);
    for finalizer in &new {
        for problem in label_key_problems(finalizer) {
            causes.push(Cause::invalid("metadata.finalizers", &format!("{finalizer:?}"), &problem));
        }
    }
    if let Some(old) = old.filter(|old| !old["metadata"]["deletionTimestamp"].is_null()) {
        let before = list(&old["metadata"]);
        let added: Vec<String> = new.iter().filter(|entry| !before.contains(entry)).map(|entry| format!("{entry:?}")).collect();
        if !added.is_empty() {
            causes.push(Cause::forbidden(
                "metadata.finalizers",
                &format!(
                    "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
                    added.join(", ")
                ),
            ));
        }
    }
}
