//! A watch over a WebSocket: one message for each event.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::{SinkExt as _, Stream, StreamExt as _};
use tokio_tungstenite::tungstenite::Message;

use crate::http::{Socket, farewell};

/// The subprotocols of a watch; a client that names none gets text.
pub(super) const WATCH_PROTOCOLS: [&str; 2] = ["binary.k8s.io", "base64.binary.k8s.io"];

/// How long a client may take to read one message.
const SEND_TIME: Duration = Duration::from_secs(60);

/// Sends each line of `frames` as a message of its own until either side ends.
pub(super) async fn pump(mut socket: Socket, protocol: Option<&'static str>, frames: impl Stream<Item = Bytes> + Send) {
    let mut frames = std::pin::pin!(frames);
    loop {
        tokio::select! {
            frame = frames.next() => {
                let Some(frame) = frame else { break };
                for line in frame.split_inclusive(|byte| *byte == b'\n') {
                    let sent = tokio::time::timeout(SEND_TIME, socket.send(message(protocol, line)));
                    if !matches!(sent.await, Ok(Ok(()))) {
                        return;
                    }
                }
            }
            // A client says nothing on a watch; its end ends it.
            heard = socket.next() => match heard {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {}
            },
        }
    }
    // The client may be gone already.
    let _ = tokio::time::timeout(SEND_TIME, socket.close(Some(farewell()))).await;
}

fn message(protocol: Option<&'static str>, line: &[u8]) -> Message {
    match protocol {
        Some("binary.k8s.io") => Message::Binary(Bytes::copy_from_slice(line)),
        Some(_) => Message::text(STANDARD.encode(line)),
        None => Message::text(String::from_utf8_lossy(line).into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// API-19: one event as text, as bytes and as base64.
    #[test]
    fn an_event_has_three_forms() {
        assert_eq!(message(None, b"{}\n"), Message::text("{}\n"));
        assert_eq!(message(Some(WATCH_PROTOCOLS[0]), b"{}\n"), Message::Binary(Bytes::from_static(b"{}\n")));
        assert_eq!(message(Some(WATCH_PROTOCOLS[1]), b"{}\n"), Message::text("e30K"));
    }
}
