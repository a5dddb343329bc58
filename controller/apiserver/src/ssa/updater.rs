//! Merge, prune and ownership: the core of apply and update, on values and named field sets.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::element::Path;
use super::set::Set;
use super::typed::{Comparison, Fault, compare, merge, reconcile, remove, to_set, validate};
use super::types::{Type, Types};
use super::value::equal;

/// What one manager owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owned {
    /// Shared between what was and what is, where nothing changed.
    pub(super) set: Arc<Set>,
    pub(super) api_version: String,
    pub(super) applied: bool,
}

/// Managers by identity.
pub(super) type Managers = BTreeMap<String, Owned>;

/// Why an apply stopped.
#[derive(Debug)]
pub(super) enum Stop {
    Conflicts(Vec<(String, Path)>),
    Faults(Vec<Fault>),
}

/// The version that an operation speaks, its type, and the fields that it cannot set.
pub(super) struct Context<'a> {
    pub(super) types: &'a Types,
    pub(super) api_version: &'a str,
    pub(super) ty: &'a Type,
    pub(super) reset: &'a Set,
}

impl Context<'_> {
    /// Records an update: what changed leaves its former owners and goes to `manager`.
    pub(super) fn update(&self, old: &Value, new: &Value, managers: Managers, manager: &str) -> Result<Managers, Vec<Fault>> {
        let mut managers = self.reconciled(old, managers)?;
        let comparison = match self.transfer((old, new), &mut managers, manager, true) {
            Ok(comparison) => comparison,
            Err(Stop::Faults(faults)) => return Err(faults),
            Err(Stop::Conflicts(_)) => return Ok(managers),
        };
        let mut set = managers.get(manager).map(|owned| Set::clone(&owned.set)).unwrap_or_default();
        set.subtract(&comparison.removed);
        let mut set = set.union(&comparison.modified).union(&comparison.added);
        set.subtract_recursively(self.reset);
        if set.is_empty() {
            managers.remove(manager);
        } else {
            let set = Arc::new(set);
            managers.insert(manager.to_owned(), Owned { set, api_version: self.api_version.to_owned(), applied: false });
        }
        Ok(managers)
    }

    /// Applies `config`: the new object, `None` where it equals `live`, and the new managers.
    pub(super) fn apply(
        &self,
        live: &Value,
        config: Value,
        managers: Managers,
        (manager, force): (&str, bool),
    ) -> Result<(Option<Value>, Managers), Stop> {
        let mut managers = self.reconciled(live, managers).map_err(Stop::Faults)?;
        let mut set = to_set(self.ty, &config);
        let merged = merge(self.ty, live, config).map_err(Stop::Faults)?;
        set.subtract_recursively(self.reset);
        // Where everything of the last time is applied again, there is nothing to prune.
        let again = |last: &Owned| last.api_version == self.api_version && last.set.is_within(&set);
        let shrinks = managers.get(manager).is_some_and(|last| !again(last));
        let owned = Owned { set: Arc::new(set), api_version: self.api_version.to_owned(), applied: true };
        let last = managers.insert(manager.to_owned(), owned);
        let new = self.prune(merged, &managers, last.as_ref().filter(|_| shrinks)).map_err(Stop::Faults)?;
        if managers.len() > 1 {
            self.transfer((live, &new), &mut managers, manager, force)?;
        } else {
            // Nobody else has anything to lose; both sides conform to the type, so a comparison would find nothing wrong.
            managers.retain(|_, owned| !owned.set.is_empty());
        }
        let unchanged = equal(live, &new);
        Ok((if unchanged { None } else { Some(new) }, managers))
    }

    /// The type of a version, `None` where it is no longer served. Values of version `from` that it does not allow stop the operation.
    fn converted(&self, from: &str, to: &str, values: &[&Value]) -> Result<Option<&Type>, Vec<Fault>> {
        let Some(ty) = self.types.get(to) else { return Ok(None) };
        if from == to {
            return Ok(Some(ty));
        }
        let faults: Vec<Fault> = values.iter().flat_map(|value| validate(ty, value, false)).collect();
        if faults.is_empty() { Ok(Some(ty)) } else { Err(faults) }
    }

    /// [`Self::converted`] from the version of the request.
    fn at(&self, version: &str, values: &[&Value]) -> Result<Option<&Type>, Vec<Fault>> {
        self.converted(self.api_version, version, values)
    }

    /// Managers of versions that are still served, fitted to the present schema.
    fn reconciled(&self, live: &Value, managers: Managers) -> Result<Managers, Vec<Fault>> {
        let mut fitted = Managers::new();
        for (name, owned) in managers {
            if let Some(ty) = self.at(&owned.api_version, &[live])? {
                let set = reconcile(ty, &owned.set).map_or(owned.set, Arc::new);
                fitted.insert(name, Owned { set, ..owned });
            }
        }
        Ok(fitted)
    }

    /// Takes what changed away from every other manager, or lists the conflicts.
    fn transfer(
        &self,
        (old, new): (&Value, &Value),
        managers: &mut Managers,
        manager: &str,
        force: bool,
    ) -> Result<Comparison, Stop> {
        let full = compare(self.ty, old, new).map_err(Stop::Faults)?;
        let mut versions = BTreeMap::from([(self.api_version.to_owned(), full.without(self.reset))]);
        let mut touched: BTreeMap<String, Set> = BTreeMap::new();
        let mut conflicts: BTreeMap<String, Set> = BTreeMap::new();
        for (name, owned) in managers.iter().filter(|(name, _)| *name != manager) {
            if !versions.contains_key(&owned.api_version) {
                let Some(ty) = self.at(&owned.api_version, &[old, new]).map_err(Stop::Faults)? else { continue };
                versions.insert(owned.api_version.clone(), compare(ty, old, new).map_err(Stop::Faults)?);
            }
            let changed = &versions[&owned.api_version];
            let touched = touched.entry(owned.api_version.clone()).or_insert_with(|| changed.modified.union(&changed.added));
            let taken = owned.set.intersection(touched);
            if !taken.is_empty() {
                conflicts.insert(name.clone(), taken);
            }
        }
        if !force && !conflicts.is_empty() {
            let all = conflicts.iter().flat_map(|(name, set)| set.paths().into_iter().map(move |path| (name.clone(), path)));
            return Err(Stop::Conflicts(all.collect()));
        }
        for (name, owned) in managers.iter_mut().filter(|(name, _)| *name != manager) {
            if let Some(taken) = conflicts.get(name) {
                Arc::make_mut(&mut owned.set).subtract(taken);
            }
            if let Some(changed) = versions.get(&owned.api_version).filter(|changed| !changed.removed.is_empty()) {
                Arc::make_mut(&mut owned.set).subtract(&changed.removed);
            }
        }
        managers.retain(|_, owned| !owned.set.is_empty());
        Ok(full)
    }

    /// Removes what this manager applied last time, not this time, and nobody else owns.
    fn prune(&self, merged: Value, managers: &Managers, last: Option<&Owned>) -> Result<Value, Vec<Fault>> {
        let Some(last) = last.filter(|last| !last.set.is_empty()) else { return Ok(merged) };
        let Some(ty) = self.at(&last.api_version, &[&merged])? else { return Ok(merged) };
        let last_set = last.set.with_named_fields(ty);
        let pruned = remove(ty, &merged, &last_set);
        let pruned = self.add_back_owned(&merged, pruned, &last.api_version, managers)?;
        let pruned = add_back_dangling(ty, &merged, &pruned, &last_set);
        self.converted(&last.api_version, self.api_version, &[&pruned])?;
        Ok(pruned)
    }

    /// Version by version, the one that was pruned at first; the values wander through all of them and back.
    fn add_back_owned(&self, merged: &Value, pruned: Value, first: &str, managers: &Managers) -> Result<Value, Vec<Fault>> {
        let mut by_version: BTreeMap<&str, Set> = BTreeMap::new();
        for owned in managers.values() {
            let set = by_version.entry(&owned.api_version).or_default();
            *set = set.union(&owned.set);
        }
        let own = by_version.remove_entry(first);
        let (mut pruned, mut current) = (pruned, first);
        for (version, managed) in own.into_iter().chain(by_version) {
            let Some(ty) = self.converted(current, version, &[merged, &pruned])? else { continue };
            let named = |value: &Value| to_set(ty, value).with_named_fields(ty);
            let kept = named(&pruned).union(&managed.with_named_fields(ty));
            pruned = remove(ty, merged, &named(merged).difference(&kept));
            current = version;
        }
        self.converted(current, first, &[&pruned])?;
        Ok(pruned)
    }
}

/// Keeps what the applying manager did not own: unowned fields stay.
fn add_back_dangling(ty: &Type, merged: &Value, pruned: &Value, last: &Set) -> Value {
    let named = |value: &Value| to_set(ty, value).with_named_fields(ty);
    remove(ty, merged, &named(merged).difference(&named(pruned)).intersection(last))
}
