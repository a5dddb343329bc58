//! Outputs of a service (`url host port user password database` and what its adapter adds) and the variables that carry them.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::candidate::tls_scheme;
use crate::probe::{Address, Tls};
use crate::recipe::Recipe;
use crate::secret::{Login, Secret};
use crate::validate::{EndpointPolicy, ValidService, Workload};

/// What the outputs of one service are made of, for one vantage.
#[derive(Clone, Debug)]
pub struct OutputSource<'a> {
    /// Where the consumer connects to.
    pub address: &'a Address,
    /// Verified TLS that the address demands; its file of authorities only where the consumer can read it.
    pub tls: Option<&'a Tls>,
    /// Login of the service; `None` where it has none.
    pub login: Option<&'a Login>,
    /// Host address of each further port by container port, for outputs such as a management URL.
    pub ports: BTreeMap<u16, u16>,
}

/// Outputs by name; every value is wrapped, since `url` may hold a password.
pub type Outputs = BTreeMap<String, Secret<String>>;

/// Outputs of a service (DET-32): literal addresses, user and password percent-encoded, IPv6 in brackets.
pub fn outputs(service: &ValidService, recipe: Option<&Recipe>, source: &OutputSource) -> Outputs {
    let values = values(service, recipe, source);
    let mut found: Outputs = BTreeMap::new();
    for (name, value) in &values.plain {
        found.insert((*name).to_owned(), Secret::new(value.clone()));
    }
    if let Some(pattern) = url_pattern(&service.endpoint, recipe) {
        found.insert("url".to_owned(), Secret::new(fill(&pattern, &values, Syntax::Url)));
    }
    for (name, pattern) in recipe.map_or(&[][..], |recipe| recipe.outputs) {
        let text = fill(pattern, &values, Syntax::of(name, pattern));
        if !text.is_empty() {
            found.insert((*name).to_owned(), Secret::new(text));
        }
    }
    found
}

/// Names of the outputs that a service offers, without any value.
pub fn output_names(service: &ValidService, recipe: Option<&Recipe>, login: bool) -> Vec<String> {
    let external = matches!(service.workload, Workload::External(_));
    let reachable = recipe.is_some() || !service.ports.is_empty() || external;
    let mut names: Vec<&str> = Vec::new();
    if reachable {
        names.extend(["host", "port", "url"]);
    }
    if recipe.is_some() {
        names.push("database");
        names.extend(recipe.map_or(&[][..], |recipe| recipe.outputs).iter().map(|(name, _)| *name));
    }
    if login {
        names.extend(["password", "user"]);
    }
    names.sort_unstable();
    names.dedup();
    names.into_iter().map(str::to_owned).collect()
}

/// Endpoint for status and messages: the URL without any credential. What demands TLS is spelled by the adapter's own pattern,
/// since the demand is read back from it.
pub fn safe_endpoint(service: &ValidService, recipe: Option<&Recipe>, address: &Address, tls: Option<&Tls>) -> String {
    let source = OutputSource { address, tls, login: None, ports: BTreeMap::new() };
    let mut values = values(service, recipe, &source);
    let own = recipe.filter(|_| tls.is_some());
    if let Some(recipe) = own {
        values.scheme = scheme(recipe, tls).to_owned();
    }
    match own.map(|recipe| recipe.url_pattern.to_owned()).or_else(|| url_pattern(&service.endpoint, recipe)) {
        Some(pattern) => fill(&pattern, &values, Syntax::Url),
        None => address.to_string(),
    }
}

/// Values that patterns name.
struct Filled {
    plain: BTreeMap<&'static str, String>,
    /// Host port of each container port.
    ports: BTreeMap<u16, u16>,
    scheme: String,
}

