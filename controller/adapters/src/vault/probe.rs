//! Vault and OpenBao on the wire: the health document proves the product, a look at the token's own entry proves the token. Health
//! asks for no token, so it proves none (P18).

use async_trait::async_trait;
use koan_crds::v1alpha1::EvidenceCode;
use serde_json::Value;
use tokio::time::Instant;

use super::recipe::recipe;
use crate::http::{Answer, Header, Session, odd};
use crate::product::{Attempt, Identified, Product, Proof, at_least, short, too_old};
use crate::wire::{Fault, GREETING, Peer};

/// Tells the state of the server, whoever asks.
const HEALTH: &str = "/v1/sys/health";
/// Statuses of [`HEALTH`]: active, standby, secondary for disasters, standby for reads, not initialised, sealed.
const STATUSES: [u16; 6] = [200, 429, 472, 473, 501, 503];
/// A secondary for disasters serves no requests of clients.
const SECONDARY: u16 = 472;
/// The token's own entry: every token may read it that is not restricted on purpose.
const LOOKUP: &str = "/v1/auth/token/lookup-self";
/// Header of a token.
const TOKEN: &str = "X-Vault-Token";

/// The adapter's effectful half.
pub(crate) struct Vault;

#[async_trait]
impl Product for Vault {
    async fn identify(&self, peer: &Peer, deadline: Instant) -> Result<Identified, Fault> {
        let health = greet(&mut Session::new(peer), deadline).await?;
        let state = health.unusable().map(|fault| format!(", {}", fault.detail)).unwrap_or_default();
        Ok(Identified { detail: format!("Vault or OpenBao {}{state}", health.version), open: false })
    }

    async fn login(&self, attempt: &Attempt<'_>) -> Proof {
        prove(attempt).await.unwrap_or_else(Proof::Broken)
    }
}

async fn prove(attempt: &Attempt<'_>) -> Result<Proof, Fault> {
    let mut session = Session::new(attempt.peer);
    let health = greet(&mut session, attempt.deadline).await?;
    if let Some(fault) = health.unusable() {
        return Ok(Proof::Unusable(fault));
    }
    let secret = attempt.login.token.as_ref().or(attempt.login.password.as_ref());
    let Some(secret) = secret else { return Ok(Proof::Skipped("the server asks for a token".to_owned())) };
    if !attempt.plain_text {
        return Ok(Proof::Skipped("the token would be sent as it is".to_owned()));
    }
    let token = Header { name: TOKEN, value: secret.expose() };
    if !token.is_sendable() {
        return Ok(Proof::Skipped("the token holds letters that no header can".to_owned()));
    }
    let answer = session.get(LOOKUP, Some(token), attempt.deadline).await?;
    Ok(match answer.status {
        200 if answer.json().is_some_and(|entry| entry.get("data").is_some_and(Value::is_object)) => {
            Proof::Proven { version: Some(health.version), server_id: health.cluster, anonymous: false }
        }
        403 => Proof::Refused("the token is refused: 403".to_owned()),
        503 => Proof::Unusable(sealed()),
        status => Proof::Broken(odd(LOOKUP, status)),
    })
}

/// What a server tells of itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Health {
    status: u16,
    initialized: bool,
    sealed: bool,
    version: String,
    cluster: Option<String>,
}

async fn greet(session: &mut Session<'_>, deadline: Instant) -> Result<Health, Fault> {
    let answer = session.get(HEALTH, None, deadline.min(Instant::now() + GREETING)).await?;
    let known = answer.json().filter(|_json| STATUSES.contains(&answer.status));
    known.and_then(|document| read(answer.status, &document)).ok_or_else(Answer::stranger)
}

/// The health document; `None` where it is another one.
pub(super) fn read(status: u16, document: &Value) -> Option<Health> {
    Some(Health {
        status,
        initialized: document.get("initialized")?.as_bool()?,
        sealed: document.get("sealed")?.as_bool()?,
        version: document.get("version")?.as_str().map(short)?,
        cluster: document.get("cluster_id").and_then(Value::as_str).filter(|id| !id.is_empty()).map(short_id),
    })
}

impl Health {
    /// What keeps it from serving anybody.
    pub(super) fn unusable(&self) -> Option<Fault> {
        let minimum = recipe().minimum_version;
        if !self.initialized {
            return Some(Fault::new(EvidenceCode::Sealed, "it is not initialised"));
        }
        if self.sealed {
            return Some(sealed());
        }
        if self.status == SECONDARY {
            return Some(Fault::new(EvidenceCode::ReadOnly, "it is a secondary for disaster recovery"));
        }
        (!at_least(&self.version, minimum)).then(|| too_old(&self.version, minimum))
    }
}

fn sealed() -> Fault {
    Fault::new(EvidenceCode::Sealed, "it is sealed: unseal it")
}

/// At most 64 letters of an identity.
fn short_id(text: &str) -> String {
    text.chars().filter(|letter| letter.is_ascii_alphanumeric() || *letter == '-').take(64).collect()
}
