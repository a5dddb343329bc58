//! MongoDB on the wire: `hello` proves the product, SCRAM and `listCollections` prove the login. `ping` proves nothing: every server
//! answers it to everybody (P18). A connection that ends between two messages counts nowhere, so there is no goodbye to say.

use async_trait::async_trait;
use koan_core::secret::Login;
use koan_crds::v1alpha1::EvidenceCode;
use tokio::time::Instant;

use super::bson::{Document, Value, Writer};
use super::message::{LIMIT, join, split};
use super::recipe::recipe;
use crate::product::{Attempt, Identified, Product, Proof, at_least, short, too_old};
use crate::scram::{First, Mechanism, nonce};
use crate::tls;
use crate::wire::{Fault, GREETING, Peer, Wire};

/// Database that knows the users.
const USERS: &str = "admin";
/// What version 4.4 says of itself.
const OLDEST_WIRE: f64 = 9.0;
/// Most steps of a login after its proof.
const STEPS: usize = 3;
/// Errors: no rights, a wrong login, an unknown command.
const UNAUTHORISED: u32 = 13;
const WRONG_LOGIN: u32 = 18;
const UNKNOWN_COMMAND: u32 = 59;

/// The adapter's effectful half.
pub(crate) struct MongoDb;

#[async_trait]
impl Product for MongoDb {
    async fn identify(&self, peer: &Peer, deadline: Instant) -> Result<Identified, Fault> {
        let mut session = Session::open(peer, deadline).await?;
        session.deadline = deadline.min(Instant::now() + GREETING);
        let greeting = match session.greet(None).await {
            Err(fault) if peer.tls.is_none() && fault.hints_tls() => {
                let mut told = tls::suspected(peer, "mongodb", deadline, fault).await;
                if told.code == EvidenceCode::TlsRequired {
                    told.detail = "it speaks TLS alone: write tls=true into the candidate's query".to_owned();
                }
                return Err(told);
            }
            answer => answer?,
        };
        let set = if greeting.in_set { ", of a replica set" } else { "" };
        Ok(Identified { detail: format!("MongoDB protocol {}{set}", greeting.wire), open: false })
    }

    async fn login(&self, attempt: &Attempt<'_>) -> Proof {
        match Session::open(attempt.peer, attempt.deadline).await {
            Ok(mut session) => session.prove(attempt).await.unwrap_or_else(Proof::Broken),
            Err(fault) => Proof::Broken(fault),
        }
    }
}

/// What `hello` answered.
#[derive(Debug, PartialEq)]
pub(super) struct Greeting {
    /// Highest version of the protocol that it speaks.
    pub(super) wire: f64,
    /// It takes writes.
    pub(super) writable: bool,
    /// It belongs to a replica set.
    pub(super) in_set: bool,
    /// The user has something else than SCRAM-SHA-256 alone to log in with.
    pub(super) mechanism: Mechanism,
}

/// Judges the answer to `hello`; a server from before that command is told by its refusal.
pub(super) fn judge(answer: &Document<'_>) -> Option<Greeting> {
    if error(answer) == Some(UNKNOWN_COMMAND) {
        return Some(Greeting { wire: 0.0, writable: true, in_set: false, mechanism: Mechanism::Sha256 });
    }
    let wire = answer.number("maxWireVersion").filter(|wire| *wire >= 0.0)?;
    let names: Vec<&str> = match answer.get("saslSupportedMechs") {
        Some(Value::List(list)) => {
            list.values().filter_map(|value| if let Value::Text(name) = value { Some(name) } else { None }).collect()
        }
        Some(_) | None => Vec::new(),
    };
    let only_sha1 = names.contains(&Mechanism::Sha1.name()) && !names.contains(&Mechanism::Sha256.name());
    Some(Greeting {
        wire,
        writable: answer.flag("isWritablePrimary") && !answer.flag("readOnly") || answer.flag("ismaster"),
        in_set: answer.text("setName").is_some(),
        mechanism: if only_sha1 { Mechanism::Sha1 } else { Mechanism::Sha256 },
    })
}

/// The number of an error; `None` where the answer is none.
fn error(answer: &Document<'_>) -> Option<u32> {
    if answer.number("ok") == Some(1.0) {
        return None;
    }
    // Codes are small and positive.
    Some(answer.number("code").unwrap_or_default() as u32)
}

struct Session {
    wire: Wire,
    deadline: Instant,
    rest: Vec<u8>,
    number: u32,
}

impl Session {
    async fn open(peer: &Peer, deadline: Instant) -> Result<Self, Fault> {
        Ok(Self { wire: peer.open(deadline).await?, deadline, rest: Vec::new(), number: 0 })
    }

    /// The first exchange; with a user the server also says how that one logs in.
    async fn greet(&mut self, user: Option<&str>) -> Result<Greeting, Fault> {
        let hello = Writer::command("hello", USERS);
        let hello = match user {
            Some(user) => hello.text("saslSupportedMechs", &format!("{USERS}.{user}")),
            None => hello,
        };
        self.ask(hello, judge).await?.ok_or_else(|| Fault::new(EvidenceCode::WrongProtocol, "its greeting names no version"))
    }

