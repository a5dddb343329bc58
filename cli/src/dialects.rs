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

/// Text, and what this syntax cannot carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rendered {
    pub(crate) text: String,
    pub(crate) left_out: Vec<LeftOut>,
}

/// A variable that was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LeftOut {
    pub(crate) name: String,
    pub(crate) why: &'static str,
}

/// A name that a shell would read as something else (SEC-20).
const NO_IDENTIFIER: &str = "its name is no identifier in this syntax";
/// A value that cmd would end early.
const NO_LINE: &str = "its value holds a line break or a double quote, which cmd cannot carry";

/// Renders variables; what the syntax cannot carry is left out and named.
pub(crate) fn render(dialect: Dialect, variables: &BTreeMap<String, String>) -> Rendered {
    if dialect == Dialect::Json {
        let text = serde_json::to_string_pretty(variables).unwrap_or_default() + "\n";
        return Rendered { text, left_out: Vec::new() };
    }
    let mut text = String::new();
    let mut left_out = Vec::new();
    for (name, value) in variables {
        match line(dialect, name, value) {
            Ok(line) => text.push_str(&line),
            Err(why) => left_out.push(LeftOut { name: name.clone(), why }),
        }
    }
    Rendered { text, left_out }
}

fn line(dialect: Dialect, name: &str, value: &str) -> Result<String, &'static str> {
    match dialect {
        Dialect::Dotnet => return Ok(format!("{}={}\n", name.replace("__", ":"), dotenv(value))),
        Dialect::Json => return Ok(String::new()),
        _ if !is_identifier(name) => return Err(NO_IDENTIFIER),
        Dialect::Cmd if value.contains(['\n', '\r', '"']) => return Err(NO_LINE),
        Dialect::Dotenv | Dialect::Sh | Dialect::Fish | Dialect::Powershell | Dialect::Cmd | Dialect::Github => {}
    }
    Ok(match dialect {
        Dialect::Sh => format!("export {name}='{}'\n", value.replace('\'', "'\\''")),
        Dialect::Fish => format!("set -gx {name} {}\n", fish(value)),
        Dialect::Powershell => format!("$env:{name} = '{}'\n", powershell(value)),
        Dialect::Cmd => format!("set \"{name}={}\"\r\n", value.replace('%', "%%")),
        Dialect::Github => github(name, value),
        Dialect::Dotenv | Dialect::Dotnet | Dialect::Json => format!("{name}={}\n", dotenv(value)),
    })
}

fn is_identifier(name: &str) -> bool {
    let mut characters = name.chars();
    characters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && characters.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// PowerShell ends a quoted text at a typographic quote, too.
fn powershell(value: &str) -> String {
    let doubled = |c: char| if "'\u{2018}\u{2019}\u{201a}\u{201b}".contains(c) { vec![c, c] } else { vec![c] };
    value.chars().flat_map(doubled).collect()
}

fn fish(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// The quotes that every reader takes literally: single ones, line breaks included; double ones where the value holds a single one.
/// A value that needs escapes in double quotes gets those of Python's and Compose's readers; Node's knows none.
fn dotenv(value: &str) -> String {
    let plain = !value.is_empty() && value.chars().all(|c| c.is_ascii_alphanumeric() || "_-./:@%+,=\\".contains(c));
    if plain {
        return value.to_owned();
    }
    if !value.contains(['\'', '\r']) {
        return format!("'{value}'");
    }
    if !value.contains(['"', '$', '\\', '`', '\r']) {
        return format!("\"{value}\"");
    }
    let escaped = value.replace('\\', "\\\\").replace('"', "\\\"");
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
mod tests;
