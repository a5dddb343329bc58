//! Every adapter, one line each; the only list of products in the whole project (DET-7).

use std::sync::LazyLock;

use koan_core::recipe::{Recipe, Recipes};

use crate::product::Product;
use crate::{memcached, mongodb, mosquitto, mysql, nats, ollama, postgres, rabbitmq, redis, vault, weaviate};

/// One line per adapter.
const ADAPTERS: &[Adapter] = &[
    Adapter { recipe: memcached::recipe, product: &memcached::Memcached },
    Adapter { recipe: mongodb::recipe, product: &mongodb::MongoDb },
    Adapter { recipe: mysql::mariadb, product: &mysql::MARIADB },
    Adapter { recipe: mosquitto::recipe, product: &mosquitto::Mosquitto },
    Adapter { recipe: mysql::mysql, product: &mysql::MYSQL },
    Adapter { recipe: nats::recipe, product: &nats::Nats },
    Adapter { recipe: ollama::recipe, product: &ollama::Ollama },
    Adapter { recipe: postgres::recipe, product: &postgres::Postgres },
    Adapter { recipe: rabbitmq::recipe, product: &rabbitmq::RabbitMq },
    Adapter { recipe: redis::recipe, product: &redis::Redis },
    Adapter { recipe: vault::recipe, product: &vault::Vault },
    Adapter { recipe: weaviate::recipe, product: &weaviate::Weaviate },
];

/// Both halves of an adapter.
struct Adapter {
    recipe: fn() -> Recipe,
    product: &'static dyn Product,
}

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| Catalogue::of(ADAPTERS));

/// The effectful half of an adapter, by canonical id or alias.
pub(crate) fn product(name: &str) -> Option<&'static dyn Product> {
    let id = catalogue().recipe(name)?.id;
    ADAPTERS.iter().find(|adapter| (adapter.recipe)().id == id).map(|adapter| adapter.product)
}

/// Everything that is known of products, for the whole life of the program.
pub fn catalogue() -> &'static Catalogue {
    &CATALOGUE
}

/// The recipes of all adapters, sorted by id.
#[derive(Debug)]
pub struct Catalogue {
    recipes: Vec<Recipe>,
}

impl Catalogue {
    fn of(adapters: &[Adapter]) -> Self {
        let mut recipes: Vec<Recipe> = adapters.iter().map(|adapter| (adapter.recipe)()).collect();
        recipes.sort_by_key(|recipe| recipe.id);
        Self { recipes }
    }

    /// Every recipe, sorted by id.
    pub fn recipes(&self) -> &[Recipe] {
        &self.recipes
    }
}

impl Recipes for Catalogue {
    fn recipe(&self, name: &str) -> Option<&Recipe> {
        self.recipes.iter().find(|recipe| recipe.id == name || recipe.aliases.contains(&name))
    }

    fn ids(&self) -> Vec<&str> {
        self.recipes.iter().map(|recipe| recipe.id).collect()
    }

    fn by_scheme(&self, scheme: &str) -> Option<&Recipe> {
        let mut known = self.recipes.iter().filter(|recipe| recipe.schemes.contains(&scheme));
        known.next().filter(|_only| known.next().is_none())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use koan_core::recipe::{Maturity, OwnLogin};

    use super::*;

    /// DET-36, DET-37, DET-39: each row is whole: exact tag, ports, schemes, names of outputs that exist; no id or alias is taken
    /// twice, what keeps data says where, what is a preview says why.
    #[test]
    fn every_row_of_the_catalogue_is_whole() {
        let mut names = BTreeSet::new();
        for recipe in catalogue().recipes() {
            let id = recipe.id;
            let tag = recipe.image.tag.trim_start_matches('v');
            assert!(tag.starts_with(|letter: char| letter.is_ascii_digit()) && tag.contains('.'), "{id}: exact tag");
            assert!(!recipe.ports.is_empty() && recipe.ports.iter().all(|port| port.port > 0), "{id}: ports");
            assert!(!recipe.keeps_data || !(recipe.data_paths)(recipe.image.tag).is_empty(), "{id}: data path");
            assert!(!recipe.schemes.is_empty() && matches!(recipe.wave, 1 | 2), "{id}: scheme and wave");
            assert!(recipe.maturity != Maturity::Preview(""), "{id}: reason of the preview");
            let usual = ["url", "host", "port", "user", "password", "database", "sslmode", "authorities"];
            let own = recipe.outputs.iter().map(|(name, _pattern)| *name);
            let outputs: BTreeSet<&str> = usual.into_iter().chain(own).collect();
            for (name, output) in recipe.conventional_names {
                assert!(outputs.contains(output), "{id}: {name} carries {output}, which nobody makes");
            }
            for more in recipe.candidate_more {
                assert!(recipe.candidate_names.contains(&more.of), "{id}: {} is no candidate", more.of);
            }
            for name in recipe.aliases.iter().chain([&recipe.id]).collect::<BTreeSet<_>>() {
                assert!(names.insert(*name), "{name} is taken twice");
            }
        }
    }

    /// DET-24, B-7: no secret is in an argument, a check or, but for images that have no other way, an environment value.
    #[test]
    fn no_secret_is_in_an_argument_or_the_environment() {
        for recipe in catalogue().recipes() {
            let process = recipe.process.iter();
            let prepare = process.clone().flat_map(|process| &process.prepare);
            let prepare = prepare.flat_map(|(mark, command)| command.iter().chain([mark]));
            let commands = process.clone().flat_map(|process| &process.command);
            let words = recipe.exec_check.iter().chain(commands).chain(prepare);
            assert_eq!(words.flat_map(|text| text.references()).count(), 0, "{}", recipe.id);
            let own = [&recipe.env, &recipe.env_with_login, &recipe.env_without_login];
            let own = own.into_iter().flatten().filter(|_entry| recipe.secrets_in_env.is_none());
            let environment = own.chain(process.flat_map(|process| &process.env));
            let secret = environment.flat_map(|(_name, text)| text.references()).filter(|value| is_secret(value));
            assert_eq!(secret.count(), 0, "{}", recipe.id);
            let mut files = recipe.files.iter().flat_map(|(_path, _mode, text)| text.references());
            let by_file = recipe.own_login != OwnLogin::Nothing && recipe.secrets_in_env.is_none();
            assert!(!by_file || files.any(is_secret), "{}", recipe.id);
        }
    }

    fn is_secret(value: &koan_core::text::ValueRef) -> bool {
        matches!(value, koan_core::text::ValueRef::SecretKey { key, .. } if key != "username")
    }
}
