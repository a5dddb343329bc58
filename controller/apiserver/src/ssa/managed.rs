//! `metadata.managedFields`: identities, times, the cap on update managers.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::element::{Element, Path};
use super::fields::FieldsError;
use super::set::Set;
use super::updater::{Managers, Owned};

/// Most managers that updated without applying; the oldest beyond it are folded together.
const MAX_UPDATE_MANAGERS: usize = 10;
/// Who owns what the folded managers owned.
const ANCIENT: &str = "ancient-changes";
/// The manager of requests that name none.
const UNKNOWN: &str = "unknown";

static STRIPPED: LazyLock<Set> = LazyLock::new(|| {
    let field = |name: &str| Element::Field(name.to_owned());
    let top = ["apiVersion", "kind", "metadata"].map(|name| vec![field(name)]);
    let meta = [
        "name",
        "namespace",
        "creationTimestamp",
        "selfLink",
        "uid",
        "clusterName",
        "generation",
        "managedFields",
        "resourceVersion",
    ];
    let meta = meta.map(|name| vec![field("metadata"), field(name)]);
    let paths: Vec<Path> = top.into_iter().chain(meta).collect();
    Set::of(&paths.iter().map(Vec::as_slice).collect::<Vec<_>>())
});
static STATUS: LazyLock<Set> = LazyLock::new(|| Set::of(&[&[Element::Field("status".to_owned())]]));
static ALL_BUT_STATUS: LazyLock<Set> =
    LazyLock::new(|| Set::of(&[&[Element::Field("metadata".to_owned())], &[Element::Field("spec".to_owned())]]));
static NO_FIELDS: LazyLock<Set> = LazyLock::new(Set::default);

/// Fields that a request cannot set and so never owns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResetFields {
    /// None: kinds without a status subresource.
    #[default]
    Nothing,
    /// `status`: the main path of kinds with a status subresource.
    Status,
    /// `metadata` and `spec`: the status path.
    AllButStatus,
}

impl ResetFields {
    pub(super) fn set(self) -> &'static Set {
        match self {
            Self::Nothing => &NO_FIELDS,
            Self::Status => &STATUS,
            Self::AllButStatus => &ALL_BUT_STATUS,
        }
    }
}

/// Who an entry belongs to. The version counts for updates only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity<'a> {
    pub(super) manager: &'a str,
    pub(super) applied: bool,
    pub(super) api_version: &'a str,
    pub(super) subresource: &'a str,
}

impl Identity<'_> {
    /// The identity as one sortable text.
    pub(super) fn key(&self) -> String {
        let mut map = Map::new();
        let manager = if self.manager.is_empty() { UNKNOWN } else { self.manager };
        map.insert("manager".to_owned(), manager.into());
        map.insert("operation".to_owned(), if self.applied { "Apply" } else { "Update" }.into());
        if !self.applied && !self.api_version.is_empty() {
            map.insert("apiVersion".to_owned(), self.api_version.into());
        }
        if !self.subresource.is_empty() {
            map.insert("subresource".to_owned(), self.subresource.into());
        }
        Value::Object(map).to_string()
    }
}

/// An identity as conflicts show it.
pub(super) fn shown(key: &str) -> String {
    let identity: Value = serde_json::from_str(key).unwrap_or_default();
    let text = |name: &str| identity.get(name).and_then(Value::as_str).unwrap_or_default();
    let mut out = crate::schema::go_quote(text("manager"));
    if !text("subresource").is_empty() {
        out.push_str(&format!(" with subresource {}", crate::schema::go_quote(text("subresource"))));
    }
    if text("operation") == "Update" {
        out.push_str(&format!(" using {}", text("apiVersion")));
    }
    out
}

/// Decoded `managedFields`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Managed {
    pub(super) owners: Managers,
    pub(super) times: BTreeMap<String, Timestamp>,
}

/// A list as it is stored, with what it says: entries that stand are passed on as they are.
#[derive(Clone, Copy)]
pub(super) struct Stored<'a> {
    pub(super) managed: &'a Managed,
    pub(super) list: Option<&'a Value>,
}

impl Stored<'_> {
    /// The stored entry of `key` with its present time, where `managed` says the same of its fields.
    fn standing(&self, key: &str, managed: &Managed) -> Option<Value> {
        let same = self.managed.owners.get(key)? == managed.owners.get(key)?;
        let mut entries = self.list.filter(|_| same)?.as_array()?.iter();
        let mut entry = entries.find(|entry| identity_of(entry).is_some_and(|identity| identity.key() == key))?.clone();
        let time = managed.times.get(key);
        if self.managed.times.get(key) != time {
            entry["time"] = written(*time?);
        }
        Some(entry)
    }
}

/// A time as entries carry it: whole seconds.
fn written(time: Timestamp) -> Value {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into()
}

/// Whom an entry belongs to; `None` for an operation that is none.
fn identity_of(entry: &Value) -> Option<Identity<'_>> {
    let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
    let applied = match text("operation") {
        "Apply" => true,
        "Update" => false,
        _ => return None,
    };
    Some(Identity { manager: text("manager"), applied, api_version: text("apiVersion"), subresource: text("subresource") })
}

impl Managed {
    /// What a list says; an absent one says nothing.
    pub(super) fn of(list: Option<&Value>) -> Result<Self, FieldsError> {
        let mut managed = Self::default();
        for entry in list.and_then(Value::as_array).into_iter().flatten() {
            managed.read(entry)?;
        }
        Ok(managed)
    }

