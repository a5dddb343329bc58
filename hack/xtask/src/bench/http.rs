//! HTTP/1.1 by hand over any byte stream: what the floors and the watcher need, and nothing of Koan's.

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read, Write};

/// Longest line of a head.
const LINE_LIMIT: u64 = 64 << 10;
/// Longest body, chunk or event.
const BODY_LIMIT: usize = 16 << 20;

/// Media type of the bodies that are values.
const JSON: &str = "application/json";

/// How the end of a body is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Length(usize),
    Chunked,
}

/// A request whose body is text already.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Raw<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    /// Media type of the body; nothing is sent of it where there is no body.
    pub(crate) kind: &'a str,
    pub(crate) body: &'a [u8],
}

/// One kept connection.
pub(crate) struct Connection<S: Read + Write> {
    stream: BufReader<S>,
    /// Header lines of every request, Host among them, each ended by CR LF.
    headers: String,
    /// What a watch has sent of its next line.
    rest: Vec<u8>,
}

impl<S: Read + Write> Connection<S> {
    /// A connection whose requests carry these header lines.
    pub(crate) fn new(stream: S, headers: &str) -> Self {
        Self { stream: BufReader::new(stream), headers: headers.to_owned(), rest: Vec::new() }
    }

    /// Sends a request and reads the whole answer; `Null` for an empty or a non-JSON body.
    ///
    /// # Errors
    /// The connection breaks, or the answer is no HTTP.
    pub(crate) fn request(&mut self, method: &str, path: &str, body: Option<&Value>) -> Result<(u16, Value)> {
        let body = body.map(ToString::to_string).unwrap_or_default();
        let (status, bytes) = self.exchange(&Raw { method, path, kind: JSON, body: body.as_bytes() })?;
        Ok((status, serde_json::from_slice(&bytes).unwrap_or(Value::Null)))
    }

    /// Sends a request without a body and reads the answer's bytes.
    ///
    /// # Errors
    /// As [`Connection::expect`].
    pub(crate) fn bytes(&mut self, method: &str, path: &str) -> Result<Vec<u8>> {
        let (status, bytes) = self.exchange(&Raw { method, path, kind: JSON, body: &[] })?;
        ensure!(status < 300, "{method} {path}: {status} {}", String::from_utf8_lossy(&bytes));
        Ok(bytes)
    }

    /// Sends a request and reads the answer's status and bytes.
    ///
    /// # Errors
    /// As [`Connection::request`].
    pub(crate) fn exchange(&mut self, request: &Raw<'_>) -> Result<(u16, Vec<u8>)> {
        let Raw { method, path, .. } = request;
        self.send(request)?;
        let (status, framing) = self.head()?;
        let mut bytes = Vec::new();
        match framing {
            Framing::Length(length) => {
                ensure!(length <= BODY_LIMIT, "an answer of {length} bytes to {method} {path}");
                bytes.resize(length, 0);
                self.stream.read_exact(&mut bytes)?;
            }
            Framing::Chunked => {
                while let Some(chunk) = self.chunk()? {
                    bytes.extend_from_slice(&chunk);
                    ensure!(bytes.len() <= BODY_LIMIT, "an endless answer to {method} {path}");
                }
            }
        }
        Ok((status, bytes))
    }

    /// The same, for an answer that must be a success.
    ///
    /// # Errors
    /// As [`Connection::request`]; any status from 300 on.
    pub(crate) fn expect(&mut self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        let (status, answer) = self.request(method, path, body)?;
        ensure!(status < 300, "{method} {path}: {status} {answer}");
        Ok(answer)
    }

    /// Opens a stream of JSON lines; its head has arrived when this returns.
    ///
    /// # Errors
    /// As [`Connection::expect`].
    pub(crate) fn watch(&mut self, path: &str) -> Result<()> {
        self.send(&Raw { method: "GET", path, kind: JSON, body: &[] })?;
        let (status, framing) = self.head()?;
        ensure!(status == 200 && framing == Framing::Chunked, "GET {path}: {status}, no stream");
        Ok(())
    }

    /// The next line of a stream that [`Connection::watch`] opened.
    ///
    /// # Errors
    /// The stream ends, or the read time-out of the socket passes.
    pub(crate) fn next_line(&mut self) -> Result<Value> {
        Ok(serde_json::from_slice(&self.next_text()?)?)
    }

