//! ObjectMeta: what the server sets, what it keeps, what it refuses.

use serde_json::{Map, Value, json};

use crate::kinds::{CoreKind, Resource, STANDARD_FINALIZERS, undomained};
use crate::schema::go_quote;
use crate::selectors::{label_key_problems, label_value_problems};
use crate::status::{Cause, Failure};
use crate::store::Object;

/// The most bytes of all annotations of one object.
const ANNOTATIONS_LIMIT_BYTES: usize = 256 * 1024;
/// The longest object name.
const NAME_LIMIT: usize = 253;
/// The longest namespace name.
const LABEL_LIMIT: usize = 63;

/// How often the reference checks the metadata of one object, and says what it finds.
struct Rounds {
    /// Labels, annotations and owners.
    all: usize,
    /// The form of finalizers.
    finalizers: usize,
    /// Whether finalizers have a domain.
    domains: usize,
    /// What an update may not change.
    updates: usize,
}

impl Rounds {
    /// Every update is checked by the store twice, then by the rules of its kind: as an update, and by most as a whole as well. A
    /// create is checked by the rules of its kind alone; some leave finalizers without a domain to others.
    fn of(resource: &Resource, update: bool) -> Self {
        let (all, finalizers, domains) = match (resource.core(), update) {
            (None, true) | (Some(CoreKind::Lease), true) => (3, 1, 0),
            (Some(CoreKind::CustomResourceDefinition), true) => (4, 1, 0),
            (Some(CoreKind::Event), true) => (2, 1, 0),
            (Some(CoreKind::EventV1), true) => (3, 1, 1),
            (None | Some(CoreKind::CustomResourceDefinition | CoreKind::Event | CoreKind::Lease), false) => (1, 1, 0),
            (Some(_), true) => (4, 2, 2),
            (Some(_), false) => (1, 1, 1),
        };
        let updates = if resource.core() == Some(CoreKind::Event) { 1 } else { 2 };
        Self { all, finalizers, domains, updates }
    }
}

/// What is said of an owner that an object names twice, where it is found before anything else changed the object and where after.
pub(super) const OWNERS_REPEATED: &str = "";
pub(super) const OWNERS_REPEATED_BY_PATCH: &str = " after mutating admission happens";

/// The fields of metadata that only the server writes and an update keeps.
const KEPT: [&str; 3] = ["uid", "creationTimestamp", "generation"];
/// Those that only a deletion writes.
const DELETION: [&str; 2] = ["deletionTimestamp", "deletionGracePeriodSeconds"];

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
    for finalizer in metadata.get_mut("finalizers").and_then(Value::as_array_mut).into_iter().flatten() {
        if finalizer.is_null() {
            *finalizer = json!("");
        }
    }
    for field in ["labels", "annotations"] {
        // A text that is null is an empty one.
        let entries = metadata.get_mut(field).and_then(Value::as_object_mut);
        entries.into_iter().flatten().filter(|(_, value)| value.is_null()).for_each(|(_, value)| *value = json!(""));
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
        "generateName" | "selfLink" => *field != "",
        _ => true,
    });
    Ok(metadata)
}

/// Takes over from `old` what an update may not touch.
pub(super) fn keep(new: &mut Map<String, Value>, old: &Value) {
    for field in KEPT {
        match old.get(field) {
            Some(value) => put(new, field, value),
            None => {
                new.remove(field);
            }
        }
    }
    for field in ["name", "namespace", "deletionTimestamp"] {
        if let Some(value) = old.get(field) {
            put(new, field, value);
        }
    }
    if let Some(seconds) = old.get("deletionGracePeriodSeconds")
        && !new.contains_key("deletionGracePeriodSeconds")
    {
        put(new, "deletionGracePeriodSeconds", seconds);
    }
}

/// Makes a field what it was; most are it already.
fn put(new: &mut Map<String, Value>, field: &str, value: &Value) {
    if new.get(field) != Some(value) {
        new.insert(field.to_owned(), value.clone());
    }
}

/// Every violation in the metadata of `new`.
///
/// An object of another kind is not looked at as closely.
pub(super) fn validate(resource: &Resource, new: &Value, old: Option<&Value>, other: bool) -> Vec<Cause> {
    let metadata = &new["metadata"];
    let mut causes = Vec::new();
    if old.is_none() {
        name(resource, metadata["name"].as_str().unwrap_or_default(), &mut causes);
        if let Some(generation) = metadata["generation"].as_i64().filter(|generation| *generation < 0) {
            let why = "must be greater than or equal to 0";
            causes.push(Cause::invalid("metadata.generation", &generation.to_string(), why));
        }
    }
    entries(metadata, &mut causes);
    owners(metadata, &mut causes);
    let mut rounds = Rounds::of(resource, old.is_some());
    if other {
        rounds.all -= 1;
    }
    let mut causes: Vec<Cause> = std::iter::repeat_n(causes, rounds.all).flatten().collect();
    finalizers(&rounds, metadata, &mut causes);
    if let Some(old) = old {
        let changed = deletion_changed(metadata, &old["metadata"]);
        causes.extend(std::iter::repeat_n(changed, rounds.updates).flatten());
        added_finalizers(metadata, &old["metadata"], &mut causes);
    }
    causes
}

