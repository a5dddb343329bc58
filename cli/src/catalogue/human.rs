//! An adapter as people read it on a terminal.

use super::entry::{CatalogEntry, VariableFact};
use crate::output::Document;

/// Width of the labels.
const LABEL: usize = 12;

impl CatalogEntry {
    fn head(&self) -> String {
        let also = if self.aliases.is_empty() { String::new() } else { format!(", also {}", self.aliases.join(", ")) };
        format!("{} ({}{also})\n", self.title, self.id)
    }

    fn container(&self) -> [(&'static str, Vec<String>); 9] {
        let mut images = vec![self.image.clone()];
        images.extend(self.mirrors.iter().map(|mirror| format!("{mirror} (mirror)")));
        let secret = self.secret_in_environment.iter().map(|why| format!("(a secret stands here: {why})"));
        let login = match (&self.login.user, self.login.generated.as_slice()) {
            (_, []) => "none is made".to_owned(),
            (Some(user), keys) => format!("generated: {}; user {user}", keys.join(", ")),
            (None, keys) => format!("generated: {}", keys.join(", ")),
        };
        [
            ("image", images),
            ("ports", self.ports.iter().map(|port| format!("{} {}", port.port, port.name)).collect()),
            ("data", self.data_paths.iter().cloned().chain(self.volatile.clone()).collect()),
            ("environment", self.environment.iter().map(variable).chain(secret).collect()),
            ("files", self.files.clone()),
            ("arguments", self.arguments.clone()),
            ("login", vec![login]),
            ("check", self.check.iter().cloned().collect()),
            (
                "times",
                vec![format!(
                    "ready within {}s, {}s to stop, startup priority {}",
                    self.readiness_seconds, self.stop_grace_seconds, self.startup_priority
                )],
            ),
        ]
    }

    fn around(&self) -> [(&'static str, Vec<String>); 8] {
        let process = self.process.iter().map(|process| format!("{} (package {})", process.programs.join(", "), process.package));
        [
            ("names read", wrapped(&self.detection.names)),
            ("identified", vec![self.detection.greeting.clone()]),
            ("proved", vec![self.detection.proof.clone()]),
            ("defaults", self.detection.default_logins.clone()),
            ("injected", self.injected.iter().map(variable).collect()),
            ("outputs", wrapped(&self.outputs)),
            ("as process", process.collect()),
            ("traps", self.traps.clone()),
        ]
    }
}

impl Document for CatalogEntry {
    fn human(&self, _: bool) -> String {
        let because = self.preview_because.as_ref().map(|because| format!(": {because}")).unwrap_or_default();
        let versions = self.minimum_version.as_ref().map_or_else(|| "every".to_owned(), |version| format!("from {version} on"));
        let about = [("maturity", vec![format!("{}, wave {}{because}", self.maturity, self.wave)]), ("versions", vec![versions])];
        let lines = about.into_iter().chain(self.container()).chain(self.around());
        self.head() + &lines.map(|(label, values)| block(label, &values)).collect::<String>()
    }

    fn names(&self) -> Vec<String> {
        vec![self.id.clone()]
    }
}

/// A label with its values below one another; nothing without values.
fn block(label: &str, values: &[String]) -> String {
    let labels = std::iter::once(label).chain(std::iter::repeat(""));
    labels.zip(values).map(|(label, value)| format!("  {label:<LABEL$} {value}\n")).collect()
}

fn variable(variable: &VariableFact) -> String {
    let when = variable.when.as_ref().map(|when| format!(" ({when})")).unwrap_or_default();
    format!("{}={}{when}", variable.name, variable.value)
}

/// Names on one line.
fn wrapped(names: &[String]) -> Vec<String> {
    if names.is_empty() { Vec::new() } else { vec![names.join(" ")] }
}
