//! Every adapter, one line each; the only list of products in the whole project (DET-7).

use std::sync::LazyLock;

use koan_core::lint::{Finding, lint};
use koan_core::recipe::{Recipe, Recipes};

use crate::product::Product;
use crate::{
    elasticsearch, etcd, kafka, memcached, mongodb, mosquitto, mysql, nats, ollama, postgres, rabbitmq, redis, vault, weaviate,
};

/// One line per adapter.
const ADAPTERS: &[Adapter] = &[
    Adapter { recipe: elasticsearch::elasticsearch, product: &elasticsearch::ELASTICSEARCH },
    Adapter { recipe: etcd::recipe, product: &etcd::Etcd },
    Adapter { recipe: kafka::recipe, product: &kafka::Kafka },
    Adapter { recipe: memcached::recipe, product: &memcached::Memcached },
    Adapter { recipe: mongodb::recipe, product: &mongodb::MongoDb },
    Adapter { recipe: mysql::mariadb, product: &mysql::MARIADB },
    Adapter { recipe: mosquitto::recipe, product: &mosquitto::Mosquitto },
    Adapter { recipe: mysql::mysql, product: &mysql::MYSQL },
    Adapter { recipe: nats::recipe, product: &nats::Nats },
    Adapter { recipe: ollama::recipe, product: &ollama::Ollama },
    Adapter { recipe: elasticsearch::opensearch, product: &elasticsearch::OPENSEARCH },
    Adapter { recipe: postgres::recipe, product: &postgres::Postgres },
    Adapter { recipe: rabbitmq::recipe, product: &rabbitmq::RabbitMq },
    Adapter { recipe: redis::recipe, product: &redis::Redis },
    Adapter { recipe: vault::recipe, product: &vault::Vault },
    Adapter { recipe: weaviate::recipe, product: &weaviate::Weaviate },
];

/// The adapter that documentation takes as its example.
pub const EXAMPLE: &str = postgres::ID;

/// A product that keeps its data in files of the program itself: there is no server to find or to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileProvider {
    /// Name for people and documents.
    pub id: &'static str,
    /// Packages that bring it.
    pub packages: &'static [&'static str],
}

/// Products without a server that projects are often found with.
pub const FILE_PROVIDERS: [FileProvider; 2] = [
    FileProvider {
        id: "sqlite",
        packages: &[
            "Microsoft.Data.Sqlite",
            "Microsoft.EntityFrameworkCore.Sqlite",
            "sqlite3",
            "better-sqlite3",
            "rusqlite",
            "github.com/mattn/go-sqlite3",
            "aiosqlite",
        ],
    },
    FileProvider { id: "litedb", packages: &["LiteDB"] },
];

/// Adapters whose matrix has a real server, as the build script found them.
const MATRIX_SERVERS: &str = env!("KOAN_MATRIX_SERVERS");

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

    /// What is wrong with the rows (DET-39); nothing in a catalogue that is fit to ship.
    pub fn lint(&self) -> Vec<Finding> {
        lint(&self.recipes, &MATRIX_SERVERS.split_whitespace().collect())
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
    use koan_core::recipe::OwnLogin;

    use super::*;

    /// DET-36, DET-37, DET-39: each row is whole, as `koan catalog lint` sees it.
    #[test]
    fn every_row_of_the_catalogue_is_whole() {
        let findings: Vec<String> = catalogue().lint().iter().map(ToString::to_string).collect();
        assert!(findings.is_empty(), "{findings:#?}");
    }

    /// DET-39, DET-42: the build knows the servers that matrices run against.
    #[test]
    fn the_servers_of_the_matrix_are_known() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../hack/servers.d");
        for name in MATRIX_SERVERS.split_whitespace() {
            assert!(folder.join(name).join("server").is_file(), "{name}");
        }
        assert!(!MATRIX_SERVERS.is_empty());
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
