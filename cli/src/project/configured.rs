//! Configuration that names services: variables of `.env` files and of `appsettings.json`, images of compose files. Pure; values are
//! compared and never shown.

use std::collections::BTreeMap;

use koan_core::recipe::Recipe;
use serde_json::Value;

/// Variables of a `.env` file.
pub(super) fn dotenv(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let pair = |line: &str| {
        let (name, value) = line.strip_prefix("export ").unwrap_or(line).split_once('=')?;
        let value = value.trim();
        let quoted = ['"', '\''].into_iter().find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote));
        Some((name.trim().to_owned(), quoted.unwrap_or(value).to_owned()))
    };
    lines.filter_map(pair).collect()
}

/// Settings of .NET as variables: keys joined by two underscores.
pub(super) fn appsettings(settings: &Value) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    flatten("", settings, &mut found);
    found
}

fn flatten(prefix: &str, value: &Value, found: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let name =
                    if prefix.is_empty() { key.replace(':', "__") } else { format!("{prefix}__{}", key.replace(':', "__")) };
                flatten(&name, value, found);
            }
        }
        Value::String(text) => {
            found.insert(prefix.to_owned(), text.clone());
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {}
    }
}

/// Services of a compose file with their images.
pub(super) fn compose(file: &Value) -> Vec<(String, String)> {
    let services = file["services"].as_object().into_iter().flatten();
    services.filter_map(|(name, service)| Some((name.clone(), service["image"].as_str()?.to_owned()))).collect()
}

/// True where an image is one of this product: the same repository, or one that ends in its name.
pub(super) fn is_image_of(recipe: &Recipe, image: &str) -> bool {
    let place = image.split_once('@').map_or(image, |(place, _)| place);
    let last = place.rsplit('/').next().unwrap_or_default();
    let last = last.split_once(':').map_or(last, |(name, _)| name);
    let own = recipe.image.repository.rsplit('/').next();
    own == Some(last) || recipe.id == last || recipe.aliases.contains(&last)
}
