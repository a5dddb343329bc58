//! What was done to the files of one directory, in order, and what shall fail of it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::shim;

/// One thing that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Create {
        file: String,
    },
    Write {
        file: String,
        offset: usize,
        bytes: Vec<u8>,
    },
    Truncate {
        file: String,
        length: usize,
    },
    Sync {
        file: String,
    },
    Delete {
        file: String,
    },
    /// The workload hands the journal its batch of this number.
    Begun(usize),
    /// The journal has acknowledged it.
    Acknowledged(usize),
}

/// A call that can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Open,
    Read,
    Write,
    Truncate,
    Sync,
    Delete,
}

/// What the layer does about a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Go,
    /// ENOSPC.
    Full,
    /// EIO.
    Broken,
    /// Half of it is written, then ENOSPC.
    Short,
}

/// The calls of these numbers get `answer`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fault {
    pub(super) at: usize,
    /// How many calls fail.
    pub(super) length: usize,
    pub(super) answer: Answer,
}

#[derive(Debug, Default)]
struct Inner {
    steps: Vec<Step>,
    calls: usize,
    fault: Option<Fault>,
    struck: Option<Call>,
}

/// The record of one directory.
#[derive(Debug, Default)]
pub(super) struct Tape {
    inner: Mutex<Inner>,
}

static TAPES: Mutex<Option<HashMap<PathBuf, Arc<Tape>>>> = Mutex::new(None);

/// The tape of a directory, if it has one.
pub(super) fn of(directory: &Path) -> Option<Arc<Tape>> {
    TAPES.lock().unwrap_or_else(PoisonError::into_inner).as_ref()?.get(directory).cloned()
}

/// Records a directory while it lives.
pub(super) struct Recording {
    pub(super) tape: Arc<Tape>,
    directory: PathBuf,
}

impl Recording {
    pub(super) fn of(directory: &Path) -> Self {
        shim::install();
        let tape = Arc::new(Tape::default());
        let directory = directory.canonicalize().unwrap();
        let mut tapes = TAPES.lock().unwrap_or_else(PoisonError::into_inner);
        tapes.get_or_insert_default().insert(directory.clone(), Arc::clone(&tape));
        Self { tape, directory }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        if let Some(tapes) = TAPES.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            tapes.remove(&self.directory);
        }
    }
}

impl Tape {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn put(&self, step: Step) {
        self.lock().steps.push(step);
    }

    /// Everything up to now; the tape starts anew.
    pub(super) fn take(&self) -> Vec<Step> {
        std::mem::take(&mut self.lock().steps)
    }

    /// Counts a call and says whether it fails.
    pub(super) fn ask(&self, call: Call) -> Answer {
        let mut inner = self.lock();
        let number = inner.calls;
        inner.calls += 1;
        let Some(fault) = inner.fault.filter(|fault| (fault.at..fault.at + fault.length).contains(&number)) else {
            return Answer::Go;
        };
        inner.struck.get_or_insert(call);
        fault.answer
    }

    /// Fails calls from now on, counted from zero.
    pub(super) fn fail(&self, fault: Option<Fault>) {
        let mut inner = self.lock();
        (inner.fault, inner.calls, inner.struck) = (fault, 0, None);
    }

    /// The first call that the fault struck.
    pub(super) fn struck(&self) -> Option<Call> {
        self.lock().struck
    }
}
