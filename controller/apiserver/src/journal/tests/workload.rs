//! Batches of writes as a server makes them, and what the store holds after each.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::dice::Dice;
use crate::journal::{Change, Loaded, Row};

/// Keys that the batches write to.
const KEYS: usize = 24;
/// Writes of one batch at most.
const BATCH: usize = 6;
/// The largest value in bytes: it covers several pages.
const VALUE: usize = 9_000;
/// The instance id of the workload's stores.
pub(super) const INSTANCE: &str = "instance";

/// What a store holds: revision and value by kind and key, and the last revision.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Contents {
    rows: BTreeMap<(String, String), (u64, Bytes)>,
    pub(super) revision: u64,
}

impl Contents {
    /// What a journal loaded.
    ///
    /// # Errors
    /// It is not of this workload, or holds a key twice.
    pub(super) fn of(loaded: &Loaded) -> Result<Self, String> {
        if loaded.instance != INSTANCE {
            return Err(format!("the instance is {:?}", loaded.instance));
        }
        let mut contents = Self { rows: BTreeMap::new(), revision: loaded.revision };
        for row in &loaded.rows {
            let key = (row.kind.clone(), row.key.clone());
            if contents.rows.insert(key, (row.revision, row.value.clone())).is_some() {
                return Err(format!("{}/{} is there twice", row.kind, row.key));
            }
        }
        Ok(contents)
    }

    /// The same rows, at another last revision.
    pub(super) fn at(&self, revision: u64) -> Self {
        Self { rows: self.rows.clone(), revision }
    }

    /// How it differs from another, in one line.
    pub(super) fn difference(&self, other: &Self) -> String {
        let mut text = format!("revision {} for {}", other.revision, self.revision);
        for key in self.rows.keys().chain(other.rows.keys()) {
            let (wanted, found) = (self.rows.get(key), other.rows.get(key));
            if wanted != found {
                let revision = |row: Option<&(u64, Bytes)>| row.map(|(revision, bytes)| (*revision, bytes.len()));
                text.push_str(&format!("; {} has {:?} for {:?}", key.1, revision(found), revision(wanted)));
            }
        }
        text
    }

    fn apply(&mut self, changes: &[Change]) {
        for change in changes {
            self.revision = change.revision();
            match change {
                Change::Put(row) => {
                    self.rows.insert((row.kind.clone(), row.key.clone()), (row.revision, row.value.clone()));
                }
                Change::Delete { kind, key, .. } => {
                    self.rows.remove(&(kind.clone(), key.clone()));
                }
            }
        }
    }
}

/// A source of batches.
#[derive(Debug)]
pub(super) struct Workload {
    dice: Dice,
    /// What is stored after each batch; the first is what was there before all.
    pub(super) states: Vec<Contents>,
}

impl Workload {
    pub(super) fn new(seed: u64) -> Self {
        Self { dice: Dice::new(seed), states: vec![Contents::default()] }
    }

    /// The next batch; the states then end with what it leaves.
    pub(super) fn batch(&mut self) -> Vec<Change> {
        let mut contents = self.states.last().cloned().unwrap_or_default();
        let length = 1 + self.dice.below(BATCH);
        let changes: Vec<Change> = (1..=length as u64).map(|number| self.change(contents.revision + number)).collect();
        contents.apply(&changes);
        self.states.push(contents);
        changes
    }

    fn change(&mut self, revision: u64) -> Change {
        let kind = ["/secrets", "koan.dev/devstacks"][self.dice.below(2)].to_owned();
        let key = format!("default/{}", self.dice.below(KEYS));
        if self.dice.below(5) == 0 {
            return Change::Delete { kind, key, revision };
        }
        // Mostly small, some of several pages.
        let length = if self.dice.below(8) == 0 { self.dice.below(VALUE) } else { self.dice.below(900) };
        let mut value = format!("{revision}:").into_bytes();
        let filler = self.dice.next().to_le_bytes();
        value.extend(filler.iter().cycle().take(length));
        Change::Put(Row { kind, key, revision, value: Bytes::from(value) })
    }
}
