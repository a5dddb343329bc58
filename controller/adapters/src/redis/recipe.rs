//! What is known of Redis: image, ports, files, names and the process form. Pure data.

use koan_core::recipe::{ImageName, Maturity, OwnLogin, ProcessRecipe, Recipe, RecipePort};
use koan_core::text::{Part, Text};
use koan_core::workload::StopSignal;

use crate::texts::{credential, plain};

/// Canonical id.
pub(crate) const ID: &str = "redis";
/// User that `requirepass` guards.
const USER: &str = "default";
/// Where the configuration lies inside a container; it holds the password, so no argument does (DET-24).
const CONFIGURATION_FILE: &str = "/run/koan/redis.conf";
/// Where the password alone lies, for the check inside the container.
const PASSWORD_FILE: &str = "/run/koan/redis-password";
/// Data path.
const DATA: &str = "/data";
/// Name of the main port.
const PORT: &str = "redis";
/// Asks for a PONG with the password from its file; `redis-cli` itself ends well after a refusal.
const PING: &str = r#"REDISCLI_AUTH="$(cat "$1")" redis-cli -h 127.0.0.1 ping | grep -qx PONG"#;

/// The recipe (detection.md 8.1 and 8.2).
pub(crate) fn recipe() -> Recipe {
    Recipe {
        wave: 1,
        maturity: Maturity::Stable,
        files: vec![
            (CONFIGURATION_FILE.to_owned(), 0o444, container_configuration()),
            (PASSWORD_FILE.to_owned(), 0o444, Text::value(credential("password"))),
        ],
        args: vec![CONFIGURATION_FILE.to_owned()],
        data_paths: |_tag| &[DATA],
        exec_check: plain(&["sh", "-c", PING, "ping", PASSWORD_FILE]),
        own_login: OwnLogin::Password(Some(USER)),
        schemes: &["redis", "rediss"],
        url_pattern: "{scheme}://[{user}][:{password}]@{host}:{port}/{database}[?ssl_ca_certs={sslrootcert}]",
        candidate_names: &[
            "REDIS_URL",
            "REDIS_URLS",
            "REDIS_CONNECTION_STRING",
            "REDIS_CONNECTION_STRINGS",
            "ConnectionStrings__Redis",
            "Koan__Data__Redis__ConnectionString",
        ],
        default_database: Some("0"),
        conventional_names: &[("REDIS_URL", "url")],
        minimum_version: "6",
        packages: &["StackExchange.Redis", "redis", "ioredis", "fred", "github.com/redis/go-redis"],
        greeting: "`HELLO 3`: the map that names the server, or the refusal that asks for a login.",
        proof: "`AUTH`, `PING` and `INFO replication`: a replica is read-only and counts as not usable.",
        process: Some(process()),
        ..Recipe::new(
            ID,
            "Redis",
            ImageName { registry: "docker.io", repository: "library/redis", tag: "8.10.1", mirrors: &[] },
            &[RecipePort { name: PORT, port: 6379 }],
        )
    }
}

fn container_configuration() -> Text {
    Text(vec![
        Part::Plain(format!("dir {DATA}\nappendonly yes\nrequirepass ")),
        Part::Quoted(credential("password")),
        Part::Plain("\n".to_owned()),
    ])
}

/// `redis-server` of the host, on loopback only.
fn process() -> ProcessRecipe {
    let configuration = Text(vec![
        Part::Plain("bind 127.0.0.1\nport ".to_owned()),
        Part::Port(PORT.to_owned()),
        Part::Plain("\ndir \"".to_owned()),
        Part::DataFolder(DATA.to_owned()),
        Part::Plain("\"\ndaemonize no\nappendonly yes\nrequirepass ".to_owned()),
        Part::Quoted(credential("password")),
        Part::Plain("\n".to_owned()),
    ]);
    ProcessRecipe {
        programs: &["redis-server"],
        folders: &["/usr/sbin", "/usr/local/bin", "/opt/homebrew/bin"],
        package: "redis-server",
        prepare: Vec::new(),
        files: vec![(CONFIGURATION_FILE.to_owned(), 0o400, configuration)],
        command: vec![
            Text(vec![Part::ProgramFolder("redis-server".to_owned()), Part::Plain("/redis-server".to_owned())]),
            Text(vec![Part::File(CONFIGURATION_FILE.to_owned())]),
        ],
        env: Vec::new(),
        stop_signal: StopSignal::Term,
        data_paths: &[DATA],
    }
}
