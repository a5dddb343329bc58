//! What the collector still has to look at. Each task stands in it once, so that it never outgrows the store.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use crate::store::Key;

/// One thing to look at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Task {
    /// Whether the owners of this object still live.
    Check(Key),
    /// Look at the dependents of this uid, which is gone.
    Orphaned(String),
    /// Whether the object with this uid has let its dependents go and may end.
    Finish(String),
    /// Whether this namespace lacks its account.
    Account(String),
    /// Whether this namespace is to be emptied.
    Namespace(String),
    /// Whether this definition is to lose its objects and then go.
    Definition(String),
    /// Definitions were written and not settled yet.
    Settle,
}

/// The tasks, in a fixed order.
#[derive(Debug, Default)]
pub(crate) struct Worklist {
    tasks: Mutex<BTreeSet<Task>>,
    /// Definitions that were written and not settled yet.
    unsettled: Mutex<BTreeSet<String>>,
    filled: Notify,
}

impl Worklist {
    pub(crate) fn add(&self, task: Task) {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).insert(task);
        self.filled.notify_one();
    }

    /// Notes that the definition `name` was written.
    pub(crate) fn unsettle(&self, name: String) {
        assert!(!name.is_empty(), "a definition has a name");
        self.unsettled.lock().unwrap_or_else(PoisonError::into_inner).insert(name);
        self.add(Task::Settle);
    }

    /// Whether every definition is settled.
    pub(crate) fn settled(&self) -> bool {
        self.unsettled.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Takes the definitions that are not settled.
    pub(crate) fn unsettled(&self) -> Vec<String> {
        std::mem::take(&mut *self.unsettled.lock().unwrap_or_else(PoisonError::into_inner)).into_iter().collect()
    }

    /// Waits until there is a task.
    pub(super) async fn filled(&self) {
        loop {
            if !self.tasks.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
                return;
            }
            self.filled.notified().await;
        }
    }

    /// Takes up to `count` tasks.
    pub(super) fn take(&self, count: usize) -> Vec<Task> {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = Vec::new();
        while taken.len() < count
            && let Some(task) = tasks.pop_first()
        {
            taken.push(task);
        }
        assert!(taken.len() <= count, "more was taken than can be worked on");
        assert!(taken.is_sorted(), "tasks are taken in their order");
        taken
    }
}
