//! Ollama on the wire: its greeting and its version prove the product, the list of its models proves that it serves. It has no login,
//! so it is sent no credential and counts as anonymous.

use async_trait::async_trait;
use koan_crds::v1alpha1::EvidenceCode;
use serde_json::Value;
use tokio::time::Instant;

use super::recipe::recipe;
use crate::http::{Answer, Session};
use crate::product::{Attempt, Identified, Product, Proof, at_least, short, too_old};
use crate::wire::{Fault, GREETING, Peer};

/// What `GET /` answers, and nothing else.
const GREETS: &[u8] = b"Ollama is running";
/// How the list of models begins, however long it is.
const MODELS: &[u8] = br#"{"models":["#;

/// The adapter's effectful half.
pub(crate) struct Ollama;

#[async_trait]
impl Product for Ollama {
    async fn identify(&self, peer: &Peer, deadline: Instant) -> Result<Identified, Fault> {
        let version = greet(&mut Session::new(peer), deadline).await?;
        Ok(Identified { detail: format!("Ollama {version}"), open: true })
    }

    async fn login(&self, attempt: &Attempt<'_>) -> Proof {
        prove(attempt).await.unwrap_or_else(Proof::Broken)
    }
}

async fn prove(attempt: &Attempt<'_>) -> Result<Proof, Fault> {
    let mut session = Session::new(attempt.peer);
    let version = greet(&mut session, attempt.deadline).await?;
    let minimum = recipe().minimum_version;
    if !at_least(&version, minimum) {
        return Ok(Proof::Unusable(too_old(&version, minimum)));
    }
    let answer = session.get("/api/tags", None, attempt.deadline).await?;
    let lacks = |detail: String| Proof::Unusable(Fault::new(EvidenceCode::CapabilityMissing, detail));
    if !lists_models(&answer) {
        return Ok(lacks(format!("it lists no models: {}", answer.status)));
    }
    // A container of Koan's own begins without any model, and is ready nevertheless.
    let wanted = attempt.database.split(',').map(str::trim).filter(|name| !name.is_empty() && attempt.open.is_some());
    let missing: Vec<&str> = wanted.filter(|name| !has_model(&answer, name)).collect();
    if missing.is_empty() {
        return Ok(Proof::Proven { version: Some(version), server_id: None, anonymous: true });
    }
    let beyond = if answer.whole { "" } else { "its list of models is longer than what is read; where that ends " };
    Ok(lacks(format!("{beyond}it lacks the model {}: ollama pull {}", missing.join(", "), missing[0])))
}

/// A model of the list, by its whole name or without the tag `latest`; read as text, since a long list is cut.
fn has_model(answer: &Answer, name: &str) -> bool {
    let tagged = if name.contains(':') { name.to_owned() } else { format!("{name}:latest") };
    let entry = format!("\"name\":{}", Value::from(tagged));
    answer.body.windows(entry.len()).any(|window| window == entry.as_bytes())
}

/// Both documents, on one connection; the version.
async fn greet(session: &mut Session<'_>, deadline: Instant) -> Result<String, Fault> {
    let deadline = deadline.min(Instant::now() + GREETING);
    let greeting = session.get("/", None, deadline).await?;
    if greeting.status != 200 || !greeting.whole || greeting.body != GREETS {
        return Err(Answer::stranger());
    }
    let answer = session.get("/api/version", None, deadline).await?;
    let version = answer.json().filter(|_document| answer.status == 200);
    let version = version.and_then(|document| document.get("version").and_then(Value::as_str).map(short));
    version.ok_or_else(Answer::stranger)
}

fn lists_models(answer: &Answer) -> bool {
    answer.status == 200 && answer.is_json() && answer.body.starts_with(MODELS)
}
