//! The example of an adapter's page: a stack with this service alone, and the variables that it would get, by the stages that make
//! the real ones.

use std::collections::BTreeMap;

use koan_adapters::catalogue;
use koan_core::outputs::{OutputSource, outputs, stack_env};
use koan_core::probe::Address;
use koan_core::recipe::{OwnLogin, Recipe};
use koan_core::secret::{Login, Secret};
use koan_core::validate::{StackMember, StackOptions, validate_stack};
use koan_crds::v1alpha1::{DevStack, Profile};
use serde_json::{Value, json};

use super::entry::VariableFact;

/// Name of the example's stack.
const STACK: &str = "shop";
/// What stands for generated values in the example.
const PASSWORD: &str = "PASSWORD";
const TOKEN: &str = "TOKEN";

/// The manifest of the example.
pub(super) fn manifest(adapter: &str) -> String {
    let api = koan_crds::API_VERSION;
    format!(
        "apiVersion: {api}\nkind: DevStack\nmetadata:\n  name: {STACK}\nspec:\n  services:\n  - name: {adapter}\n    adapter: {adapter}\n"
    )
}

/// What validation makes of the example in a profile; nothing where the row itself is broken, which a test forbids.
pub(crate) fn policy(recipe: &Recipe, profile: Profile) -> Option<StackMember> {
    let stack: Value = json!({
        "apiVersion": koan_crds::API_VERSION, "kind": "DevStack", "metadata": {"name": STACK},
        "spec": {"profile": profile, "services": [{"name": recipe.id, "adapter": recipe.id}]},
    });
    let stack: DevStack = serde_json::from_value(stack).ok()?;
    let valid = validate_stack(&stack, &StackOptions::default(), catalogue()).ok()?;
    valid.members().next().cloned()
}

/// Variables of the example, its server on its usual port, with a generated login where the adapter has one.
pub(super) fn injected(recipe: &Recipe) -> Vec<VariableFact> {
    let (Some(member), Some(port)) = (policy(recipe, Profile::Local), recipe.ports.first()) else { return Vec::new() };
    let address = Address::Tcp { host: "127.0.0.1".to_owned(), port: port.port };
    let login = login(recipe.own_login);
    let source = OutputSource { address: &address, tls: None, login: login.as_ref(), ports: BTreeMap::new() };
    let outputs = outputs(&member.service, Some(recipe), &source);
    let env = stack_env(&[(&member.service, Some(recipe), outputs)]);
    let shown = env.variables.into_iter().map(|(name, value)| VariableFact { name, value: value.expose().clone(), when: None });
    shown.collect()
}

fn login(own: OwnLogin) -> Option<Login> {
    let secret = |text: &str| Some(Secret::new(text.to_owned()));
    match own {
        OwnLogin::Password(user) => {
            let username = Some(user.unwrap_or(OwnLogin::USER).to_owned());
            Some(Login { username, password: secret(PASSWORD), token: None })
        }
        OwnLogin::Token => Some(Login { username: None, password: None, token: secret(TOKEN) }),
        OwnLogin::Nothing => None,
    }
}
