//! What the client of one connection owes it: proof that it may speak here, and that it takes what is sent to it. A connection whose
//! client owes for too long ends, so that nobody keeps permits and memory by not reading.

use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep};

/// How long a client may take over an answer that is there as a whole.
pub(crate) const TAKE_TIME: Duration = Duration::from_secs(60);
/// How long a client may leave its socket, or a stream, unread: a person who reads a log may stop for a while.
pub(crate) const STALL_TIME: Duration = Duration::from_secs(10 * 60);
/// How long a new connection may go on without a request that carries a good token.
const PROOF_TIME: Duration = Duration::from_secs(10);

#[derive(Debug, Default)]
struct Open {
    /// Until when each answer waits for its client.
    due: BTreeMap<u64, Instant>,
    /// When somebody looks after them.
    look: Option<Instant>,
}

/// What the client of one connection owes.
#[derive(Debug, Default)]
pub(crate) struct Debts {
    proven: AtomicBool,
    next: AtomicU64,
    open: Mutex<Open>,
    opened: Notify,
}

impl Debts {
    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The client has shown a good token.
    pub(crate) fn prove(&self) {
        self.proven.store(true, Ordering::Relaxed);
    }

    /// A new answer on this connection.
    pub(crate) fn answer(self: &Arc<Self>) -> Debt {
        Debt { debts: Arc::clone(self), number: self.next.fetch_add(1, Ordering::Relaxed) }
    }

    fn next_due(&self) -> Option<Instant> {
        let mut open = self.open();
        open.look = open.due.values().min().copied();
        open.look
    }

    /// Ends when the client has owed for too long.
    pub(super) async fn overdue(&self) {
        tokio::time::sleep(PROOF_TIME).await;
        if !self.proven.load(Ordering::Relaxed) {
            return;
        }
        loop {
            match self.next_due() {
                None => self.opened.notified().await,
                Some(due) if due <= Instant::now() => return,
                Some(due) => tokio::select! {
                    () = tokio::time::sleep_until(due) => {}
                    () = self.opened.notified() => {}
                },
            }
        }
    }
}

/// One answer, which its client takes or leaves.
#[derive(Debug)]
pub(crate) struct Debt {
    debts: Arc<Debts>,
    number: u64,
}

impl Debt {
    /// Something was given out that the client has to take; an older debt of the same answer stays as old as it is.
    pub(super) fn begin(&self, patience: Duration) {
        let mut open = self.debts.open();
        let due = *open.due.entry(self.number).or_insert_with(|| Instant::now() + patience);
        if open.look.is_none_or(|look| due < look) {
            open.look = Some(due);
            self.debts.opened.notify_one();
        }
    }

    /// The client took it.
    pub(super) fn settle(&self) {
        self.debts.open().due.remove(&self.number);
    }
}

impl Drop for Debt {
    fn drop(&mut self) {
        self.settle();
    }
}

/// A socket whose writes fail once the other side has taken nothing for [`STALL_TIME`].
pub(super) struct Stalling<S> {
    inner: S,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl<S> Stalling<S> {
    pub(super) fn new(inner: S) -> Self {
        Self { inner, waiting: None }
    }

    fn judge<T>(&mut self, context: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.waiting = None;
            return outcome;
        }
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep(STALL_TIME)));
        waiting.as_mut().poll(context).map(|()| Err(io::Error::new(io::ErrorKind::TimedOut, "the client reads nothing")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Stalling<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Stalling<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.judge(context, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write_vectored(context, slices);
        self.judge(context, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.inner).poll_shutdown(context);
        self.judge(context, outcome)
    }
}
