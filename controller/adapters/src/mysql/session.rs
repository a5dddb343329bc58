//! One connection: packets in turn, the greeting, the login, commands.

use koan_crds::v1alpha1::EvidenceCode;
use tokio::time::Instant;

use super::authentication::{Method, as_it_is, tls_request};
use super::greeting::{Brand, ERROR, First, Greeting, TLS, error, first};
use super::packet::{PACKET, Pieces, join, split};
use super::result::{columns, is_end, row};
use crate::tls;
use crate::wire::{Fault, GREETING, Peer, Wire, connect};

/// Most packets of one login.
const ROUNDS: usize = 8;
/// Most packets of one result.
const ROWS: usize = 16;
/// First bytes of the packets of a login.
const OK: u8 = 0;
const MORE: u8 = 1;
const SWITCH: u8 = 0xfe;
/// `caching_sha2_password` remembers the user: its OK follows.
const REMEMBERED: u8 = 3;
/// It does not, and asks for the password as it is.
const WHOLE_PASSWORD: u8 = 4;
/// A query follows.
const QUERY: u8 = 3;

/// How a connection begins.
pub(super) enum Opened {
    /// The server greets, and TLS stands where it offers or the candidate demands it.
    Greeted(Session),
    /// The server refuses the connection by an error.
    Refused(u16, Option<Brand>),
    /// TLS is demanded and it offers none; nothing was said yet.
    Unencrypted(Session),
}

/// How an exchange ends.
pub(super) enum Answer {
    /// By OK.
    Done,
    /// By an error after an answer that we did not give.
    Declined(String),
    /// By this error.
    Error(u16),
}

/// One connection.
pub(super) struct Session {
    /// The server's greeting.
    pub(super) greeting: Greeting,
    /// TLS stands.
    pub(super) encrypted: bool,
    /// Until when.
    pub(super) deadline: Instant,
    wire: Wire,
    rest: Vec<u8>,
    number: u8,
}

impl Session {
    /// Connects, reads the greeting, and finishes TLS: verified where the candidate demands it, else unverified where the server
    /// offers it, which proves nothing.
    pub(super) async fn open(peer: &Peer, deadline: Instant) -> Result<Opened, Fault> {
        let mut wire = connect(&peer.target, deadline).await?;
        let mut rest = Vec::new();
        let (number, body) = packet(&mut wire, &mut rest, deadline.min(Instant::now() + GREETING)).await?;
        let greeting = match first(&body)? {
            First::Refusal(number, brand) => return Ok(Opened::Refused(number, brand)),
            First::Greeting(greeting) => greeting,
        };
        let offered = greeting.capabilities & TLS != 0;
        let mut session = Self { greeting, encrypted: false, deadline, wire, rest, number };
        match (offered, &peer.tls) {
            (false, Some(_)) => Ok(Opened::Unencrypted(session)),
            (false, None) => Ok(Opened::Greeted(session)),
            (true, demanded) => {
                session.send(&tls_request()).await?;
                let Self { greeting, wire, number, rest, .. } = session;
                if !rest.is_empty() {
                    return Err(Fault::new(EvidenceCode::WrongProtocol, "it goes on before the TLS handshake"));
                }
                let wire = match demanded {
                    Some(tls) => tls.handshake(wire, deadline).await?,
                    None => tls::unverified(wire, deadline).await?,
                };
                Ok(Opened::Greeted(Self { greeting, encrypted: true, deadline, wire, rest: Vec::new(), number }))
            }
        }
    }

    /// Sends the answer to the greeting and follows the server's questions. A question that would need the password as it is, where
    /// that is not allowed, or a method that is not spoken, is answered by nothing: the server ends the handshake by its own refusal.
    pub(super) async fn log_in(&mut self, response: &[u8], password: Option<&str>, plain_text: bool) -> Result<Answer, Fault> {
        self.send(response).await?;
        let mut declined = None;
        for _round in 0..ROUNDS {
            let body = self.receive().await?;
            match body.as_slice() {
                [OK, ..] => return Ok(Answer::Done),
                [ERROR, ..] => {
                    let number = self.error(&body)?;
                    return Ok(declined.map_or(Answer::Error(number), Answer::Declined));
                }
                [MORE, REMEMBERED] => {}
                [MORE, WHOLE_PASSWORD] => {
                    let answer = self.plainly(password, plain_text);
                    self.answer(answer, &mut declined).await?;
                }
                [SWITCH, question @ ..] => {
                    let answer = self.switched(question, password, plain_text);
                    self.answer(answer, &mut declined).await?;
                }
                other => return Err(Fault::wrong(other)),
            }
        }
        Err(Fault::new(EvidenceCode::WrongProtocol, "its login does not end"))
    }

