//! memcached on the wire: `version` proves the product, the login of `-Y` and `mn` prove that it may be used. A server that asks for a
//! login takes `set` for it and stores nothing; one that asks for none is never sent a `set`, since that would write (S-3).

use async_trait::async_trait;
use koan_core::secret::Login;
use koan_crds::v1alpha1::EvidenceCode;
use tokio::time::Instant;

use super::recipe::recipe;
use crate::lines::Lines;
use crate::product::{Attempt, Identified, Product, Proof, at_least, short, too_old};
use crate::wire::{Fault, Peer};

/// Longest line of an answer.
const LINE: usize = 1024;
/// Key that the login is sent under; nothing is stored there.
const KEY: &str = "koan";
/// What a server with logins answers to whoever has not logged in.
const UNAUTHENTICATED: &str = "CLIENT_ERROR unauthenticated";

/// The adapter's effectful half.
pub(crate) struct Memcached;

#[async_trait]
impl Product for Memcached {
    async fn identify(&self, peer: &Peer, deadline: Instant) -> Result<Identified, Fault> {
        let mut session = Session::open(peer, deadline).await?;
        let greeting = session.greet().await?;
        session.goodbye().await;
        Ok(match greeting {
            Greeting::Open(version) => Identified { detail: format!("memcached {version}"), open: true },
            Greeting::Guarded => Identified { detail: "asks for a login".to_owned(), open: false },
        })
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

/// What the first `version` answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Greeting {
    /// Its version, told to everybody.
    Open(String),
    /// It asks for a login.
    Guarded,
}

/// Judges the answer to the first `version`.
pub(super) fn judge(line: &str) -> Result<Greeting, Fault> {
    if line == UNAUTHENTICATED {
        return Ok(Greeting::Guarded);
    }
    let version = line.strip_prefix("VERSION ").filter(|version| version.starts_with(|letter: char| letter.is_ascii_digit()));
    version.map(|version| Greeting::Open(short(version))).ok_or_else(|| Fault::wrong(line.as_bytes()))
}

/// The command that logs in; `None` where the protocol has no way to say these.
pub(super) fn login_command(user: &str, password: &str) -> Option<String> {
    let sayable = |text: &str| !text.is_empty() && !text.contains(['\r', '\n', '\0', ' ']);
    if !sayable(user) || !sayable(password) {
        return None;
    }
    Some(format!("set {KEY} 0 0 {}\r\n{user} {password}\r\n", user.len() + 1 + password.len()))
}

struct Session(Lines);

impl Session {
    async fn open(peer: &Peer, deadline: Instant) -> Result<Self, Fault> {
        Ok(Self(Lines::over(peer.open(deadline).await?, LINE, deadline)))
    }

    async fn greet(&mut self) -> Result<Greeting, Fault> {
        self.0.send(b"version\r\n").await?;
        judge(&self.0.greeting().await?)
    }

    async fn prove(&mut self, attempt: &Attempt<'_>) -> Result<Proof, Fault> {
        let (version, anonymous) = match self.greet().await? {
            Greeting::Open(version) => (version, true),
            Greeting::Guarded => match self.authenticate(attempt).await? {
                Ok(version) => (version, false),
                Err(proof) => return Ok(proof),
            },
        };
        let minimum = recipe().minimum_version;
        if !at_least(&version, minimum) {
            return Ok(Proof::Unusable(too_old(&version, minimum)));
        }
        match self.ask("mn\r\n").await?.as_str() {
            "MN" => Ok(Proof::Proven { version: Some(version), server_id: None, anonymous }),
            _other => Ok(Proof::Unusable(Fault::new(EvidenceCode::NotAuthorised, "mn: no MN"))),
        }
    }

    /// The version that the server tells whoever has logged in.
    async fn authenticate(&mut self, attempt: &Attempt<'_>) -> Result<Result<String, Proof>, Fault> {
        let skipped = |text: &str| Ok(Err(Proof::Skipped(text.to_owned())));
        let Login { username, password, token: _ } = attempt.login;
        let (Some(user), Some(password)) = (username, password) else {
            return skipped("the server asks for a user name and a password");
        };
        if !attempt.plain_text {
            return skipped("the login would send the password as it is");
        }
        let Some(command) = login_command(user, password.expose()) else {
            return skipped("its login can say neither spaces nor line breaks");
        };
        match self.ask(&command).await?.as_str() {
            "STORED" => {}
            "CLIENT_ERROR authentication failure" => return Ok(Err(Proof::Refused("authentication failure".to_owned()))),
            _other => return Err(Fault::new(EvidenceCode::WrongProtocol, "odd answer to the login")),
        }
        match judge(&self.ask("version\r\n").await?)? {
            Greeting::Open(version) => Ok(Ok(version)),
            Greeting::Guarded => Ok(Err(Proof::Refused("still unauthenticated after the login".to_owned()))),
        }
    }

    async fn ask(&mut self, command: &str) -> Result<String, Fault> {
        self.0.send(command.as_bytes()).await?;
        self.0.next().await
    }

    /// The server answers nothing and closes.
    async fn goodbye(&mut self) {
        let _left = self.0.send(b"quit\r\n").await;
    }
}
