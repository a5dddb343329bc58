//! One session: what the client writes goes to the command, what the command prints goes to the client, until one ends.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

use super::wire::{ERRORS, Heard, OUTPUT, Protocol, STATUS, status};
use crate::http::{Socket, farewell};
use crate::server::Permit;
use crate::workloads::{Output, Running, TerminalSize};

/// Messages of input that wait for the command to read.
const INPUT_AHEAD: usize = 16;
/// How long output is read on after the command ended: a descendant may hold it open.
const DRAIN: Duration = Duration::from_secs(1);
/// How long a client may take to read one message.
const SEND_TIME: Duration = Duration::from_secs(60);
/// How long a client may take to close after the last message.
const CLOSE_TIME: Duration = Duration::from_secs(5);

/// Serves a session to its end; the server's end is its end too.
pub(crate) async fn drive(
    mut socket: Socket,
    protocol: Protocol,
    running: Running,
    mut stopping: watch::Receiver<bool>,
    permit: Permit,
) {
    let Running { input, mut output, sizes, mut exit } = running;
    let mut session = Session { protocol, input: input.map(feed), sizes, pending: None };
    // Clients learn from it that the streams are open.
    if !send(&mut socket, protocol.message(OUTPUT, b"")).await {
        return;
    }
    let (mut printed, mut ended, mut drain) = (false, None, None::<Instant>);
    while !(printed && ended.is_some()) {
        tokio::select! {
            biased;
            part = output.next(), if !printed => match part {
                Some(part) => {
                    let message = match &part {
                        Output::Standard(bytes) => protocol.message(OUTPUT, bytes),
                        Output::Error(bytes) => protocol.message(ERRORS, bytes),
                    };
                    if !send(&mut socket, message).await {
                        return;
                    }
                }
                None => printed = true,
            },
            result = &mut exit, if ended.is_none() => {
                ended = Some(result);
                drain = Some(Instant::now() + DRAIN);
            }
            () = at(drain) => break,
            () = session.pass_on() => {}
            heard = socket.next(), if session.pending.is_none() => match heard {
                Some(Ok(message)) => if !session.take(message) { return },
                Some(Err(_)) | None => return,
            },
            _ = stopping.changed() => break,
        }
    }
    let last = ended.unwrap_or_else(|| {
        Err(crate::workloads::WorkloadError {
            class: crate::status::Class::Transient,
            message: "the server is stopping".to_owned(),
        })
    });
    if send(&mut socket, protocol.message(STATUS, status(&last).as_bytes())).await {
        let _ = tokio::time::timeout(CLOSE_TIME, async {
            // The client closes in its turn, or is gone already.
            let _ = socket.close(Some(farewell())).await;
            while let Some(Ok(_)) = socket.next().await {}
        })
        .await;
    }
    drop(permit);
}

struct Session {
    protocol: Protocol,
    input: Option<mpsc::Sender<Bytes>>,
    sizes: Option<mpsc::Sender<TerminalSize>>,
    /// Input that the command has no room for yet.
    pending: Option<Bytes>,
}

impl Session {
    /// Takes a message; false where the client is gone.
    fn take(&mut self, message: Message) -> bool {
        match self.protocol.hear(message) {
            Heard::Input(bytes) if self.input.is_some() => self.pending = Some(bytes),
            Heard::InputEnd => self.input = None,
            Heard::Size(size) => {
                if let Some(sizes) = &self.sizes {
                    // A size that finds no room is soon followed by another.
                    let _ = sizes.try_send(size);
                }
            }
            Heard::End => return false,
            Heard::Input(_) | Heard::Nothing => {}
        }
        true
    }

    /// Gives pending input to the command once it has room; waits for ever where there is none.
    async fn pass_on(&mut self) {
        let Some(input) = self.input.clone().filter(|_| self.pending.is_some()) else { return std::future::pending().await };
        match input.reserve().await {
            Ok(room) => {
                if let Some(bytes) = self.pending.take() {
                    room.send(bytes);
                }
            }
            Err(_) => {
                self.pending = None;
                self.input = None;
            }
        }
    }
}

/// Writes to the command in its own time; ends with the sender, which is the end of the input.
fn feed(mut input: Pin<Box<dyn AsyncWrite + Send>>) -> mpsc::Sender<Bytes> {
    let (sender, mut receiver) = mpsc::channel::<Bytes>(INPUT_AHEAD);
    tokio::spawn(async move {
        while let Some(bytes) = receiver.recv().await {
            if input.write_all(&bytes).await.is_err() || input.flush().await.is_err() {
                return;
            }
        }
        // A command that ended does not read any more.
        let _ = input.shutdown().await;
    });
    sender
}

/// Sends a message; false where the client does not take it.
async fn send(socket: &mut Socket, message: Message) -> bool {
    matches!(tokio::time::timeout(SEND_TIME, socket.send(message)).await, Ok(Ok(())))
}

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}
