//! What is known of MariaDB and of MySQL: images, ports, files, names and the process forms. Pure data.

use std::time::Duration;

use koan_core::recipe::{CandidateParts, ImageName, Maturity, OwnLogin, ProcessRecipe, Recipe, RecipePort};
use koan_core::text::{Part, Text};
use koan_core::workload::StopSignal;

use crate::texts::{credential, join, plain};

/// Canonical id of MariaDB.
pub(crate) const MARIADB_ID: &str = "mariadb";
/// Canonical id of MySQL.
pub(crate) const MYSQL_ID: &str = "mysql";
/// Where the password lies; a mounted file, never an environment value (DET-24).
const PASSWORD_FILE: &str = "/run/koan/mysql-password";
/// Where the process form finds the name of the user.
const USER_FILE: &str = "/run/koan/mysql-user";
/// Data path.
const DATA: &str = "/var/lib/mysql";
/// Name of the main port.
const PORT: &str = "mysql";
/// Folders of the process form's programs.
const FOLDERS: &[&str] = &["/usr/sbin", "/usr/bin", "/usr/local/mysql/bin", "/usr/local/bin", "/opt/homebrew/bin"];

/// Makes the data beside its final place and moves it in one rename, so that a crash leaves either all of it or none (ENG-17). `$1`
/// final folder, `$2` program, `$3` password file, `$4` user file, `$5` database. The login goes from its files into a file of
/// statements that only this user can read; no argument of this script is secret.
const STATEMENTS: &str = r#"umask 077
rm -rf "$1.new" "$1.sql"
mkdir -p "$1.tmp"
text() { sed -e 's/\\/\\\\/g' -e "s/'/''/g" "$1"; }
name() { printf '%s' "$1" | sed 's/`/``/g'; }
database=$(name "$5")
user=$(text "$4")
password=$(text "$3")
scope="\`$database\`.*"
[ "$user" != root ] || scope='*.* WITH GRANT OPTION'
{
  printf '%s\n' "$first" 'FLUSH PRIVILEGES;'
  printf "ALTER USER 'root'@'localhost' IDENTIFIED BY '%s';\n" "$password"
  printf 'CREATE DATABASE `%s`;\n' "$database"
  printf "CREATE USER '%s'@'%%' IDENTIFIED BY '%s';\n" "$user" "$password"
  printf "GRANT ALL ON %s TO '%s'@'%%'%s;\n" "${scope%% *}" "$user" "${scope#"${scope%% *}"}"
} > "$1.sql"
"#;
/// How it begins in MariaDB, whose installer leaves root without a password at every address of this machine.
const BEGIN_MARIADB: &str = r#"set -eu
first="DELETE FROM mysql.global_priv WHERE User = '' OR (User = 'root' AND Host <> 'localhost');"
"#;
/// How it begins in MySQL.
const BEGIN_MYSQL: &str = "set -eu\nfirst=\n";
/// What goes on in MariaDB; `$2` is its installer.
const MAKE_MARIADB: &str = r#""$2" --no-defaults --datadir="$1.new" --auth-root-authentication-method=normal --skip-test-db \
  --skip-name-resolve --extra-file="$1.sql" --tmpdir="$1.tmp" --rpm
rm -f "$1.sql"
mv "$1.new" "$1"
"#;
/// What goes on in MySQL; `$2` is its server.
const MAKE_MYSQL: &str = r#""$2" --no-defaults --initialize-insecure --datadir="$1.new" --init-file="$1.sql" --tmpdir="$1.tmp" --secure-file-priv=NULL --log-error-verbosity=1
rm -f "$1.sql"
mv "$1.new" "$1"
"#;

/// What parts the process form of one product from the other's.
struct Form {
    /// The server first.
    programs: &'static [&'static str],
    /// The program that makes the data.
    maker: &'static str,
    package: &'static str,
    /// How the script that makes the data begins and goes on.
    script: [&'static str; 2],
    /// More options of the server.
    options: &'static [&'static str],
}

const MARIADB: Form = Form {
    programs: &["mariadbd", "mariadb-install-db"],
    maker: "mariadb-install-db",
    package: "mariadb-server",
    script: [BEGIN_MARIADB, MAKE_MARIADB],
    options: &[],
};

/// A program that only MySQL has stands beside its server, whose name packages of MariaDB give a link to their own.
const MYSQL: Form = Form {
    programs: &["mysqld", "ibd2sdi"],
    maker: "mysqld",
    package: "mysql-server",
    script: [BEGIN_MYSQL, MAKE_MYSQL],
    options: &["--mysqlx=OFF", "--secure-file-priv=NULL"],
};

/// The recipe of MariaDB (detection.md 8.1 and 8.2).
pub(crate) fn mariadb() -> Recipe {
    Recipe {
        env: environment("MARIADB"),
        exec_check: plain(&["healthcheck.sh", "--connect", "--innodb_initialized"]),
        candidate_names: &[
            "MARIADB_URL",
            "MYSQL_URL",
            "DATABASE_URL",
            "ConnectionStrings__MariaDb",
            "Koan__Data__MariaDb__ConnectionString",
        ],
        minimum_version: "10.6",
        packages: &["mariadb"],
        process: Some(process(&MARIADB)),
        ..shared(MARIADB_ID, "MariaDB", image("library/mariadb", "11.8.8"))
    }
}

