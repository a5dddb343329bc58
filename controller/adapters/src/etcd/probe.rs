//! etcd on the wire: the versions that it names and the header of its cluster prove the product, both answered before any login; a look
//! at its keys proves the login. Nothing is written: a login makes a token that the server forgets after five minutes.

use async_trait::async_trait;
use koan_crds::v1alpha1::EvidenceCode;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::answers::{Refusal, Reply, Versions, has_role, keys, reply, versions};
use super::recipe::recipe;
use crate::http::{Answer, Header, Session, odd};
use crate::product::{Attempt, Identified, Product, Proof, at_least, too_old};
use crate::wire::{Fault, GREETING, Peer};

/// Versions of server and cluster.
const VERSION: &str = "/version";
/// State of the server, for everybody.
const STATUS: &str = "/v3/maintenance/status";
/// Keys, for those who may read them.
const RANGE: &str = "/v3/kv/range";
/// A token for a user and a password.
const AUTHENTICATE: &str = "/v3/auth/authenticate";
/// A user's roles, for the user and for root.
const USER: &str = "/v3/auth/user/get";

/// The adapter's effectful half.
pub(crate) struct Etcd;

#[async_trait]
impl Product for Etcd {
    async fn identify(&self, peer: &Peer, deadline: Instant) -> Result<Identified, Fault> {
        let greeting = greet(&mut Session::new(peer), deadline).await?;
        let gateway = if greeting.gateway { "" } else { ", without its JSON gateway" };
        Ok(Identified { detail: format!("etcd {}{gateway}", greeting.versions.server), open: false })
    }

    async fn login(&self, attempt: &Attempt<'_>) -> Proof {
        prove(attempt).await.unwrap_or_else(Proof::Broken)
    }
}

/// What the server says of itself before any login.
struct Greeting {
    versions: Versions,
    gateway: bool,
}

/// Both proofs of the product, on one connection.
async fn greet(session: &mut Session<'_>, deadline: Instant) -> Result<Greeting, Fault> {
    let deadline = deadline.min(Instant::now() + GREETING);
    let answer = session.get(VERSION, None, deadline).await?;
    let named = answer.json().filter(|_| answer.status == 200).and_then(|document| versions(&document));
    let versions = named.ok_or_else(Answer::stranger)?;
    let gateway = match reply(&session.post((STATUS, &json!({})), None, deadline).await?) {
        Reply::Done(_) | Reply::Error(_) => true,
        Reply::NoGateway => false,
        Reply::Odd => return Err(Answer::stranger()),
    };
    Ok(Greeting { versions, gateway })
}

/// Without a login first: whoever lets everybody in is sent none (DET-20).
async fn prove(attempt: &Attempt<'_>) -> Result<Proof, Fault> {
    let mut session = Session::new(attempt.peer);
    let Greeting { versions, gateway } = greet(&mut session, attempt.deadline).await?;
    let minimum = recipe().minimum_version;
    if !at_least(&versions.server, minimum) {
        return Ok(Proof::Unusable(too_old(&versions.server, minimum)));
    }
    if !gateway {
        return Ok(missing("its JSON gateway is off, which logins are proved by"));
    }
    if !versions.decided {
        return Err(Fault::new(EvidenceCode::Timeout, "etcd answers, and its members have not agreed on a leader yet"));
    }
    let proven = |anonymous| Proof::Proven { version: Some(versions.server.clone()), server_id: None, anonymous };
    match reply(&session.post((RANGE, &keys(attempt.database)), None, attempt.deadline).await?) {
        Reply::Done(_) => return Ok(proven(true)),
        Reply::Error(Refusal::NoUser) => {}
        other => return Ok(unexpected(RANGE, other)),
    }
    let (Some(user), Some(password)) = (&attempt.login.username, &attempt.login.password) else {
        return Ok(Proof::Skipped("the server asks for a user and a password".to_owned()));
    };
    if !attempt.plain_text {
        return Ok(Proof::Skipped("the password would be sent as it is".to_owned()));
    }
    let login = json!({"name": user, "password": password.expose()});
    let answer = match reply(&session.post((AUTHENTICATE, &login), None, attempt.deadline).await?) {
        Reply::Done(answer) => answer,
        Reply::Error(Refusal::WrongLogin) => return Ok(Proof::Refused("user or password is refused".to_owned())),
        other => return Ok(unexpected(AUTHENTICATE, other)),
    };
    let token = answer.get("token").and_then(Value::as_str).unwrap_or_default();
    let token = Header { name: "Authorization", value: token };
    if !token.is_sendable() {
        return Ok(unexpected(AUTHENTICATE, Reply::Odd));
    }
    look(&mut session, (token, user), attempt).await.map(|fault| fault.unwrap_or_else(|| proven(false)))
}

/// The authorised check (DET-21): the keys below the prefix, or, where none is named, all of them or a role that has some.
async fn look(
    session: &mut Session<'_>,
    (token, user): (Header<'_>, &str),
    attempt: &Attempt<'_>,
) -> Result<Option<Proof>, Fault> {
    match reply(&session.post((RANGE, &keys(attempt.database)), Some(token), attempt.deadline).await?) {
        Reply::Done(_) => return Ok(None),
        Reply::Error(Refusal::Denied) if attempt.database.is_empty() => {}
        Reply::Error(Refusal::Denied) => {
            let detail = format!("the user may not read the keys below {}/", attempt.database.trim_end_matches('/'));
            return Ok(Some(Proof::Unusable(Fault::new(EvidenceCode::NotAuthorised, detail))));
        }
        other => return Ok(Some(unexpected(RANGE, other))),
    }
    Ok(match reply(&session.post((USER, &json!({"name": user})), Some(token), attempt.deadline).await?) {
        Reply::Done(user) if has_role(&user) => None,
        Reply::Done(_) | Reply::Error(Refusal::Denied) => {
            Some(Proof::Unusable(Fault::new(EvidenceCode::NotAuthorised, "the user has no role, so no key can be read")))
        }
        other => Some(unexpected(USER, other)),
    })
}

fn missing(detail: &str) -> Proof {
    Proof::Unusable(Fault::new(EvidenceCode::CapabilityMissing, detail))
}

/// What is said of an answer that a login does not hang on: no leader, too many requests, something that is not etcd's.
fn unexpected(path: &str, reply: Reply) -> Proof {
    Proof::Broken(match reply {
        Reply::Error(Refusal::Other(words)) => Fault::new(EvidenceCode::Timeout, format!("{path} answers: {words}")),
        Reply::Error(Refusal::NoUser) => Fault::new(EvidenceCode::WrongProtocol, format!("{path} forgot the user")),
        Reply::Error(Refusal::WrongLogin | Refusal::Denied) => odd(path, 403),
        Reply::NoGateway => odd(path, 404),
        Reply::Done(_) | Reply::Odd => odd(path, 200),
    })
}
