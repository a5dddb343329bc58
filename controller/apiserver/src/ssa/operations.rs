//! Apply and update of whole objects.

use std::borrow::Cow;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::errors::{ApplyError, Conflict};
use super::managed::{Entries, Identity, Managed, ResetFields, Stored, give_back, is_reset, put_into, remove_from, shown};
use super::typed::{Fault, faults_text, validate};
use super::types::{Type, Types};
use super::updater::{Context, Stop};
use super::{legacy, value};
use crate::schema::identical;

/// Who owns what was there before the first apply.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";
/// The identity under which an update's changes are collected.
const CURRENT: &str = "current-operation";

/// One apply request.
#[derive(Clone, Copy, Debug)]
pub struct ApplyOptions<'a> {
    /// The field manager, never empty.
    pub manager: &'a str,
    /// Whether conflicts are taken over.
    pub force: bool,
    /// The subresource, empty on the main path.
    pub subresource: &'a str,
    /// `group/version` of the request.
    pub api_version: &'a str,
    /// What the request cannot set.
    pub reset: ResetFields,
    /// The time of the entry if something changes.
    pub now: Timestamp,
}

/// One create, update or patch other than apply.
#[derive(Clone, Copy, Debug)]
pub struct UpdateOptions<'a> {
    /// The field manager; empty counts as `unknown`.
    pub manager: &'a str,
    /// The subresource, empty on the main path.
    pub subresource: &'a str,
    /// `group/version` of the request.
    pub api_version: &'a str,
    /// What the request cannot set.
    pub reset: ResetFields,
    /// The time of the entry if something changes.
    pub now: Timestamp,
}

/// What an apply made.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    /// The whole new object with its managedFields, not yet defaulted or validated.
    pub object: Value,
    /// Where the live object gave its managedFields to the new one: whether these differ in anything but times.
    pub owners_changed: Option<bool>,
}

/// Applies `applied` to `live` (`None` creates); `None` where nothing changes.
///
/// `live` lends its managedFields for the call. On the main path it gives them away where something changes: what stands of them is
/// not copied.
///
/// # Errors
/// [`ApplyError::Conflicts`] unless forced, [`ApplyError::Type`] for undeclared fields and wrong types, [`ApplyError::BadRequest`].
pub fn apply(
    types: &Types,
    live: Option<&mut Value>,
    applied: Value,
    options: ApplyOptions<'_>,
) -> Result<Option<Applied>, ApplyError> {
    let gives = options.subresource.is_empty();
    let Some(live) = live else {
        return Ok(
            laid_over(types, None, &mut None, applied, options)?.map(|(object, _)| Applied { object, owners_changed: None })
        );
    };
    let mut list = remove_from(live);
    let outcome = laid_over(types, Some(live), &mut list, applied, options);
    if let (Some(list), Some(live)) = (list, live.as_object_mut()) {
        give_back(live, list);
    }
    Ok(outcome?.map(|(object, changed)| Applied { object, owners_changed: gives.then_some(changed) }))
}

/// Runs `work` on an object without its managedFields, and with these beside it.
fn without_list<T>(object: Option<&mut Value>, work: impl FnOnce(Option<&Value>, Option<&Value>) -> T) -> T {
    let Some(object) = object else { return work(None, None) };
    let list = remove_from(object);
    let result = work(Some(object), list.as_ref());
    if let (Some(list), Some(metadata)) = (list, object.get_mut("metadata").and_then(Value::as_object_mut)) {
        metadata.insert("managedFields".to_owned(), list);
    }
    result
}