fn values(service: &ValidService, recipe: Option<&Recipe>, source: &OutputSource) -> Filled {
    let mut plain = BTreeMap::new();
    match source.address {
        Address::Tcp { host, port } => {
            plain.insert("host", host.clone());
            plain.insert("port", port.to_string());
        }
        Address::Unix { path } => {
            plain.insert("host", path.clone());
        }
    }
    if recipe.is_some() {
        let named = Some(&service.database).filter(|name| !name.is_empty());
        plain.extend(named.map(|name| ("database", name.clone())));
        plain.extend(source.tls.iter().flat_map(|tls| tls_values(tls)));
    }
    if let Some(login) = source.login {
        plain.extend(login.username.iter().map(|user| ("user", user.clone())));
        plain.extend(login.password.iter().map(|password| ("password", password.expose().clone())));
        plain.extend(login.token.iter().map(|token| ("token", token.expose().clone())));
    }
    let own = service.endpoint.scheme.clone();
    let scheme = own.or_else(|| recipe.map(|recipe| scheme(recipe, source.tls).to_owned()));
    Filled { plain, ports: source.ports.clone(), scheme: scheme.unwrap_or_else(|| "http".to_owned()) }
}

/// The canonical scheme, or the one whose transport is TLS.
fn scheme(recipe: &Recipe, tls: Option<&Tls>) -> &'static str {
    let encrypted = tls.and_then(|_| tls_scheme(recipe.schemes));
    encrypted.or_else(|| recipe.schemes.first().copied()).unwrap_or("http")
}

/// What patterns say of TLS.
fn tls_values(tls: &Tls) -> impl Iterator<Item = (&'static str, String)> {
    let modes = [("sslmode", tls.mode.as_str()), ("dotnetsslmode", tls.mode.dotnet())];
    let modes = modes.into_iter().map(|(name, mode)| (name, mode.to_owned()));
    let files = ["sslrootcert", "authorities"].map(|name| tls.authorities.clone().map(|path| (name, path)));
    modes.chain(files.into_iter().flatten())
}

fn url_pattern(policy: &EndpointPolicy, recipe: Option<&Recipe>) -> Option<String> {
    let own = policy.pattern.clone();
    own.or_else(|| recipe.map(|recipe| recipe.url_pattern.to_owned())).or_else(|| Some("{scheme}://{host}:{port}".to_owned()))
}

/// How values are written into an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Syntax {
    /// Percent-encoded for their place.
    Url,
    /// `Keyword=value;…` of ADO.NET.
    Keywords,
    /// As they are.
    Plain,
}

impl Syntax {
    /// The syntax of an output: `ado` means ADO.NET in every adapter (detection.md section 7), what has a scheme is a URL.
    fn of(output: &str, pattern: &str) -> Self {
        match (output, pattern.contains("://")) {
            ("ado", _) => Self::Keywords,
            (_, true) => Self::Url,
            (_, false) => Self::Plain,
        }
    }
}

/// Fills a pattern; a part in `[…]` goes where one of its values is absent.
fn fill(pattern: &str, values: &Filled, syntax: Syntax) -> String {
    let mut text = String::new();
    let mut rest = pattern;
    while let Some(start) = rest.find('[') {
        let Some(end) = rest[start..].find(']').map(|end| start + end) else { break };
        text.push_str(&flat(&rest[..start], values, syntax));
        if complete(&rest[start + 1..end], values, syntax) {
            text.push_str(&flat(&rest[start + 1..end], values, syntax));
        }
        rest = &rest[end + 1..];
    }
    text.push_str(&flat(rest, values, syntax));
    // Without a login nothing stands before the host.
    text.replacen("://@", "://", 1)
}

/// True where every placeholder of the part has a value.
fn complete(part: &str, values: &Filled, syntax: Syntax) -> bool {
    placeholders(part).iter().all(|name| lookup(name, values, syntax).is_some())
}

fn placeholders(part: &str) -> Vec<&str> {
    part.split('{').skip(1).filter_map(|tail| tail.split_once('}').map(|(name, _)| name)).collect()
}

/// Fills every placeholder of a part.
fn flat(part: &str, values: &Filled, syntax: Syntax) -> String {
    let mut text = String::new();
    let mut rest = part;
    while let Some(start) = rest.find('{') {
        text.push_str(&rest[..start]);
        let Some(end) = rest[start..].find('}').map(|end| start + end) else {
            rest = &rest[start..];
            break;
        };
        text.push_str(&lookup(&rest[start + 1..end], values, syntax).unwrap_or_default());
        rest = &rest[end + 1..];
    }
    text.push_str(rest);
    text
}

