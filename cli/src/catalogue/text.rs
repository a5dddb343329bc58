//! Texts of recipes as people read them: what is known only at run time stands in angle brackets.

use koan_core::recipe::Recipe;
use koan_core::text::{Part, Text, ValueRef};

/// A text on one line.
pub(super) fn written(recipe: &Recipe, text: &Text) -> String {
    let shown: String = text.0.iter().map(|part| part_of(recipe, part)).collect();
    shown.replace(Recipe::DATABASE, "<database>").replace(Recipe::SERVICE, "<service>")
}

/// The words of a command, those with spaces between quotes; line breaks of scripts become spaces.
pub(super) fn words(recipe: &Recipe, command: &[Text]) -> String {
    let word = |text: &Text| {
        let word = written(recipe, text).split_whitespace().collect::<Vec<_>>().join(" ");
        if word.contains(' ') { format!("'{word}'") } else { word }
    };
    command.iter().map(word).collect::<Vec<_>>().join(" ")
}

/// A file by its path, and the secrets that stand in it.
pub(super) fn file(path: &str, text: &Text) -> String {
    let keys: Vec<String> = text.references().map(value).collect();
    if keys.is_empty() { path.to_owned() } else { format!("{path} (holds {})", keys.join(", ")) }
}

fn part_of(recipe: &Recipe, part: &Part) -> String {
    match part {
        Part::Plain(text) => text.clone(),
        Part::Value(reference) | Part::Quoted(reference) | Part::Hashed(reference) => value(reference),
        Part::DataFolder(path) | Part::File(path) => path.clone(),
        Part::RunFolder => "<run folder>".to_owned(),
        Part::Port(name) => {
            let port = recipe.ports.iter().find(|port| port.name == name);
            port.map_or_else(|| format!("<port {name}>"), |port| port.port.to_string())
        }
        Part::Published(name) => format!("<published port {name}>"),
        Part::ProgramFolder(program) => format!("<folder of {program}>"),
    }
}

/// A secret by its key, never by its value.
fn value(reference: &ValueRef) -> String {
    match reference {
        ValueRef::SecretKey { key, .. } | ValueRef::ConfigKey { key, .. } | ValueRef::Literal { key } => format!("<{key}>"),
        ValueRef::Output { service, output } => format!("<{output} of {service}>"),
    }
}