    /// The same as it came.
    ///
    /// # Errors
    /// As [`Connection::next_line`].
    pub(crate) fn next_text(&mut self) -> Result<Vec<u8>> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                return Ok(self.rest.drain(..=end).collect());
            }
            ensure!(self.rest.len() <= BODY_LIMIT, "an endless line");
            let chunk = self.chunk()?.context("the stream ended")?;
            self.rest.extend_from_slice(&chunk);
        }
    }

    /// The stream below, with what was read ahead of it thrown away.
    pub(crate) fn into_stream(self) -> S {
        self.stream.into_inner()
    }

    fn send(&mut self, request: &Raw<'_>) -> Result<()> {
        let Raw { method, path, kind, body } = request;
        let kind = if body.is_empty() { String::new() } else { format!("Content-Type: {kind}\r\n") };
        let head = format!("{method} {path} HTTP/1.1\r\n{}{kind}Content-Length: {}\r\n\r\n", self.headers, body.len());
        let stream = self.stream.get_mut();
        stream.write_all(&[head.as_bytes(), body].concat())?;
        Ok(stream.flush()?)
    }

    fn head(&mut self) -> Result<(u16, Framing)> {
        let first = self.line()?;
        let status: u16 =
            first.split(' ').nth(1).and_then(|word| word.parse().ok()).with_context(|| format!("no HTTP: {first}"))?;
        let mut framing = Framing::Length(0);
        loop {
            let line = self.line()?.to_ascii_lowercase();
            match line.split_once(':') {
                None if line.is_empty() => return Ok((status, framing)),
                Some(("content-length", value)) => framing = Framing::Length(value.trim().parse()?),
                Some(("transfer-encoding", value)) if value.trim() == "chunked" => framing = Framing::Chunked,
                _ => {}
            }
        }
    }

    fn chunk(&mut self) -> Result<Option<Vec<u8>>> {
        let size = self.line()?;
        let size =
            usize::from_str_radix(size.split(';').next().unwrap_or(""), 16).with_context(|| format!("no chunk: {size}"))?;
        ensure!(size <= BODY_LIMIT, "a chunk of {size} bytes");
        let mut bytes = vec![0; size];
        self.stream.read_exact(&mut bytes)?;
        let end = self.line()?;
        ensure!(end.is_empty(), "a chunk that does not end: {end}");
        Ok((size > 0).then_some(bytes))
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if (&mut self.stream).take(LINE_LIMIT).read_line(&mut line)? == 0 {
            bail!("the connection ended");
        }
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::Connection;
    use std::io::{Cursor, Read, Result, Write};

    struct Peer(Cursor<&'static [u8]>);

    impl Read for Peer {
        fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
            self.0.read(buffer)
        }
    }

    impl Write for Peer {
        fn write(&mut self, buffer: &[u8]) -> Result<usize> {
            Ok(buffer.len())
        }
        fn flush(&mut self) -> Result<()> {
            Ok(())
        }
    }

    fn connection(answer: &'static str) -> Connection<Peer> {
        Connection::new(Peer(Cursor::new(answer.as_bytes())), "")
    }

    /// PERF-3: the floor's own client reads both framings, and one connection serves many requests.
    #[test]
    fn answers_are_read_in_both_framings() {
        let mut peer = connection(
            "HTTP/1.1 201 Created\r\nContent-Length: 8\r\n\r\n{\"a\": 1}HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{\"b\r\n4\r\n\":2}\r\n0\r\n\r\n",
        );
        assert_eq!(peer.request("POST", "/", None).unwrap(), (201, serde_json::json!({"a": 1})));
        assert_eq!(peer.request("DELETE", "/", None).unwrap(), (204, serde_json::Value::Null));
        assert_eq!(peer.expect("GET", "/", None).unwrap(), serde_json::json!({"b": 2}));
        assert!(peer.expect("GET", "/", None).is_err());
    }

    /// PERF-1: events of a watch are lines, whatever the chunks they come in.
    #[test]
    fn events_are_lines_whatever_their_chunks() {
        let mut peer =
            connection("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":\r\n9\r\n1}\n{\"a\":2\r\n2\r\n}\n\r\n");
        peer.watch("/").unwrap();
        assert_eq!(peer.next_line().unwrap()["a"], 1);
        assert_eq!(peer.next_line().unwrap()["a"], 2);
        assert!(peer.next_line().is_err());
    }
}
