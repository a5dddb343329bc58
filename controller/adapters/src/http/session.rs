//! Questions over one connection to one peer; the connection is made anew only where the server ended it after a whole answer.

use koan_crds::v1alpha1::EvidenceCode;
use serde_json::Value;
use tokio::time::Instant;

use super::codec::{self, Body, HEAD_LIMIT, Head};
use crate::tls;
use crate::wire::{Fault, Peer, Target, Wire};

/// Longest body that is read; more of it is left.
const BODY_LIMIT: usize = 32 * 1024;
/// What a Go server says in plain text where it speaks TLS alone.
const SPEAKS_TLS: &[u8] = b"Client sent an HTTP request to an HTTPS server";

/// A header of a question.
#[derive(Clone, Copy)]
pub(crate) struct Header<'a> {
    /// Name.
    pub(crate) name: &'a str,
    /// Value; may be secret.
    pub(crate) value: &'a str,
}

impl Header<'_> {
    /// The value can stand in a header: one line of printable ASCII.
    pub(crate) fn is_sendable(&self) -> bool {
        !self.value.is_empty() && self.value.bytes().all(|byte| (b' '..=b'~').contains(&byte))
    }
}

/// Answer to one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Status code; redirects are answers like others.
    pub(crate) status: u16,
    /// The body, or its beginning.
    pub(crate) body: Vec<u8>,
    /// The body ended within its limit.
    pub(crate) whole: bool,
    content_type: String,
    headers: Vec<(String, String)>,
}

impl Answer {
    /// A whole document of JSON.
    #[cfg(test)]
    pub(crate) fn of(status: u16, body: &[u8]) -> Self {
        Self { status, body: body.to_vec(), whole: true, content_type: "application/json".to_owned(), headers: Vec::new() }
    }

    /// The body as JSON, where the server says that it is some.
    pub(crate) fn json(&self) -> Option<Value> {
        (self.whole && self.is_json()).then(|| serde_json::from_slice(&self.body).ok()).flatten()
    }

    /// The server says that the body is JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.content_type.split(';').next().is_some_and(|kind| kind.trim() == "application/json")
    }

    /// Values of every header line of this name, which is given in lower case, as they came.
    pub(crate) fn header<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(own, _value)| own == name).map(|(_name, value)| value.as_str())
    }

    /// What is said of an HTTP server that is not the product.
    pub(crate) fn stranger() -> Fault {
        Fault::wrong(b"HTTP/")
    }
}

#[cfg(test)]
impl Answer {
    /// The answer that these bytes are; `None` where they are no whole one.
    pub(crate) fn parsed(bytes: &[u8]) -> Option<Self> {
        let head = codec::head(bytes).ok()??;
        let Body { bytes: body, end } = codec::body(bytes.get(head.end..)?, head.length).ok()?;
        let whole = end.is_some() || head.length == codec::Length::UntilClose;
        Some(Self { status: head.status, body, whole, content_type: head.content_type, headers: head.headers })
    }
}

/// One conversation.
pub(crate) struct Session<'a> {
    peer: &'a Peer,
    wire: Option<Wire>,
}

impl<'a> Session<'a> {
    /// Nothing is dialled before the first question.
    pub(crate) fn new(peer: &'a Peer) -> Self {
        Self { peer, wire: None }
    }

    /// Asks for a path.
    ///
    /// # Errors
    /// What was seen in place of an answer within the deadline; a listener of TLS alone is named as that.
    pub(crate) async fn get(&mut self, path: &str, header: Option<Header<'_>>, deadline: Instant) -> Result<Answer, Fault> {
        self.ask((path, None), header, deadline).await
    }

    /// Asks a path about a JSON document, which may be secret.
    ///
    /// # Errors
    /// As of [`Self::get`].
    pub(crate) async fn post(
        &mut self,
        (path, document): (&str, &Value),
        header: Option<Header<'_>>,
        deadline: Instant,
    ) -> Result<Answer, Fault> {
        self.ask((path, Some(document)), header, deadline).await
    }

    async fn ask(
        &mut self,
        (path, document): (&str, Option<&Value>),
        header: Option<Header<'_>>,
        deadline: Instant,
    ) -> Result<Answer, Fault> {
        let question = question(&self.peer.target, (path, document), header);
        match self.exchange(&question, deadline).await {
            Ok(answer) if answer.status == 400 && self.peer.tls.is_none() && says(&answer.body, SPEAKS_TLS) => {
                Err(tls::only("https"))
            }
            Err(fault) if self.peer.tls.is_none() && fault.hints_tls() => {
                Err(tls::suspected(self.peer, "https", deadline, fault).await)
            }
            other => other,
        }
    }

    async fn exchange(&mut self, question: &str, deadline: Instant) -> Result<Answer, Fault> {
        let mut wire = match self.wire.take() {
            Some(wire) => wire,
            None => self.peer.open(deadline).await?,
        };
        wire.send(question.as_bytes(), deadline).await?;
        let mut bytes = Vec::new();
        let head = loop {
            wire.more(&mut bytes, HEAD_LIMIT, deadline).await?;
            match codec::head(&bytes) {
                Ok(Some(head)) => break head,
                Ok(None) => {}
                Err(_) => return Err(Fault::wrong(&bytes)),
            }
        };
        let (body, whole) = read_body(&mut wire, (&mut bytes, &head), deadline).await?;
        if whole && !head.closes {
            self.wire = Some(wire);
        }
        Ok(Answer { status: head.status, body, whole, content_type: head.content_type, headers: head.headers })
    }
}

/// Reads until the body ends, or its limit is reached; true where it ended.
async fn read_body(wire: &mut Wire, (bytes, head): (&mut Vec<u8>, &Head), deadline: Instant) -> Result<(Vec<u8>, bool), Fault> {
    let limit = head.end + BODY_LIMIT;
    loop {
        let rest = bytes.get(head.end..).unwrap_or_default();
        let Body { bytes: body, end } = codec::body(rest, head.length).map_err(|_| Answer::stranger())?;
        if end.is_some() || bytes.len() >= limit {
            // Bytes beyond the end answer no question.
            return if end.is_none_or(|end| end == rest.len()) { Ok((body, end.is_some())) } else { Err(Answer::stranger()) };
        }
        match wire.more(bytes, limit, deadline).await {
            Ok(()) => {}
            Err(fault) if fault.is_closed() && head.length == codec::Length::UntilClose => return Ok((body, true)),
            Err(fault) => return Err(fault),
        }
    }
}

fn question(target: &Target, (path, document): (&str, Option<&Value>), header: Option<Header<'_>>) -> String {
    let host = match target {
        Target::Tcp(address) => address.to_string(),
        Target::Unix(_) => "localhost".to_owned(),
    };
    let own = header.map(|Header { name, value }| format!("{name}: {value}\r\n")).unwrap_or_default();
    let body = document.map(Value::to_string).unwrap_or_default();
    let (method, length) = match document {
        Some(_) => ("POST", format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len())),
        None => ("GET", String::new()),
    };
    format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: koan\r\nAccept: application/json\r\n{length}{own}\r\n{body}")
}

fn says(body: &[u8], words: &[u8]) -> bool {
    body.windows(words.len()).any(|window| window == words)
}

/// A fault of an answer whose status says nothing about logins.
pub(crate) fn odd(path: &str, status: u16) -> Fault {
    Fault::new(EvidenceCode::WrongProtocol, format!("{path} answers {status}"))
}
