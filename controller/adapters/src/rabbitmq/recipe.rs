//! What is known of RabbitMQ: image, ports, files, names and the process form. Pure data.

use std::time::Duration;

use koan_core::recipe::{DefaultLogin, ImageName, Maturity, OwnLogin, ProcessRecipe, Recipe, RecipePort};
use koan_core::text::{Part, Text};
use koan_core::workload::StopSignal;

use crate::texts::{credential, join, plain};

/// Canonical id.
pub(crate) const ID: &str = "rabbitmq";
/// Where the login lies, as Erlang terms: they quote every value, which the lines of `rabbitmq.conf` cannot (decision 0018).
const CONFIGURATION_FILE: &str = "/etc/rabbitmq/advanced.config";
/// Names of the plugins that the process form loads.
const PLUGINS_FILE: &str = "/run/koan/rabbitmq-plugins";
/// Data path.
const DATA: &str = "/var/lib/rabbitmq";
/// Name of the main port.
const PORT: &str = "amqp";
/// Name of the port of the management plugin.
const MANAGEMENT_PORT: &str = "management";
/// The virtual host that is there from the start.
const HOST: &str = "/";

/// The server asks the port mapper of Erlang for its own name. That of the machine would listen on every address and outlive the
/// server, so one of its own is started on a free port of loopback; it belongs to the server's process group and ends with it. `$1`
/// folder of the programs. systemd's variable makes the Erlang machine replace the script, so that signals reach it.
const SERVE: &str = r#"set -eu
free() { od -An -N2 -tu2 /dev/urandom | awk '{ print 49152 + $1 % 16384 }'; }
mapper() {
  ERL_EPMD_PORT=$(free)
  export ERL_EPMD_PORT
  epmd -address 127.0.0.1 -port "$ERL_EPMD_PORT" &
  for _wait in 1 2 3 4 5 6 7 8 9 10; do
    if epmd -names >/dev/null 2>&1; then return 0; fi
    sleep 0.1
  done
  return 1
}
mapper || mapper || mapper
RABBITMQ_DIST_PORT=$(free)
export RABBITMQ_DIST_PORT RUNNING_UNDER_SYSTEMD=1
exec "$1/rabbitmq-server""#;

/// The recipe (detection.md 8.1 and 8.2).
pub(crate) fn recipe() -> Recipe {
    Recipe {
        aliases: &["rabbit"],
        wave: 1,
        maturity: Maturity::Stable,
        env: vec![
            // The data folder is named after the node, and the name of a container's host changes.
            ("RABBITMQ_NODENAME".to_owned(), Text::plain("rabbit@localhost")),
            ("RABBITMQ_DEFAULT_VHOST".to_owned(), Text::plain(Recipe::DATABASE)),
        ],
        files: vec![(CONFIGURATION_FILE.to_owned(), 0o444, configuration(Vec::new(), "]}].\n"))],
        data_paths: |_tag| &[DATA],
        priority: 250,
        readiness: Duration::from_secs(60),
        exec_check: plain(&["rabbitmq-diagnostics", "-q", "check_port_connectivity"]),
        stop_grace: Duration::from_secs(30),
        own_login: OwnLogin::Password(None),
        keeps_data: true,
        schemes: &["amqp", "amqps"],
        outputs: &[("vhost", "{database}"), ("managementUrl", "http://{host}:{port:15672}")],
        url_pattern: "{scheme}://[{user}][:{password}]@{host}:{port}/{database}[?sslrootcert={sslrootcert}]",
        candidate_names: &[
            "RABBITMQ_URL",
            "AMQP_URL",
            "CLOUDAMQP_URL",
            "ConnectionStrings__RabbitMq",
            "ConnectionStrings__RabbitMQ",
            "Koan__Data__RabbitMq__ConnectionString",
        ],
        default_database: Some(HOST),
        conventional_names: &[("RABBITMQ_URL", "url")],
        default_logins: &[DefaultLogin::Password("koan", "koan"), DefaultLogin::Password("guest", "guest")],
        minimum_version: "3.8",
        packages: &[
            "RabbitMQ.Client",
            "MassTransit.RabbitMQ",
            "amqplib",
            "pika",
            "aio-pika",
            "lapin",
            "github.com/rabbitmq/amqp091-go",
        ],
        greeting: "The header of AMQP 0-9-1: `Connection.Start` of the product RabbitMQ.",
        proof: "The login, the virtual host opens, and a channel opens and closes on it.",
        traps: &[
            "`database` is the virtual host; `/` where the manifest names none, written as %2F in URLs.",
            "The login and the virtual host are made once, on empty data; a changed Secret does not change them.",
            "For a server of the host the output managementUrl names port 15672 whether the plugin is there or not.",
        ],
        process: Some(process()),
        ..Recipe::new(
            ID,
            "RabbitMQ",
            ImageName { registry: "docker.io", repository: "library/rabbitmq", tag: "4.3.5-management", mirrors: &[] },
            &[RecipePort { name: PORT, port: 5672 }, RecipePort { name: MANAGEMENT_PORT, port: 15672 }],
        )
    }
}

