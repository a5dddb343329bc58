//! Candidates in the person's environment (DET-9 slot 1, DET-11): URLs, lists of URLs, names that belong together and .NET
//! connection strings, each with the login that is bound to it alone. Pure; a text that is no candidate is passed over, since a shell
//! may hold anything.

use std::borrow::Cow;
use std::collections::BTreeMap;

use koan_core::candidate::{ParsedCandidate, own_authorities, parse};
use koan_core::probe::{Address, Tls, TlsMode};
use koan_core::recipe::{CandidateMore, Recipe, Recipes};
use koan_core::secret::{Login, Secret};

use crate::registry::catalogue;

/// Prefixes of .NET configuration in the environment.
const DOTNET: [&str; 2] = ["ConnectionStrings__", "Koan__"];

/// Candidates of an adapter, each with the name that gave it, in the order of DET-9: the manifest's own names first.
pub fn environment_candidates(
    adapter: &str,
    listed: &[String],
    variables: &BTreeMap<String, String>,
) -> Vec<(String, ParsedCandidate)> {
    let Some(recipe) = catalogue().recipe(adapter) else { return Vec::new() };
    let mut names: Vec<&str> = Vec::new();
    for name in listed.iter().map(String::as_str).chain(recipe.candidate_names.iter().copied()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let mut found: Vec<(String, ParsedCandidate)> = Vec::new();
    for name in names {
        let Some(text) = variables.get(name) else { continue };
        let parsed = if DOTNET.iter().any(|prefix| name.starts_with(prefix)) {
            connection_string(text, recipe).into_iter().collect()
        } else {
            urls(name, text, recipe)
        };
        found.extend(parsed.into_iter().map(|candidate| (name.to_owned(), completed(candidate, name, recipe, variables))));
    }
    found.extend(together(recipe, variables));
    found
}

/// Every environment name that [`environment_candidates`] reads for an adapter, once, beside those that the manifest lists.
pub fn environment_names(adapter: &str) -> Vec<&'static str> {
    let Some(recipe) = catalogue().recipe(adapter) else { return Vec::new() };
    let together = recipe.candidate_parts.into_iter().flat_map(|parts| {
        let single = [Some(parts.host), parts.port, parts.user, parts.password, parts.database];
        single.into_iter().flatten().chain(parts.tls.into_iter().flatten())
    });
    let more = recipe.candidate_more.iter().flat_map(|more| [more.user, more.password, more.token, more.database]);
    let mut names: Vec<&str> = Vec::new();
    for name in recipe.candidate_names.iter().copied().chain(together).chain(more.flatten()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// A candidate with what other names say of it; what its own text says counts.
fn completed(
    mut candidate: ParsedCandidate,
    name: &str,
    recipe: &Recipe,
    variables: &BTreeMap<String, String>,
) -> ParsedCandidate {
    let value = |name: Option<&str>| variables.get(name?).filter(|text| !text.is_empty()).cloned();
    for more in recipe.candidate_more.iter().filter(|more| more.of == name) {
        let login = candidate.login.get_or_insert_default();
        let (user, password) = user_and_password(more, value(more.user), value(more.password));
        login.username = login.username.take().or(user);
        login.password = login.password.take().or(password);
        login.token = login.token.take().or_else(|| value(more.token).map(Secret::new));
        candidate.database = candidate.database.or_else(|| value(more.database));
    }
    candidate.login = candidate.login.filter(|login| *login != Login::default());
    candidate
}

/// What two names say, or one of them alone.
fn user_and_password(
    more: &CandidateMore,
    user: Option<String>,
    password: Option<String>,
) -> (Option<String>, Option<Secret<String>>) {
    let both = user.as_deref().filter(|_| more.pair && password.is_none()).and_then(|text| text.split_once(':'));
    match both {
        Some((name, secret)) => (Some(name.to_owned()), Some(Secret::new(secret.to_owned()))),
        None => (user, password.map(Secret::new)),
    }
}

/// One URL, or a list where the name is a plural.
fn urls(name: &str, text: &str, recipe: &Recipe) -> Vec<ParsedCandidate> {
    let items: Vec<&str> = if name.ends_with('S') { text.split(',').collect() } else { vec![text] };
    items.into_iter().filter_map(|item| url(item.trim(), recipe)).collect()
}

fn url(text: &str, recipe: &Recipe) -> Option<ParsedCandidate> {
    let parsed = parse(text, main_port(recipe)).ok()?;
    parsed.scheme.as_deref().is_none_or(|scheme| recipe.schemes.contains(&scheme)).then_some(parsed)
}

fn main_port(recipe: &Recipe) -> Option<u16> {
    recipe.ports.first().map(|port| port.port)
}

/// Names such as host, port and password that say one thing together; without a host they say nothing.
fn together(recipe: &Recipe, variables: &BTreeMap<String, String>) -> Option<(String, ParsedCandidate)> {
    let names = recipe.candidate_parts?;
    let value = |name: Option<&str>| variables.get(name?).filter(|text| !text.is_empty()).map(|text| Cow::from(text.as_str()));
    let parts = Parts {
        host: value(Some(names.host))?,
        port: value(names.port),
        user: value(names.user),
        password: value(names.password),
        database: value(names.database),
        mode: value(names.tls.map(|[mode, _authorities]| mode)),
        authorities: value(names.tls.map(|[_mode, authorities]| authorities)),
    };
    parts.candidate(recipe).map(|candidate| (names.host.to_owned(), candidate))
}

/// `Host=…;Port=…;Username=…;Password=…` or `host:port,password=…`, keys in any case; or a URL after all.
fn connection_string(text: &str, recipe: &Recipe) -> Option<ParsedCandidate> {
    if text.split('=').next().is_some_and(|start| start.contains("://")) {
        return url(text, recipe);
    }
    let mut parts = Parts::default();
    let keywords = is_keywords(text);
    for item in items(text, keywords) {
        let Some((key, value)) = item.split_once('=') else {
            let (host, port) = item.rsplit_once(':').map_or((item, None), |(host, port)| (host, Some(port)));
            (parts.host, parts.port) = (host.into(), port.map(Cow::from));
            continue;
        };
        let value = if keywords { unquoted(value.trim()) } else { value.trim().into() };
        match key.trim().to_ascii_lowercase().as_str() {
            "host" | "server" | "data source" => parts.host = value,
            "port" => parts.port = Some(value),
            "username" | "user id" | "user" | "uid" => parts.user = Some(value),
            "password" | "pwd" => parts.password = Some(value),
            "database" | "initial catalog" | "defaultdatabase" => parts.database = Some(value),
            "ssl" if value.eq_ignore_ascii_case("true") => parts.mode = Some(TlsMode::VerifyFull.as_str().into()),
            "ssl mode" | "sslmode" => parts.mode = Some(value),
            "root certificate" | "sslrootcert" => parts.authorities = Some(value),
            _unknown => {}
        }
    }
    parts.candidate(recipe)
}

/// `key=value` of ADO.NET between semicolons; with an address first, between commas, it is StackExchange's Redis client's.
fn is_keywords(text: &str) -> bool {
    text.contains(';') && text.split([';', ',']).next().is_some_and(|first| first.contains('='))
}

/// The items of a connection string. A value of ADO.NET may hold its separator between quotes; for Redis quotes mean nothing.
fn items(text: &str, keywords: bool) -> impl Iterator<Item = &str> {
    let separator = if keywords { ';' } else { ',' };
    let mut found = Vec::new();
    let (mut start, mut in_value, mut may_open, mut quote) = (0, false, false, None);
    for (at, c) in text.char_indices() {
        match quote {
            // A doubled quote closes and opens again.
            Some(open) if c == open => (quote, may_open) = (None, true),
            Some(_) => {}
            None if c == separator => {
                found.push(&text[start..at]);
                (start, in_value, may_open) = (at + c.len_utf8(), false, false);
            }
            None if keywords && may_open && matches!(c, '"' | '\'') => quote = Some(c),
            None if c == '=' && !in_value => (in_value, may_open) = (true, true),
            None => may_open &= c.is_whitespace(),
        }
    }
    found.push(&text[start..]);
    found.into_iter().map(str::trim).filter(|item| !item.is_empty())
}

/// A value without its quotes; a doubled quote inside is one.
fn unquoted(value: &str) -> Cow<'_, str> {
    for quote in ['"', '\''] {
        let inner = value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
        if let Some(inner) = inner {
            return inner.replace(&format!("{quote}{quote}"), &quote.to_string()).into();
        }
    }
    value.into()
}

#[derive(Default)]
struct Parts<'a> {
    host: Cow<'a, str>,
    port: Option<Cow<'a, str>>,
    user: Option<Cow<'a, str>>,
    password: Option<Cow<'a, str>>,
    database: Option<Cow<'a, str>>,
    mode: Option<Cow<'a, str>>,
    authorities: Option<Cow<'a, str>>,
}

