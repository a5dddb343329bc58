//! Everything of one row beside its image: columns that are missing, and names, ports and paths that nothing stands behind.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::recipe::{Maturity, Recipe};
use crate::text::{Part, Text};

use super::{Finding, finding, image};

/// Outputs that every adapter has.
const OUTPUTS: [&str; 9] = ["url", "host", "port", "user", "password", "token", "database", "sslmode", "authorities"];
/// Further values that patterns may name.
const PLACES: [&str; 3] = ["scheme", "dotnetsslmode", "sslrootcert"];
/// Waves of the catalogue.
const WAVES: [u8; 2] = [1, 2];

/// Faults of one row.
pub(super) fn faults(row: &Recipe) -> Vec<Finding> {
    [missing(row), names(row), image::faults(row), ports(row), data(row), outputs(row), candidates(row)].concat()
}

/// Columns without a value.
fn missing(row: &Recipe) -> Vec<Finding> {
    let why = |maturity| matches!(maturity, Maturity::Preview(reason) if reason.trim().is_empty());
    let columns = [
        ("title", row.title.is_empty(), "write its name for people"),
        ("ports", row.ports.is_empty(), "name the port that clients connect to"),
        ("schemes", row.schemes.is_empty(), "name the scheme of its URLs"),
        ("greeting", row.greeting.is_empty(), "say what proves the product before any credential is sent"),
        ("proof", row.proof.is_empty(), "say what an accepted login must be able to do"),
        ("readiness", row.readiness == Duration::ZERO, "give it time to get ready"),
        ("maturity", why(row.maturity), "say why it is a preview"),
        ("wave", !WAVES.contains(&row.wave), "name the wave of the catalogue, 1 or 2"),
    ];
    let missing = columns.into_iter().filter(|(_field, missing, _remedy)| *missing);
    missing.map(|(field, _missing, remedy)| finding(row, field, "the column has no value", remedy)).collect()
}

/// Names that a manifest can write.
fn names(row: &Recipe) -> Vec<Finding> {
    let letter = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    let is_name = |name: &str| name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(letter);
    let all = std::iter::once(("id", row.id)).chain(row.aliases.iter().map(|alias| ("aliases", *alias)));
    let wrong = all.filter(|(_field, name)| !is_name(name));
    wrong.map(|(field, name)| finding(row, field, format!("`{name}` is no name"), "write a to z, 0 to 9 and -")).collect()
}

/// Ports that are no ports, stand twice, or are named without being there.
fn ports(row: &Recipe) -> Vec<Finding> {
    let mut findings = Vec::new();
    let (mut names, mut numbers) = (BTreeSet::new(), BTreeSet::new());
    for port in row.ports {
        if port.port == 0 {
            findings.push(finding(row, "ports", format!("`{}` has the number 0", port.name), "write the product's own port"));
        }
        if !names.insert(port.name) || !numbers.insert(port.port) {
            let message = format!("`{}` {} stands twice", port.name, port.port);
            findings.push(finding(row, "ports", message, "remove one of them"));
        }
    }
    let unknown = |message: String, field: &str| finding(row, field, message, "name a port of the row, or add it to `ports`");
    for (field, text) in texts(row) {
        let named = text
            .0
            .iter()
            .filter_map(|part| if let Part::Port(name) | Part::Published(name) = part { Some(name.as_str()) } else { None });
        findings
            .extend(named.filter(|name| !names.contains(name)).map(|name| unknown(format!("there is no port `{name}`"), field)));
    }
    for (field, pattern) in patterns(row) {
        let wanted = placeholders(pattern).filter_map(|name| name.strip_prefix("port:"));
        let lost = wanted.filter(|number| !number.parse().is_ok_and(|number: u16| numbers.contains(&number)));
        findings.extend(lost.map(|number| unknown(format!("there is no port {number}"), &field)));
    }
    findings
}

