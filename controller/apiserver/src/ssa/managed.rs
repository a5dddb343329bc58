//! `metadata.managedFields`: identities, times, the cap on update managers.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::element::{Element, Path};
use super::fields::FieldsError;
use super::scale;
use super::set::Set;
use super::types::{Type, Types};
use super::updater::{Managers, Owned};

/// Most managers that updated without applying; the oldest beyond it are folded together.
const MAX_UPDATE_MANAGERS: usize = 10;
/// Who owns what the folded managers owned.
const ANCIENT: &str = "ancient-changes";
/// The operations of entries.
const APPLY: &str = "Apply";
const UPDATE: &str = "Update";
/// The manager of requests that name none.
const UNKNOWN: &str = "unknown";

static STRIPPED: LazyLock<Set> = LazyLock::new(|| {
    let field = |name: &str| Element::Field(name.into());
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
static STATUS: LazyLock<Set> = LazyLock::new(|| Set::of(&[&[Element::Field("status".into())]]));
static SPEC: LazyLock<Set> = LazyLock::new(|| Set::of(&[&[Element::Field("spec".into())]]));
static ALL_BUT_STATUS: LazyLock<Set> =
    LazyLock::new(|| Set::of(&[&[Element::Field("metadata".into())], &[Element::Field("spec".into())]]));
static NO_FIELDS: LazyLock<Set> = LazyLock::new(Set::default);

/// Fields that a request cannot set and so never owns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResetFields {
    /// None: kinds without a status subresource.
    #[default]
    Nothing,
    /// `status`: the main path of kinds with a status subresource.
    Status,
    /// `spec`: the status path of most built-in kinds.
    Spec,
    /// `metadata` and `spec`: the status path of others and of custom ones.
    AllButStatus,
}

impl ResetFields {
    pub(super) fn set(self) -> &'static Set {
        match self {
            Self::Nothing => &NO_FIELDS,
            Self::Status => &STATUS,
            Self::Spec => &SPEC,
            Self::AllButStatus => &ALL_BUT_STATUS,
        }
    }
}

/// Who an entry belongs to. The version counts for updates only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity<'a> {
    pub(super) manager: Cow<'a, str>,
    pub(super) applied: bool,
    pub(super) api_version: Cow<'a, str>,
    pub(super) subresource: Cow<'a, str>,
}

/// An identity as one sortable text has it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Text<'a> {
    #[serde(borrow)]
    manager: Cow<'a, str>,
    #[serde(borrow)]
    operation: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    api_version: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    subresource: Cow<'a, str>,
}

impl<'a> Identity<'a> {
    /// Who writes under these names.
    pub(super) fn new(manager: &'a str, applied: bool, api_version: &'a str, subresource: &'a str) -> Self {
        let manager = if manager.is_empty() { UNKNOWN } else { manager };
        let api_version = if applied { "" } else { api_version };
        Self { manager: manager.into(), applied, api_version: api_version.into(), subresource: subresource.into() }
    }

    /// The identity as one sortable text.
    pub(super) fn key(&self) -> String {
        let text = Text {
            manager: Cow::Borrowed(&self.manager),
            operation: operation(self.applied).into(),
            api_version: Cow::Borrowed(&self.api_version),
            subresource: Cow::Borrowed(&self.subresource),
        };
        serde_json::to_string(&text).unwrap_or_default()
    }

    /// Whom a text names.
    fn of_key(key: &'a str) -> Self {
        match serde_json::from_str(key) {
            Ok(Text { manager, operation, api_version, subresource }) => {
                Self { manager, applied: operation == APPLY, api_version, subresource }
            }
            // What is no text of an identity was made here for the time of one operation.
            Err(_) => Self { manager: "".into(), applied: true, api_version: "".into(), subresource: "".into() },
        }
    }
}

fn operation(applied: bool) -> &'static str {
    if applied { APPLY } else { UPDATE }
}

/// An identity as conflicts show it.
pub(super) fn shown(key: &str) -> String {
    let identity = Identity::of_key(key);
    let mut out = crate::schema::go_quote(&identity.manager);
    if !identity.subresource.is_empty() {
        out.push_str(&format!(" with subresource {}", crate::schema::go_quote(&identity.subresource)));
    }
    if !identity.applied {
        out.push_str(&format!(" using {}", identity.api_version));
    }
    out
}

/// Decoded `managedFields`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Managed {
    pub(super) owners: Managers,
    pub(super) times: BTreeMap<String, Timestamp>,
}

/// Where the entries of a stored list are.
pub(super) enum Entries<'a> {
    /// With the object that keeps them.
    Lent(&'a [Value]),
    /// Free to be passed on.
    Given(Vec<Value>),
}

/// A list as it is stored, with what it says: entries that stand are passed on as they are.
pub(super) struct Stored<'a> {
    pub(super) managed: &'a Managed,
    pub(super) entries: Entries<'a>,
}

