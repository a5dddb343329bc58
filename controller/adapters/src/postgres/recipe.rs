//! What is known of PostgreSQL: image, ports, files, names and the process form. Pure data.

use std::time::Duration;

use koan_core::recipe::{CandidateParts, DefaultLogin, ImageName, Maturity, OwnLogin, ProcessRecipe, Recipe, RecipePort};
use koan_core::text::{Part, Text};
use koan_core::workload::StopSignal;

use crate::texts::{credential, join, plain};

/// Canonical id.
pub(crate) const ID: &str = "postgres";
/// Superuser that the image makes where the credential names none.
const USER: &str = "postgres";
/// Where the password lies inside a container; a mounted file, never an environment value (DET-24).
const PASSWORD_FILE: &str = "/run/koan/postgres-password";
/// Files of the process form: the login and the name of the database.
const PROCESS_USER_FILE: &str = "/run/koan/postgres-user";
/// Data path of images from major version 18 on, and of the process form.
const DATA: &str = "/var/lib/postgresql";
/// Data path of images up to major version 17.
const DATA_UP_TO_17: &str = "/var/lib/postgresql/data";
/// First major version whose image declares [`DATA`] as its volume.
const FIRST_WITH_NEW_DATA_PATH: u32 = 18;
/// Name of the main port.
const PORT: &str = "postgres";

/// Names of libpq that name a server together.
const PARTS: CandidateParts = CandidateParts {
    host: "PGHOST",
    port: Some("PGPORT"),
    user: Some("PGUSER"),
    password: Some("PGPASSWORD"),
    database: Some("PGDATABASE"),
    tls: Some(["PGSSLMODE", "PGSSLROOTCERT"]),
};

/// Makes the cluster beside its final place, then the database in single-user mode, then moves it in one rename, so that a
/// crash leaves either a whole cluster or none (ENG-17). `$1` final folder, `$2` programs, `$3` password file, `$4` user file,
/// `$5` database. The user name is read from its file and the password stays in its own: no argument of this script is secret.
const MAKE_CLUSTER: &str = r#"set -eu
umask 077
rm -rf "$1.new"
"$2/initdb" -D "$1.new" --username="$(cat "$4")" --pwfile="$3" --auth=scram-sha-256 --encoding=UTF8 --locale=C
if [ "$5" != postgres ]; then
  name=$(printf '%s' "$5" | sed 's/"/""/g')
  printf 'CREATE DATABASE "%s"\n' "$name" | "$2/postgres" --single -D "$1.new" -c exit_on_error=on template1
fi
mv "$1.new" "$1"
"#;

/// What is injected under names of PostgreSQL's own: name and output.
const CONVENTIONAL: &[(&str, &str)] = &[
    ("DATABASE_URL", "url"),
    ("PGHOST", "host"),
    ("PGPORT", "port"),
    ("PGUSER", "user"),
    ("PGPASSWORD", "password"),
    ("PGDATABASE", "database"),
    ("PGSSLMODE", "sslmode"),
    ("PGSSLROOTCERT", "authorities"),
];

/// Packages of clients, of the registries of .NET, Node, Python, Rust and Go.
const PACKAGES: &[&str] = &[
    "Npgsql",
    "Npgsql.EntityFrameworkCore.PostgreSQL",
    "pg",
    "pg-promise",
    "postgres",
    "psycopg",
    "psycopg2",
    "psycopg2-binary",
    "asyncpg",
    "tokio-postgres",
    "github.com/jackc/pgx",
    "github.com/lib/pq",
];

