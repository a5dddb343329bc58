//! Candidates as people write them: a URL, `host:port` or a `unix://` path, parsed once (DET-9).

use crate::probe::{Address, Candidate, Tls, TlsMode, UnknownMode};
use crate::secret::{Login, Secret};
use koan_crds::v1alpha1::DetectionMethod;

/// The accepted forms, for messages.
pub const FORMS: &str = "a URL (scheme://127.0.0.1:5432/name), host:port (127.0.0.1:5432) or a socket (unix:///run/db.sock)";

/// A candidate, taken apart. The login stays wrapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsedCandidate {
    /// Scheme, where it is a URL.
    pub scheme: Option<String>,
    /// Where to connect to.
    pub address: Address,
    /// Database, virtual host or key space.
    pub database: Option<String>,
    /// Login; bound to this candidate alone (DET-11).
    pub login: Option<Login>,
    /// Verified TLS that the URL demands.
    pub tls: Option<Tls>,
}

impl ParsedCandidate {
    /// The candidate as a question asks it.
    pub fn question(&self, method: DetectionMethod, source: Option<String>, named_by_manifest: bool) -> Candidate {
        Candidate {
            method,
            source,
            address: self.address.clone(),
            named_by_manifest,
            tls: self.tls.clone(),
            database: self.database.clone(),
        }
    }
}

/// Why a text is no candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CandidateError {
    /// Neither URL nor `host:port` nor socket.
    #[error("is none of the accepted forms")]
    Form,
    /// No port, and the scheme has no default.
    #[error("names no port")]
    NoPort,
    /// Not a number from 1 to 65535.
    #[error("names no port from 1 to 65535")]
    BadPort,
    /// Percent-encoding that stands for no text.
    #[error("holds broken percent-encoding")]
    Encoding,
    /// `sslmode` with a word that nobody knows.
    #[error("has an sslmode that {0}")]
    Mode(#[from] UnknownMode),
}

/// Takes a candidate apart; `default_port` stands in for a URL without one.
///
/// # Errors
/// What is wrong with the text; the text itself is not repeated, since it may hold a password.
pub fn parse(text: &str, default_port: Option<u16>) -> Result<ParsedCandidate, CandidateError> {
    if let Some(path) = text.strip_prefix("unix://") {
        let absolute = path.starts_with('/') && path.len() > 1;
        let address = Address::Unix { path: path.to_owned() };
        return absolute
            .then_some(ParsedCandidate { scheme: None, address, database: None, login: None, tls: None })
            .ok_or(CandidateError::Form);
    }
    match text.split_once("://") {
        Some((scheme, rest)) => parse_url(scheme, rest, default_port),
        None => {
            let (host, port) = split_host(text)?;
            let port = port.ok_or(if host.is_empty() { CandidateError::Form } else { CandidateError::NoPort })?;
            let address = Address::Tcp { host: valid_host(host)?, port };
            Ok(ParsedCandidate { scheme: None, address, database: None, login: None, tls: None })
        }
    }
}

fn parse_url(scheme: &str, rest: &str, default_port: Option<u16>) -> Result<ParsedCandidate, CandidateError> {
    let named = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    if !named {
        return Err(CandidateError::Form);
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    let (userinfo, host_port) = match authority.rsplit_once('@') {
        Some((userinfo, host_port)) => (Some(userinfo), host_port),
        None => (None, authority),
    };
    let (host, port) = split_host(host_port)?;
    let port = port.or(default_port).ok_or(CandidateError::NoPort)?;
    let tail = tail.split('#').next().unwrap_or_default();
    let (path, query) = tail.split_once('?').unwrap_or((tail, ""));
    let database = decode(path.trim_start_matches('/'))?;
    Ok(ParsedCandidate {
        scheme: Some(scheme.to_ascii_lowercase()),
        address: Address::Tcp { host: valid_host(host)?, port },
        database: (!database.is_empty()).then_some(database),
        login: userinfo.map(login).transpose()?,
        tls: demanded_tls(scheme, query)?,
    })
}

fn login(userinfo: &str) -> Result<Login, CandidateError> {
    let (user, password) = match userinfo.split_once(':') {
        Some((user, password)) => (user, Some(decode(password)?)),
        None => (userinfo, None),
    };
    let user = decode(user)?;
    Ok(Login { username: (!user.is_empty()).then_some(user), password: password.map(Secret::new), token: None })
}

/// Schemes of the catalogue whose transport is TLS.
const TLS_SCHEMES: [&str; 5] = ["https", "rediss", "amqps", "mqtts", "tls"];

/// Ending of other schemes whose transport is TLS.
const TLS_ENDING: &str = "+ssl";

/// The scheme among these whose transport is TLS.
pub fn tls_scheme<'a>(schemes: &[&'a str]) -> Option<&'a str> {
    schemes.iter().copied().find(|scheme| means_tls(scheme))
}

