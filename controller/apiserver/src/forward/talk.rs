//! What is said on a forwarded connection, whatever carries it.

use bytes::Bytes;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

/// What a client means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    /// A connection to a port, under a number that is free.
    Open {
        /// The connection.
        lane: u32,
        /// The port inside the Pod.
        port: u16,
    },
    /// Bytes for a connection.
    Data {
        /// The connection.
        lane: u32,
        /// What it gets.
        bytes: Bytes,
    },
    /// There is no more for a connection.
    End {
        /// The connection.
        lane: u32,
    },
    /// A connection is given up.
    Drop {
        /// The connection.
        lane: u32,
    },
    /// An answer of the protocol itself.
    Answer(Message),
    /// The session ends.
    Over,
}

/// What a connection has for the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    /// Bytes.
    Data(Bytes),
    /// It failed, and why; nothing follows.
    Fault(String),
    /// It ended; nothing follows.
    End,
}

/// How connections share a WebSocket. Pure: time comes in.
pub(crate) trait Talk: Send {
    /// Takes a message of the client.
    fn take(&mut self, message: Message);

    /// What the messages so far mean, one at a time; `None` until there is more.
    fn next(&mut self, now: Instant) -> Option<Heard>;

    /// When [`Talk::next`] has something to say without a further message.
    fn due(&self) -> Option<Instant>;

    /// The messages that tell the client what a connection said.
    fn say(&mut self, lane: u32, said: Said) -> Vec<Message>;
}
