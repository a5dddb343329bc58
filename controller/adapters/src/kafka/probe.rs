//! Kafka on the wire: the list of what it speaks proves a broker, told to everybody; the addresses of its cluster, told to those who are
//! let in, prove the login. A client goes on to those addresses, so each of them is dialled, and nothing is said there. A connection that
//! ends between two messages counts nowhere, so there is no goodbye to say.

use async_trait::async_trait;
use futures::future::join_all;
use koan_core::probe::Address;
use koan_core::secret::{Login, Secret};
use koan_crds::v1alpha1::EvidenceCode;
use tokio::time::Instant;

use super::codec::{self, Code, LIMIT, Question, Versions, split};
use crate::prober::resolve;
use crate::product::{Attempt, Identified, Product, Proof};
use crate::scram::{First, Mechanism, nonce};
use crate::tls;
use crate::wire::{Fault, GREETING, Peer, Wire, connect};

/// Most advertised addresses that are dialled.
const BROKERS: usize = 8;
/// Longest part of an advertised address in evidence.
const HOST_TEXT: usize = 60;
/// Mechanisms that tell no password, the strongest first, and the one that does.
const CHALLENGES: [Mechanism; 2] = [Mechanism::Sha512, Mechanism::Sha256];
const PLAIN: &str = "PLAIN";
/// The mechanism that is asked for first: the one that most listeners with a challenge offer.
const USUAL: Mechanism = Mechanism::Sha256;

/// The adapter's effectful half.
pub(crate) struct Kafka;

#[async_trait]
impl Product for Kafka {
    async fn identify(&self, peer: &Peer, deadline: Instant) -> Result<Identified, Fault> {
        let deadline = deadline.min(Instant::now() + GREETING);
        let (_session, versions) = match Session::greet(peer, deadline).await {
            Err(fault) if peer.tls.is_none() && fault.hints_tls() => {
                return Err(tls::suspected(peer, "kafka+ssl", deadline, fault).await);
            }
            answer => answer?,
        };
        Ok(Identified { detail: format!("a broker of {} messages", versions.count()), open: false })
    }

    async fn login(&self, attempt: &Attempt<'_>) -> Proof {
        prove(attempt).await.unwrap_or_else(|proof| proof)
    }
}

/// Whatever ends a login early is its outcome.
impl From<Fault> for Proof {
    fn from(fault: Fault) -> Self {
        Self::Broken(fault)
    }
}

/// Asks for a mechanism first: whoever takes no login says so, and is sent none (DET-20).
async fn prove(attempt: &Attempt<'_>) -> Result<Proof, Proof> {
    let (mut session, versions) = Session::greet(attempt.peer, attempt.deadline).await?;
    let wanted = [Question::Handshake, Question::Authenticate, Question::Brokers];
    if !wanted.into_iter().all(|question| versions.speaks(question)) {
        let fault = Fault::new(EvidenceCode::VersionUnsupported, "it does not speak what every broker since 1.0 does");
        return Err(Proof::Unusable(fault));
    }
    let (code, offered) = session.handshake(USUAL.name()).await?;
    let anonymous = code == Code::NoLogin;
    if !anonymous {
        let way = Way::choose(&offered, attempt)?;
        // After another mechanism than it offers the broker ends the connection.
        if code != Code::Fine || way.name() != USUAL.name() {
            session = Session::open(attempt.peer, attempt.deadline).await?;
            if session.handshake(way.name()).await?.0 != Code::Fine {
                return Err(odd("it refuses the mechanism that it offers").into());
            }
        }
        session.log_in(&way).await?;
    }
    let advertised = session.ask(Question::Brokers, &codec::NOTHING, codec::brokers).await?;
    reachable(&advertised, attempt.deadline).await.map_err(Proof::Unusable)?;
    Ok(Proof::Proven { version: None, server_id: None, anonymous })
}

/// How the login goes.
enum Way<'a> {
    Challenge(Mechanism, &'a str, &'a Secret<String>),
    Plain(&'a str, &'a Secret<String>),
}