/// The recipe (detection.md 8.1 and 8.2, first row).
pub(crate) fn recipe() -> Recipe {
    Recipe {
        aliases: &["postgresql", "pg", "npgsql"],
        wave: 1,
        maturity: Maturity::Stable,
        env: vec![
            ("POSTGRES_USER".to_owned(), Text::value(credential("username"))),
            ("POSTGRES_DB".to_owned(), Text::plain(Recipe::DATABASE)),
            ("POSTGRES_PASSWORD_FILE".to_owned(), Text(vec![Part::File(PASSWORD_FILE.to_owned())])),
        ],
        files: vec![(PASSWORD_FILE.to_owned(), 0o444, Text::value(credential("password")))],
        version_parts: 2,
        data_paths,
        priority: 100,
        exec_check: plain(&["pg_isready", "-h", "127.0.0.1", "-U", USER, "-d", Recipe::DATABASE]),
        stop_grace: Duration::from_secs(30),
        own_login: OwnLogin::Password(Some(USER)),
        keeps_data: true,
        schemes: &["postgres", "postgresql"],
        outputs: &[
            (
                "ado",
                "Host={host};Port={port};Database={database};Username={user};Password={password}[;SSL Mode={dotnetsslmode}][;Root Certificate={authorities}]",
            ),
            (
                "jdbc",
                "jdbc:postgresql://{host}:{port}/{database}?user={user}&password={password}[&sslmode={sslmode}][&sslrootcert={sslrootcert}]",
            ),
        ],
        url_pattern: "{scheme}://[{user}][:{password}]@{host}:{port}/{database}[?sslmode={sslmode}][&sslrootcert={sslrootcert}]",
        candidate_names: &[
            "POSTGRES_URL",
            "POSTGRES_URLS",
            "DATABASE_URL",
            "ConnectionStrings__Postgres",
            "Koan__Data__Postgres__ConnectionString",
        ],
        candidate_parts: Some(PARTS),
        conventional_names: CONVENTIONAL,
        default_logins: &[DefaultLogin::Password("postgres", "postgres")],
        minimum_version: "12",
        packages: PACKAGES,
        greeting: "`SSLRequest`, then the start of a session for a user of nobody: PostgreSQL's own answers to both, no password.",
        proof: "SCRAM where the server offers it, then one read-only transaction: the database is there, CONNECT is held, and the server is no standby.",
        process: Some(process()),
        ..Recipe::new(
            ID,
            "PostgreSQL",
            ImageName { registry: "docker.io", repository: "library/postgres", tag: "18.6", mirrors: &[] },
            &[RecipePort { name: PORT, port: 5432 }],
        )
    }
}

/// Volume path that an image of this tag declares; a tag without a number counts as the newest.
fn data_paths(tag: &str) -> &'static [&'static str] {
    match major(tag) {
        Some(major) if major < FIRST_WITH_NEW_DATA_PATH => &[DATA_UP_TO_17],
        Some(_) | None => &[DATA],
    }
}

/// Major version of a tag such as `17.5-alpine` or `0.8.0-pg17`.
fn major(tag: &str) -> Option<u32> {
    let number = tag.split('-').find_map(|word| word.strip_prefix("pg")).unwrap_or(tag);
    let digits: &str = number.split(|letter: char| !letter.is_ascii_digit()).next()?;
    digits.parse().ok()
}

/// `initdb` and `postgres` of the host. No Unix socket: its path would be bounded by 107 bytes, and loopback with SCRAM is enough.
fn process() -> ProcessRecipe {
    let programs = || Part::ProgramFolder(ID.to_owned());
    let cluster = || vec![Part::DataFolder(DATA.to_owned()), Part::Plain("/cluster".to_owned())];
    let make = vec![
        Text::plain("sh"),
        Text::plain("-c"),
        Text::plain(MAKE_CLUSTER),
        Text::plain("make-cluster"),
        Text(cluster()),
        Text(vec![programs()]),
        Text(vec![Part::File(PASSWORD_FILE.to_owned())]),
        Text(vec![Part::File(PROCESS_USER_FILE.to_owned())]),
        Text::plain(Recipe::DATABASE),
    ];
    ProcessRecipe {
        programs: &["postgres", "initdb"],
        folders: &["/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin"],
        package: "postgresql",
        prepare: vec![(join(cluster(), "/PG_VERSION"), make)],
        files: vec![
            (PASSWORD_FILE.to_owned(), 0o400, Text::value(credential("password"))),
            (PROCESS_USER_FILE.to_owned(), 0o400, Text::value(credential("username"))),
        ],
        command: vec![
            Text(vec![programs(), Part::Plain("/postgres".to_owned())]),
            Text::plain("-D"),
            Text(cluster()),
            Text::plain("-c"),
            Text::plain("listen_addresses=127.0.0.1"),
            Text::plain("-c"),
            Text(vec![Part::Plain("port=".to_owned()), Part::Port(PORT.to_owned())]),
            Text::plain("-c"),
            Text::plain("unix_socket_directories="),
        ],
        env: Vec::new(),
        // A fast shutdown: TERM would wait until the last client leaves.
        stop_signal: StopSignal::Int,
        data_paths: &[DATA],
    }
}
