//! The page of one adapter (DET-48): keys, an example with its variables, what a server of the host is sent and when, what a container
//! gets, and what surprises people.

use super::{GENERATED, code, codes, table};
use crate::catalogue::CatalogEntry;

/// Text of `docs/adapters/<id>.md`.
pub(super) fn page(entry: &CatalogEntry) -> String {
    [about(entry), manifest(entry), variables(entry), detection(entry), container(entry), process(entry), traps(entry)].concat()
}

fn about(entry: &CatalogEntry) -> String {
    let also = if entry.aliases.is_empty() {
        String::new()
    } else {
        format!(" A manifest may also say {}.", codes(entry.aliases.iter().map(String::as_str)))
    };
    let maturity = match &entry.preview_because {
        None => "**Stable**: every cell of the matrix of modes and situations holds against a real server.".to_owned(),
        Some(because) => format!("**Preview**: {because}."),
    };
    let versions = match &entry.minimum_version {
        Some(version) => format!("A server of this machine is used from version {version} on."),
        None => "A server of this machine is used whatever its version.".to_owned(),
    };
    format!("# {} (`{}`)\n\n{GENERATED}\n\n{maturity} {versions}{also}\n", entry.title, entry.id)
}

fn manifest(entry: &CatalogEntry) -> String {
    let keys = entry.login.generated.as_slice();
    let login = match keys {
        [] => "as the product wants it; none is made".to_owned(),
        keys => format!("generated, in a Secret with {}", codes(keys.iter().map(String::as_str))),
    };
    let main = entry.ports.first().map_or_else(String::new, |port| port.port.to_string());
    let row = |key: &str, meaning: &str, default: &str| vec![code(key), meaning.to_owned(), default.to_owned()];
    let rows = vec![
        row("name", "required: the service's name in the stack", "–"),
        row("adapter", "required", "–"),
        row(
            "provisioning.mode",
            "`Auto`, `Always` (a container, nothing is asked), `Never` (a running server only), `Disabled`",
            "`Auto`",
        ),
        row("database", "database, virtual host or key space", "see the variables"),
        row("credentials.secretRef.name", "your own login, by the name of a Secret", &login),
        row("credentials.defaults", "`false`: well-known default logins are never tried", "`true`"),
        row("detection.ports", "ports of loopback that are asked", &code(&main)),
        row("detection.candidates", "addresses that are asked first; the only way beyond loopback", "–"),
        row("image", "another image of the same product", &code(&entry.image)),
    ];
    format!(
        "\n## In a manifest\n\n```yaml\n{}```\n\n{}\nAll keys of a service: [the manifest](../manifest.md).\n",
        entry.example,
        table(&["key", "meaning", "default"], rows),
    )
}

fn variables(entry: &CatalogEntry) -> String {
    let rows = entry.injected.iter().map(|variable| vec![code(&variable.name), code(&variable.value)]).collect();
    let outputs = match entry.outputs.as_slice() {
        [] => String::new(),
        outputs => format!("\nFurther outputs for `serviceRef`: {}.\n", codes(outputs.iter().map(String::as_str))),
    };
    format!(
        "\n## Variables\n\nWhat this manifest gives to your programs and to `koan env`, with a generated login and the usual port:\n\n{}{outputs}",
        table(&["variable", "value"], rows),
    )
}

fn detection(entry: &CatalogEntry) -> String {
    let names = match entry.detection.names.as_slice() {
        [] => "No name of the environment is read.".to_owned(),
        names => format!("Names of your environment that may point to one: {}.", codes(names.iter().map(String::as_str))),
    };
    let defaults = match entry.detection.default_logins.as_slice() {
        [] => "No default login is tried.".to_owned(),
        logins => format!(
            "Well-known default logins, in this order, only in the profiles `local` and `ci`, only on loopback, only for a process of yours or a \
             foreign container, never with `credentials.defaults: false`: {}.",
            codes(logins.iter().map(String::as_str))
        ),
    };
    let ports = entry.ports.iter().take(1).map(|port| port.port.to_string()).collect::<Vec<_>>().join(", ");
    format!(
        "\n## A server that runs already\n\n127.0.0.1 and [::1] are asked on port {ports}. {names}\n\n\
         1. Before any credential: {}\n2. Whose listener it is decides what it may be sent: see [services](../services.md).\n\
         3. With a login: {}\n\n{defaults}\n",
        entry.detection.greeting, entry.detection.proof,
    )
}

fn container(entry: &CatalogEntry) -> String {
    let mirrors = if entry.mirrors.is_empty() {
        String::new()
    } else {
        format!(" (also at {})", codes(entry.mirrors.iter().map(String::as_str)))
    };
    let ports = entry.ports.iter().map(|port| format!("`{}` {}", port.port, port.name)).collect::<Vec<_>>().join(", ");
    let data = match entry.data_paths.as_slice() {
        [] => "none".to_owned(),
        paths => format!("{}, one named volume each", codes(paths.iter().map(String::as_str))),
    };
    let volatile = entry.volatile.iter().map(|lost| format!("; {lost}")).collect::<String>();
    let environment = entry.environment.iter().map(|variable| {
        let when = variable.when.as_ref().map(|when| format!(" ({when})")).unwrap_or_default();
        format!("`{}={}`{when}", variable.name, variable.value)
    });
    let environment: Vec<String> = environment.collect();
    let secret = entry.secret_in_environment.iter().map(|why| format!(". A secret stands here: {why}")).collect::<String>();
    let check = entry
        .check
        .as_ref()
        .map_or_else(|| "the adapter's own".to_owned(), |check| format!("{} beside the adapter's own", code(check)));
    let listed = |items: &[String]| codes(items.iter().map(String::as_str));
    let row = |name: &str, text: String| vec![name.to_owned(), text];
    let rows = vec![
        row("image", format!("{}{mirrors}", code(&entry.image))),
        row("ports", ports),
        row("data", format!("{data}{volatile}")),
        row("environment", format!("{}{secret}", if environment.is_empty() { "–".to_owned() } else { environment.join(" ") })),
        row("files", listed(&entry.files)),
        row("arguments", listed(&entry.arguments)),
        row("check", check),
        row("ready within", format!("{} s", entry.readiness_seconds)),
        row("time to stop", format!("{} s", entry.stop_grace_seconds)),
        row("startup priority", entry.startup_priority.to_string()),
    ];
    format!("\n## A container of Koan's own\n\n{}", table(&["what", "value"], rows))
}

fn process(entry: &CatalogEntry) -> String {
    let Some(process) = &entry.process else {
        return "\n## As a process\n\nNot possible: no package brings its server.\n".to_owned();
    };
    format!(
        "\n## As a process\n\nWith `engine: {{name: Process}}`, or where no container engine answers, the installed server runs on loopback with data of \
         the stack's own. It needs {} of the package `{}`.\n",
        codes(process.programs.iter().map(String::as_str)),
        process.package,
    )
}

fn traps(entry: &CatalogEntry) -> String {
    if entry.traps.is_empty() {
        return String::new();
    }
    let lines: String = entry.traps.iter().map(|trap| format!("- {trap}\n")).collect();
    format!("\n## Known traps\n\n{lines}")
}
