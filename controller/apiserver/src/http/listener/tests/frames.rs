//! HTTP/2 by hand (RFC 9113): frames that no client library would send.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

/// The kinds of frames that are sent here.
pub(super) mod kind {
    pub(in super::super) const HEADERS: u8 = 1;
    pub(in super::super) const RST_STREAM: u8 = 3;
    pub(in super::super) const SETTINGS: u8 = 4;
    pub(in super::super) const PING: u8 = 6;
    pub(in super::super) const GOAWAY: u8 = 7;
    pub(in super::super) const CONTINUATION: u8 = 9;
}

pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;
/// The setting of a stream's first window.
pub(super) const INITIAL_WINDOW_SIZE: u16 = 4;
/// The code with which a server sends away who floods it.
pub(super) const ENHANCE_YOUR_CALM: u32 = 11;
/// `431` as the value of a header: three bytes in HPACK's own code.
pub(super) const STATUS_431: [u8; 4] = [0x83, 0x69, 0x90, 0xff];
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEAD: usize = 9;

pub(super) struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

impl Frame {
    pub(super) fn new(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Self {
        Self { kind, flags, stream, payload: payload.to_vec() }
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let length = u32::try_from(self.payload.len()).unwrap().to_be_bytes();
        let mut bytes = length[1..].to_vec();
        bytes.extend([self.kind, self.flags]);
        bytes.extend(self.stream.to_be_bytes());
        bytes.extend(&self.payload);
        bytes
    }
}

/// A text of a header block as HPACK has it without compression.
fn text(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut length = text.len();
    if length < 127 {
        bytes.push(u8::try_from(length).unwrap());
    } else {
        bytes.push(127);
        length -= 127;
        while length >= 128 {
            bytes.push(u8::try_from(length % 128 + 128).unwrap());
            length /= 128;
        }
        bytes.push(u8::try_from(length).unwrap());
    }
    bytes.extend(text.as_bytes());
    bytes
}

/// One header, in no table.
pub(super) fn header(name: &str, value: &str) -> Vec<u8> {
    [vec![0], text(name), text(value)].concat()
}

/// The header block of a GET.
pub(super) fn head(path: &str) -> Vec<u8> {
    [(":method", "GET"), (":scheme", "https"), (":authority", "localhost"), (":path", path)]
        .iter()
        .flat_map(|(name, value)| header(name, value))
        .collect()
}

/// A GET in one frame.
pub(super) fn get(stream: u32, path: &str) -> Frame {
    Frame::new(kind::HEADERS, END_HEADERS | END_STREAM, stream, &head(path))
}

/// Takes the next whole frame out of what was read: its kind and its payload.
fn take(read: &mut Vec<u8>) -> Option<(u8, Vec<u8>)> {
    let head = read.get(..HEAD)?;
    let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
    let kind = head[3];
    if read.len() < HEAD + length {
        return None;
    }
    let frame: Vec<u8> = read.drain(..HEAD + length).collect();
    Some((kind, frame[HEAD..].to_vec()))
}

/// The client's side of a connection.
pub(super) struct Peer {
    stream: DuplexStream,
    read: Vec<u8>,
}

impl Peer {
    /// Opens a connection with these settings.
    pub(super) async fn greet(mut stream: DuplexStream, settings: &[(u16, u32)]) -> Self {
        let payload: Vec<u8> =
            settings.iter().flat_map(|(name, value)| [&name.to_be_bytes()[..], &value.to_be_bytes()[..]].concat()).collect();
        stream.write_all(PREFACE).await.unwrap();
        stream.write_all(&Frame::new(kind::SETTINGS, 0, 0, &payload).bytes()).await.unwrap();
        Self { stream, read: Vec::new() }
    }

    pub(super) async fn send(&mut self, frame: &Frame) -> io::Result<()> {
        self.stream.write_all(&frame.bytes()).await
    }

    pub(super) async fn get(&mut self, stream: u32, path: &str) -> io::Result<()> {
        self.send(&get(stream, path)).await
    }

    /// Reads what is there; an error once the connection is closed.
    pub(super) async fn drain(&mut self) -> io::Result<()> {
        loop {
            let more = std::pin::pin!(self.stream.read_buf(&mut self.read));
            match futures::poll!(more) {
                std::task::Poll::Ready(Ok(0)) => return Err(io::ErrorKind::UnexpectedEof.into()),
                std::task::Poll::Ready(outcome) => outcome.map(drop)?,
                std::task::Poll::Pending => return Ok(()),
            }
        }
    }

    /// The payload of the next frame of a kind.
    pub(super) async fn until(&mut self, wanted: u8) -> Vec<u8> {
        loop {
            while let Some((kind, payload)) = take(&mut self.read) {
                if kind == wanted {
                    return payload;
                }
            }
            assert!(self.stream.read_buf(&mut self.read).await.unwrap() > 0, "the connection ended");
        }
    }

    /// Sends all of `bytes`, or as much as is taken, while it reads, until the connection ends; the codes with which it was sent
    /// away.
    pub(super) async fn burst(self, bytes: &[u8]) -> Vec<u32> {
        let (mut reader, mut writer) = tokio::io::split(self.stream);
        let mut read = self.read;
        let reading = async {
            // However it ends, what came is looked at.
            let _ = reader.read_to_end(&mut read).await;
        };
        let writing = async {
            // The server may be gone by now.
            let _ = writer.write_all(bytes).await;
        };
        tokio::join!(reading, writing);
        std::iter::from_fn(|| take(&mut read))
            .filter(|(kind, _)| *kind == kind::GOAWAY)
            .filter_map(|(_, payload)| Some(u32::from_be_bytes(payload.get(4..8)?.try_into().ok()?)))
            .collect()
    }
}
