//! PostgreSQL on the wire: `SSLRequest` and a startup of a user of nobody prove the product, a read-only look proves the login.

use async_trait::async_trait;
use koan_crds::v1alpha1::EvidenceCode;
use tokio::time::{Instant, timeout_at};
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage, SimpleQueryRow, config::SslMode, error::SqlState};

use super::guard::{Guard, Method};
use super::recipe::recipe;
use crate::product::{Attempt, Identified, Product, Proof, at_least, too_old};
use crate::tls;
use crate::wire::{Fault, GREETING, Peer, Wire, connect};

/// `SSLRequest`: length 8, code 80877103.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
/// User of the greeting; nobody's.
const NOBODY: &str = "koan_probe";
/// User of a connection without credential.
const ANONYMOUS_USER: &str = "postgres";
/// Longest first message of a server.
const MESSAGE_LIMIT: usize = 8 * 1024;
/// What an authorised session must be able to read; nothing of it writes.
const LOOK: &str = "BEGIN READ ONLY; \
    SELECT has_database_privilege(current_database(), 'CONNECT'), pg_is_in_recovery(), current_setting('server_version'); COMMIT";
/// Identity of the server; only where the user may read it.
const IDENTITY: &str = "BEGIN READ ONLY; SELECT system_identifier FROM pg_control_system(); COMMIT";

/// The adapter's effectful half.
pub(crate) struct Postgres;

#[async_trait]
impl Product for Postgres {
    async fn identify(&self, peer: &Peer, deadline: Instant) -> Result<Identified, Fault> {
        let deadline = deadline.min(Instant::now() + crate::wire::CONNECT_ELSEWHERE + GREETING);
        let mut opened = open(peer, deadline).await?;
        opened.wire.send(&startup(NOBODY), deadline).await?;
        let (open, detail) = first_message(&mut opened.wire, deadline).await?;
        if open {
            let _goodbye = opened.wire.send(&[b'X', 0, 0, 0, 4], deadline).await;
        }
        let transport = match (opened.encrypted, &peer.tls) {
            (true, Some(_)) => ", over verified TLS",
            (true, None) => ", offers TLS",
            (false, _) => "",
        };
        Ok(Identified { detail: format!("{detail}{transport}"), open })
    }

    async fn login(&self, attempt: &Attempt<'_>) -> Proof {
        match timeout_at(attempt.deadline, prove(attempt)).await {
            Ok(Ok(proof)) => proof,
            Ok(Err(fault)) => Proof::Broken(fault),
            Err(_) => Proof::Broken(Fault::new(EvidenceCode::Timeout, "the login does not end in time")),
        }
    }
}

struct Opened {
    wire: Wire,
    encrypted: bool,
}

/// Connects and asks for TLS: exactly one byte `S` or `N` is an answer.
async fn open(peer: &Peer, deadline: Instant) -> Result<Opened, Fault> {
    let mut wire = connect(&peer.target, deadline).await?;
    let greeting = deadline.min(Instant::now() + GREETING);
    wire.send(&SSL_REQUEST, greeting).await?;
    let mut answer = Vec::new();
    wire.more(&mut answer, SSL_REQUEST.len(), greeting).await?;
    match answer.as_slice() {
        b"N" if peer.tls.is_some() => Err(Fault::new(
            EvidenceCode::TlsRequired,
            "TLS is demanded and it offers none: set ssl = on there, or leave sslmode out",
        )),
        b"N" => Ok(Opened { wire, encrypted: false }),
        b"S" if let Some(tls) = &peer.tls => tls.handshake(wire, deadline).await.map(|wire| Opened { wire, encrypted: true }),
        b"S" => tls::unverified(wire, greeting).await.map(|wire| Opened { wire, encrypted: true }),
        other => Err(Fault::wrong(other)),
    }
}

/// A startup message of protocol 3.0.
fn startup(user: &str) -> Vec<u8> {
    let mut body = vec![0, 3, 0, 0];
    for text in ["user", user] {
        body.extend_from_slice(text.as_bytes());
        body.push(0);
    }
    body.push(0);
    let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
    [length.to_be_bytes().as_slice(), &body].concat()
}

/// Reads the first message; true where the server let the user of nobody in.
async fn first_message(wire: &mut Wire, deadline: Instant) -> Result<(bool, String), Fault> {
    let mut bytes = Vec::new();
    loop {
        wire.more(&mut bytes, MESSAGE_LIMIT, deadline).await?;
        if let Some(answer) = judge(&bytes)? {
            return Ok(answer);
        }
    }
}

