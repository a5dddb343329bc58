//! Variables in the syntax of a shell or file, quoted exactly (CLI-15).

use std::collections::BTreeMap;

use clap::ValueEnum;

/// Syntax of `koan env`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Dialect {
    Dotenv,
    Sh,
    Fish,
    Powershell,
    Cmd,
    Json,
    Github,
    Dotnet,
}

/// Text and the names that this syntax cannot carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rendered {
    pub(crate) text: String,
    pub(crate) left_out: Vec<String>,
}

/// Renders variables; names that are no identifiers of the syntax are left out and named (SEC-20).
pub(crate) fn render(dialect: Dialect, variables: &BTreeMap<String, String>) -> Rendered {
    if dialect == Dialect::Json {
        let text = serde_json::to_string_pretty(variables).unwrap_or_default() + "\n";
        return Rendered { text, left_out: Vec::new() };
    }
    let mut text = String::new();
    let mut left_out = Vec::new();
    for (name, value) in variables {
        match line(dialect, name, value) {
            Some(line) => text.push_str(&line),
            None => left_out.push(name.clone()),
        }
    }
    Rendered { text, left_out }
}

fn line(dialect: Dialect, name: &str, value: &str) -> Option<String> {
    let identifier = is_identifier(name);
    match dialect {
        Dialect::Sh => identifier.then(|| format!("export {name}={}\n", single_quoted(value, "'\\''"))),
        Dialect::Fish => identifier.then(|| format!("set -gx {name} {}\n", fish(value))),
        Dialect::Powershell => identifier.then(|| format!("$env:{name} = {}\n", single_quoted(value, "''"))),
        Dialect::Cmd => {
            (identifier && !value.contains(['\n', '\r', '"'])).then(|| format!("set \"{name}={}\"\r\n", value.replace('%', "%%")))
        }
        Dialect::Dotenv => identifier.then(|| format!("{name}={}\n", dotenv(value))),
        Dialect::Github => identifier.then(|| github(name, value)),
        Dialect::Dotnet => Some(format!("{}={}\n", name.replace("__", ":"), dotenv(value))),
        Dialect::Json => None,
    }
}

fn is_identifier(name: &str) -> bool {
    let mut characters = name.chars();
    characters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && characters.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn single_quoted(value: &str, quote: &str) -> String {
    format!("'{}'", value.replace('\'', quote))
}

fn fish(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// Double quotes with the escapes that dotenv readers share; `$` is escaped, since some expand it.
fn dotenv(value: &str) -> String {
    let plain = !value.is_empty() && value.chars().all(|c| c.is_ascii_alphanumeric() || "_-./:@%+,=".contains(c));
    if plain {
        return value.to_owned();
    }
    if !value.contains(['\'', '\n', '\r']) {
        return format!("'{value}'");
    }
    let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$").replace('`', "\\`");
    format!("\"{}\"", escaped.replace('\n', "\\n").replace('\r', "\\r"))
}

/// The heredoc form of a workflow's environment file; the delimiter never occurs in the value.
fn github(name: &str, value: &str) -> String {
    let mut delimiter = "KOAN_END".to_owned();
    while value.contains(&delimiter) {
        delimiter.push('_');
    }
    format!("{name}<<{delimiter}\n{value}\n{delimiter}\n")
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn hostile() -> BTreeMap<String, String> {
        let values =
            ["plain", "", "it's", "a \"b\" c", "$HOME `id` $(id)", "line\nbreak", "100%", "back\\slash", "ünï ☃", " lead"];
        values.iter().enumerate().map(|(i, v)| (format!("V{i}"), (*v).to_owned())).collect()
    }

    /// CLI-15: hostile values round-trip through a real POSIX shell.
    #[test]
    fn a_real_shell_reads_back_every_value() {
        let variables = hostile();
        let script = render(Dialect::Sh, &variables).text;
        for (name, value) in &variables {
            let output =
                Command::new("sh").arg("-c").arg(format!("{script}\nprintf %s \"${name}\"")).env_clear().output().expect("sh");
            assert_eq!(String::from_utf8(output.stdout).expect("UTF-8"), *value, "{name}");
        }
    }

    /// CLI-15, SEC-20: names that are no identifiers are left out of shells and named, JSON keeps them.
    #[test]
    fn names_that_no_shell_takes_are_named() {
        let variables = BTreeMap::from([("discovery.type".to_owned(), "x".to_owned())]);
        for dialect in [Dialect::Sh, Dialect::Fish, Dialect::Powershell, Dialect::Dotenv, Dialect::Github, Dialect::Cmd] {
            assert_eq!(
                render(dialect, &variables),
                Rendered { text: String::new(), left_out: vec!["discovery.type".to_owned()] }
            );
        }
        assert!(render(Dialect::Json, &variables).text.contains("discovery.type"));
    }

    /// CLI-15: a workflow file's delimiter never occurs in the value.
    #[test]
    fn a_delimiter_in_the_value_is_avoided() {
        let text = github("A", "x\nKOAN_END\ny");
        assert_eq!(text, "A<<KOAN_END_\nx\nKOAN_END\ny\nKOAN_END_\n");
    }
}
