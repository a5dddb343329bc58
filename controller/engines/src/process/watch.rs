//! Hints: one watch on the folder of records, which supervisors replace when a run begins and ends.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use koan_core::identity::ObjectId;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::durable;
use super::engine::Inner;
use super::error::ProcessError;
use super::layout::PRIVATE;
use super::workloads::Stored;
use crate::contract::{Hint, Hints, Scope};

/// Hints that wait for a slow reader; the kernel queues more, and says when it dropped some.
const QUEUE: usize = 64;
/// Bytes of one read.
const BUFFER: usize = 4096;

/// Streams hints till the reader leaves or the watch breaks. A supervisor that is killed writes nothing: the re-list finds that.
pub(crate) fn watch(inner: &Arc<Inner>, scope: &Scope) -> Hints {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let (inner, scope) = (Arc::clone(inner), scope.clone());
    tokio::spawn(async move {
        if let Err(error) = run(&inner, &scope, &sender).await {
            tracing::debug!(%error, "the watch on runs ended");
        }
    });
    Box::pin(ReceiverStream::new(receiver))
}

async fn run(inner: &Inner, scope: &Scope, sender: &mpsc::Sender<Hint>) -> Result<(), ProcessError> {
    let folder = inner.layout.runs();
    let failed = |source| ProcessError::io("watch", &folder, source);
    durable::folder(&folder, PRIVATE)?;
    let events = subscribe(&folder).map_err(failed)?;
    let mut hints = vec![Hint::Relist];
    loop {
        for hint in hints.drain(..) {
            if sender.send(hint).await.is_err() {
                return Ok(());
            }
        }
        let mut ready = tokio::select! {
            ready = events.readable() => ready.map_err(failed)?,
            () = sender.closed() => return Ok(()),
        };
        hints = read(inner, scope, events.get_ref()).map_err(failed)?;
        ready.clear_ready();
    }
}

#[expect(deprecated, reason = "its successor is unsafe; an OwnedFd upholds what that one asks for")]
fn subscribe(folder: &std::path::Path) -> io::Result<AsyncFd<OwnedFd>> {
    let events = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
    inotify::add_watch(&events, folder, WatchFlags::MOVED_TO | WatchFlags::DELETE | WatchFlags::DELETE_SELF)?;
    AsyncFd::new(events)
}

/// Every event that waits, as hints; the same object twice in a row is one.
fn read(inner: &Inner, scope: &Scope, events: &OwnedFd) -> io::Result<Vec<Hint>> {
    let mut buffer = [MaybeUninit::uninit(); BUFFER];
    let mut reader = Reader::new(events, &mut buffer);
    let mut hints: Vec<Hint> = Vec::new();
    loop {
        let hint = match reader.next() {
            Err(rustix::io::Errno::WOULDBLOCK) => return Ok(hints),
            Err(error) => return Err(error.into()),
            Ok(event) if event.events().contains(ReadFlags::QUEUE_OVERFLOW) => Some(Hint::Relist),
            Ok(event) => event.file_name().and_then(|name| hint(inner, scope, name.to_str().ok()?)),
        };
        if let Some(hint) = hint
            && hints.last() != Some(&hint)
        {
            hints.push(hint);
        }
    }
}

/// The object of a record's name; a record without its workload belongs to one that was just removed.
fn hint(inner: &Inner, scope: &Scope, file: &str) -> Option<Hint> {
    let name = file.strip_suffix(".json")?;
    let places = inner.layout.workload(name).ok()?;
    let Ok(Some(stored)) = durable::read::<Stored>(&places.spec) else { return Some(Hint::Relist) };
    let Stored { id: ObjectId(id), created_at: _, spec } = stored;
    (spec.owner.instance == scope.instance).then_some(Hint::Object(ObjectId(id)))
}
