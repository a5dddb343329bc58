//! The plain form: two channels for each port of the query, data and errors, which begin with the number of the port.

use std::collections::VecDeque;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut as _, Bytes, BytesMut};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

use super::{Heard, Said, Talk};

/// The served subprotocols; a client that names none gets the first.
pub(crate) const CHANNEL_PROTOCOLS: [&str; 2] = ["v4.channel.k8s.io", "v4.base64.channel.k8s.io"];
/// Ports of one request: channels are numbered by one byte.
const PORT_LIMIT: usize = 127;

/// Channels over one WebSocket; a connection's number is that of its data channel.
pub(crate) struct Channels {
    base64: bool,
    ready: VecDeque<Heard>,
    /// Connections that did not end yet.
    open: Vec<u32>,
}

impl Channels {
    /// Channels for the ports that the query names, under the chosen subprotocol.
    ///
    /// # Errors
    /// What is wrong with the ports, in the reference's words.
    pub(crate) fn new<'a>(protocol: Option<&str>, named: impl Iterator<Item = &'a str>) -> Result<Self, String> {
        let mut ports = Vec::new();
        for text in named {
            if text.is_empty() {
                return Err("query parameter \"port\" cannot be empty".to_owned());
            }
            for port in text.split(',') {
                match port.parse::<u16>() {
                    Ok(0) => return Err(format!("port {text:?} must be > 0")),
                    Ok(port) => ports.push(port),
                    Err(_) => return Err(format!("unable to parse {text:?} as a port")),
                }
            }
        }
        if ports.is_empty() {
            return Err("query parameter \"port\" is required".to_owned());
        }
        if ports.len() > PORT_LIMIT {
            return Err(format!("at most {PORT_LIMIT} ports can be forwarded by one request"));
        }
        let base64 = protocol == Some(CHANNEL_PROTOCOLS[1]);
        let mut channels = Self { base64, ready: VecDeque::new(), open: Vec::new() };
        for (lane, port) in (0_u32..).step_by(2).zip(ports) {
            for channel in [lane, lane + 1] {
                let begin = channels.message(channel, &port.to_le_bytes());
                channels.ready.push_back(Heard::Answer(begin));
            }
            channels.ready.push_back(Heard::Open { lane, port });
            channels.open.push(lane);
        }
        Ok(channels)
    }

    fn message(&self, channel: u32, payload: &[u8]) -> Message {
        if self.base64 {
            return Message::text(format!("{channel}{}", STANDARD.encode(payload)));
        }
        let mut bytes = BytesMut::with_capacity(payload.len() + 1);
        bytes.put_u8(u8::try_from(channel).unwrap_or(u8::MAX));
        bytes.put_slice(payload);
        Message::Binary(bytes.freeze())
    }
}

impl Talk for Channels {
    fn take(&mut self, message: Message) {
        let (lane, bytes) = match message {
            Message::Close(_) => return self.ready.push_back(Heard::Over),
            Message::Binary(bytes) if !self.base64 && !bytes.is_empty() => (u32::from(bytes[0]), bytes.slice(1..)),
            Message::Text(text) if self.base64 => {
                // The reference reads one digit.
                let Some((channel, payload)) = text.as_str().split_at_checked(1) else { return };
                let (Ok(channel), Ok(payload)) = (channel.parse(), STANDARD.decode(payload)) else { return };
                (channel, Bytes::from(payload))
            }
            Message::Binary(_) | Message::Text(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => return,
        };
        if self.open.contains(&lane) && !bytes.is_empty() {
            self.ready.push_back(Heard::Data { lane, bytes });
        }
    }

    fn next(&mut self, _: Instant) -> Option<Heard> {
        self.ready.pop_front()
    }

    fn due(&self) -> Option<Instant> {
        None
    }

    fn say(&mut self, lane: u32, said: Said) -> Vec<Message> {
        let message = match said {
            Said::Data(bytes) => return vec![self.message(lane, &bytes)],
            Said::Fault(text) => vec![self.message(lane + 1, text.as_bytes())],
            Said::End => Vec::new(),
        };
        self.open.retain(|open| *open != lane);
        if self.open.is_empty() {
            self.ready.push_back(Heard::Over);
        }
        message
    }
}