impl Parts<'_> {
    fn candidate(self, recipe: &Recipe) -> Option<ParsedCandidate> {
        let port = match self.port {
            Some(text) => text.parse::<u16>().ok().filter(|port| *port > 0)?,
            None => main_port(recipe)?,
        };
        let bare = self.host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&self.host);
        let host = if bare.contains(':') { format!("[{bare}]") } else { bare.to_owned() };
        let address: Address = parse(&format!("{host}:{port}"), None).ok()?.address;
        let password = self.password.map(|text| Secret::new(text.into_owned()));
        let mode = self.mode.map_or(Ok(None), |mode| TlsMode::parse(&mode)).ok()?;
        let authorities = self.authorities.map(Cow::into_owned).filter(|path| own_authorities(path));
        let login = Login { username: self.user.map(Cow::into_owned), password, token: None };
        Some(ParsedCandidate {
            scheme: None,
            address,
            database: self.database.map(Cow::into_owned),
            login: (login != Login::default()).then_some(login),
            tls: mode.map(|mode| Tls { mode, authorities }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(adapter: &str, variables: &[(&str, &str)]) -> Vec<(String, ParsedCandidate)> {
        let variables = variables.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        environment_candidates(adapter, &[], &variables)
    }

    /// DET-9, DET-11: each form gives its address, with its own login bound to it.
    #[test]
    fn every_form_of_a_candidate_is_read() {
        for (adapter, variables) in [
            ("postgres", &[("DATABASE_URL", "postgres://shop:p%40ss@127.0.0.1:5433/orders")][..]),
            (
                "postgres",
                &[("ConnectionStrings__Postgres", "Host=127.0.0.1;Port=5433;Username=shop;Password=p@ss;Database=orders")],
            ),
            (
                "pg",
                &[
                    ("PGHOST", "127.0.0.1"),
                    ("PGPORT", "5433"),
                    ("PGUSER", "shop"),
                    ("PGPASSWORD", "p@ss"),
                    ("PGDATABASE", "orders"),
                ][..],
            ),
            ("redis", &[("ConnectionStrings__Redis", "127.0.0.1:5433,user=shop,password=p@ss,defaultDatabase=orders")][..]),
        ] {
            let found = read(adapter, variables);
            assert_eq!(found.len(), 1, "{variables:?}");
            let candidate = &found[0].1;
            assert_eq!(candidate.address.to_string(), "127.0.0.1:5433");
            assert_eq!(candidate.database.as_deref(), Some("orders"));
            let login = candidate.login.as_ref().unwrap();
            assert_eq!(login.username.as_deref(), Some("shop"));
            assert_eq!(login.password.as_ref().unwrap().expose(), "p@ss");
        }
        assert_eq!(read("redis", &[("REDIS_URLS", "redis://127.0.0.1:1, redis://127.0.0.1:2")]).len(), 2);
    }

    /// DET-9, DET-11, DET-32: a virtual host is decoded, a token beside an address goes with that address alone, and what names no
    /// address names no candidate.
    #[test]
    fn hosts_and_tokens_are_read() {
        let rabbit = |url: &str| read("rabbitmq", &[("AMQP_URL", url)]).pop().unwrap().1;
        assert_eq!(rabbit("amqp://u:p@127.0.0.1/%2F").database.as_deref(), Some("/"));
        assert_eq!(rabbit("amqp://u:p@127.0.0.1:5673/team%2Fa").database.as_deref(), Some("team/a"));
        assert_eq!(rabbit("amqps://u:p@127.0.0.1").database, None);
        assert!(rabbit("amqps://u:p@127.0.0.1").tls.is_some());
        let address = ("VAULT_ADDR", "https://127.0.0.1:8200");
        let (_name, vault) = read("openbao", &[address, ("VAULT_TOKEN", "t0ken"), ("BAO_TOKEN", "other")]).pop().unwrap();
        let token = vault.login.unwrap().token.unwrap();
        assert_eq!((token.expose().as_str(), vault.tls.is_some()), ("t0ken", true));
        assert!(read("vault", &[("VAULT_TOKEN", "t0ken")]).is_empty());
        let key = [("WEAVIATE_ENDPOINT", "http://127.0.0.1:8081"), ("WEAVIATE_API_KEY", "k3y")];
        assert!(read("weaviate", &key).pop().unwrap().1.login.unwrap().token.is_some());
        assert_eq!(read("ollama", &[("OLLAMA_HOST", "127.0.0.1:11500")]).pop().unwrap().1.address.to_string(), "127.0.0.1:11500");
        assert!(read("ollama", &[("OLLAMA_HOST", "0.0.0.0")]).is_empty());
        assert_eq!(read("mqtt", &[("MQTT_URL", "mqtt://u:p@127.0.0.1")]).pop().unwrap().1.address.to_string(), "127.0.0.1:1883");
    }

    /// DET-9, DET-11 (decision 0021): user and password may stand in one name; where the password has a name of its own, the user is the
    /// whole text.
    #[test]
    fn a_user_may_bring_the_password() {
        let endpoints = ("ETCDCTL_ENDPOINTS", "127.0.0.1:2380,https://127.0.0.1:2379");
        let login = |more: &[(&str, &str)]| {
            let found = read("etcd", &[&[endpoints], more].concat());
            assert_eq!((found.len(), found[1].1.tls.is_some()), (2, true));
            found[0].1.login.clone().map(|login| (login.username, login.password.map(|text| text.expose().clone())))
        };
        let both = |user: &str, password: &str| Some((Some(user.to_owned()), Some(password.to_owned())));
        assert_eq!(login(&[]), None);
        assert_eq!(login(&[("ETCDCTL_USER", "root:a:b")]), both("root", "a:b"));
        assert_eq!(login(&[("ETCDCTL_USER", "root:a"), ("ETCDCTL_PASSWORD", "b")]), both("root:a", "b"));
        let names = environment_names("etcd");
        assert_eq!(names.iter().filter(|name| **name == "ETCD_PASSWORD").count(), 1, "two addresses share it: {names:?}");
    }

    /// DET-10, SEC-1: a password that looks like an address, another product's URL or half a set is no candidate.
    #[test]
    fn sec_1_what_is_no_candidate_is_passed_over() {
        assert!(read("postgres", &[("PGPASSWORD", "secret:5432")]).is_empty());
        assert!(read("postgres", &[("DATABASE_URL", "mysql://root@127.0.0.1:3306/x")]).is_empty());
        assert!(read("postgres", &[("PGHOST", "127.0.0.1"), ("PGPORT", "many")]).is_empty());
        assert!(read("redis", &[("REDIS_URL", "")]).is_empty());
    }

    /// DET-11: values between quotes are read as ADO.NET's readers do; in a list between commas quotes mean nothing.
    #[test]
    fn quoted_values_are_read() {
        let login = |adapter: &str, text: &str| {
            let name = if adapter == "redis" { "ConnectionStrings__Redis" } else { "ConnectionStrings__Postgres" };
            let found = read(adapter, &[(name, text)]).pop().unwrap().1.login.unwrap();
            (found.username.unwrap_or_default(), found.password.unwrap().expose().clone())
        };
        let pair = |user: &str, password: &str| (user.to_owned(), password.to_owned());
        assert_eq!(login("postgres", r#"Host=h;Username="a;b";Password='x"=;'"#), pair("a;b", r#"x"=;"#));
        assert_eq!(login("postgres", r#"Host=h;Username=u;Password="say ""hi"" ';"""#), pair("u", r#"say "hi" ';""#));
        assert_eq!(login("postgres", "Host=h;Username=u;Password=a=b'c"), pair("u", "a=b'c"));
        assert_eq!(login("redis", r#"h:6379,user=u,password="x;y""#), pair("u", r#""x;y""#));
    }

    proptest::proptest! {
        /// DET-32, P6: whatever user, password and database are, the `ado` output is read back as they were.
        #[test]
        fn p6_an_ado_connection_string_round_trips(user in "\\PC{1,12}", password in "[ -~äß\t\n]{1,20}", database in "[a-z ;='\"]{1,8}") {
            let written = |text: &str| koan_core::outputs::keyword_value(text);
            let text = format!(
                "Host=127.0.0.1;Port=5433;Database={};Username={};Password={}",
                written(&database), written(&user), written(&password)
            );
            let candidate = read("postgres", &[("ConnectionStrings__Postgres", &text)]).pop().unwrap().1;
            let login = candidate.login.unwrap();
            proptest::prop_assert_eq!(candidate.address.to_string(), "127.0.0.1:5433");
            proptest::prop_assert_eq!(candidate.database, Some(database));
            proptest::prop_assert_eq!(login.username, Some(user));
            proptest::prop_assert_eq!(login.password.map(|password| password.expose().clone()), Some(password));
        }

        /// P6: whatever a shell holds, reading it ends without a fault.
        #[test]
        fn p6_any_environment_is_read(text in ".{0,120}") {
            for name in ["DATABASE_URL", "ConnectionStrings__Postgres", "PGHOST", "PGPORT"] {
                let _candidates = read("postgres", &[("PGHOST", "db"), (name, &text)]);
            }
        }
    }
}