    async fn prove(&mut self, attempt: &Attempt<'_>) -> Result<Proof, Fault> {
        let greeting = self.greet(attempt.login.username.as_deref().filter(|_| attempt.login.password.is_some())).await?;
        let minimum = recipe().minimum_version;
        if greeting.wire < OLDEST_WIRE {
            return Ok(Proof::Unusable(Fault::new(EvidenceCode::VersionUnsupported, format!("it is older than {minimum}"))));
        }
        // Whoever lets everybody list is told no password.
        let anonymous = match self.list(attempt.database).await? {
            None => true,
            Some(UNAUTHORISED) => false,
            Some(code) => return Ok(not_authorised(code)),
        };
        if !anonymous {
            if let Some(proof) = self.log_in(attempt.login, greeting.mechanism).await? {
                return Ok(proof);
            }
            if let Some(code) = self.list(attempt.database).await? {
                return Ok(not_authorised(code));
            }
        }
        if !greeting.writable {
            return Ok(Proof::Unusable(Fault::new(EvidenceCode::ReadOnly, "it takes no writes: a secondary, or read-only")));
        }
        let version = self.ask(Writer::command("buildInfo", USERS), |answer| answer.text("version").map(short)).await?;
        if let Some(version) = version.as_deref().filter(|version| !at_least(version, minimum)) {
            return Ok(Proof::Unusable(too_old(version, minimum)));
        }
        Ok(Proof::Proven { version, server_id: None, anonymous })
    }

    /// Names of collections, which need a right on the database; `None` where they were told, else the error.
    async fn list(&mut self, database: &str) -> Result<Option<u32>, Fault> {
        self.ask(Writer::command("listCollections", database).flag("nameOnly", true), error).await
    }

    /// `None` where the login stands.
    async fn log_in(&mut self, login: &Login, mechanism: Mechanism) -> Result<Option<Proof>, Fault> {
        let (Some(user), Some(password)) = (&login.username, &login.password) else {
            return Ok(Some(Proof::Skipped("the server asks for a user and a password".to_owned())));
        };
        let first = First::new(mechanism, user, secret(mechanism, user, password.expose()), nonce()?);
        let start =
            Writer::command("saslStart", USERS).text("mechanism", mechanism.name()).bytes("payload", first.message().as_bytes());
        let said = match self.step(start).await? {
            Ok(said) => said,
            Err(code) => return Ok(Some(refusal(code))),
        };
        let odd = || Fault::new(EvidenceCode::WrongProtocol, "its SCRAM is odd");
        let proof = first.answer(&said.payload).ok_or_else(odd)?;
        let mut said = match self.step(said.next(proof.message.as_bytes())).await? {
            Ok(said) => said,
            Err(code) => return Ok(Some(refusal(code))),
        };
        if !proof.is_answered_by(&said.payload) {
            return Err(Fault::new(EvidenceCode::WrongProtocol, "it does not know the password that it asks for"));
        }
        for _step in 0..STEPS {
            if said.done {
                return Ok(None);
            }
            said = match self.step(said.next(&[])).await? {
                Ok(said) => said,
                Err(code) => return Ok(Some(refusal(code))),
            };
        }
        Err(odd())
    }

    /// One step of SASL, or the number of an error.
    async fn step(&mut self, command: Writer) -> Result<Result<Said, u32>, Fault> {
        self.ask(command, |answer| match error(answer) {
            Some(code) => Err(code),
            None => Ok(Said {
                conversation: answer.number("conversationId").unwrap_or_default(),
                payload: answer.bytes("payload").unwrap_or_default().to_vec(),
                done: answer.flag("done"),
            }),
        })
        .await
    }

    async fn ask<T>(&mut self, command: Writer, read: impl Fn(&Document<'_>) -> T) -> Result<T, Fault> {
        self.number += 1;
        self.wire.send(&join(self.number, &command.whole()), self.deadline).await?;
        loop {
            match split(&self.rest, self.number) {
                Ok(Some((document, length))) => {
                    let answer = read(&document);
                    self.rest.drain(..length);
                    return Ok(answer);
                }
                Ok(None) => self.wire.more(&mut self.rest, LIMIT, self.deadline).await?,
                Err(_) => return Err(Fault::wrong(&self.rest)),
            }
        }
    }
}

/// What the server says in SASL.
struct Said {
    conversation: f64,
    payload: Vec<u8>,
    done: bool,
}

impl Said {
    fn next(&self, payload: &[u8]) -> Writer {
        // Servers count conversations from one.
        let conversation = self.conversation as i32;
        Writer::command("saslContinue", USERS).number("conversationId", conversation).bytes("payload", payload)
    }
}

/// The password as MongoDB stretches it: as SASLprep writes it, or, for SCRAM-SHA-1, as MongoDB's own digest.
pub(super) fn secret(mechanism: Mechanism, user: &str, password: &str) -> String {
    match mechanism {
        Mechanism::Sha256 | Mechanism::Sha512 => stringprep::saslprep(password).map_or_else(|_| password.to_owned(), Into::into),
        Mechanism::Sha1 => {
            let sum = <md5::Md5 as md5::Digest>::digest(format!("{user}:mongo:{password}"));
            sum.iter().map(|byte| format!("{byte:02x}")).collect()
        }
    }
}

fn refusal(code: u32) -> Proof {
    match code {
        WRONG_LOGIN => Proof::Refused(format!("error {code}")),
        _other => Proof::Skipped(format!("the server takes no SCRAM for this user: error {code}")),
    }
}

fn not_authorised(code: u32) -> Proof {
    Proof::Unusable(Fault::new(EvidenceCode::NotAuthorised, format!("listCollections: error {code}")))
}