/// The new object, and whether its managedFields differ in anything but times from `list`, which it may take.
fn laid_over(
    types: &Types,
    live: Option<&Value>,
    list: &mut Option<Value>,
    applied: Value,
    options: ApplyOptions<'_>,
) -> Result<Option<(Value, bool)>, ApplyError> {
    let bad = |message: String| ApplyError::BadRequest { message };
    let version = applied.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
    let ty = types.get(options.api_version).filter(|_| version == options.api_version).ok_or_else(|| {
        let expected = options.api_version;
        bad(format!("Incorrect version specified in apply patch. Specified patch version: {version}, expected: {expected}"))
    })?;
    let given = applied.pointer("/metadata/managedFields").and_then(Value::as_array);
    if given.is_some_and(|list| list.iter().all(Value::is_object)) {
        return Err(bad("metadata.managedFields must be nil".to_owned()));
    }
    let before = Managed::of(types, list.as_ref()).map_err(|error| bad(format!("failed to decode managed fields: {error}")))?;
    let lives = live.is_some();
    let empty = if lives && !before.owners.is_empty() { Value::Null } else { empty_of(&applied) };
    let base = at_version(live.unwrap_or(&empty), applied.get("apiVersion"));
    if lives && before.owners.is_empty() {
        // Who owned nothing so far is made an owner first.
        let faults = validate(ty, &base, true);
        if !faults.is_empty() {
            let why = "failed to create manager for existing fields: failed to convert new object";
            return Err(type_error(&format!("{why} ({}) to smd typed: {}", describe(&base), faults_text(&faults))));
        }
    }
    conform(ty, &applied, false, "patch")?;
    conform(ty, &base, true, "live")?;
    let context = Context { types, api_version: options.api_version, ty, reset: options.reset.set() };
    let first = if before.owners.is_empty() { Some(first_owner(&context, &empty, &base, options)?) } else { None };
    let known = first.as_ref().unwrap_or(&before);
    let key = Identity::new(options.manager, true, "", options.subresource).key();
    let config = (options.manager == legacy::MANAGER).then(|| applied.clone());
    let (new, owners) = run(&context, &base, (applied, config.as_ref()), (known, &key), options)?;
    let mut managed = Managed { owners, times: known.times.clone() };
    managed.strip(&key);
    if new.is_some() {
        managed.stamp(key, options.subresource, options.now);
    }
    Ok(finish((lives, &base), new, (&before, &managed), (list, options.subresource.is_empty()), config.as_ref()))
}

/// The object in the version of a request.
fn at_version<'a>(object: &'a Value, version: Option<&Value>) -> Cow<'a, Value> {
    match (object.as_object(), version) {
        (Some(fields), Some(version)) if fields.get("apiVersion") != Some(version) => {
            let mut fields = fields.clone();
            fields.insert("apiVersion".to_owned(), version.clone());
            Cow::Owned(Value::Object(fields))
        }
        (Some(_) | None, _) => Cow::Borrowed(object),
    }
}

/// Records the ownership of a write that is no apply: sets `new`'s managedFields. `old` is `None` on create; it lends its
/// managedFields for the call and has them back afterwards.
///
/// Never fails: an object that does not fit its type loses its managedFields, as in the reference.
pub fn update(types: &Types, old: Option<&mut Value>, new: &mut Value, options: UpdateOptions<'_>) {
    without_list(old, |old, list| changed(types, (old, list), new, options));
}

fn changed(types: &Types, (old, list): (Option<&Value>, Option<&Value>), new: &mut Value, options: UpdateOptions<'_>) {
    let (managed, asked) = requested(types, list, new, options.subresource);
    let removed = remove_from(new);
    let is_update = old.and_then(|old| old.pointer("/metadata/uid")).and_then(Value::as_str).is_some_and(|uid| !uid.is_empty());
    if managed.owners.is_empty() && is_update {
        return;
    }
    let Some(ty) = types.get(options.api_version) else { return };
    // A list that somebody sends is read anew, unless it is the stored one.
    let sent = |list: &&Value| !asked || removed.as_ref().is_some_and(|removed| identical(removed, list));
    let list = list.filter(sent);
    let empty = empty_of(new);
    let old = old.unwrap_or(&empty);
    if !validate(ty, old, true).is_empty() || !validate(ty, new, true).is_empty() {
        return;
    }
    let context = Context { types, api_version: options.api_version, ty, reset: options.reset.set() };
    let before = managed.clone();
    if let Some(mut managed) = record(&context, old, new, managed, options) {
        managed.cap();
        let entries = Entries::Lent(list.and_then(Value::as_array).map_or(&[], Vec::as_slice));
        put_into(new, &managed, Stored { managed: &before, entries });
    }
}

/// What one operation changed goes to its manager; the time is set only then.
fn record(context: &Context<'_>, old: &Value, new: &Value, mut managed: Managed, options: UpdateOptions<'_>) -> Option<Managed> {
    managed.owners = context.update(old, new, managed.owners, CURRENT).ok()?;
    managed.strip(CURRENT);
    if let Some(mut changed) = managed.owners.remove(CURRENT) {
        let UpdateOptions { manager, subresource, api_version, .. } = options;
        let key = Identity::new(manager, false, api_version, subresource).key();
        if let Some(previous) = managed.owners.get(&key) {
            changed.set = Arc::new(changed.set.union(&previous.set));
        }
        managed.owners.insert(key.clone(), changed);
        managed.stamp(key, subresource, options.now);
    }
    Some(managed)
}

