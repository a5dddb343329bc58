//! Every adapter, one line each; the only list of products in the whole project (DET-7).

use std::sync::LazyLock;

use koan_core::recipe::{Recipe, Recipes};

use crate::product::Product;
use crate::{postgres, redis};

/// One line per adapter.
const ADAPTERS: &[Adapter] = &[
    Adapter { recipe: postgres::recipe, product: &postgres::Postgres },
    Adapter { recipe: redis::recipe, product: &redis::Redis },
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
        self.recipes.iter().find(|recipe| recipe.schemes.contains(&scheme))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// DET-36, DET-37: each row is whole: exact tag, ports, data path, schemes; no id, alias or scheme is taken twice.
    #[test]
    fn every_row_of_the_catalogue_is_whole() {
        let mut names = BTreeSet::new();
        for recipe in catalogue().recipes() {
            let id = recipe.id;
            assert!(recipe.image.tag.starts_with(|letter: char| letter.is_ascii_digit()), "{id}: exact tag");
            assert!(recipe.image.tag.contains('.'), "{id}: exact tag");
            assert!(!recipe.ports.is_empty() && recipe.ports.iter().all(|port| port.port > 0), "{id}: ports");
            assert!(!(recipe.data_paths)(recipe.image.tag).is_empty(), "{id}: data path");
            assert!(!recipe.schemes.is_empty() && !recipe.exec_check.is_empty(), "{id}: scheme and check");
            for name in recipe.aliases.iter().chain(recipe.schemes).chain([&recipe.id]).collect::<BTreeSet<_>>() {
                assert!(names.insert(*name), "{name} is taken twice");
            }
        }
    }

    /// DET-24, B-7: no secret is in an argument, an environment value or a check; secrets travel in files alone.
    #[test]
    fn no_password_is_in_an_argument_or_the_environment() {
        for recipe in catalogue().recipes() {
            let process = recipe.process.as_ref().unwrap();
            let prepare = process.prepare.iter().flat_map(|(mark, command)| command.iter().chain([mark]));
            let words = recipe.exec_check.iter().chain(&process.command).chain(prepare);
            assert_eq!(words.flat_map(|text| text.references()).count(), 0, "{}", recipe.id);
            let environment = recipe.env.iter().chain(&process.env);
            let secret = environment.flat_map(|(_name, text)| text.references()).filter(|value| is_password(value));
            assert_eq!(secret.count(), 0, "{}", recipe.id);
            assert!(recipe.files.iter().any(|(_path, _mode, text)| text.references().any(is_password)), "{}", recipe.id);
        }
    }

    fn is_password(value: &koan_core::text::ValueRef) -> bool {
        matches!(value, koan_core::text::ValueRef::SecretKey { key, .. } if key == "password")
    }
}
