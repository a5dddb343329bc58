//! One session: connections are opened as the client asks, until it, all of them or the server ends.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt as _, StreamExt as _};
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

use super::lane::{Source, carry};
use super::{Heard, Said, Talk};
use crate::http::{Socket, farewell};
use crate::server::Permit;

/// How long a session may stay silent both ways, as the reference's kubelet allows.
const IDLE_TIME: Duration = Duration::from_secs(4 * 60 * 60);
/// How long a connection may take nothing while the session waits for it; it is given up then, since it holds up the others.
const STALL_TIME: Duration = Duration::from_secs(60);
/// How long a client may take to read what is left when a session ends.
const CLOSE_TIME: Duration = Duration::from_secs(5);
/// Portions of input that wait for one connection.
const INPUT_AHEAD: usize = 16;
/// Portions of output that wait for the session.
const OUTPUT_AHEAD: usize = 16;
/// Messages that wait for the client to read.
const MESSAGES_AHEAD: usize = 16;
/// Answers of the protocol that may wait while the client goes on talking.
const ANSWERS_AHEAD: usize = 64;

/// Serves a session to its end; the server's end is its end too.
pub(crate) async fn drive<T: Talk>(socket: Socket, talk: T, source: Source, mut stopping: watch::Receiver<bool>, permit: Permit) {
    let (sink, stream) = socket.split();
    let (messages, waiting) = mpsc::channel(MESSAGES_AHEAD);
    let writing = write(sink, waiting);
    let reading = Session::new(talk, source).run(stream, messages);
    tokio::pin!(reading, writing);
    tokio::select! {
        () = &mut writing => {}
        () = &mut reading => {
            // The client may be gone already.
            let _ = tokio::time::timeout(CLOSE_TIME, writing).await;
        }
        _ = stopping.changed() => {}
    }
    drop(permit);
}

/// Sends messages in the client's time, and closes behind the last one.
async fn write(mut sink: SplitSink<Socket, Message>, mut waiting: mpsc::Receiver<Message>) {
    while let Some(message) = waiting.recv().await {
        if sink.send(message).await.is_err() {
            return;
        }
    }
    // The client may be gone already.
    let _ = sink.send(Message::Close(Some(farewell()))).await;
}

/// An open connection.
struct Lane {
    /// `None` once the client ended its side.
    input: Option<mpsc::Sender<Bytes>>,
    task: AbortHandle,
}

/// Input that a connection has no room for yet.
struct Pending {
    lane: u32,
    input: mpsc::Sender<Bytes>,
    bytes: Bytes,
    since: Instant,
}

struct Session<T> {
    talk: T,
    source: Source,
    lanes: HashMap<u32, Lane>,
    tasks: JoinSet<()>,
    told: mpsc::Sender<(u32, Said)>,
    heard: mpsc::Receiver<(u32, Said)>,
    outbox: VecDeque<Message>,
    pending: Option<Pending>,
    over: bool,
}

impl<T: Talk> Session<T> {
    fn new(talk: T, source: Source) -> Self {
        let (told, heard) = mpsc::channel(OUTPUT_AHEAD);
        Self {
            talk,
            source,
            lanes: HashMap::new(),
            tasks: JoinSet::new(),
            told,
            heard,
            outbox: VecDeque::new(),
            pending: None,
            over: false,
        }
    }

    async fn run(mut self, mut stream: SplitStream<Socket>, messages: mpsc::Sender<Message>) {
        let mut moved = Instant::now();
        loop {
            self.listen();
            if self.over && self.outbox.is_empty() {
                return;
            }
            let due = self.talk.due().into_iter().chain(self.pending.as_ref().map(|pending| pending.since + STALL_TIME));
            let wake = due.fold(moved + IDLE_TIME, Instant::min);
            tokio::select! {
                room = messages.reserve(), if !self.outbox.is_empty() => {
                    let (Ok(room), Some(message)) = (room, self.outbox.pop_front()) else { return };
                    room.send(message);
                }
                Some((lane, said)) = self.heard.recv(), if self.outbox.is_empty() => self.say(lane, said),
                () = pass_on(&mut self.pending), if self.pending.is_some() => {}
                heard = stream.next(), if self.listens() => match heard {
                    Some(Ok(message)) => self.talk.take(message),
                    Some(Err(_)) | None => return,
                },
                () = tokio::time::sleep_until(wake) => {
                    if wake == moved + IDLE_TIME {
                        return;
                    }
                    self.give_up_stalled();
                    continue;
                }
                Some(_) = self.tasks.join_next() => continue,
            }
            moved = Instant::now();
        }
    }

    /// Whether there is room for what the client may say next.
    fn listens(&self) -> bool {
        !self.over && self.pending.is_none() && self.outbox.len() < ANSWERS_AHEAD
    }

    /// Does what the client said, as far as there is room.
    fn listen(&mut self) {
        while self.listens() {
            let Some(heard) = self.talk.next(Instant::now()) else { return };
            match heard {
                Heard::Open { lane, port } => {
                    let (input, waiting) = mpsc::channel(INPUT_AHEAD);
                    let task = self.tasks.spawn(carry(self.source.clone(), (lane, port), waiting, self.told.clone()));
                    self.lanes.insert(lane, Lane { input: Some(input), task });
                }
                Heard::Data { lane, bytes } => {
                    let input = self.lanes.get(&lane).and_then(|lane| lane.input.clone());
                    self.pending = input.map(|input| Pending { lane, input, bytes, since: Instant::now() });
                }
                Heard::End { lane } => {
                    if let Some(lane) = self.lanes.get_mut(&lane) {
                        lane.input = None;
                    }
                }
                Heard::Drop { lane } => self.abort(lane),
                Heard::Answer(message) => self.outbox.push_back(message),
                Heard::Over => self.over = true,
            }
        }
    }

    fn say(&mut self, lane: u32, said: Said) {
        if matches!(said, Said::End | Said::Fault(_)) {
            self.lanes.remove(&lane);
        }
        self.outbox.extend(self.talk.say(lane, said));
    }

    fn abort(&mut self, lane: u32) {
        if let Some(lane) = self.lanes.remove(&lane) {
            lane.task.abort();
        }
    }

    /// Gives up a connection that holds up the others.
    fn give_up_stalled(&mut self) {
        let stalled = self.pending.take_if(|pending| pending.since + STALL_TIME <= Instant::now());
        if let Some(Pending { lane, .. }) = stalled {
            self.abort(lane);
            self.outbox.extend(self.talk.say(lane, Said::Fault("the connection took nothing for a minute".to_owned())));
        }
    }
}

/// Gives pending input to its connection once that has room.
async fn pass_on(pending: &mut Option<Pending>) {
    let Some(Pending { input, bytes, .. }) = pending else { return std::future::pending().await };
    // A connection that ended takes nothing; its end is told by itself.
    if let Ok(room) = input.reserve().await {
        room.send(std::mem::take(bytes));
    }
    *pending = None;
}