impl<'a> Way<'a> {
    /// The strongest way that both sides have.
    fn choose(offered: &[String], attempt: &Attempt<'a>) -> Result<Self, Proof> {
        let offers = |name: &str| offered.iter().any(|offered| offered == name);
        let Login { username: Some(user), password: Some(password), token: _ } = attempt.login else {
            return Err(Proof::Skipped("the listener asks for a user and a password".to_owned()));
        };
        match CHALLENGES.into_iter().find(|mechanism| offers(mechanism.name())) {
            Some(mechanism) => Ok(Self::Challenge(mechanism, user, password)),
            None if !offers(PLAIN) => Err(Proof::Skipped("the listener takes neither SCRAM nor PLAIN".to_owned())),
            None if !attempt.plain_text => Err(Proof::Skipped("PLAIN would send the password as it is".to_owned())),
            None => Ok(Self::Plain(user, password)),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Challenge(mechanism, ..) => mechanism.name(),
            Self::Plain(..) => PLAIN,
        }
    }
}

struct Session {
    wire: Wire,
    deadline: Instant,
    number: u32,
}

impl Session {
    async fn open(peer: &Peer, deadline: Instant) -> Result<Self, Fault> {
        // An echo of a question begins with the number of its message, which no answer has.
        Ok(Self { wire: peer.open(deadline).await?, deadline, number: u32::from_be_bytes(*b"koan") })
    }

    /// A connection to a broker, and what it speaks.
    async fn greet(peer: &Peer, deadline: Instant) -> Result<(Self, Versions), Fault> {
        let mut session = Self::open(peer, deadline).await?;
        let versions = session.ask(Question::Versions, &[], Versions::read).await?;
        Ok((session, versions))
    }

    async fn handshake(&mut self, mechanism: &str) -> Result<(Code, Vec<String>), Fault> {
        self.ask(Question::Handshake, &codec::text(mechanism), codec::handshake).await
    }

    /// The login; an error is its outcome.
    async fn log_in(&mut self, way: &Way<'_>) -> Result<(), Proof> {
        match way {
            Way::Plain(user, password) => self.step(format!("\0{user}\0{}", password.expose()).as_bytes()).await.map(drop),
            Way::Challenge(mechanism, user, password) => {
                let first = First::new(*mechanism, user, password.expose().clone(), nonce()?);
                let said = self.step(first.message().as_bytes()).await?;
                let proof = first.answer(&said).ok_or_else(|| odd("its SCRAM is odd"))?;
                let said = self.step(proof.message.as_bytes()).await?;
                let knows = proof.is_answered_by(&said);
                knows.then_some(()).ok_or_else(|| odd("it does not know the password that it asks for").into())
            }
        }
    }

    async fn step(&mut self, said: &[u8]) -> Result<Vec<u8>, Proof> {
        let (code, answer) = self.ask(Question::Authenticate, &codec::bytes(said), codec::step).await?;
        match code {
            Code::Fine => Ok(answer),
            Code::Refused => Err(Proof::Refused("user or password is refused".to_owned())),
            Code::OtherMechanism | Code::NoLogin | Code::Other(_) => Err(odd("it leaves the login in its middle").into()),
        }
    }

    async fn ask<T>(&mut self, question: Question, body: &[u8], read: impl Fn(&[u8]) -> Option<T>) -> Result<T, Fault> {
        self.number += 1;
        self.wire.send(&question.message(self.number, body), self.deadline).await?;
        let mut bytes = Vec::new();
        loop {
            self.wire.more(&mut bytes, LIMIT, self.deadline).await?;
            match split(&bytes, self.number) {
                Ok(Some(answer)) => return read(answer).ok_or_else(|| odd("its answer is no broker's")),
                Ok(None) => {}
                Err(_) => return Err(Fault::wrong(&bytes)),
            }
        }
    }
}

/// Dials what clients are sent to; the first address that does not answer, in the order of the cluster, is the fault.
async fn reachable(advertised: &[(String, u16)], deadline: Instant) -> Result<(), Fault> {
    if advertised.is_empty() {
        return Err(Fault::new(EvidenceCode::Unreachable, "it advertises no address at all"));
    }
    let dialled = advertised.iter().take(BROKERS).map(|(host, port)| async move {
        let address = Address::Tcp { host: host.clone(), port: *port };
        let answer = match resolve(&address, deadline).await {
            Ok(target) => connect(&target, deadline).await.map(drop),
            Err(fault) => Err(fault),
        };
        answer.map_err(|fault| {
            let host: String = host.chars().filter(|letter| letter.is_ascii_graphic()).take(HOST_TEXT).collect();
            let detail = format!("it sends clients to {host}:{port}, its advertised address: {}", fault.detail);
            Fault::new(EvidenceCode::Unreachable, detail)
        })
    });
    join_all(dialled).await.into_iter().collect()
}

fn odd(detail: &str) -> Fault {
    Fault::new(EvidenceCode::WrongProtocol, detail)
}