fn name(resource: &Resource, name: &str, causes: &mut Vec<Cause>) {
    if name.is_empty() {
        causes.push(Cause::required("metadata.name", "name or generateName is required"));
        return;
    }
    let label = resource.core() == Some(CoreKind::Namespace);
    let (limit, rule) = if label { (LABEL_LIMIT, LABEL) } else { (NAME_LIMIT, SUBDOMAIN) };
    if resource.core() == Some(CoreKind::Event) {
        return segment(name, causes);
    }
    let shown = format!("{name:?}");
    if name.len() > limit {
        causes.push(Cause::invalid("metadata.name", &shown, &format!("must be no more than {limit} characters")));
    }
    let good = if label { good_part(name) } else { good_subdomain(name) };
    if label && good_subdomain(name) && name.contains('.') {
        causes.push(Cause::invalid("metadata.name", &shown, "must not contain dots"));
    } else if !good {
        causes.push(Cause::invalid("metadata.name", &shown, rule));
    }
}

fn good_part(part: &str) -> bool {
    !part.is_empty()
        && part.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-')
        && !part.starts_with('-')
        && !part.ends_with('-')
}

fn good_subdomain(name: &str) -> bool {
    name.split('.').all(good_part)
}

/// Events may have any name that is one segment of a path.
fn segment(name: &str, causes: &mut Vec<Cause>) {
    let shown = go_quote(name);
    if matches!(name, "." | "..") {
        causes.push(Cause::invalid("metadata.name", &shown, &format!("may not be '{name}'")));
    }
    for sign in ["/", "%"] {
        if name.contains(sign) {
            causes.push(Cause::invalid("metadata.name", &shown, &format!("may not contain '{sign}'")));
        }
    }
}

/// Labels and annotations.
fn entries(metadata: &Value, causes: &mut Vec<Cause>) {
    let listed = |field: &str| metadata[field].as_object().into_iter().flatten();
    let wrong = |field: &str, value: &str, problems: Vec<String>| -> Vec<Cause> {
        problems.iter().map(|problem| Cause::invalid(field, &go_quote(value), problem)).collect()
    };
    for (key, value) in listed("labels") {
        causes.extend(wrong("metadata.labels", key, label_key_problems(key)));
        let value = value.as_str().unwrap_or_default();
        causes.extend(wrong("metadata.labels", value, label_value_problems(value)));
    }
    let mut bytes = 0;
    for (key, value) in listed("annotations") {
        bytes += key.len() + value.as_str().map_or(0, str::len);
        causes.extend(wrong("metadata.annotations", key, label_key_problems(&key.to_lowercase())));
    }
    if bytes > ANNOTATIONS_LIMIT_BYTES {
        causes.push(Cause::new(
            "FieldValueTooLong",
            "metadata.annotations",
            format!("Too long: may not be more than {ANNOTATIONS_LIMIT_BYTES} bytes"),
        ));
    }
}

fn owners(metadata: &Value, causes: &mut Vec<Cause>) {
    let mut first: Option<String> = None;
    for owner in metadata["ownerReferences"].as_array().into_iter().flatten() {
        let version = owner["apiVersion"].as_str().unwrap_or_default();
        if version.is_empty() || version.matches('/').count() > 1 {
            causes.push(Cause::invalid("metadata.ownerReferences.apiVersion", &go_quote(version), "version must not be empty"));
        }
        for field in ["kind", "name", "uid"] {
            if owner[field].as_str().unwrap_or_default().is_empty() {
                causes.push(Cause::invalid(format!("metadata.ownerReferences.{field}"), "\"\"", "must not be empty"));
            }
        }
        if version == "v1" && owner["kind"] == "Event" {
            let why = "/v1, Kind=Event is disallowed from being an owner";
            causes.push(Cause::invalid("metadata.ownerReferences", &whole_owner(owner).to_string(), why));
        }
        if owner["controller"] == Value::Bool(true) {
            let text = |field: &str| owner[field].as_str().unwrap_or_default();
            let this = format!("{}/{}", text("kind"), text("name"));
            match &first {
                None => first = Some(this),
                Some(first) => {
                    let why = format!(
                        "Only one reference can have Controller set to true. Found \"true\" in references for {first} and {this}"
                    );
                    let all: Value = metadata["ownerReferences"].as_array().into_iter().flatten().map(whole_owner).collect();
                    causes.push(Cause::invalid("metadata.ownerReferences", &all.to_string(), &why));
                }
            }
        }
    }
}