    async fn answer(&mut self, answer: Result<Vec<u8>, String>, declined: &mut Option<String>) -> Result<(), Fault> {
        let bytes = answer.unwrap_or_else(|reason| {
            *declined = Some(reason);
            Vec::new()
        });
        self.send(&bytes).await
    }

    /// The answer to a server that asks for another method.
    fn switched(&self, question: &[u8], password: Option<&str>, plain_text: bool) -> Result<Vec<u8>, String> {
        let mut pieces = Pieces(question);
        let name = pieces.zero_ended().map(|name| String::from_utf8_lossy(name).into_owned()).unwrap_or_default();
        let Some(method) = Method::named(&name) else {
            let name: String = name.chars().filter(|letter| letter.is_ascii_alphanumeric() || *letter == '_').take(40).collect();
            return Err(format!("the server asks for {name}, which Koan does not speak"));
        };
        let challenge = pieces.0.strip_suffix(&[0]).unwrap_or(pieces.0);
        method.answer(password, challenge).map_or_else(|| self.plainly(password, plain_text), Ok)
    }

    fn plainly(&self, password: Option<&str>, plain_text: bool) -> Result<Vec<u8>, String> {
        match password {
            _any if !plain_text => Err("the server asks for the password as it is".to_owned()),
            _any if !self.encrypted => {
                Err("the server asks for the password as it is and offers no TLS: give it a certificate".to_owned())
            }
            Some(password) => Ok(as_it_is(password)),
            None => Err("the server asks for a password".to_owned()),
        }
    }

    /// One command whose answer is OK or an error.
    pub(super) async fn command(&mut self, body: &[u8]) -> Result<Answer, Fault> {
        self.ask(body).await?;
        let body = self.receive().await?;
        match body.as_slice() {
            [OK, ..] => Ok(Answer::Done),
            [ERROR, ..] => self.error(&body).map(Answer::Error),
            other => Err(Fault::wrong(other)),
        }
    }

    /// The only row of a query, or the number of an error.
    pub(super) async fn query(&mut self, query: &str) -> Result<Result<Vec<Option<String>>, u16>, Fault> {
        self.ask(&[&[QUERY], query.as_bytes()].concat()).await?;
        let wrong = || Fault::new(EvidenceCode::WrongProtocol, "odd answer to a query");
        let head = self.receive().await?;
        if head.first() == Some(&ERROR) {
            return self.error(&head).map(Err);
        }
        let columns = columns(&head).ok_or_else(wrong)?;
        let mut ends = 0;
        let mut found = None;
        for _packet in 0..ROWS {
            let body = self.receive().await?;
            match (is_end(&body), ends) {
                (true, 0) => ends = 1,
                (true, _) => return found.map(Ok).ok_or_else(wrong),
                (false, 0) => {}
                (false, _) if body.first() == Some(&ERROR) => return self.error(&body).map(Err),
                (false, _) => found = Some(row(&body, columns).ok_or_else(wrong)?),
            }
        }
        Err(wrong())
    }

    /// Ends the session; the server answers nothing and closes.
    pub(super) async fn goodbye(&mut self, quit: u8) {
        let _left = self.ask(&[quit]).await;
    }

    /// A command begins a new exchange.
    async fn ask(&mut self, body: &[u8]) -> Result<(), Fault> {
        self.number = u8::MAX;
        self.send(body).await
    }

    async fn send(&mut self, body: &[u8]) -> Result<(), Fault> {
        self.number = self.number.wrapping_add(1);
        let bytes =
            join(self.number, body).ok_or_else(|| Fault::new(EvidenceCode::CredentialSkipped, "the login is too long"))?;
        self.wire.send(&bytes, self.deadline).await
    }

    async fn receive(&mut self) -> Result<Vec<u8>, Fault> {
        let (number, body) = packet(&mut self.wire, &mut self.rest, self.deadline).await?;
        self.number = number;
        Ok(body)
    }

    fn error(&self, body: &[u8]) -> Result<u16, Fault> {
        error(body).map(|(number, _text)| number).ok_or_else(|| Fault::wrong(body))
    }
}

/// The next packet of a wire: its number and its body.
async fn packet(wire: &mut Wire, rest: &mut Vec<u8>, deadline: Instant) -> Result<(u8, Vec<u8>), Fault> {
    loop {
        match split(rest) {
            Ok(Some((number, body, length))) => {
                let packet = (number, body.to_vec());
                rest.drain(..length);
                return Ok(packet);
            }
            Ok(None) => wire.more(rest, PACKET, deadline).await?,
            Err(_) => return Err(Fault::wrong(rest)),
        }
    }
}