/// Data that would have no place.
fn data(row: &Recipe) -> Vec<Finding> {
    let paths = (row.data_paths)(row.image.tag);
    let mut findings = Vec::new();
    if row.keeps_data && paths.is_empty() {
        findings.push(finding(
            row,
            "data_paths",
            "it keeps data, and no path holds them",
            "name the paths that its image declares",
        ));
    }
    let own = row.process.iter().flat_map(|process| process.data_paths).filter(|path| !paths.contains(path));
    for path in own {
        let message = format!("`{path}` is no data path of the container");
        findings.push(finding(row, "process.data_paths", message, "give both forms the same paths"));
    }
    for path in paths.iter().filter(|path| !path.starts_with('/')) {
        findings.push(finding(row, "data_paths", format!("`{path}` is no absolute path"), "begin it with /"));
    }
    findings
}

/// Names to inject whose output nobody makes, and patterns with unknown places.
fn outputs(row: &Recipe) -> Vec<Finding> {
    let known: BTreeSet<&str> = OUTPUTS.into_iter().chain(row.outputs.iter().map(|(name, _pattern)| *name)).collect();
    let mut findings = Vec::new();
    for (name, output) in row.conventional_names.iter().filter(|(_name, output)| !known.contains(output)) {
        let message = format!("{name} carries `{output}`, which nobody makes");
        findings.push(finding(row, "conventional_names", message, "name an output of the row"));
    }
    for (field, pattern) in patterns(row) {
        let wanted = placeholders(pattern).filter(|name| !name.starts_with("port:"));
        for name in wanted.filter(|name| !OUTPUTS.contains(name) && !PLACES.contains(name)) {
            findings.push(finding(
                row,
                field.clone(),
                format!("nothing fills {{{name}}}"),
                "name a value that outputs are made of",
            ));
        }
    }
    findings
}

/// Names of the environment that stand twice, or complete a candidate that is none.
fn candidates(row: &Recipe) -> Vec<Finding> {
    let mut seen = BTreeSet::new();
    let twice = row.candidate_names.iter().filter(|name| !seen.insert(**name));
    let twice = twice.map(|name| finding(row, "candidate_names", format!("{name} stands twice"), "remove one of them"));
    let lost = row.candidate_more.iter().filter(|more| !row.candidate_names.contains(&more.of));
    let lost =
        lost.map(|more| finding(row, "candidate_more", format!("{} is no candidate", more.of), "add it to `candidate_names`"));
    twice.chain(lost).collect()
}

/// Every text of a row with its field.
fn texts(row: &Recipe) -> Vec<(&'static str, &Text)> {
    let environments =
        [("env", &row.env), ("env_with_login", &row.env_with_login), ("env_without_login", &row.env_without_login)];
    let mut found: Vec<(&'static str, &Text)> = Vec::new();
    found.extend(environments.into_iter().flat_map(|(field, env)| env.iter().map(move |(_name, text)| (field, text))));
    found.extend(row.files.iter().map(|(_path, _mode, text)| ("files", text)));
    found.extend(row.exec_check.iter().map(|text| ("exec_check", text)));
    if let Some(process) = &row.process {
        let prepare = process.prepare.iter().flat_map(|(mark, command)| std::iter::once(mark).chain(command));
        found.extend(prepare.map(|text| ("process.prepare", text)));
        found.extend(process.files.iter().map(|(_path, _mode, text)| ("process.files", text)));
        found.extend(process.command.iter().map(|text| ("process.command", text)));
        found.extend(process.env.iter().map(|(_name, text)| ("process.env", text)));
    }
    found
}

/// Every pattern of outputs with its field.
fn patterns(row: &Recipe) -> impl Iterator<Item = (String, &'static str)> {
    let own = row.outputs.iter().map(|(name, pattern)| (format!("outputs.{name}"), *pattern));
    std::iter::once(("url_pattern".to_owned(), row.url_pattern)).chain(own)
}

fn placeholders(pattern: &str) -> impl Iterator<Item = &str> {
    pattern.split('{').skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _rest)| name))
}
