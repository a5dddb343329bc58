//! Which generations of stacks were told to begin: the memory behind one log record for each. Losing it repeats a record.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// The last generation that was told, by UID.
#[derive(Default)]
pub(crate) struct Told(Mutex<BTreeMap<String, Option<i64>>>);

impl Told {
    /// True the first time that a generation is told.
    pub(super) fn first(&self, uid: &str, generation: Option<i64>) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(uid.to_owned(), generation) != Some(generation)
    }

    /// Forgets a stack.
    pub(super) fn forget(&self, uid: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }
}
