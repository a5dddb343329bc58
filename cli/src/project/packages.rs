//! Names of packages in the files of package managers. Pure; what is no name is passed over.

use std::collections::BTreeSet;

use serde_json::Value;

/// Sections of `package.json` that hold names.
const NODE_SECTIONS: [&str; 3] = ["dependencies", "devDependencies", "optionalDependencies"];

/// A kind of file that lists packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listing {
    Node,
    Cargo,
    Dotnet,
    Go,
    Python,
}

impl Listing {
    /// The kind of a file by its name.
    pub(super) fn of(file: &str) -> Option<Self> {
        match file {
            "package.json" => Some(Self::Node),
            "Cargo.toml" => Some(Self::Cargo),
            "go.mod" => Some(Self::Go),
            "pyproject.toml" => Some(Self::Python),
            "Directory.Packages.props" => Some(Self::Dotnet),
            _ if file.starts_with("requirements") && file.ends_with(".txt") => Some(Self::Python),
            _ if file.ends_with(".csproj") || file.ends_with(".fsproj") => Some(Self::Dotnet),
            _ => None,
        }
    }
}

/// Names of packages in a file, in lower case.
pub(super) fn packages(listing: Listing, text: &str) -> BTreeSet<String> {
    let names: Vec<String> = match listing {
        Listing::Node => node(text),
        Listing::Cargo => text.lines().filter_map(cargo).collect(),
        Listing::Dotnet => between_quotes(text, "Include=\""),
        Listing::Go => text.lines().filter_map(go).collect(),
        Listing::Python => text.lines().flat_map(python).collect(),
    };
    names.into_iter().filter(|name| !name.is_empty()).map(|name| name.to_ascii_lowercase()).collect()
}

fn node(text: &str) -> Vec<String> {
    let Ok(file) = serde_json::from_str::<Value>(text) else { return Vec::new() };
    let sections = NODE_SECTIONS.into_iter().filter_map(|section| file[section].as_object());
    sections.flat_map(|section| section.keys().cloned()).collect()
}

/// `name = …` of any table: a table that holds no packages costs nothing but names that nobody knows.
fn cargo(line: &str) -> Option<String> {
    let table =
        line.trim().strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).and_then(|rest| rest.rsplit_once("dependencies."));
    let name = table.map(|(_, name)| name).or_else(|| line.split_once('=').map(|(name, _)| name))?;
    Some(name.split('.').next().unwrap_or_default().trim().trim_matches('"').to_owned())
}

/// A module without its major version.
fn go(line: &str) -> Option<String> {
    let line = line.trim().strip_prefix("require ").unwrap_or(line.trim());
    let module = line.split_whitespace().next().filter(|word| word.contains('.') && word.contains('/'))?;
    let major = |last: &str| {
        last.strip_prefix('v').is_some_and(|digits| !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit()))
    };
    match module.rsplit_once('/') {
        Some((module, last)) if major(last) => Some(module.to_owned()),
        Some(_) | None => Some(module.to_owned()),
    }
}

/// A requirement at the begin of a line, or between quotes in `pyproject.toml`.
fn python(line: &str) -> Vec<String> {
    let line = line.trim();
    let quoted = line.split(['"', '\'']).skip(1).step_by(2);
    let words: Vec<&str> = if line.contains(['"', '\'']) { quoted.collect() } else { vec![line] };
    let keys = line.split_once('=').map(|(key, _)| key.trim()).filter(|key| !key.contains([' ', '"', '\'']));
    words.into_iter().chain(keys).filter(|word| !word.starts_with('#')).map(requirement).collect()
}

/// The name of `name[extra]>=1`.
fn requirement(text: &str) -> String {
    let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    text.split(|c: char| !letter(c)).next().unwrap_or_default().to_owned()
}

fn between_quotes(text: &str, opening: &str) -> Vec<String> {
    text.split(opening).skip(1).filter_map(|rest| rest.split_once('"').map(|(name, _)| name.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(file: &str, text: &str) -> Vec<String> {
        packages(Listing::of(file).unwrap(), text).into_iter().collect()
    }

    /// CLI-24: packages are found in the files of five package managers, by name alone.
    #[test]
    fn packages_are_found_by_name() {
        assert_eq!(found("package.json", r#"{"dependencies": {"pg": "^8"}, "devDependencies": {"@x/y": "1"}}"#), ["@x/y", "pg"]);
        assert_eq!(found("package.json", "{"), [] as [&str; 0]);
        assert_eq!(
            found("Cargo.toml", "[dependencies]\nlapin = \"4\"\n[dependencies.fred]\nredis.workspace = true\n"),
            ["fred", "lapin", "redis"]
        );
        assert_eq!(found("Shop.csproj", "<PackageReference Include=\"Npgsql\" Version=\"9\" />"), ["npgsql"]);
        assert_eq!(
            found("go.mod", "require (\n\tgithub.com/jackc/pgx/v5 v5.7.1\n)\nrequire go.uber.org/zap v1\n"),
            ["github.com/jackc/pgx", "go.uber.org/zap"]
        );
        assert_eq!(found("requirements-dev.txt", "psycopg[binary]>=3\n# redis\n"), ["psycopg"]);
        assert!(found("pyproject.toml", "dependencies = [\n  \"redis>=5\", \"pymongo\",\n]\n").contains(&"pymongo".to_owned()));
        assert_eq!(Listing::of("main.rs"), None);
    }
}
