//! The real servers, as `hack/test-servers up` names them in the environment.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use koan_core::candidate;
use koan_core::probe::Address;
use koan_core::recipe::Recipe;
use koan_core::secret::{Login, Secret};

/// A running server with its right login.
pub(crate) struct Server {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// What it lets in.
    pub(crate) login: Login,
    /// Database that is there; `None` where the product's usual one is.
    pub(crate) database: Option<String>,
    log: Option<PathBuf>,
}

/// A variable of an adapter's server.
fn variable(recipe: &Recipe, what: &str) -> Option<String> {
    std::env::var(format!("KOAN_TEST_{}_{what}", recipe.id.to_uppercase())).ok()
}

/// The server of an adapter runs, or `KOAN_TEST_REQUIRE` says that it has to.
pub(crate) fn expected(recipe: &Recipe) -> bool {
    let required = std::env::var("KOAN_TEST_REQUIRE").unwrap_or_default();
    variable(recipe, "URL").is_some() || required.split(',').any(|word| word == recipe.id)
}

impl Server {
    /// The server of an adapter, where it runs.
    ///
    /// # Panics
    /// What names it is no URL.
    pub(crate) fn of(recipe: &Recipe) -> Option<Self> {
        let url = variable(recipe, "URL")?;
        let port = recipe.ports.first().map(|port| port.port);
        let parsed = candidate::parse(&url, port).unwrap_or_else(|error| panic!("KOAN_TEST_…_URL of {}: {error}", recipe.id));
        let Address::Tcp { host, port } = parsed.address else { panic!("a TCP address of {}", recipe.id) };
        let mut login = parsed.login.unwrap_or_default();
        let token = variable(recipe, "TOKEN").or_else(|| variable(recipe, "API_KEY"));
        login.token = token.map(Secret::new).or(login.token);
        let address = format!("{host}:{port}").parse().expect("an address literal");
        Some(Self { address, login, database: parsed.database, log: variable(recipe, "LOG").map(PathBuf::from) })
    }

    /// How often the server's own log names a user (SEC-2).
    pub(crate) fn logged(&self, login: &Login) -> usize {
        let log = self.log.as_ref().and_then(|path| std::fs::read(path).ok()).unwrap_or_default();
        let lines = String::from_utf8_lossy(&log).into_owned();
        login.username.as_ref().map_or(0, |user| lines.lines().filter(|line| line.contains(user.as_str())).count())
    }
}

/// The keys of a Secret that hold a login.
pub(crate) fn keys(login: &Login) -> BTreeMap<&'static str, String> {
    let user = login.username.clone().map(|user| ("username", user));
    let password = login.password.as_ref().map(|text| ("password", text.expose().clone()));
    let token = login.token.as_ref().map(|text| ("token", text.expose().clone()));
    [user, password, token].into_iter().flatten().collect()
}