/// The managers an update starts from: those it asks for, which are then marked so, else the old object's.
fn requested(types: &Types, list: Option<&Value>, new: &Value, subresource: &str) -> (Managed, bool) {
    let of_old = || Managed::of(types, list).unwrap_or_default();
    if !subresource.is_empty() {
        return (of_old(), false);
    }
    if is_reset(new) {
        return (Managed::default(), true);
    }
    let asked = Managed::of(types, new.pointer("/metadata/managedFields")).ok().filter(|managed| !managed.owners.is_empty());
    asked.map_or_else(|| (of_old(), false), |asked| (asked, true))
}

fn first_owner(context: &Context<'_>, empty: &Value, base: &Value, options: ApplyOptions<'_>) -> Result<Managed, ApplyError> {
    let ApplyOptions { subresource, api_version, reset, now, .. } = options;
    let options = UpdateOptions { manager: BEFORE_FIRST_APPLY, subresource, api_version, reset, now };
    let mut managed = record(context, empty, base, Managed::default(), options).unwrap_or_default();
    managed.cap();
    Ok(managed)
}

type Ran = (Option<Value>, super::updater::Managers);

/// `config` is a copy of what is applied, for the manager that takes over from client-side apply.
fn run(
    context: &Context<'_>,
    base: &Value,
    (applied, config): (Value, Option<&Value>),
    (managed, key): (&Managed, &str),
    options: ApplyOptions<'_>,
) -> Result<Ran, ApplyError> {
    let stop = match context.apply(base, applied, managed.owners.clone(), (key, options.force)) {
        Ok(ran) => return Ok(ran),
        Err(stop) => stop,
    };
    let conflicts = match stop {
        Stop::Faults(faults) => return Err(type_error(&format!("failed to merge config: {}", faults_text(&faults)))),
        Stop::Conflicts(conflicts) => conflicts,
    };
    let owned = config.and_then(|config| Some((config, legacy::owned(context.ty, base, options.api_version)?)));
    let conflicts = match owned {
        None => conflicts,
        Some((config, owned)) => {
            let left = legacy::remaining(conflicts, &owned);
            if left.is_empty() {
                let again = context.apply(base, config.clone(), managed.owners.clone(), (key, true));
                return again.map_err(|_| type_error("failed to take over from client-side apply"));
            }
            left
        }
    };
    let conflicts = conflicts.into_iter().map(|(manager, path)| Conflict { manager: shown(&manager), path }).collect();
    Err(ApplyError::Conflicts { conflicts })
}

/// `list` is what is stored, and whether the new object may take it.
fn finish(
    (lives, base): (bool, &Value),
    new: Option<Value>,
    (before, managed): (&Managed, &Managed),
    (list, gives): (&mut Option<Value>, bool),
    config: Option<&Value>,
) -> Option<(Value, bool)> {
    let unchanged = new.is_none() && lives;
    let same_owners = before.owners == managed.owners;
    if unchanged && same_owners && config.is_none() {
        return None;
    }
    let mut object = new.unwrap_or_else(|| base.clone());
    if let Some(config) = config {
        legacy::refresh(&mut object, config);
        if unchanged && same_owners && value::equal(&object, base) {
            return None;
        }
    }
    let entries = match list {
        Some(Value::Array(_)) if gives => Entries::Given(match list.take() {
            Some(Value::Array(entries)) => entries,
            Some(_) | None => Vec::new(),
        }),
        Some(Value::Array(entries)) => Entries::Lent(entries),
        Some(_) | None => Entries::Lent(&[]),
    };
    let changed = put_into(&mut object, managed, Stored { managed: before, entries });
    Some((object, changed))
}

fn conform(ty: &Type, object: &Value, allow_duplicates: bool, what: &str) -> Result<(), ApplyError> {
    let faults: Vec<Fault> = validate(ty, object, allow_duplicates);
    if faults.is_empty() {
        return Ok(());
    }
    Err(type_error(&format!("failed to create typed {what} object ({}): {}", describe(object), faults_text(&faults))))
}

fn type_error(message: &str) -> ApplyError {
    ApplyError::Type { message: message.to_owned() }
}

/// `namespace/name; group/version, Kind=Kind`.
fn describe(object: &Value) -> String {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let version = text("/apiVersion");
    let slash = if version.contains('/') { "" } else { "/" };
    format!("{}/{}; {slash}{version}, Kind={}", text("/metadata/namespace"), text("/metadata/name"), text("/kind"))
}

fn empty_of(object: &Value) -> Value {
    let field = |name: &str| object.get(name).cloned().unwrap_or_default();
    json!({"apiVersion": field("apiVersion"), "kind": field("kind")})
}
