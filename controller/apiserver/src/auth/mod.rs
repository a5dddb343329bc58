//! Who may call over the socket: the holder of this run's token, under the server's own name, and no web page.

mod accounts;
mod asked;
mod rights;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header;
use http::request::Parts;

use crate::http::{BEARER, Query, is_websocket, protocols};
use crate::ports::Random;
use crate::status::Failure;

pub(crate) use accounts::{Account, Accounts, Grant};
use asked::Asked;
pub(crate) use rights::{Action, Role};

/// Random bytes of a token.
const TOKEN_BYTES: usize = 32;

/// The token of one run. It has no Display and shows nothing in Debug.
#[derive(Clone)]
pub(crate) struct Token(String);

impl std::fmt::Debug for Token {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Token(hidden)")
    }
}

impl Token {
    /// 256 fresh bits, in hex.
    pub(crate) fn random(random: &dyn Random) -> std::io::Result<Self> {
        let mut bytes = [0_u8; TOKEN_BYTES];
        random.fill(&mut bytes)?;
        Ok(Self(bytes.iter().fold(String::with_capacity(TOKEN_BYTES * 2), |mut text, byte| {
            for nibble in [byte >> 4, byte & 0xf] {
                text.extend(char::from_digit(u32::from(nibble), 16));
            }
            text
        })))
    }

    /// The text, for the files that hand it to its user.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

/// Compares in a time that depends on the lengths alone.
fn equal(left: &[u8], right: &[u8]) -> bool {
    if left.len() != right.len() {
        return false;
    }
    let difference = left.iter().zip(right).fold(0_u8, |sum, (left, right)| sum | (left ^ right));
    std::hint::black_box(difference) == 0
}

/// Checks every request that comes over the socket.
#[derive(Debug)]
pub(crate) struct Guard {
    token: Token,
    /// Token that only reads (API-31).
    viewer: Option<Token>,
    hosts: Vec<String>,
    origins: Vec<String>,
}

impl Guard {
    /// A guard for the loopback names on `port`; `origins` are exact foreign origins that the user allowed.
    pub(crate) fn new(token: &Token, port: u16, origins: Vec<String>) -> Self {
        let hosts: Vec<String> = ["127.0.0.1", "localhost", "[::1]"].iter().map(|name| format!("{name}:{port}")).collect();
        let mut allowed: Vec<String> = hosts.iter().map(|host| format!("https://{host}")).collect();
        allowed.extend(origins);
        Self { token: token.clone(), viewer: None, hosts, origins: allowed }
    }

    /// The same guard, which lets the holder of `viewer` read, too.
    pub(crate) fn with_viewer(self, viewer: &Token) -> Self {
        Self { viewer: Some(viewer.clone()), ..self }
    }

    /// Whose token it is; `None` for a token of nobody.
    pub(crate) fn identify(&self, token: &str) -> Option<Role> {
        let is = |known: &Token| equal(token.as_bytes(), known.0.as_bytes());
        if is(&self.token) {
            return Some(Role::Owner);
        }
        self.viewer.as_ref().is_some_and(is).then_some(Role::Viewer)
    }

