//! Many watchers of one collection: one is read and timed, of the others only the bytes are taken away, undecrypted, by one thread, so
//! that the generator costs little beside the server that feeds them.

use crate::bench::endpoint::{Api, Endpoint};
use anyhow::{Context as _, Result, anyhow};
use rustix::event::epoll;
use std::io::Read as _;
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long the thread that takes bytes away sleeps at most: it looks then whether it shall end.
const LOOK: Duration = Duration::from_millis(100);
/// What is read of a connection at a time.
const CHUNK: usize = 64 << 10;
/// Connections that have something to read, told at a time.
const TOLD: usize = 128;
/// Longest wait for one event.
const PATIENCE: Duration = Duration::from_secs(30);
/// Window of a reader that stalls, in bytes: small, so that it stalls soon.
const STALLED_WINDOW: usize = 4096;

/// Opens a watch from the present on.
pub(super) fn open(endpoint: &Endpoint, collection: &str) -> Result<Api> {
    let mut api = endpoint.connect()?;
    let list = api.expect("GET", &format!("{collection}?limit=1"), None)?;
    let version = list["metadata"]["resourceVersion"].as_str().context("a list without resourceVersion")?.to_owned();
    api.watch(&format!("{collection}?watch=true&resourceVersion={version}"))?;
    Ok(api)
}

/// A watch that is never read again.
pub(super) fn stalled(endpoint: &Endpoint, collection: &str) -> Result<TcpStream> {
    let socket = open(endpoint, collection)?.into_stream().sock;
    rustix::net::sockopt::set_socket_recv_buffer_size(&socket, STALLED_WINDOW)?;
    Ok(socket)
}

/// Watchers whose bytes are taken away until this is dropped.
pub(super) struct Crowd {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Crowd {
    /// Opens that many watches of `collection`.
    ///
    /// # Errors
    /// A watch is refused.
    pub(super) fn open(endpoint: &Endpoint, collection: &str, count: usize) -> Result<Self> {
        let watches = (0..count).map(|_| Ok(open(endpoint, collection)?.into_stream().sock));
        let sockets = watches.collect::<Result<Vec<TcpStream>>>()?;
        let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        for (index, socket) in sockets.iter().enumerate() {
            socket.set_nonblocking(true)?;
            epoll::add(&poll, socket, epoll::EventData::new_u64(u64::try_from(index)?), epoll::EventFlags::IN)?;
        }
        let over = Arc::new(AtomicBool::new(false));
        let shared = Arc::clone(&over);
        let thread = std::thread::Builder::new().spawn(move || drain(&poll, sockets, &shared))?;
        Ok(Self { over, thread: Some(thread) })
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A thread that panicked reads no longer, which is what we want.
            let _ = thread.join();
        }
    }
}

fn drain(poll: &OwnedFd, mut sockets: Vec<TcpStream>, over: &AtomicBool) {
    let mut chunk = vec![0; CHUNK];
    let mut told = Vec::with_capacity(TOLD);
    let look = rustix::time::Timespec { tv_sec: 0, tv_nsec: LOOK.subsec_nanos().into() };
    while !over.load(Ordering::Relaxed) {
        told.clear();
        if epoll::wait(poll, rustix::buffer::spare_capacity(&mut told), Some(&look)).is_err() {
            continue;
        }
        for event in &told {
            let index = usize::try_from(event.data.u64()).unwrap_or(usize::MAX);
            if let Some(socket) = sockets.get_mut(index)
                && matches!(socket.read(&mut chunk), Ok(0))
            {
                // One that ended is told of without end otherwise.
                let _ = epoll::delete(poll, &*socket);
            }
        }
    }
}

/// A watcher whose events are timed on arrival.
pub(super) struct Timed {
    events: Receiver<(Instant, Vec<u8>)>,
}

impl Timed {
    /// Opens a watch of `collection` and reads it on a thread of its own, which ends with the connection.
    ///
    /// # Errors
    /// The watch is refused.
    pub(super) fn open(endpoint: &Endpoint, collection: &str) -> Result<Self> {
        let mut api = open(endpoint, collection)?;
        let (sender, events) = channel();
        std::thread::Builder::new().spawn(move || {
            while let Ok(line) = api.next_text() {
                if sender.send((Instant::now(), line)).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { events })
    }

    /// The instant at which an event arrives that holds `text`; those before it are passed over.
    ///
    /// # Errors
    /// It does not come in time.
    pub(super) fn arrival(&self, text: &str) -> Result<Instant> {
        loop {
            let (at, line) = self.events.recv_timeout(PATIENCE).map_err(|error| anyhow!("no event with {text}: {error}"))?;
            if line.windows(text.len()).any(|window| window == text.as_bytes()) {
                return Ok(at);
            }
        }
    }
}
