//! What happens after a delete: dependents follow their owner, or are let go, and namespaces are emptied.
//!
//! A background task works off a list that publications fill; it holds no memory of its own, so that a restart begins
//! with one look at everything and at rest nothing is written.

mod collector;
mod events;
mod namespace;
mod worklist;

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures::FutureExt as _;
pub(crate) use worklist::{Task, Worklist};

use crate::crds;
use crate::handlers::{FOREGROUND, ORPHAN, account};
use crate::kinds::is_mirror;
use crate::server::{Core, stopped};
use crate::store::{Event, EventKind, Key, Observer, Scope};

/// Tasks worked on at a time; their writes share syncs.
const CONCURRENCY: usize = 256;
/// Pause before failed tasks are tried again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// The store's observer that fills `work`.
pub(crate) fn observer(work: Arc<Worklist>) -> Observer {
    Box::new(move |key, event| note(&work, key, event))
}

fn note(work: &Worklist, key: &Key, event: &Event) {
    let meta = &event.object.meta;
    if &*key.kind == crate::kinds::CRDS {
        work.unsettle(meta.name.clone());
    }
    if event.kind == EventKind::Deleted {
        work.add(Task::Orphaned(meta.uid.clone()));
        if let Some((group, plural)) = key.kind.split_once('/').filter(|(group, _)| !group.is_empty()) {
            work.add(Task::Definition(format!("{plural}.{group}")));
        }
        if !meta.namespace.is_empty() {
            work.add(Task::Namespace(meta.namespace.clone()));
        }
        if account::is_default(key) {
            work.add(Task::Account(meta.namespace.clone()));
        }
        for owner in &meta.owner_references {
            work.add(Task::Finish(owner.uid.clone()));
        }
        return;
    }
    if is_mirror(&key.kind) {
        return;
    }
    let owners_changed = event.previous.as_ref().is_none_or(|previous| previous.meta.owner_references != meta.owner_references);
    if owners_changed {
        if !meta.owner_references.is_empty() {
            work.add(Task::Check(key.clone()));
        }
        for owner in event.previous.iter().flat_map(|previous| &previous.meta.owner_references) {
            work.add(Task::Finish(owner.uid.clone()));
        }
    }
    if event.object.deleting() {
        if meta.finalizers.iter().any(|finalizer| finalizer == ORPHAN || finalizer == FOREGROUND) {
            work.add(Task::Finish(meta.uid.clone()));
        }
        if &*key.kind == crate::kinds::NAMESPACES {
            work.add(Task::Namespace(meta.name.clone()));
        }
    }
}

/// Everything that may have been left undone when the last server ended.
fn recover(core: &Core) {
    for keys in core.store.owned().into_values() {
        for key in keys {
            core.work.add(Task::Check(key));
        }
    }
    for resource in core.registry().by_storage().into_values() {
        let (_, deleting) = core.store.list(&resource.storage, &Scope::All, &|object| object.deleting());
        for object in deleting {
            assert!(object.deleting() && !object.meta.uid.is_empty(), "{}: a stored object has a uid", object.meta.name);
            core.work.add(Task::Finish(object.meta.uid.clone()));
            if &*resource.storage == crate::kinds::NAMESPACES {
                core.work.add(Task::Namespace(object.meta.name.clone()));
            }
        }
    }
}

/// Starts the background task on the current runtime; it ends with the server.
pub(crate) fn start(core: &Arc<Core>) {
    recover(core);
    let work = Arc::clone(&core.work);
    let stopping = core.stopping();
    let core = Arc::downgrade(core);
    tokio::spawn(async move {
        let work = AssertUnwindSafe(run(Weak::clone(&core), work, stopping)).catch_unwind();
        if work.await.is_err()
            && let Some(core) = core.upgrade()
        {
            // Nothing it held is looked at again: whoever runs the server ends it (REL-2).
            core.store.break_off();
        }
    });
}

async fn run(core: Weak<Core>, work: Arc<Worklist>, mut stopping: tokio::sync::watch::Receiver<bool>) {
    let mut sweep = tokio::time::Instant::now() + events::SWEEP_EVERY;
    loop {
        tokio::select! {
            biased;
            () = stopped(&mut stopping) => return,
            () = work.filled() => {}
            () = tokio::time::sleep_until(sweep) => {
                sweep += events::SWEEP_EVERY;
                let Some(core) = core.upgrade() else { return };
                events::sweep(&core).await;
            }
        }
        let tasks = work.take(CONCURRENCY);
        let Some(core) = core.upgrade() else { return };
        let outcomes = futures::future::join_all(tasks.iter().map(|task| perform(&core, task))).await;
        assert!(outcomes.len() == tasks.len(), "each task has its outcome");
        drop(core);
        let failed: Vec<Task> = tasks.into_iter().zip(outcomes).filter(|(_, done)| !done).map(|(task, _)| task).collect();
        if !failed.is_empty() {
            tokio::select! {
                () = stopped(&mut stopping) => return,
                () = tokio::time::sleep(RETRY_PAUSE) => {}
            }
            for task in failed {
                work.add(task);
            }
        }
    }
}

/// Waits for all of `work` in its order, [`CONCURRENCY`] at a time.
async fn in_portions<F: Future>(work: Vec<F>) -> Vec<F::Output> {
    let (all, mut work, mut done) = (work.len(), work.into_iter(), Vec::new());
    while done.len() < all {
        let portion: Vec<F> = work.by_ref().take(CONCURRENCY).collect();
        assert!(!portion.is_empty(), "{} of {all} are done and nothing is left", done.len());
        done.extend(futures::future::join_all(portion).await);
    }
    done
}

/// Works on one task; false when it must be tried again.
async fn perform(core: &Arc<Core>, task: &Task) -> bool {
    let outcome = match task {
        Task::Check(key) => collector::check(core, key).await,
        Task::Orphaned(uid) => {
            collector::release(core, uid);
            Ok(())
        }
        Task::Finish(uid) => collector::finish(core, uid).await,
        Task::Account(namespace) => account::ensure(core, namespace).await,
        Task::Namespace(name) => namespace::empty(core, name).await,
        Task::Definition(name) => crds::clean_up(core, name).await,
        Task::Settle => crds::settle(core).await,
    };
    if let Err(failure) = &outcome {
        tracing::warn!(?task, %failure, "clean-up is tried again");
    }
    outcome.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// REL-6: of much work only so much is begun at a time, and each outcome stands in its place.
    #[tokio::test]
    async fn work_is_done_in_portions() {
        let (now, most) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
        let work = (0..CONCURRENCY * 2 + 1).map(|number| {
            let (now, most) = (&now, &most);
            async move {
                now.set(now.get() + 1);
                most.set(most.get().max(now.get()));
                tokio::task::yield_now().await;
                now.set(now.get() - 1);
                number
            }
        });
        let done = in_portions(work.collect()).await;
        assert_eq!(done, (0..CONCURRENCY * 2 + 1).collect::<Vec<_>>());
        assert_eq!((now.get(), most.get()), (0, CONCURRENCY));
    }
}