/// The login, settings beside it, and an ending.
fn configuration(settings: Vec<Part>, ending: &str) -> Text {
    let mut parts = vec![
        Part::Plain("[{rabbit, [\n  {default_user, <<".to_owned()),
        Part::Quoted(credential("username")),
        Part::Plain(">>},\n  {default_pass, <<".to_owned()),
        Part::Quoted(credential("password")),
        Part::Plain(">>}".to_owned()),
    ];
    parts.extend(settings);
    join(parts, ending)
}

/// `rabbitmq-server` of the host, on loopback only, with its management plugin.
fn process() -> ProcessRecipe {
    let listeners = vec![
        Part::Plain(",\n  {tcp_listeners, [{\"127.0.0.1\", ".to_owned()),
        Part::Port(PORT.to_owned()),
        Part::Plain("}]}]},\n {rabbitmq_management, [{tcp_config, [{ip, \"127.0.0.1\"}, {port, ".to_owned()),
        Part::Port(MANAGEMENT_PORT.to_owned()),
    ];
    ProcessRecipe {
        // The second one is beside the server's own script alone, not beside the wrapper that wants an account of its own.
        programs: &["rabbitmq-server", "rabbitmq-defaults"],
        folders: &["/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin", "/opt/homebrew/opt/rabbitmq/sbin"],
        package: "rabbitmq-server",
        prepare: Vec::new(),
        files: vec![
            (CONFIGURATION_FILE.to_owned(), 0o400, configuration(listeners, "}]}]}].\n")),
            (PLUGINS_FILE.to_owned(), 0o400, Text::plain("[rabbitmq_management].\n")),
        ],
        command: vec![
            Text::plain("sh"),
            Text::plain("-c"),
            Text::plain(SERVE),
            Text::plain("serve"),
            Text(vec![Part::ProgramFolder("rabbitmq-server".to_owned())]),
        ],
        env: process_env(),
        stop_signal: StopSignal::Term,
        data_paths: &[DATA],
    }
}

/// Everything that the server would else look for in places of the machine.
fn process_env() -> Vec<(String, Text)> {
    let below = |path: &str| join(vec![Part::DataFolder(DATA.to_owned())], path);
    let file = |path: &str| Text(vec![Part::File(path.to_owned())]);
    let named = [
        ("HOME", below("")),
        ("RABBITMQ_NODENAME", Text::plain("rabbit@localhost")),
        ("RABBITMQ_DEFAULT_VHOST", Text::plain(Recipe::DATABASE)),
        ("RABBITMQ_CONF_ENV_FILE", Text::plain("/dev/null")),
        ("RABBITMQ_CONFIG_FILE", below("/none")),
        ("RABBITMQ_CONFIG_FILES", below("/none/*.conf")),
        ("RABBITMQ_ADVANCED_CONFIG_FILE", file(CONFIGURATION_FILE)),
        ("RABBITMQ_ENABLED_PLUGINS_FILE", file(PLUGINS_FILE)),
        ("RABBITMQ_MNESIA_BASE", below("/nodes")),
        ("RABBITMQ_LOG_BASE", below("/log")),
        ("RABBITMQ_LOGS", Text::plain("-")),
        ("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", Text::plain("-kernel inet_dist_use_interface {127,0,0,1}")),
        ("ERL_EPMD_ADDRESS", Text::plain("127.0.0.1")),
    ];
    named.map(|(name, text)| (name.to_owned(), text)).into()
}
