//! What is known of NATS: image, ports, files, names and the process form. Pure data.

use std::time::Duration;

use koan_core::recipe::{ImageName, Maturity, OwnLogin, ProcessRecipe, Recipe, RecipePort};
use koan_core::text::{Part, Text};
use koan_core::workload::StopSignal;

use crate::texts::{credential, plain};

/// Canonical id.
pub(crate) const ID: &str = "nats";
/// Where the configuration lies; it holds the login, so no argument does (DET-24).
const CONFIGURATION_FILE: &str = "/run/koan/nats.conf";
/// Data path, where JetStream keeps its streams.
const DATA: &str = "/data";
/// Name of the main port.
const PORT: &str = "nats";
/// Name of the port that answers questions about the server.
const MONITOR: &str = "monitor";

/// The recipe (detection.md 8.1 and 8.2).
pub(crate) fn recipe() -> Recipe {
    let configuration = configuration("0.0.0.0", Part::Plain(DATA.to_owned()));
    Recipe {
        wave: 1,
        maturity: Maturity::Stable,
        files: vec![(CONFIGURATION_FILE.to_owned(), 0o444, configuration)],
        args: ["--config", CONFIGURATION_FILE].map(str::to_owned).to_vec(),
        data_paths: |_tag| &[DATA],
        priority: 200,
        readiness: Duration::from_secs(15),
        exec_check: plain(&["wget", "-qO-", "127.0.0.1:8222/healthz"]),
        own_login: OwnLogin::Password(None),
        keeps_data: true,
        schemes: &["nats", "tls"],
        outputs: &[("monitorUrl", "http://{host}:{port:8222}")],
        url_pattern: "{scheme}://[{user}][:{password}]@{host}:{port}[?sslrootcert={sslrootcert}]",
        candidate_names: &["NATS_URL", "ConnectionStrings__Nats"],
        default_database: Some(""),
        conventional_names: &[("NATS_URL", "url")],
        minimum_version: "2.2",
        packages: &["NATS.Net", "NATS.Client", "nats", "nats-py", "async-nats", "github.com/nats-io/nats.go"],
        greeting: "Nothing: the server speaks first, `INFO` with `server_id` and `version`.",
        proof: "`CONNECT` with the login, then `PING` is answered by `PONG`.",
        traps: &[
            "A user who signs in by an nkey or a JWT cannot be proven: Koan speaks user, password and token.",
            "A password that begins with $2a$ is taken for a bcrypt hash by the server.",
        ],
        process: Some(process()),
        ..Recipe::new(
            ID,
            "NATS",
            ImageName { registry: "docker.io", repository: "library/nats", tag: "2.14.5-alpine", mirrors: &[] },
            &[RecipePort { name: PORT, port: 4222 }, RecipePort { name: MONITOR, port: 8222 }],
        )
    }
}

/// Who may log in, where the server listens, and where its streams lie; each value stands alone, so none ends its line.
fn configuration(address: &str, data: Part) -> Text {
    let plain = |text: &str| Part::Plain(text.to_owned());
    Text(vec![
        plain(&format!("listen: \"{address}:")),
        Part::Port(PORT.to_owned()),
        plain(&format!("\"\nhttp: \"{address}:")),
        Part::Port(MONITOR.to_owned()),
        plain("\"\njetstream {\n  store_dir: \""),
        data,
        plain("\"\n}\nauthorization {\n  user: "),
        Part::Quoted(credential("username")),
        plain("\n  password: "),
        Part::Quoted(credential("password")),
        plain("\n}\n"),
    ])
}

/// `nats-server` of the host, on loopback only.
fn process() -> ProcessRecipe {
    let configuration = configuration("127.0.0.1", Part::DataFolder(DATA.to_owned()));
    ProcessRecipe {
        programs: &["nats-server"],
        folders: &["/usr/sbin", "/usr/local/bin", "/opt/homebrew/bin"],
        package: "nats-server",
        prepare: Vec::new(),
        files: vec![(CONFIGURATION_FILE.to_owned(), 0o400, configuration)],
        command: vec![
            Text(vec![Part::ProgramFolder("nats-server".to_owned()), Part::Plain("/nats-server".to_owned())]),
            Text::plain("--config"),
            Text(vec![Part::File(CONFIGURATION_FILE.to_owned())]),
        ],
        env: Vec::new(),
        stop_signal: StopSignal::Term,
        data_paths: &[DATA],
    }
}
