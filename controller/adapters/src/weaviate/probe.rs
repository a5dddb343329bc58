//! Weaviate on the wire: its links and its readiness prove the product, both answered before any login; its schema proves the key.

use async_trait::async_trait;
use koan_crds::v1alpha1::EvidenceCode;
use serde_json::Value;
use tokio::time::Instant;

use super::recipe::recipe;
use crate::http::{Answer, Header, Session, odd};
use crate::product::{Attempt, Identified, Product, Proof, at_least, short, too_old};
use crate::wire::{Fault, GREETING, Peer};

/// Links to everything, one of them to [`META`].
const LINKS: &str = "/v1";
/// Version and modules; needs the key where one is asked for.
const META: &str = "/v1/meta";
/// Answers 200 where the server serves.
const READY: &str = "/v1/.well-known/ready";
/// Collections; needs the key where one is asked for.
const SCHEMA: &str = "/v1/schema";

/// The adapter's effectful half.
pub(crate) struct Weaviate;

#[async_trait]
impl Product for Weaviate {
    async fn identify(&self, peer: &Peer, deadline: Instant) -> Result<Identified, Fault> {
        let starting = greet(&mut Session::new(peer), deadline).await?;
        let detail = starting.map_or_else(|| "Weaviate".to_owned(), |status| not_ready(status).detail);
        Ok(Identified { detail, open: false })
    }

    async fn login(&self, attempt: &Attempt<'_>) -> Proof {
        prove(attempt).await.unwrap_or_else(Proof::Broken)
    }
}

/// Without a key first: whoever lets everybody in is sent none (DET-20).
async fn prove(attempt: &Attempt<'_>) -> Result<Proof, Fault> {
    let mut session = Session::new(attempt.peer);
    if let Some(status) = greet(&mut session, attempt.deadline).await? {
        return Ok(Proof::Unusable(not_ready(status)));
    }
    let open = session.get(META, None, attempt.deadline).await?;
    if open.status == 200 {
        return look(&mut session, (&open, None), attempt.deadline).await;
    }
    if !matches!(open.status, 401 | 403) {
        return Ok(Proof::Broken(odd(META, open.status)));
    }
    let secret = attempt.login.token.as_ref().or(attempt.login.password.as_ref());
    let Some(secret) = secret else { return Ok(Proof::Skipped("the server asks for a key".to_owned())) };
    if !attempt.plain_text {
        return Ok(Proof::Skipped("the key would be sent as it is".to_owned()));
    }
    let bearer = format!("Bearer {}", secret.expose());
    let header = Header { name: "Authorization", value: &bearer };
    if !header.is_sendable() {
        return Ok(Proof::Skipped("the key holds letters that no header can".to_owned()));
    }
    let answer = session.get(META, Some(header), attempt.deadline).await?;
    match answer.status {
        200 => look(&mut session, (&answer, Some(header)), attempt.deadline).await,
        401 => Ok(Proof::Refused("the key is refused: 401".to_owned())),
        403 => Ok(Proof::Unusable(Fault::new(EvidenceCode::NotAuthorised, "the key may not read the server's version: 403"))),
        status => Ok(Proof::Broken(odd(META, status))),
    }
}

/// The authorised check (DET-21): version and collections.
async fn look(session: &mut Session<'_>, (meta, key): (&Answer, Option<Header<'_>>), deadline: Instant) -> Result<Proof, Fault> {
    let minimum = recipe().minimum_version;
    let version = meta.json().and_then(|document| document.get("version").and_then(Value::as_str).map(short));
    let Some(version) = version else { return Ok(Proof::Broken(odd(META, meta.status))) };
    if !at_least(&version, minimum) {
        return Ok(Proof::Unusable(too_old(&version, minimum)));
    }
    let schema = session.get(SCHEMA, key, deadline).await?;
    Ok(match schema.status {
        200 if schema.is_json() => Proof::Proven { version: Some(version), server_id: None, anonymous: key.is_none() },
        401 | 403 => {
            Proof::Unusable(Fault::new(EvidenceCode::NotAuthorised, format!("the collections cannot be read: {}", schema.status)))
        }
        status => Proof::Broken(odd(SCHEMA, status)),
    })
}

/// Both documents, on one connection. The first one proves the product, so one that does not serve yet is no stranger: then its
/// status is the answer.
async fn greet(session: &mut Session<'_>, deadline: Instant) -> Result<Option<u16>, Fault> {
    let deadline = deadline.min(Instant::now() + GREETING);
    let links = session.get(LINKS, None, deadline).await?;
    if links.status != 200 || !links.json().is_some_and(|document| links_to_meta(&document)) {
        return Err(Answer::stranger());
    }
    let status = session.get(READY, None, deadline).await?.status;
    Ok((status != 200).then_some(status))
}

fn not_ready(status: u16) -> Fault {
    Fault::new(EvidenceCode::Timeout, format!("Weaviate answers, and is not ready: {status}"))
}

/// The link document of Weaviate.
pub(super) fn links_to_meta(document: &Value) -> bool {
    let links = document.get("links").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    links.iter().any(|link| link.get("href").and_then(Value::as_str).is_some_and(|href| href.ends_with(META)))
}