/// Value of a placeholder: `scheme`, an output, or `port:<container port>`; written as the syntax wants it in its place.
fn lookup(name: &str, values: &Filled, syntax: Syntax) -> Option<String> {
    if let Some(container) = name.strip_prefix("port:") {
        let container: u16 = container.parse().ok()?;
        return Some(values.ports.get(&container).copied().unwrap_or(container).to_string());
    }
    let raw = match name {
        "scheme" => return Some(values.scheme.clone()),
        other => values.plain.get(other)?,
    };
    Some(match (name, syntax) {
        ("host", _) if raw.contains(':') => format!("[{raw}]"),
        (_, Syntax::Keywords) => keyword_value(raw),
        ("user" | "password" | "database" | "token" | "sslrootcert", Syntax::Url) => percent_encode(raw),
        (_, Syntax::Url | Syntax::Plain) => raw.clone(),
    })
}

/// A value of an ADO.NET connection string, by the rules of `DbConnectionStringBuilder`: as it is where it holds no quote, `=`, `;`,
/// space or control character; between single quotes where it holds double ones alone; else between double ones, each doubled.
pub fn keyword_value(text: &str) -> String {
    let plain = |c: char| !matches!(c, '"' | '\'' | '=' | ';') && !c.is_whitespace() && !c.is_control();
    if text.chars().all(plain) {
        text.to_owned()
    } else if text.contains('"') && !text.contains('\'') {
        format!("'{text}'")
    } else {
        format!("\"{}\"", text.replace('"', "\"\""))
    }
}

/// Percent-encodes everything but RFC 3986's unreserved characters.
pub fn percent_encode(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

/// Outputs that always have a variable (DET-34).
const INJECTED: [(&str, &str); 6] =
    [("url", "URL"), ("host", "HOST"), ("port", "PORT"), ("user", "USER"), ("password", "PASSWORD"), ("database", "DATABASE")];

/// `KOAN_<SERVICE>_<OUTPUT>`: the variable of an output (DET-34).
pub fn variable(service: &str, output: &str) -> String {
    let fold = |text: &str| text.to_ascii_uppercase().replace('-', "_");
    format!("KOAN_{}_{}", fold(service), fold(output))
}

/// Variables of one service, without the conventional names.
pub fn env_for_service(service: &str, outputs: &Outputs) -> BTreeMap<String, Secret<String>> {
    INJECTED.into_iter().filter_map(|(output, _)| Some((variable(service, output), outputs.get(output)?.clone()))).collect()
}

/// Variables of a stack.
#[derive(Clone, Debug, Default)]
pub struct StackEnv {
    /// Values by name.
    pub variables: BTreeMap<String, Secret<String>>,
    /// Conventional names that more than one service would set, each with those services (DET-34).
    pub contested: BTreeMap<String, Vec<String>>,
}

/// Variables of all services of a stack: always `KOAN_…`, and each conventional name that exactly one service would set (DET-34).
pub fn stack_env(services: &[(&ValidService, Option<&Recipe>, Outputs)]) -> StackEnv {
    let mut env = StackEnv::default();
    let mut conventional: BTreeMap<&str, Vec<(&str, Secret<String>)>> = BTreeMap::new();
    for (service, recipe, outputs) in services {
        env.variables.extend(env_for_service(&service.service, outputs));
        for (name, output) in recipe.map_or(&[][..], |recipe| recipe.conventional_names) {
            if let Some(value) = outputs.get(*output) {
                conventional.entry(name).or_default().push((&service.service, value.clone()));
            }
        }
    }
    for (name, mut claims) in conventional {
        if claims.len() == 1 {
            env.variables.extend(claims.pop().map(|(_, value)| (name.to_owned(), value)));
        } else {
            env.contested.insert(name.to_owned(), claims.into_iter().map(|(service, _)| service.to_owned()).collect());
        }
    }
    env
}