/// An owner as Go writes it.
fn whole_owner(owner: &Value) -> Value {
    let named = ["apiVersion", "kind", "name", "uid"].map(|field| (field, owner[field].as_str().unwrap_or_default().into()));
    let flags = ["controller", "blockOwnerDeletion"].map(|field| (field, owner[field].clone()));
    let flags = flags.into_iter().filter(|(_, value)| !value.is_null());
    named.into_iter().chain(flags).map(|(field, value)| (field.to_owned(), value)).collect()
}

fn listed(metadata: &Value) -> Vec<&str> {
    metadata["finalizers"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

fn finalizers(rounds: &Rounds, metadata: &Value, causes: &mut Vec<Cause>) {
    let list = listed(metadata);
    for _ in 0..rounds.finalizers {
        for finalizer in &list {
            let problems = label_key_problems(finalizer).into_iter();
            causes.extend(problems.map(|problem| Cause::invalid("metadata.finalizers", &go_quote(finalizer), &problem)));
        }
        if list.contains(&"orphan") && list.contains(&"foregroundDeletion") {
            let why = "finalizer orphan and foregroundDeletion cannot be both set";
            causes.push(Cause::invalid("metadata.finalizers", &metadata["finalizers"].to_string(), why));
        }
    }
    for _ in 0..rounds.domains {
        for (index, finalizer) in list.iter().enumerate() {
            let field = || format!("metadata.finalizers[{index}]");
            causes.extend(undomained(finalizer).map(|why| Cause::invalid(field(), &go_quote(finalizer), why)));
        }
    }
}

/// Every violation in the metadata of a resource inside another one; `path` is where they are. It needs no name.
pub(super) fn embedded(resource: &Value, path: &str) -> Vec<Cause> {
    let metadata = &resource["metadata"];
    let mut causes = Vec::new();
    segment(metadata["name"].as_str().unwrap_or_default(), &mut causes);
    entries(metadata, &mut causes);
    owners(metadata, &mut causes);
    finalizers(&Rounds { all: 1, finalizers: 1, domains: 0, updates: 0 }, metadata, &mut causes);
    for cause in &mut causes {
        cause.field = cause.field.replacen("metadata", path, 1);
    }
    causes
}

/// A deletion is asked for by a DELETE alone.
fn deletion_changed(metadata: &Value, old: &Value) -> Vec<Cause> {
    let changed = DELETION.iter().filter(|field| metadata[**field] != old[**field]);
    changed
        .map(|field| Cause::invalid(format!("metadata.{field}"), &metadata[*field].to_string(), "field is immutable"))
        .collect()
}

fn added_finalizers(metadata: &Value, old: &Value, causes: &mut Vec<Cause>) {
    /// The reference finds an added finalizer in two places.
    const ROUNDS: usize = 2;
    if old["deletionTimestamp"].is_null() {
        return;
    }
    let before = listed(old);
    let added: Vec<String> =
        listed(metadata).iter().filter(|entry| !before.contains(entry)).map(|entry| go_quote(entry)).collect();
    if !added.is_empty() {
        let why = format!(
            "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
            added.join(", ")
        );
        causes.extend(std::iter::repeat_n(Cause::forbidden("metadata.finalizers", &why), ROUNDS));
    }
}

/// Drops owners that are named twice; what is said of them.
pub(super) fn distinct_owners(value: &mut Value, when: &str) -> Option<String> {
    let owners = value.get_mut("metadata")?.get_mut("ownerReferences")?.as_array_mut()?;
    let mut repeated = Vec::new();
    let mut kept: Vec<Value> = Vec::with_capacity(owners.len());
    for owner in owners.drain(..) {
        if kept.contains(&owner) {
            repeated.push(owner["uid"].as_str().unwrap_or_default().to_owned());
        } else {
            kept.push(owner);
        }
    }
    *owners = kept;
    (!repeated.is_empty()).then(|| {
        format!(
            ".metadata.ownerReferences contains duplicate entries{when}; API server dedups owner references in 1.20+, and may reject \
             such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: {}",
            repeated.join(", ")
        )
    })
}

/// What is taken but said to be unwise in the metadata of `new`.
pub(super) fn warnings(resource: &Resource, new: &Value, old: Option<&Object>) -> Vec<String> {
    if !resource.is_custom() {
        return Vec::new();
    }
    let known = |finalizer: &str| old.is_some_and(|old| old.meta.finalizers.iter().any(|known| known == finalizer));
    listed(&new["metadata"])
        .into_iter()
        .filter(|finalizer| !known(finalizer) && !finalizer.contains('/') && !STANDARD_FINALIZERS.contains(finalizer))
        .map(|finalizer| {
            let path = if finalizer.contains('.') { " including a path (/)" } else { "" };
            format!(
                "metadata.finalizers: {}: prefer a domain-qualified finalizer name{path} to avoid accidental conflicts with other \
                 finalizer writers",
                go_quote(finalizer)
            )
        })
        .collect()
}
