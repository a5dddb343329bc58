//! One adapter with everything that a user would want to know of it.

use koan_adapters::environment_names;
use koan_core::recipe::{DefaultLogin, Maturity, OwnLogin, ProcessRecipe, Recipe};
use koan_core::text::Text;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::example::{injected, manifest};
use super::text::{file, words, written};
use crate::output::Header;

/// A named number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PortFact {
    pub(crate) name: String,
    pub(crate) port: u16,
}

/// A variable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct VariableFact {
    pub(crate) name: String,
    /// What it holds; what is made at run time stands in angle brackets.
    pub(crate) value: String,
    /// Only then; unset: always.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) when: Option<String>,
}

/// The login of a container that Koan makes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct LoginFact {
    /// Keys of the Secret that is generated where the manifest names none; none where none is made.
    pub(crate) generated: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<String>,
}

/// How a service that runs already is found and proved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct DetectionFact {
    /// Names of the environment that are read.
    pub(crate) names: Vec<String>,
    /// What proves the product, before any credential.
    pub(crate) greeting: String,
    /// What an accepted login must be able to do.
    pub(crate) proof: String,
    /// Well-known logins that products are left with, in the order in which they are tried: `default:<n>` and the published login.
    pub(crate) default_logins: Vec<String>,
}

/// How the server runs as a process of this machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ProcessFact {
    pub(crate) programs: Vec<String>,
    pub(crate) package: String,
}

/// `koan catalog show`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CatalogEntry {
    #[serde(flatten)]
    pub(crate) header: Header,
    pub(crate) id: String,
    pub(crate) aliases: Vec<String>,
    pub(crate) title: String,
    pub(crate) wave: u8,
    /// Stable or Preview.
    pub(crate) maturity: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) preview_because: Option<String>,
    /// Lowest version that is accepted; unset: every version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) minimum_version: Option<String>,
    pub(crate) image: String,
    pub(crate) mirrors: Vec<String>,
    pub(crate) ports: Vec<PortFact>,
    /// One named volume each.
    pub(crate) data_paths: Vec<String>,
    /// What a restart of a container loses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) volatile: Option<String>,
    pub(crate) environment: Vec<VariableFact>,
    /// Why a secret stands in the environment of the container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) secret_in_environment: Option<String>,
    pub(crate) files: Vec<String>,
    pub(crate) arguments: Vec<String>,
    pub(crate) login: LoginFact,
    /// Check inside the container; unset: the adapter's own alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) check: Option<String>,
    pub(crate) readiness_seconds: u64,
    pub(crate) stop_grace_seconds: u64,
    pub(crate) startup_priority: u32,
    pub(crate) detection: DetectionFact,
    /// Variables that a stack with this service alone gets.
    pub(crate) injected: Vec<VariableFact>,
    /// Outputs beside url, host, port, user, password and database.
    pub(crate) outputs: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) process: Option<ProcessFact>,
    pub(crate) traps: Vec<String>,
    /// A manifest to begin with.
    pub(crate) example: String,
}

impl CatalogEntry {
    /// What the catalogue says of one adapter.
    pub(crate) fn of(recipe: &Recipe) -> Self {
        let (maturity, because) = maturity(recipe.maturity);
        let owned = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect::<Vec<String>>();
        Self {
            header: Header::of("CatalogEntry"),
            id: recipe.id.to_owned(),
            aliases: owned(recipe.aliases),
            title: recipe.title.to_owned(),
            wave: recipe.wave,
            maturity: maturity.to_owned(),
            preview_because: because.map(str::to_owned),
            minimum_version: Some(recipe.minimum_version.to_owned()).filter(|version| !version.is_empty()),
            image: recipe.image.to_string(),
            mirrors: mirrors(recipe),
            ports: recipe.ports.iter().map(|port| PortFact { name: port.name.to_owned(), port: port.port }).collect(),
            data_paths: owned((recipe.data_paths)(recipe.image.tag)),
            volatile: recipe.volatile.map(str::to_owned),
            environment: environment(recipe),
            secret_in_environment: recipe.secrets_in_env.map(str::to_owned),
            files: recipe.files.iter().map(|(path, _mode, text)| file(path, text)).collect(),
            arguments: recipe.args.clone(),
            login: login(recipe.own_login),
            check: (!recipe.exec_check.is_empty()).then(|| words(recipe, &recipe.exec_check)),
            readiness_seconds: recipe.readiness.as_secs(),
            stop_grace_seconds: recipe.stop_grace.as_secs(),
            startup_priority: recipe.priority,
            detection: DetectionFact {
                names: owned(&environment_names(recipe.id)),
                greeting: recipe.greeting.to_owned(),
                proof: recipe.proof.to_owned(),
                default_logins: default_logins(recipe.default_logins),
            },
            injected: injected(recipe),
            outputs: recipe.outputs.iter().map(|(name, _pattern)| (*name).to_owned()).collect(),
            process: recipe.process.as_ref().map(process),
            traps: owned(recipe.traps),
            example: manifest(recipe.id),
        }
    }
}

/// The word of a maturity, and why it is not Stable.
pub(super) fn maturity(maturity: Maturity) -> (&'static str, Option<&'static str>) {
    match maturity {
        Maturity::Stable => ("Stable", None),
        Maturity::Preview(because) => ("Preview", Some(because)),
    }
}

/// Other places of the image, as references.
pub(super) fn mirrors(recipe: &Recipe) -> Vec<String> {
    let tag = recipe.image.tag;
    recipe.image.mirrors.iter().map(|(registry, repository)| format!("{registry}/{repository}:{tag}")).collect()
}

fn environment(recipe: &Recipe) -> Vec<VariableFact> {
    let variable = |(name, text): &(String, Text), when: Option<&str>| VariableFact {
        name: name.clone(),
        value: written(recipe, text),
        when: when.map(str::to_owned),
    };
    let always = recipe.env.iter().map(|entry| variable(entry, None));
    let with = recipe.env_with_login.iter().map(|entry| variable(entry, Some("with a login")));
    let without = recipe.env_without_login.iter().map(|entry| variable(entry, Some("without a login")));
    always.chain(with).chain(without).collect()
}

fn login(own: OwnLogin) -> LoginFact {
    let user = match own {
        OwnLogin::Password(user) => Some(user.unwrap_or(OwnLogin::USER).to_owned()),
        OwnLogin::Token | OwnLogin::Nothing => None,
    };
    LoginFact { generated: own.keys().iter().map(|key| (*key).to_owned()).collect(), user }
}

/// The published logins: everybody knows them, so they are no secrets.
fn default_logins(logins: &[DefaultLogin]) -> Vec<String> {
    let shown = |login: &DefaultLogin| match login {
        DefaultLogin::Password(user, password) => format!("{user}/{password}"),
        DefaultLogin::Token(token) => format!("token {token}"),
    };
    logins.iter().enumerate().map(|(index, login)| format!("default:{} {}", index + 1, shown(login))).collect()
}

fn process(process: &ProcessRecipe) -> ProcessFact {
    let programs = process.programs.iter().map(|program| (*program).to_owned()).collect();
    ProcessFact { programs, package: process.package.to_owned() }
}