/// The recipe of MySQL.
pub(crate) fn mysql() -> Recipe {
    Recipe {
        env: environment("MYSQL"),
        exec_check: plain(&["mysqladmin", "ping", "-h", "127.0.0.1"]),
        candidate_names: &["MYSQL_URL", "DATABASE_URL", "ConnectionStrings__MySql", "Koan__Data__MySql__ConnectionString"],
        minimum_version: "8.0",
        packages: &[
            "MySqlConnector",
            "MySql.Data",
            "mysql",
            "mysql2",
            "PyMySQL",
            "mysqlclient",
            "mysql_async",
            "github.com/go-sql-driver/mysql",
        ],
        process: Some(process(&MYSQL)),
        ..shared(MYSQL_ID, "MySQL", image("library/mysql", "8.4.11"))
    }
}

fn image(repository: &'static str, tag: &'static str) -> ImageName {
    ImageName { registry: "docker.io", repository, tag, mirrors: &[] }
}

/// What the two share.
fn shared(id: &'static str, title: &'static str, image: ImageName) -> Recipe {
    Recipe {
        wave: 1,
        maturity: Maturity::Stable,
        files: vec![(PASSWORD_FILE.to_owned(), 0o444, Text::value(credential("password")))],
        data_paths: |_tag| &[DATA],
        priority: 100,
        readiness: Duration::from_secs(60),
        stop_grace: Duration::from_secs(30),
        own_login: OwnLogin::Password(None),
        keeps_data: true,
        schemes: &["mysql", "mariadb"],
        outputs: &[
            ("ado", "Server={host};Port={port};Database={database};User ID={user};Password={password}"),
            ("jdbc", "jdbc:mysql://{host}:{port}/{database}?user={user}&password={password}"),
        ],
        url_pattern: "{scheme}://[{user}][:{password}]@{host}:{port}/{database}[?sslmode={sslmode}][&sslrootcert={sslrootcert}]",
        candidate_parts: Some(CandidateParts {
            host: "MYSQL_HOST",
            port: Some("MYSQL_TCP_PORT"),
            user: Some("MYSQL_USER"),
            password: Some("MYSQL_PWD"),
            database: Some("MYSQL_DATABASE"),
            tls: None,
        }),
        conventional_names: &[("MYSQL_URL", "url"), ("DATABASE_URL", "url")],
        greeting: "Nothing: the server speaks first; its handshake tells MariaDB from MySQL.",
        proof: "The login, then one look at user, database, version and `read_only`: a server that only reads counts as not usable.",
        traps: &[
            "A user named root cannot be made in a container: the image makes root by itself, with the same password.",
            "The plugins ed25519, parsec, unix_socket and gssapi of a server cannot be answered: give the user a password plugin.",
        ],
        ..Recipe::new(id, title, image, &[RecipePort { name: PORT, port: 3306 }])
    }
}

/// The image's own names: a user with all rights on the database, and root's password, all in one file.
fn environment(prefix: &str) -> Vec<(String, Text)> {
    let file = || Text(vec![Part::File(PASSWORD_FILE.to_owned())]);
    vec![
        (format!("{prefix}_DATABASE"), Text::plain(Recipe::DATABASE)),
        (format!("{prefix}_USER"), Text::value(credential("username"))),
        (format!("{prefix}_PASSWORD_FILE"), file()),
        (format!("{prefix}_ROOT_PASSWORD_FILE"), file()),
    ]
}

/// A server of the host on loopback only, without a Unix socket: its path would be bounded by 107 bytes.
fn process(form: &Form) -> ProcessRecipe {
    let server = form.programs.first().copied().unwrap_or_default();
    let [begin, make] = form.script;
    let program = |name: &str| Text(vec![Part::ProgramFolder(name.to_owned()), Part::Plain(format!("/{name}"))]);
    let folder = || vec![Part::DataFolder(DATA.to_owned()), Part::Plain("/data".to_owned())];
    let made = vec![
        Text::plain("sh"),
        Text::plain("-c"),
        Text::plain(format!("{begin}{STATEMENTS}{make}")),
        Text::plain("make-data"),
        Text(folder()),
        program(form.maker),
        Text(vec![Part::File(PASSWORD_FILE.to_owned())]),
        Text(vec![Part::File(USER_FILE.to_owned())]),
        Text::plain(Recipe::DATABASE),
    ];
    let inside = |option: &str, folder: &str| {
        Text(vec![Part::Plain(option.to_owned()), Part::DataFolder(DATA.to_owned()), Part::Plain(folder.to_owned())])
    };
    let mut command = vec![
        program(server),
        Text::plain("--no-defaults"),
        inside("--datadir=", "/data"),
        // Installers that run at once would take each other's files in a folder that they share.
        inside("--tmpdir=", "/data.tmp"),
        Text::plain("--bind-address=127.0.0.1"),
        Text(vec![Part::Plain("--port=".to_owned()), Part::Port(PORT.to_owned())]),
        Text::plain("--skip-name-resolve"),
        Text::plain("--socket="),
    ];
    command.extend(plain(form.options));
    ProcessRecipe {
        programs: form.programs,
        folders: FOLDERS,
        package: form.package,
        prepare: vec![(join(folder(), "/mysql"), made)],
        files: vec![
            (PASSWORD_FILE.to_owned(), 0o400, Text::value(credential("password"))),
            (USER_FILE.to_owned(), 0o400, Text::value(credential("username"))),
        ],
        command,
        env: Vec::new(),
        stop_signal: StopSignal::Term,
        data_paths: &[DATA],
    }
}
