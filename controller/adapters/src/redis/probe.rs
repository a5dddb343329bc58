//! Redis on the wire: `HELLO 3` proves the product, `AUTH`, `PING` and `INFO` prove the login.

use async_trait::async_trait;
use koan_core::secret::Login;
use koan_crds::v1alpha1::EvidenceCode;
use tokio::time::Instant;

use super::recipe::recipe;
use super::resp::{self, Gap, Reply};
use crate::product::{Attempt, Identified, Product, Proof, at_least, short, too_old};
use crate::tls;
use crate::wire::{Fault, GREETING, Peer, Wire};

/// Bytes of one reply; the greeting and `INFO` of a busy server fit many times.
const REPLY_LIMIT: usize = 32 * 1024;
/// User that a login without a user name means.
const DEFAULT_USER: &str = "default";

/// The adapter's effectful half.
pub(crate) struct Redis;

#[async_trait]
impl Product for Redis {
    async fn identify(&self, peer: &Peer, deadline: Instant) -> Result<Identified, Fault> {
        let mut session = Session::open(peer, deadline).await?;
        let greeting = match session.greet().await {
            Err(fault) if peer.tls.is_none() && fault.hints_tls() => {
                return Err(tls::suspected(peer, "rediss", deadline, fault).await);
            }
            answer => answer?,
        };
        session.goodbye().await;
        let detail = match (&greeting.version, greeting.open) {
            (Some(version), _) => format!("{} {version}", greeting.server),
            (None, _) => "asks for a login".to_owned(),
        };
        Ok(Identified { detail, open: greeting.open })
    }

    async fn login(&self, attempt: &Attempt<'_>) -> Proof {
        let mut session = match Session::open(attempt.peer, attempt.deadline).await {
            Ok(session) => session,
            Err(fault) => return Proof::Broken(fault),
        };
        let proof = session.prove(attempt).await.unwrap_or_else(Proof::Broken);
        session.goodbye().await;
        proof
    }
}

/// What `HELLO 3` answered.
struct Greeting {
    server: String,
    version: Option<String>,
    open: bool,
}

struct Session {
    wire: Wire,
    deadline: Instant,
    rest: Vec<u8>,
}

impl Session {
    async fn open(peer: &Peer, deadline: Instant) -> Result<Self, Fault> {
        Ok(Self { wire: peer.open(deadline).await?, deadline, rest: Vec::new() })
    }

    /// The first exchange of every connection: nothing of a credential has been sent before it.
    async fn greet(&mut self) -> Result<Greeting, Fault> {
        let whole = self.deadline;
        self.deadline = whole.min(Instant::now() + GREETING);
        let reply = self.ask(&["HELLO", "3"]).await;
        self.deadline = whole;
        match reply? {
            Reply::Error(code) if code == "NOAUTH" || code == "DENIED" => {
                Ok(Greeting { server: String::new(), version: None, open: false })
            }
            reply @ Reply::Many { map: true, .. } => match reply.get("server") {
                Some(server) => {
                    let server: String = server.chars().filter(char::is_ascii_alphanumeric).take(32).collect();
                    Ok(Greeting { server, version: reply.get("version").map(short), open: true })
                }
                None => Err(Fault::new(EvidenceCode::WrongProtocol, "its greeting names no server")),
            },
            Reply::Error(_) | Reply::Text(_) | Reply::Many { .. } => {
                Err(Fault::new(EvidenceCode::WrongProtocol, "it does not know HELLO: older than 6, or another product"))
            }
        }
    }

    async fn prove(&mut self, attempt: &Attempt<'_>) -> Result<Proof, Fault> {
        let greeting = self.greet().await?;
        let anonymous = match self.authenticate(attempt, greeting.open).await? {
            Ok(anonymous) => anonymous,
            Err(proof) => return Ok(proof),
        };
        self.authorise(attempt.database, greeting, anonymous).await
    }

