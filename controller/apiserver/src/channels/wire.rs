//! Messages and channels, both ways.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut as _, Bytes, BytesMut};
use serde::Deserialize;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::status::Class;
use crate::workloads::{TerminalSize, WorkloadError};

/// The served subprotocols, the newest first.
pub(crate) const PROTOCOLS: [&str; 3] = ["v5.channel.k8s.io", "v4.channel.k8s.io", "v4.base64.channel.k8s.io"];

/// The channel of the input.
const INPUT: u8 = 0;
/// The channel of the output.
pub(super) const OUTPUT: u8 = 1;
/// The channel of the error output.
pub(super) const ERRORS: u8 = 2;
/// The channel of the final status.
pub(super) const STATUS: u8 = 3;
/// The channel of the terminal's size.
const SIZE: u8 = 4;
/// The channel whose payload is a channel to close.
const CLOSE: u8 = 255;

/// How messages are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Protocol {
    /// Channel as a digit, payload in base64, in text messages.
    base64: bool,
    /// A client can close its input.
    closes: bool,
}

/// What a client's message means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Heard {
    /// Something for the command to read.
    Input(Bytes),
    /// The end of the input.
    InputEnd,
    /// The terminal has this size now.
    Size(TerminalSize),
    /// The client is gone.
    End,
    /// Nothing that matters here.
    Nothing,
}

impl Protocol {
    /// The protocol of a chosen name; a client that named none speaks the plain binary form.
    pub(crate) fn of(name: Option<&str>) -> Self {
        Self { base64: name == Some(PROTOCOLS[2]), closes: name == Some(PROTOCOLS[0]) }
    }

    /// A message on a channel.
    pub(super) fn message(self, channel: u8, payload: &[u8]) -> Message {
        if self.base64 {
            return Message::text(format!("{channel}{}", STANDARD.encode(payload)));
        }
        let mut bytes = BytesMut::with_capacity(payload.len() + 1);
        bytes.put_u8(channel);
        bytes.put_slice(payload);
        Message::Binary(bytes.freeze())
    }

    /// Reads a client's message.
    pub(super) fn hear(self, message: Message) -> Heard {
        let (channel, payload) = match message {
            Message::Close(_) => return Heard::End,
            Message::Binary(bytes) if !self.base64 && !bytes.is_empty() => (bytes[0], bytes.slice(1..)),
            Message::Text(text) if self.base64 => {
                let Some((channel, payload)) = text.as_str().split_at_checked(1) else { return Heard::Nothing };
                let (Ok(channel), Ok(payload)) = (channel.parse(), STANDARD.decode(payload)) else { return Heard::Nothing };
                (channel, Bytes::from(payload))
            }
            Message::Binary(_) | Message::Text(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {
                return Heard::Nothing;
            }
        };
        match channel {
            INPUT => Heard::Input(payload),
            SIZE => size(&payload).map_or(Heard::Nothing, Heard::Size),
            CLOSE if self.closes && payload.as_ref() == [INPUT] => Heard::InputEnd,
            _ => Heard::Nothing,
        }
    }
}

fn size(payload: &[u8]) -> Option<TerminalSize> {
    /// As clients write it.
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Wire {
        width: u16,
        height: u16,
    }
    let Wire { width, height } = serde_json::from_slice(payload).ok()?;
    Some(TerminalSize { width, height })
}

/// The status that ends a session.
pub(super) fn status(exit: &Result<i64, WorkloadError>) -> String {
    match exit {
        Ok(0) => json!({"metadata": {}, "status": "Success"}),
        Ok(code) => json!({
            "metadata": {}, "status": "Failure", "reason": "NonZeroExitCode",
            "message": format!("command terminated with non-zero exit code: exit status {code}"),
            "details": {"causes": [{"reason": "ExitCode", "message": code.to_string()}]},
        }),
        Err(error) if error.class == Class::Invalid => json!({
            "metadata": {}, "status": "Failure", "reason": "BadRequest", "message": error.to_string(), "code": 400,
        }),
        Err(error) => json!({
            "metadata": {}, "status": "Failure", "reason": "InternalError",
            "message": format!("Internal error occurred: {error}"), "code": 500,
        }),
    }
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// API-19: v5 closes the input, v4 does not, base64 says the same in text; sizes are read and garbage is nothing.
    #[test]
    fn channels_are_read_in_every_form() {
        let [five, four, text] = PROTOCOLS.map(|name| Protocol::of(Some(name)));
        let binary = |bytes: &'static [u8]| Message::Binary(Bytes::from_static(bytes));
        assert_eq!(five.hear(binary(b"\0hi")), Heard::Input("hi".into()));
        assert_eq!(five.hear(binary(b"\xff\0")), Heard::InputEnd);
        assert_eq!(four.hear(binary(b"\xff\0")), Heard::Nothing);
        assert_eq!(four.hear(binary(b"\x04{\"Width\":80,\"Height\":24}")), Heard::Size(TerminalSize { width: 80, height: 24 }));
        assert_eq!(text.hear(Message::text("0aGk=")), Heard::Input("hi".into()));
        assert_eq!(text.message(1, b"hi"), Message::text("1aGk="));
        assert_eq!(five.message(1, b"hi"), binary(b"\x01hi"));
        for garbage in [binary(b""), binary(b"\x04x"), binary(b"\x09x"), Message::text("0")] {
            assert_eq!(five.hear(garbage), Heard::Nothing);
        }
        assert_eq!(text.hear(Message::text("é")), Heard::Nothing);
        assert_eq!(five.hear(Message::Close(None)), Heard::End);
    }
}
