//! RabbitMQ on the wire: `Connection.Start` proves the product, a virtual host that opens and a channel on it prove the login.
//!
//! A client that leaves after `Start` has no goodbye that the server takes: `Connection.Close` is an error of that state, so the
//! connection is closed, which the server notes as a warning and counts nowhere.

use async_trait::async_trait;
use koan_crds::v1alpha1::EvidenceCode;
use tokio::time::Instant;

use super::frame::{self, FRAME_LIMIT, PROTOCOL, Said};
use super::recipe::recipe;
use crate::product::{Attempt, Identified, Product, Proof, at_least, short, too_old};
use crate::tls;
use crate::wire::{Fault, GREETING, Peer, Wire};

/// Product in `Connection.Start`.
const PRODUCT: &str = "RabbitMQ";
/// Frames of one answer: heartbeats and notices may come between.
const FRAMES: usize = 16;
/// Reply codes of `Connection.Close`.
const ACCESS_REFUSED: u16 = 403;
const NOT_ALLOWED: u16 = 530;
/// How the text after [`NOT_ALLOWED`] ends where there is no such virtual host; the code is the same where it may not be entered.
const NO_SUCH_HOST: &str = "not found";

/// The adapter's effectful half.
pub(crate) struct RabbitMq;

#[async_trait]
impl Product for RabbitMq {
    async fn identify(&self, peer: &Peer, deadline: Instant) -> Result<Identified, Fault> {
        match Session::greeted(peer, deadline).await {
            Ok(session) => Ok(Identified { detail: format!("{PRODUCT} {}", session.version), open: false }),
            Err(fault) if peer.tls.is_none() && fault.hints_tls() => Err(tls::suspected(peer, "amqps", deadline, fault).await),
            Err(fault) => Err(fault),
        }
    }

    async fn login(&self, attempt: &Attempt<'_>) -> Proof {
        let (Some(user), Some(password)) = (&attempt.login.username, &attempt.login.password) else {
            return Proof::Skipped("the server asks for a user and a password".to_owned());
        };
        if !attempt.plain_text {
            return Proof::Skipped("PLAIN would send the password as it is".to_owned());
        }
        let session = Session::greeted(attempt.peer, attempt.deadline).await;
        let proof = match session {
            Ok(session) => session.prove((user, password.expose()), attempt.database).await,
            Err(fault) => Err(fault),
        };
        proof.unwrap_or_else(Proof::Broken)
    }
}

struct Session {
    wire: Wire,
    deadline: Instant,
    rest: Vec<u8>,
    version: String,
    plain: bool,
}

impl Session {
    /// Opens a connection and reads `Connection.Start`: nothing of a login has been sent before.
    async fn greeted(peer: &Peer, deadline: Instant) -> Result<Self, Fault> {
        let wire = peer.open(deadline).await?;
        let greeting = deadline.min(Instant::now() + GREETING);
        let mut session = Self { wire, deadline: greeting, rest: Vec::new(), version: String::new(), plain: false };
        session.wire.send(&PROTOCOL, greeting).await?;
        let Said::Start { product, version, mechanisms } = session.hear().await? else {
            return Err(Fault::new(EvidenceCode::WrongProtocol, "an AMQP server answers without a greeting"));
        };
        if product != PRODUCT {
            return Err(Fault::new(EvidenceCode::WrongProtocol, "an AMQP server of another product answers"));
        }
        session.deadline = deadline;
        session.version = short(&version);
        session.plain = mechanisms.iter().any(|mechanism| mechanism == "PLAIN");
        Ok(session)
    }

    async fn prove(mut self, (user, password): (&str, &str), host: &str) -> Result<Proof, Fault> {
        let minimum = recipe().minimum_version;
        if !at_least(&self.version, minimum) {
            return Ok(Proof::Unusable(too_old(&self.version, minimum)));
        }
        if !self.plain {
            return Ok(Proof::Skipped("the server takes no user and password".to_owned()));
        }
        let Some(open) = frame::open(host) else {
            return Ok(Proof::Unusable(missing(host)));
        };
        let (channels, longest) = match self.ask(&frame::start_ok(user, password)).await? {
            Said::Tune(channels, longest) => (channels, longest),
            Said::Close(ACCESS_REFUSED, _text) => {
                let _goodbye = self.wire.send(&frame::close_ok(), self.deadline).await;
                return Ok(Proof::Refused(format!("ACCESS_REFUSED {ACCESS_REFUSED}")));
            }
            other => return self.refused(other, host).await.map(Proof::Unusable),
        };
        self.wire.send(&frame::tune_ok(channels, longest), self.deadline).await?;
        for (question, answer) in [(open, Said::Opened), (frame::channel_open(), Said::ChannelOpened)] {
            let heard = self.ask(&question).await?;
            if heard != answer {
                return self.refused(heard, host).await.map(Proof::Unusable);
            }
        }
        self.goodbye().await;
        Ok(Proof::Proven { version: Some(self.version), server_id: None, anonymous: false })
    }

    /// What keeps a login that was accepted from being usable; the server's text may repeat names, so only its code is told.
    async fn refused(&mut self, said: Said, host: &str) -> Result<Fault, Fault> {
        let Said::Close(code, text) = said else {
            return Err(Fault::new(EvidenceCode::WrongProtocol, "the login ended without an answer"));
        };
        let _goodbye = self.wire.send(&frame::close_ok(), self.deadline).await;
        Ok(match code {
            NOT_ALLOWED if text.ends_with(NO_SUCH_HOST) => missing(host),
            _other => Fault::new(EvidenceCode::NotAuthorised, format!("virtual host {host}: error {code}")),
        })
    }

    /// Best effort: whoever does not say goodbye is left.
    async fn goodbye(&mut self) {
        self.deadline = self.deadline.min(Instant::now() + GREETING);
        let _closed = self.ask(&frame::channel_close()).await;
        let _closed = self.ask(&frame::close()).await;
    }

    async fn ask(&mut self, question: &[u8]) -> Result<Said, Fault> {
        self.wire.send(question, self.deadline).await?;
        self.hear().await
    }

    async fn hear(&mut self) -> Result<Said, Fault> {
        let mut frames = 0;
        while frames < FRAMES {
            match frame::read(&self.rest) {
                Ok(Some((said, end))) => {
                    self.rest.drain(..end);
                    frames += 1;
                    if said != Said::Other {
                        return Ok(said);
                    }
                }
                Ok(None) => self.wire.more(&mut self.rest, FRAME_LIMIT, self.deadline).await?,
                Err(_) => return Err(Fault::wrong(&self.rest)),
            }
        }
        Err(Fault::new(EvidenceCode::WrongProtocol, "it says much and answers nothing"))
    }
}

fn missing(host: &str) -> Fault {
    Fault::new(EvidenceCode::DatabaseMissing, format!("it has no virtual host {host}"))
}
