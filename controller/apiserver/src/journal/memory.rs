//! A journal that forgets: for tests and simulations, which keep a handle to look inside or to open it again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Change, Journal, JournalError, Loaded, Row};

/// Rows in memory; clones share them, so that a second server can be opened on what a first one wrote.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    shared: Arc<Mutex<Contents>>,
}

#[derive(Debug, Default, Clone)]
struct Contents {
    rows: BTreeMap<(String, String), Row>,
    revision: u64,
    instance: String,
}

impl Memory {
    /// An empty journal.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A journal of its own that begins with the rows of this one.
    #[must_use]
    pub fn copy(&self) -> Self {
        let contents = self.shared.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Self { shared: Arc::new(Mutex::new(contents)) }
    }
}

impl Journal for Memory {
    fn load(&mut self) -> Result<Loaded, JournalError> {
        let contents = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Loaded {
            rows: contents.rows.values().cloned().collect(),
            revision: contents.revision,
            instance: contents.instance.clone(),
        })
    }

    fn adopt(&mut self, instance: &str) -> Result<(), JournalError> {
        let mut contents = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        instance.clone_into(&mut contents.instance);
        Ok(())
    }

    fn commit(&mut self, changes: &[Change]) -> Result<(), JournalError> {
        let mut contents = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        for change in changes {
            contents.revision = contents.revision.max(change.revision());
            match change {
                Change::Put(row) => {
                    contents.rows.insert((row.kind.clone(), row.key.clone()), row.clone());
                }
                Change::Delete { kind, key, .. } => {
                    contents.rows.remove(&(kind.clone(), key.clone()));
                }
            }
        }
        Ok(())
    }

    fn blocks(&self) -> bool {
        false
    }
}
