//! A catalogue of invented products, so that the stages are proved without any real one.

use std::time::Duration;

use koan_core::recipe::{DefaultLogin, ImageName, Maturity, OwnLogin, ProcessRecipe, Recipe, RecipePort, Recipes};
use koan_core::text::{Part, Text, ValueRef};
use koan_core::workload::StopSignal;

/// Two products: `ledger` keeps data, `scratch` does not.
pub(crate) struct Catalogue(Vec<Recipe>);

impl Catalogue {
    pub(crate) fn new() -> Self {
        Self(vec![ledger(), scratch()])
    }
}

impl Recipes for Catalogue {
    fn recipe(&self, name: &str) -> Option<&Recipe> {
        self.0.iter().find(|recipe| recipe.id == name || recipe.aliases.contains(&name))
    }

    fn ids(&self) -> Vec<&str> {
        self.0.iter().map(|recipe| recipe.id).collect()
    }

    fn by_scheme(&self, scheme: &str) -> Option<&Recipe> {
        self.0.iter().find(|recipe| recipe.schemes.contains(&scheme))
    }
}

fn credential(key: &str) -> ValueRef {
    ValueRef::SecretKey { name: Recipe::CREDENTIALS.to_owned(), key: key.to_owned() }
}

fn ledger() -> Recipe {
    Recipe {
        aliases: &["led"],
        wave: 1,
        maturity: Maturity::Stable,
        env: vec![
            ("LEDGER_USER".to_owned(), Text::value(credential("username"))),
            ("LEDGER_DB".to_owned(), Text::plain(Recipe::DATABASE)),
        ],
        files: vec![("/run/koan/ledger-password".to_owned(), 0o444, Text::value(credential("password")))],
        data_paths: |_tag| &["/var/lib/ledger"],
        priority: 100,
        exec_check: vec![Text::plain("ledger-check"), Text::plain(Recipe::DATABASE)],
        stop_grace: Duration::from_secs(30),
        own_login: OwnLogin::Password(None),
        keeps_data: true,
        schemes: &["ledger"],
        outputs: &[("jdbc", "jdbc:ledger://{host}:{port}/{database}?user={user}")],
        url_pattern: "{scheme}://[{user}][:{password}]@{host}:{port}/{database}[?sslmode={sslmode}][&sslrootcert={sslrootcert}]",
        candidate_names: &["LEDGER_URL"],
        conventional_names: &[("LEDGER_URL", "url")],
        default_logins: &[DefaultLogin::Password("ledger", "ledger"), DefaultLogin::Password("root", "root")],
        minimum_version: "12",
        process: Some(ProcessRecipe {
            programs: &["ledgerd"],
            folders: &["/usr/lib/ledger/*/bin"],
            package: "ledger-server",
            prepare: Vec::new(),
            files: vec![("/run/koan/ledger.conf".to_owned(), 0o400, Text(vec![Part::Quoted(credential("password"))]))],
            command: vec![Text::plain("ledgerd"), Text(vec![Part::Port("ledger".to_owned())])],
            env: Vec::new(),
            stop_signal: StopSignal::default(),
            data_paths: &["/var/lib/ledger"],
        }),
        ..Recipe::new(
            "ledger",
            "Ledger",
            ImageName { registry: "docker.io", repository: "library/ledger", tag: "18.6", mirrors: &[] },
            &[RecipePort { name: "ledger", port: 5432 }],
        )
    }
}

fn scratch() -> Recipe {
    Recipe {
        wave: 1,
        maturity: Maturity::Stable,
        env_with_login: vec![("SCRATCH_KEY".to_owned(), Text::value(credential("token")))],
        env_without_login: vec![("SCRATCH_OPEN".to_owned(), Text::plain("true"))],
        secrets_in_env: Some("its image reads the key there alone"),
        volatile: Some("it remembers nothing: a restart empties it"),
        readiness: Duration::from_secs(10),
        stop_grace: Duration::from_secs(5),
        schemes: &["scratch", "scratchs"],
        outputs: &[("token", "[{token}]"), ("servers", "{host}:{port}")],
        url_pattern: "{scheme}://[{user}][:{password}]@{host}:{port}/0",
        candidate_names: &["SCRATCH_URL"],
        default_database: Some("0"),
        conventional_names: &[("LEDGER_URL", "url")],
        minimum_version: "6",
        ..Recipe::new(
            "scratch",
            "Scratch",
            ImageName { registry: "docker.io", repository: "library/scratch", tag: "8.1", mirrors: &[] },
            &[RecipePort { name: "scratch", port: 6379 }],
        )
    }
}