    /// Lets the request pass or says why not.
    ///
    /// # Errors
    /// 403 for a foreign host, origin or site and for a missing token; 401 for a wrong one, on health checks too.
    pub(crate) fn check(&self, parts: &Parts) -> Result<Role, Failure> {
        let text = |name: &header::HeaderName| parts.headers.get(name).map(|value| value.to_str().unwrap_or_default());
        let host = parts.uri.authority().map(http::uri::Authority::as_str).or_else(|| text(&header::HOST)).unwrap_or_default();
        if !self.hosts.iter().any(|known| known == host) {
            return Err(Failure::forbidden_plain(format!(
                "forbidden: header Host {host:?} is not this server; use one of {}",
                self.hosts.join(", ")
            )));
        }
        if let Some(origin) = text(&header::ORIGIN)
            && !self.origins.iter().any(|known| known == origin)
        {
            return Err(Failure::forbidden_plain(format!("forbidden: header Origin {origin:?} is not allowed here")));
        }
        let site = parts.headers.get("sec-fetch-site").map(|value| value.to_str().unwrap_or_default());
        if matches!(site, Some("cross-site" | "same-site")) && text(&header::ORIGIN).is_none() {
            return Err(Failure::forbidden_plain("forbidden: header Sec-Fetch-Site says that another site sent this request"));
        }
        let carried = carried(&parts.headers)?;
        let role = match text(&header::AUTHORIZATION).or(carried.as_deref()).and_then(bearer) {
            None => Role::Nobody,
            Some(token) => self.identify(token).ok_or_else(Failure::unauthorized)?,
        };
        if role == Role::Owner || is_health(parts.uri.path()) {
            return Ok(role);
        }
        let (method, path) = (parts.method.as_str(), parts.uri.path());
        let query = Query::parse(parts.uri.query().unwrap_or_default());
        let asked = Asked::read(method, path, &query);
        if role == Role::Viewer && viewer_may(method, path, asked.as_ref()) {
            return Ok(role);
        }
        Err(match asked {
            Some(asked) => asked.refusal(role),
            None => {
                let (user, verb) = (role.user(), method.to_lowercase());
                Failure::forbidden_plain(format!("forbidden: User \"{user}\" cannot {verb} path \"{path}\""))
            }
        })
    }
}

/// The token of an `Authorization` header; `None` where it carries none, in which case the caller is nobody.
fn bearer(value: &str) -> Option<&str> {
    let mut words = value.trim().split(' ');
    words.next().filter(|scheme| scheme.eq_ignore_ascii_case("bearer"))?;
    words.next().filter(|token| !token.is_empty())
}

/// The token that a WebSocket carries as a subprotocol, as a bearer: browsers cannot set the header (API-30).
///
/// # Errors
/// 401: it cannot be read, or no other subprotocol stands beside it.
fn carried(headers: &http::HeaderMap) -> Result<Option<String>, Failure> {
    if !is_websocket(headers) {
        return Ok(None);
    }
    let mut tokens = protocols(headers).filter_map(|name| name.strip_prefix(BEARER));
    let Some(token) = tokens.next() else { return Ok(None) };
    let alone = protocols(headers).all(|name| name.starts_with(BEARER));
    let text = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    match text {
        Some(text) if tokens.next().is_none() && !alone => Ok(Some(format!("Bearer {text}"))),
        Some(_) | None => Err(Failure::unauthorized()),
    }
}

/// What a viewer may do (API-31). A path that is spelled in an unusual way is refused rather than understood.
fn viewer_may(method: &str, path: &str, asked: Option<&Asked<'_>>) -> bool {
    if path.contains('%') {
        return false;
    }
    match asked {
        Some(asked) => Role::Viewer.may(&asked.action()),
        None => matches!(method, "GET" | "HEAD"),
    }
}

fn is_health(path: &str) -> bool {
    ["/healthz", "/livez", "/readyz"]
        .iter()
        .any(|known| path == *known || path.strip_prefix(known).is_some_and(|rest| rest.starts_with('/')))
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::ports::OsRandom;

    fn guard() -> (Guard, String) {
        let token = Token::random(&OsRandom).unwrap();
        (Guard::new(&token, 6443, vec!["https://allowed.example".to_owned()]), format!("Bearer {}", token.reveal()))
    }

    fn code(guard: &Guard, path: &str, headers: &[(&str, &str)]) -> Option<u16> {
        let mut request = Request::builder().uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        guard.check(&request.body(()).unwrap().into_parts().0).err().map(|failure| failure.code())
    }

    /// SEC-4, API-30: only the exact host names with the port, only the server's own origin or a listed one, no other
    /// site, and a token on everything but the health checks.
    #[test]
    fn sec_4_a_web_page_cannot_call() {
        let (guard, bearer) = guard();
        let good = [("host", "127.0.0.1:6443"), ("authorization", bearer.as_str())];
        assert_eq!(code(&guard, "/api", &good), None);
        for host in ["127.0.0.1", "evil.example:6443", "127.0.0.1:6444", "localhost.evil.example:6443", ""] {
            assert_eq!(code(&guard, "/api", &[("host", host), good[1]]), Some(403), "{host}");
        }
        assert_eq!(code(&guard, "/api", &[good[0], good[1], ("origin", "https://evil.example")]), Some(403));
        assert_eq!(code(&guard, "/api", &[good[0], good[1], ("origin", "null")]), Some(403));
        assert_eq!(code(&guard, "/api", &[good[0], good[1], ("origin", "https://127.0.0.1:6443")]), None);
        assert_eq!(code(&guard, "/api", &[good[0], good[1], ("origin", "https://allowed.example")]), None);
        assert_eq!(code(&guard, "/api", &[good[0], good[1], ("sec-fetch-site", "cross-site")]), Some(403));
        assert_eq!(code(&guard, "/api", &[good[0]]), Some(403));
        assert_eq!(code(&guard, "/readyz", &[good[0]]), None);
        assert_eq!(code(&guard, "/readyzx", &[good[0]]), Some(403));
    }

    /// API-31: a viewer reads objects, their status and logs; Secrets, exec and every write are forbidden to it.
    #[test]
    fn a_viewer_reads_and_nothing_else() {
        let viewer = Token::random(&OsRandom).unwrap();
        let guard = guard().0.with_viewer(&viewer);
        let bearer = format!("Bearer {}", viewer.reveal());
        let answer = |method: &str, path: &str| {
            let request =
                Request::builder().method(method).uri(path).header("host", "127.0.0.1:6443").header("authorization", &bearer);
            guard.check(&request.body(()).unwrap().into_parts().0).err().map(|failure| failure.code())
        };
        let stacks = "/apis/koan.dev/v1alpha1/namespaces/default/devstacks";
        for path in ["/api", "/version", stacks, "/api/v1/namespaces", "/api/v1/namespaces/default/configmaps/secrets"] {
            assert_eq!(answer("GET", path), None, "{path}");
        }
        assert_eq!(answer("GET", "/api/v1/namespaces/default/pods/x/log"), None);
        for path in [
            "/api/v1/secrets",
            "/api/v1//namespaces/default/secrets/x",
            "/api/v1/namespaces/default/secret%73",
            "/api/v1/watch/secrets",
            "/api/v1/namespaces/default/pods/x/exec",
        ] {
            assert_eq!(answer("GET", path), Some(403), "{path}");
        }
        for method in ["POST", "PUT", "PATCH", "DELETE"] {
            assert_eq!(answer(method, stacks), Some(403), "{method}");
        }
    }

    /// SEC-22, API-30: a token of another run is refused with 401, whatever its length.
    #[test]
    fn sec_22_a_wrong_token_is_refused() {
        let (guard, bearer) = guard();
        let (_, other) = self::guard();
        for token in [other.as_str(), &bearer[..bearer.len() - 1]] {
            for path in ["/api", "/healthz"] {
                assert_eq!(code(&guard, path, &[("host", "localhost:6443"), ("authorization", token)]), Some(401), "{token}");
            }
        }
        for none in ["Bearer ", "Basic x", "Bearer"] {
            assert_eq!(code(&guard, "/api", &[("host", "localhost:6443"), ("authorization", none)]), Some(403), "{none}");
        }
    }
}