    fn read(&mut self, entry: &Value) -> Result<(), FieldsError> {
        let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
        let unknown = || FieldsError::Shape { found: "operation must be `Apply` or `Update`".to_owned() };
        let identity = identity_of(entry).ok_or_else(unknown)?;
        if identity.api_version.is_empty() || text("fieldsType") != "FieldsV1" {
            return Err(FieldsError::Shape { found: entry.to_string() });
        }
        let set = entry.get("fieldsV1").map(Set::from_fields).transpose()?.unwrap_or_default();
        let key = identity.key();
        if let Ok(time) = text("time").parse() {
            self.times.insert(key.clone(), time);
        }
        let set = Arc::new(set);
        self.owners.insert(key, Owned { set, api_version: identity.api_version.to_owned(), applied: identity.applied });
        Ok(())
    }

    /// The list as it is to be stored: applies first, then by time, manager, version and subresource. `None` where nobody owns anything.
    pub(super) fn encode(&self, stored: Stored<'_>) -> Option<Value> {
        if self.owners.is_empty() {
            return None;
        }
        let identity = |key: &String| serde_json::from_str::<Value>(key).unwrap_or_default();
        let mut entries: Vec<(String, &String, Value)> = self
            .owners
            .keys()
            .map(|key| {
                let identity = identity(key);
                (self.order(key, &identity), key, identity)
            })
            .collect();
        entries.sort_by(|left, right| (&left.0, left.1).cmp(&(&right.0, right.1)));
        let entry = |(_, key, identity): (String, &String, Value)| {
            stored.standing(key, self).unwrap_or_else(|| self.entry(key, &identity))
        };
        Some(Value::Array(entries.into_iter().map(entry).collect()))
    }

    fn order(&self, key: &str, identity: &Value) -> String {
        let text = |name: &str| identity.get(name).and_then(Value::as_str).unwrap_or_default();
        let seconds = self.times.get(key).map_or(0, |time| time.as_second());
        let version = self.owners.get(key).map_or("", |owned| &owned.api_version);
        format!("{}\0{seconds:020}\0{}\0{version}\0{}", text("operation"), text("manager"), text("subresource"))
    }

    fn entry(&self, key: &str, identity: &Value) -> Value {
        let owned = &self.owners[key];
        let mut entry = json!({"apiVersion": owned.api_version, "fieldsType": "FieldsV1", "fieldsV1": owned.set.to_fields()});
        for name in ["manager", "operation", "subresource"] {
            if let Some(text) = identity.get(name) {
                entry[name] = text.clone();
            }
        }
        if let Some(time) = self.times.get(key) {
            entry["time"] = written(*time);
        }
        entry
    }

    /// Takes the fields that every object has out of `key`'s set.
    pub(super) fn strip(&mut self, key: &str) {
        let Some(owned) = self.owners.get_mut(key) else { return };
        Arc::make_mut(&mut owned.set).subtract(&STRIPPED);
        if owned.set.is_empty() {
            self.owners.remove(key);
        }
    }

    /// Folds the oldest update managers together until [`MAX_UPDATE_MANAGERS`] are left.
    pub(super) fn cap(&mut self) {
        let mut updaters: Vec<String> =
            self.owners.iter().filter(|(_, owned)| !owned.applied).map(|(key, _)| key.clone()).collect();
        let mut count = updaters.len();
        if count <= MAX_UPDATE_MANAGERS {
            return;
        }
        updaters.sort_by_key(|key| (self.times.get(key).map_or(0, |time| time.as_second()), key.clone()));
        let mut first_of: BTreeMap<String, String> = BTreeMap::new();
        for key in updaters {
            if count <= MAX_UPDATE_MANAGERS {
                return;
            }
            let Some(owned) = self.owners.get(&key).cloned() else { continue };
            let Some(first) = first_of.get(&owned.api_version) else {
                first_of.insert(owned.api_version, key);
                continue;
            };
            self.fold(first.clone(), &key, owned);
            count -= 1;
        }
    }

    fn fold(&mut self, first: String, key: &str, owned: Owned) {
        let bucket = Identity { manager: ANCIENT, applied: false, api_version: &owned.api_version, subresource: "" }.key();
        if !self.owners.contains_key(&bucket)
            && let Some(oldest) = self.owners.remove(&first)
        {
            self.owners.insert(bucket.clone(), oldest);
        }
        if let Some(kept) = self.owners.get_mut(&bucket) {
            kept.set = Arc::new(owned.set.union(&kept.set));
        }
        if key != bucket {
            self.owners.remove(key);
        }
        match self.times.get(key).copied() {
            Some(time) => self.times.insert(bucket, time),
            None => self.times.remove(&bucket),
        };
    }
}

/// Whether the list asks for a reset: present and empty, or one empty entry.
pub(super) fn is_reset(object: &Value) -> bool {
    match object.pointer("/metadata/managedFields").and_then(Value::as_array).map(Vec::as_slice) {
        Some([]) => true,
        Some([entry]) => entry.as_object().is_some_and(Map::is_empty),
        Some(_) | None => false,
    }
}

/// Takes the list out of an object.
pub(super) fn remove_from(object: &mut Value) -> Option<Value> {
    object.get_mut("metadata").and_then(Value::as_object_mut)?.shift_remove("managedFields")
}

/// Puts the list into an object.
pub(super) fn put_into(object: &mut Value, managed: &Managed, stored: Stored<'_>) {
    remove_from(object);
    if let (Some(list), Some(object)) = (managed.encode(stored), object.as_object_mut()) {
        let metadata = object.entry("metadata").or_insert_with(|| json!({}));
        if let Some(metadata) = metadata.as_object_mut() {
            metadata.insert("managedFields".to_owned(), list);
        }
    }
}
