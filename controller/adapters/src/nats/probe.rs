//! NATS on the wire: the server greets by `INFO`, `CONNECT` with `PING` proves the login. A connection that ends after its greeting
//! counts nowhere, so there is no goodbye to say.

use async_trait::async_trait;
use koan_core::secret::Login;
use koan_crds::v1alpha1::EvidenceCode;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::info::{Info, Line};
use super::recipe::recipe;
use crate::lines::Lines;
use crate::product::{Attempt, Identified, Product, Proof, at_least, too_old};
use crate::wire::{Fault, Peer, connect};

/// Longest line: the greeting of a large cluster names all its servers.
const LINE: usize = 32 * 1024;
/// Most lines between a login and its answer.
const LINES: usize = 16;

/// The adapter's effectful half.
pub(crate) struct Nats;

#[async_trait]
impl Product for Nats {
    async fn identify(&self, peer: &Peer, deadline: Instant) -> Result<Identified, Fault> {
        let session = Session::open(peer, deadline).await?;
        let transport = if peer.tls.is_some() { ", over verified TLS" } else { "" };
        let detail = format!("NATS {}{transport}", session.info.version);
        Ok(Identified { detail, open: !session.info.auth_required })
    }

    async fn login(&self, attempt: &Attempt<'_>) -> Proof {
        match Session::open(attempt.peer, attempt.deadline).await {
            Ok(mut session) => session.prove(attempt).await.unwrap_or_else(Proof::Broken),
            Err(fault) => Proof::Broken(fault),
        }
    }
}

struct Session {
    lines: Lines,
    info: Info,
    encrypted: bool,
}

impl Session {
    /// The server speaks first, and TLS follows its greeting.
    async fn open(peer: &Peer, deadline: Instant) -> Result<Self, Fault> {
        let mut lines = Lines::over(connect(&peer.target, deadline).await?, LINE, deadline);
        let info = Info::parse(&lines.greeting().await?)?;
        match &peer.tls {
            Some(tls) if info.tls_required || info.tls_available => {
                let wire = tls.handshake(lines.into_wire()?, deadline).await?;
                Ok(Self { lines: Lines::over(wire, LINE, deadline), info, encrypted: true })
            }
            Some(_) => Err(Fault::new(
                EvidenceCode::TlsRequired,
                "TLS is demanded and it offers none: turn TLS on there, or write the candidate as nats://",
            )),
            None if info.tls_required => {
                Err(Fault::new(EvidenceCode::TlsRequired, "it speaks TLS alone: write the candidate as tls://"))
            }
            None => Ok(Self { lines, info, encrypted: false }),
        }
    }

    async fn prove(&mut self, attempt: &Attempt<'_>) -> Result<Proof, Fault> {
        let minimum = recipe().minimum_version;
        if !at_least(&self.info.version, minimum) {
            return Ok(Proof::Unusable(too_old(&self.info.version, minimum)));
        }
        let login = if self.info.auth_required { Some(attempt.login) } else { None };
        match login {
            Some(Login { username: None, password: None, token: None }) => {
                return Ok(Proof::Skipped("the server asks for a login".to_owned()));
            }
            Some(_) if !attempt.plain_text => {
                return Ok(Proof::Skipped("CONNECT would send the password as it is".to_owned()));
            }
            Some(_) | None => {}
        }
        let hello = format!("CONNECT {}\r\nPING\r\n", hello(login, self.encrypted));
        self.lines.send(hello.as_bytes()).await?;
        self.answer(login.is_none()).await
    }

    async fn answer(&mut self, anonymous: bool) -> Result<Proof, Fault> {
        for _line in 0..LINES {
            match Line::parse(&self.lines.next().await?) {
                Line::Pong => {
                    return Ok(Proof::Proven { version: Some(self.info.version.clone()), server_id: None, anonymous });
                }
                Line::Refused => return Ok(Proof::Refused(self.refusal())),
                Line::Error(text) => return Ok(Proof::Unusable(Fault::new(EvidenceCode::NotAuthorised, text))),
                Line::Other => {}
                Line::Wrong => break,
            }
        }
        Err(Fault::new(EvidenceCode::WrongProtocol, "odd answer to CONNECT"))
    }

    fn refusal(&self) -> String {
        let nkeys = if self.info.knows_nkeys() { ", or its user signs by an nkey, which Koan does not" } else { "" };
        format!("authorization violation{nkeys}")
    }
}

/// The body of `CONNECT`; protocol 0 asks for no news of the cluster.
fn hello(login: Option<&Login>, encrypted: bool) -> Value {
    let mut hello = json!({
        "verbose": false,
        "pedantic": false,
        "tls_required": encrypted,
        "name": "koan",
        "lang": "rust",
        "version": env!("CARGO_PKG_VERSION"),
        "protocol": 0,
    });
    let Some(Login { username, password, token }) = login else { return hello };
    // A URL holds a token where others hold the user.
    let user_is_token = password.is_none() && token.is_none();
    let said = [
        (if user_is_token { "auth_token" } else { "user" }, username.as_ref()),
        ("pass", password.as_ref().map(|text| text.expose())),
        ("auth_token", token.as_ref().map(|text| text.expose())),
    ];
    for (key, value) in said {
        if let Some(value) = value {
            hello[key] = value.as_str().into();
        }
    }
    hello
}
