//! The real servers, as `hack/test-servers up` names them in the environment.

use std::collections::BTreeMap;
use std::net::SocketAddr;

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
}

impl Server {
    /// The server of an adapter; `None` after `SKIPPED` was printed.
    ///
    /// # Panics
    /// It is not there, and `KOAN_TEST_REQUIRE` names it; or what names it is no URL.
    pub(crate) fn of(recipe: &Recipe) -> Option<Self> {
        let variable = |what: &str| std::env::var(format!("KOAN_TEST_{}_{what}", recipe.id.to_uppercase())).ok();
        let Some(url) = variable("URL") else {
            let required = std::env::var("KOAN_TEST_REQUIRE").unwrap_or_default();
            let missing = format!("{}: no server; hack/test-servers up {}", recipe.id, recipe.id);
            assert!(!required.split(',').any(|word| word == recipe.id), "{missing}");
            println!("SKIPPED {missing}");
            return None;
        };
        let port = recipe.ports.first().map(|port| port.port);
        let parsed = candidate::parse(&url, port).unwrap_or_else(|error| panic!("KOAN_TEST_…_URL of {}: {error}", recipe.id));
        let Address::Tcp { host, port } = parsed.address else { panic!("a TCP address of {}", recipe.id) };
        let mut login = parsed.login.unwrap_or_default();
        login.token = variable("TOKEN").map(Secret::new).or(login.token);
        let address = format!("{host}:{port}").parse().expect("an address literal");
        Some(Self { address, login, database: parsed.database.filter(|_name| recipe.default_database.is_none()) })
    }
}

/// The keys of a Secret that hold a login.
pub(crate) fn keys(login: &Login) -> BTreeMap<&'static str, String> {
    let user = login.username.clone().map(|user| ("username", user));
    let password = login.password.as_ref().map(|text| ("password", text.expose().clone()));
    let token = login.token.as_ref().map(|text| ("token", text.expose().clone()));
    [user, password, token].into_iter().flatten().collect()
}