fn means_tls(scheme: &str) -> bool {
    TLS_SCHEMES.contains(&scheme) || scheme.ends_with(TLS_ENDING)
}

/// TLS of a scheme or a query: `sslmode` with `sslrootcert` as libpq has them, `ssl_ca_certs` as Redis clients do.
fn demanded_tls(scheme: &str, query: &str) -> Result<Option<Tls>, CandidateError> {
    let mut mode = means_tls(&scheme.to_ascii_lowercase()).then_some(TlsMode::VerifyFull);
    let mut authorities = None;
    for (key, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        match key {
            "sslmode" => mode = TlsMode::parse(&decode(value)?)?.or(mode),
            "tls" | "ssl" if value == "true" => mode = mode.or(Some(TlsMode::VerifyFull)),
            "sslrootcert" | "ssl_ca_certs" => authorities = Some(decode(value)?).filter(|path| own_authorities(path)),
            _other => {}
        }
    }
    Ok(mode.map(|mode| Tls { mode, authorities }))
}

/// `system` is libpq's word for the machine's own trust store.
pub fn own_authorities(path: &str) -> bool {
    !path.is_empty() && path != "system"
}

/// Host and port; IPv6 literals stand in brackets.
fn split_host(text: &str) -> Result<(&str, Option<u16>), CandidateError> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, tail) = rest.split_once(']').ok_or(CandidateError::Form)?;
        let port = match tail.strip_prefix(':') {
            Some(port) => Some(parse_port(port)?),
            None if tail.is_empty() => None,
            None => return Err(CandidateError::Form),
        };
        return host.parse::<std::net::Ipv6Addr>().map(|_| (host, port)).map_err(|_| CandidateError::Form);
    }
    match text.rsplit_once(':') {
        Some((host, _)) if host.contains(':') => Err(CandidateError::Form),
        Some((host, port)) => Ok((host, Some(parse_port(port)?))),
        None => Ok((text, None)),
    }
}

fn parse_port(text: &str) -> Result<u16, CandidateError> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match text.parse::<u16>() {
        Ok(port) if digits && port > 0 => Ok(port),
        _ => Err(CandidateError::BadPort),
    }
}

/// Longest host name of DNS.
const MAX_HOST: usize = 253;

fn valid_host(host: &str) -> Result<String, CandidateError> {
    let plausible = !host.is_empty()
        && host.len() <= MAX_HOST
        && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | ':'));
    plausible.then(|| host.to_ascii_lowercase()).ok_or(CandidateError::Form)
}

/// Percent-decodes a text.
fn decode(text: &str) -> Result<String, CandidateError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        if first == b'%' {
            let (digits, tail) = tail.split_at_checked(2).ok_or(CandidateError::Encoding)?;
            let digits = std::str::from_utf8(digits).map_err(|_| CandidateError::Encoding)?;
            bytes.push(u8::from_str_radix(digits, 16).map_err(|_| CandidateError::Encoding)?);
            rest = tail;
        } else {
            bytes.push(first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).map_err(|_| CandidateError::Encoding)
}