/// Judges the first message: an authentication request or an error, whole and well formed; `None` while it goes on.
pub(super) fn judge(bytes: &[u8]) -> Result<Option<(bool, String)>, Fault> {
    let [kind, head @ ..] = bytes else { return Ok(None) };
    let Some((length, body)) = head.split_first_chunk::<4>() else {
        return if matches!(kind, b'R' | b'E') { Ok(None) } else { Err(Fault::wrong(bytes)) };
    };
    let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX).saturating_sub(4);
    if !(4..MESSAGE_LIMIT).contains(&length) {
        return Err(Fault::wrong(bytes));
    }
    let Some(body) = body.get(..length) else { return Ok(None) };
    match (kind, body.split_first_chunk::<4>()) {
        (b'R', Some((method, _rest))) => match u32::from_be_bytes(*method) {
            0 => Ok(Some((true, "asks for no login".to_owned()))),
            2..=10 => Ok(Some((false, "asks for a login".to_owned()))),
            _unknown => Err(Fault::wrong(bytes)),
        },
        (b'E', _) => match sql_state(body) {
            Some(state) => Ok(Some((false, format!("answers with error {state}")))),
            None => Err(Fault::wrong(bytes)),
        },
        _other => Err(Fault::wrong(bytes)),
    }
}

/// SQLSTATE of a well-formed error: fields with severity and code, a final zero.
fn sql_state(body: &[u8]) -> Option<String> {
    let fields = body.strip_suffix(&[0, 0])?;
    let mut parts = fields.split(|byte| *byte == 0);
    let severity = parts.clone().any(|field| field.first() == Some(&b'S'));
    let code = parts.find_map(|field| field.strip_prefix(b"C"))?;
    let well_formed = code.len() == 5 && code.iter().all(u8::is_ascii_alphanumeric);
    (severity && well_formed).then(|| String::from_utf8_lossy(code).into_owned())
}

/// Logs in and looks.
async fn prove(attempt: &Attempt<'_>) -> Result<Proof, Fault> {
    let opened = open(attempt.peer, attempt.deadline).await?;
    let (guard, method) = Guard::new(opened.wire, attempt.plain_text);
    let mut config = Config::new();
    config.user(attempt.login.username.as_deref().unwrap_or(ANONYMOUS_USER)).dbname(attempt.database).ssl_mode(SslMode::Disable);
    config.application_name("koan");
    if let Some(password) = &attempt.login.password {
        config.password(password.expose());
    }
    let (client, connection) = match config.connect_raw(guard, NoTls).await {
        Ok(session) => session,
        Err(error) => return Ok(refusal(&error, &method, attempt)),
    };
    let session = async {
        let proof = look(&client, &method).await;
        drop(client);
        proof
    };
    // The connection ends by itself once the client is gone; it says Terminate before it closes.
    let (proof, _ended) = tokio::join!(session, connection);
    Ok(proof)
}

/// Names what kept the session from coming up; texts of the server may repeat names, so only its code is told.
fn refusal(error: &tokio_postgres::Error, method: &Method, attempt: &Attempt<'_>) -> Proof {
    if method.wants_plain_text() && !attempt.plain_text {
        return Proof::Skipped("the server asks for the password as it is".to_owned());
    }
    let Some(state) = error.code() else {
        if method.asked() && attempt.login.password.is_none() {
            return Proof::Skipped("the server asks for a password".to_owned());
        }
        return Proof::Broken(Fault::new(EvidenceCode::WrongProtocol, "the login ended without an answer"));
    };
    let text = format!("error {}", state.code());
    let unusable = |code| Proof::Unusable(Fault::new(code, text.clone()));
    match state {
        state if *state == SqlState::INVALID_PASSWORD || *state == SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
            Proof::Refused(text)
        }
        state if *state == SqlState::INVALID_CATALOG_NAME => unusable(EvidenceCode::DatabaseMissing),
        _other => unusable(EvidenceCode::NotAuthorised),
    }
}

/// The authorised check (DET-21).
async fn look(client: &Client, method: &Method) -> Proof {
    let Some(row) = first_row(client, LOOK).await else {
        return Proof::Unusable(Fault::new(EvidenceCode::NotAuthorised, "the catalogue cannot be read"));
    };
    let version = row.get(2).and_then(|text| text.split(' ').next()).unwrap_or_default().to_owned();
    let minimum = recipe().minimum_version;
    match (row.get(0), row.get(1)) {
        _any if !at_least(&version, minimum) => Proof::Unusable(too_old(&version, minimum)),
        (Some("t"), Some("f")) => {
            let server_id = first_row(client, IDENTITY).await.and_then(|row| row.get(0).map(str::to_owned));
            Proof::Proven { version: Some(version), server_id, anonymous: method.trusted() }
        }
        (Some("t"), _recovery) => Proof::Unusable(Fault::new(EvidenceCode::ReadOnly, "the server is in recovery")),
        _denied => Proof::Unusable(Fault::new(EvidenceCode::NotAuthorised, "CONNECT is not granted on the database")),
    }
}

async fn first_row(client: &Client, query: &str) -> Option<SimpleQueryRow> {
    let messages = client.simple_query(query).await.ok()?;
    messages.into_iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _other => None,
    })
}