    /// `Ok(true)`: the server asked for nothing; `Ok(false)`: the login was accepted.
    async fn authenticate(&mut self, attempt: &Attempt<'_>, open: bool) -> Result<Result<bool, Proof>, Fault> {
        let Login { username, password, token: _ } = attempt.login;
        let user = username.as_deref().filter(|name| !name.is_empty()).unwrap_or(DEFAULT_USER);
        let Some(password) = password else {
            return Ok(if open { Ok(true) } else { Err(Proof::Skipped("the server asks for a login".to_owned())) });
        };
        if open && user == DEFAULT_USER {
            return Ok(Ok(true));
        }
        if !attempt.plain_text {
            return Ok(Err(Proof::Skipped("AUTH would send the password as it is".to_owned())));
        }
        Ok(match self.ask(&["AUTH", user, password.expose()]).await? {
            Reply::Text(text) if text == "OK" => Ok(false),
            Reply::Error(code) => Err(Proof::Refused(code)),
            Reply::Text(_) | Reply::Many { .. } => {
                Err(Proof::Broken(Fault::new(EvidenceCode::WrongProtocol, "odd answer to AUTH")))
            }
        })
    }

    async fn authorise(&mut self, database: &str, greeting: Greeting, anonymous: bool) -> Result<Proof, Fault> {
        match self.ask(&["PING"]).await? {
            Reply::Text(text) if text == "PONG" => {}
            Reply::Error(code) if code == "NOPERM" => {}
            Reply::Error(code) => return Ok(Proof::Unusable(Fault::new(EvidenceCode::NotAuthorised, format!("PING: {code}")))),
            Reply::Text(_) | Reply::Many { .. } => {
                return Ok(Proof::Unusable(Fault::new(EvidenceCode::NotAuthorised, "PING: odd answer")));
            }
        }
        if let Err(fault) = self.select(database).await? {
            return Ok(Proof::Unusable(fault));
        }
        let replication = self.info("replication").await?;
        if field(&replication, "role").is_some_and(|role| role != "master") {
            return Ok(Proof::Unusable(Fault::new(EvidenceCode::ReadOnly, "it is a replica")));
        }
        let server = self.info("server").await?;
        let version = field(&server, "redis_version").map(short).or(greeting.version);
        let minimum = recipe().minimum_version;
        if let Some(version) = version.as_deref().filter(|version| !at_least(version, minimum)) {
            return Ok(Proof::Unusable(too_old(version, minimum)));
        }
        Ok(Proof::Proven { version, server_id: None, anonymous })
    }

    /// The key space by its number; 0 is there from the start, and a name is none.
    async fn select(&mut self, database: &str) -> Result<Result<(), Fault>, Fault> {
        let Some(number) = database.parse::<u32>().ok().filter(|number| *number > 0) else { return Ok(Ok(())) };
        Ok(match self.ask(&["SELECT", &number.to_string()]).await? {
            Reply::Text(_) => Ok(()),
            Reply::Error(code) if code == "NOPERM" => Ok(()),
            Reply::Error(_) | Reply::Many { .. } => {
                Err(Fault::new(EvidenceCode::DatabaseMissing, format!("it has no database {number}")))
            }
        })
    }

    /// A section of `INFO`; empty where the user may not read it.
    async fn info(&mut self, section: &str) -> Result<String, Fault> {
        match self.ask(&["INFO", section]).await? {
            Reply::Text(text) => Ok(text),
            Reply::Error(_) | Reply::Many { .. } => Ok(String::new()),
        }
    }

    /// Best effort: whoever does not say goodbye is left.
    async fn goodbye(&mut self) {
        self.deadline = self.deadline.min(Instant::now() + GREETING);
        let _answer = self.ask(&["QUIT"]).await;
    }

    async fn ask(&mut self, words: &[&str]) -> Result<Reply, Fault> {
        let mut command = redis::Cmd::new();
        for word in words {
            command.arg(*word);
        }
        self.wire.send(&command.get_packed_command(), self.deadline).await?;
        loop {
            match resp::parse(&self.rest) {
                Ok((reply, end)) => {
                    self.rest.drain(..end);
                    return Ok(reply);
                }
                Err(Gap::Malformed) => return Err(Fault::wrong(&self.rest)),
                Err(Gap::Incomplete) => self.wire.more(&mut self.rest, REPLY_LIMIT, self.deadline).await?,
            }
        }
    }
}

fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.split_once(':').filter(|(key, _value)| *key == name).map(|(_key, value)| value.trim()))
}