impl Stored<'_> {
    fn entries(&self) -> &[Value] {
        match &self.entries {
            Entries::Lent(entries) => entries,
            Entries::Given(entries) => entries,
        }
    }

    /// The place of the stored entry of an identity, and the entry with its present time, where `managed` says the same of its fields.
    fn standing(&mut self, key: &str, identity: &Identity<'_>, managed: &Managed) -> Option<(usize, Value)> {
        let same = self.managed.owners.get(key)? == managed.owners.get(key)?;
        let of = |entry: &Value| identity_of(entry).is_some_and(|found| found == *identity);
        let place = self.entries().iter().position(of).filter(|_| same)?;
        let mut entry = match &mut self.entries {
            Entries::Lent(entries) => entries.get(place)?.clone(),
            Entries::Given(entries) => entries.get_mut(place)?.take(),
        };
        let time = managed.times.get(key);
        if self.managed.times.get(key) != time {
            entry["time"] = written(*time?);
        }
        Some((place, entry))
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
        APPLY => true,
        UPDATE => false,
        _ => return None,
    };
    Some(Identity::new(text("manager"), applied, text("apiVersion"), text("subresource")))
}

impl Managed {
    /// What a list of an object of one of these types says; an absent one says nothing.
    pub(super) fn of(types: &Types, list: Option<&Value>) -> Result<Self, FieldsError> {
        let mut managed = Self::default();
        for entry in list.and_then(Value::as_array).into_iter().flatten() {
            managed.read(types, entry)?;
        }
        Ok(managed)
    }

    fn read(&mut self, types: &Types, entry: &Value) -> Result<(), FieldsError> {
        let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
        let unknown = || FieldsError::Shape { found: "operation must be `Apply` or `Update`".to_owned() };
        let identity = identity_of(entry).ok_or_else(unknown)?;
        let api_version = text("apiVersion");
        if api_version.is_empty() || text("fieldsType") != "FieldsV1" {
            return Err(FieldsError::Shape { found: entry.to_string() });
        }
        let ty = types.get(api_version).unwrap_or(Type::none());
        let set = entry.get("fieldsV1").map(|fields| Set::from_fields_of(ty, fields)).transpose()?.unwrap_or_default();
        let key = identity.key();
        if let Ok(time) = text("time").parse() {
            self.times.insert(key.clone(), time);
        }
        let set = Arc::new(set);
        self.owners.insert(key, Owned { set, api_version: api_version.to_owned(), applied: identity.applied });
        Ok(())
    }

    /// The list as it is to be stored: applies first, then by time, manager, version and subresource. `None` where nobody owns anything.
    /// The second half says whether anything but times differs from what is stored.
    pub(super) fn encode(&self, mut stored: Stored<'_>) -> (Option<Value>, bool) {
        let known = stored.entries().len();
        if self.owners.is_empty() {
            return (None, known > 0);
        }
        let mut entries: Vec<(String, &str, Identity<'_>)> = self
            .owners
            .keys()
            .map(|key| {
                let identity = Identity::of_key(key);
                (self.order(key, &identity), key.as_str(), identity)
            })
            .collect();
        entries.sort_by(|left, right| (&left.0, left.1).cmp(&(&right.0, right.1)));
        let mut changed = entries.len() != known;
        let mut list = Vec::with_capacity(entries.len());
        for (_, key, identity) in entries {
            let standing = stored.standing(key, &identity, self);
            changed |= standing.as_ref().is_none_or(|(place, _)| *place != list.len());
            list.push(standing.map_or_else(|| self.entry(key, &identity), |(_, entry)| entry));
        }
        (Some(Value::Array(list)), changed)
    }

    fn order(&self, key: &str, identity: &Identity<'_>) -> String {
        let seconds = self.times.get(key).map_or(0, |time| time.as_second());
        let version = self.owners.get(key).map_or("", |owned| &owned.api_version);
        let Identity { manager, applied, subresource, .. } = identity;
        format!("{}\0{seconds:020}\0{manager}\0{version}\0{subresource}", operation(*applied))
    }

    fn entry(&self, key: &str, identity: &Identity<'_>) -> Value {
        let owned = &self.owners[key];
        let mut entry = json!({"apiVersion": owned.api_version, "fieldsType": "FieldsV1", "fieldsV1": owned.set.to_fields()});
        entry["manager"] = identity.manager.as_ref().into();
        entry["operation"] = operation(identity.applied).into();
        if !identity.subresource.is_empty() {
            entry["subresource"] = identity.subresource.as_ref().into();
        }
        if let Some(time) = self.times.get(key) {
            entry["time"] = written(*time);
        }
        entry
    }

    /// Notes the time at which `key` wrote something.
    pub(super) fn stamp(&mut self, key: String, subresource: &str, now: Timestamp) {
        if subresource == scale::SUBRESOURCE {
            self.times.remove(&key);
        } else {
            self.times.insert(key, now);
        }
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
        let bucket = Identity::new(ANCIENT, false, &owned.api_version, "").key();
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

/// Puts the list into an object; says whether anything but times differs from what is stored.
pub(super) fn put_into(object: &mut Value, managed: &Managed, stored: Stored<'_>) -> bool {
    remove_from(object);
    let (list, changed) = managed.encode(stored);
    if let (Some(list), Some(object)) = (list, object.as_object_mut()) {
        give_back(object, list);
    }
    changed
}

/// Puts a list into the metadata of an object.
pub(super) fn give_back(object: &mut Map<String, Value>, list: Value) {
    let metadata = object.entry("metadata").or_insert_with(|| json!({}));
    if let Some(metadata) = metadata.as_object_mut() {
        metadata.insert("managedFields".to_owned(), list);
    }
}
