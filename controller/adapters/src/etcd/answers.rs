//! What etcd answers over HTTP, and the documents that it is asked about. Pure.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::http::Answer;
use crate::product::short;

/// The version of a cluster whose members have not agreed on one yet.
const UNDECIDED: &str = "not_decided";
/// How each error of etcd's own begins, whichever way it travels.
const OWN: &str = "etcdserver: ";

/// What `/version` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Versions {
    /// Of this server.
    pub(super) server: String,
    /// The members of the cluster agree on a version, so it has had a leader.
    pub(super) decided: bool,
}

/// The two versions that etcd names, each under the key that is etcd's alone; anything else is another product.
pub(super) fn versions(document: &Value) -> Option<Versions> {
    let text = |key: &str| document.get(key).and_then(Value::as_str);
    let server = text("etcdserver").filter(|text| is_version(text))?;
    let cluster = text("etcdcluster").filter(|text| *text == UNDECIDED || is_version(text))?;
    Some(Versions { server: short(server), decided: cluster != UNDECIDED })
}

/// `3.4.23`, with a word of a pre-release or without.
fn is_version(text: &str) -> bool {
    let numbers = text.split_once(['-', '+']).map_or(text, |(numbers, _word)| numbers);
    let parts: Vec<&str> = numbers.split('.').collect();
    let is_number = |part: &&str| !part.is_empty() && part.len() <= 9 && part.bytes().all(|byte| byte.is_ascii_digit());
    parts.len() == 3 && parts.iter().all(is_number)
}

/// What the JSON gateway answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// A document with the header of a cluster.
    Done(Value),
    /// One of etcd's own errors.
    Error(Refusal),
    /// There is no gateway.
    NoGateway,
    /// Something that etcd does not say.
    Odd,
}

/// Errors of etcd that mean something here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// No user was named, and one has to be.
    NoUser,
    /// This user, or this password, is none.
    WrongLogin,
    /// The user may not do that.
    Denied,
    /// Any other, in the server's words.
    Other(String),
}

/// Judges an answer of the gateway.
pub(super) fn reply(answer: &Answer) -> Reply {
    if answer.status == 404 {
        return Reply::NoGateway;
    }
    let Some(document) = answer.json() else { return Reply::Odd };
    if answer.status == 200 {
        let cluster = document.pointer("/header/cluster_id").and_then(Value::as_str).unwrap_or_default();
        let known = !cluster.is_empty() && cluster.bytes().all(|byte| byte.is_ascii_digit());
        return if known { Reply::Done(document) } else { Reply::Odd };
    }
    let text = ["message", "error"].iter().find_map(|key| document.get(*key).and_then(Value::as_str));
    match text.and_then(|text| text.strip_prefix(OWN)) {
        Some(words) => Reply::Error(refusal(words)),
        None => Reply::Odd,
    }
}

fn refusal(words: &str) -> Refusal {
    if words.starts_with("user name is empty") {
        Refusal::NoUser
    } else if words.starts_with("authentication failed") {
        Refusal::WrongLogin
    } else if words.starts_with("permission denied") {
        Refusal::Denied
    } else {
        Refusal::Other(words.chars().filter(|letter| letter.is_ascii_graphic() || *letter == ' ').take(80).collect())
    }
}

/// Asks whether keys below a prefix can be read, without any value of them; an empty prefix is every key.
pub(super) fn keys(prefix: &str) -> Value {
    let (first, end) = if prefix.is_empty() {
        (vec![0], vec![0])
    } else {
        let mut first = prefix.trim_end_matches('/').as_bytes().to_vec();
        let mut end = first.clone();
        first.push(b'/');
        end.push(b'/' + 1);
        (first, end)
    };
    json!({"key": STANDARD.encode(first), "range_end": STANDARD.encode(end), "limit": "1", "keys_only": true})
}

/// The user has a role.
pub(super) fn has_role(user: &Value) -> bool {
    user.get("roles").and_then(Value::as_array).is_some_and(|roles| !roles.is_empty())
}
