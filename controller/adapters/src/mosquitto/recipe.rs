//! What is known of Mosquitto: image, ports, files, names and the process form. Pure data.

use std::time::Duration;

use koan_core::recipe::{ImageName, Maturity, OwnLogin, ProcessRecipe, Recipe, RecipePort};
use koan_core::text::{Part, Text};
use koan_core::workload::StopSignal;

use crate::texts::{credential, plain};

/// Canonical id.
pub(crate) const ID: &str = "mosquitto";
/// Where the configuration lies inside a container; the image's command names this file.
const CONFIGURATION_FILE: &str = "/mosquitto/config/mosquitto.conf";
/// Where the login lies: a name and the hash of a password.
const PASSWORD_FILE: &str = "/run/koan/mosquitto-passwords";
/// Where the login lies for the check inside the container: options of `mosquitto_sub`, one on each line.
const OPTIONS_FILE: &str = "/run/koan/mosquitto_sub";
/// Persistent sessions and retained messages.
const DATA: &str = "/mosquitto/data";
/// Second volume that the image declares.
const LOGS: &str = "/mosquitto/log";
/// Name of the main port.
const PORT: &str = "mqtt";
/// Waits for one message of the broker's own; the login comes from a file, where no process list shows it.
const LISTEN: &str = r#"XDG_CONFIG_HOME="$1" mosquitto_sub -h 127.0.0.1 -t '$SYS/#' -C 1 -W 3 >/dev/null"#;

/// The recipe (detection.md 8.1 and 8.2).
pub(crate) fn recipe() -> Recipe {
    Recipe {
        aliases: &["mqtt"],
        wave: 1,
        maturity: Maturity::Stable,
        files: vec![
            (CONFIGURATION_FILE.to_owned(), 0o444, container_configuration()),
            (PASSWORD_FILE.to_owned(), 0o444, passwords()),
            (OPTIONS_FILE.to_owned(), 0o444, options()),
        ],
        data_paths: |_tag| &[DATA, LOGS],
        priority: 200,
        readiness: Duration::from_secs(15),
        exec_check: plain(&["sh", "-c", LISTEN, "listen", "/run/koan"]),
        own_login: OwnLogin::Password(None),
        schemes: &["mqtt", "mqtts"],
        url_pattern: "{scheme}://[{user}][:{password}]@{host}:{port}[?sslrootcert={sslrootcert}]",
        candidate_names: &[
            "MQTT_URL",
            "ConnectionStrings__Mqtt",
            "ConnectionStrings__Mosquitto",
            "Koan__Data__Mqtt__ConnectionString",
        ],
        conventional_names: &[("MQTT_URL", "url")],
        packages: &["MQTTnet", "mqtt", "paho-mqtt", "rumqttc", "github.com/eclipse/paho.mqtt.golang"],
        greeting: "An anonymous `CONNECT` with a random client id and a clean start: a `CONNACK` of any code.",
        proof: "`CONNECT` with the login is accepted; `DISCONNECT` follows.",
        traps: &[
            "Version 2 without a listener of its own serves the container's loopback alone; the configuration names one.",
            "A broker that lets clients in without a login is used without one, whatever the manifest says.",
        ],
        process: Some(process()),
        ..Recipe::new(
            ID,
            "Mosquitto",
            ImageName { registry: "docker.io", repository: "library/eclipse-mosquitto", tag: "2.0.22", mirrors: &[] },
            &[RecipePort { name: PORT, port: 1883 }],
        )
    }
}

fn container_configuration() -> Text {
    Text::plain(format!(
        "listener 1883 0.0.0.0\nallow_anonymous false\npassword_file {PASSWORD_FILE}\n\
        persistence true\npersistence_location {DATA}/\nlog_dest stdout\n"
    ))
}

/// The line of the only user.
fn passwords() -> Text {
    Text(vec![
        Part::Value(credential("username")),
        Part::Plain(":".to_owned()),
        Part::Hashed(credential("password")),
        Part::Plain("\n".to_owned()),
    ])
}

fn options() -> Text {
    Text(vec![
        Part::Plain("-u ".to_owned()),
        Part::Value(credential("username")),
        Part::Plain("\n-P ".to_owned()),
        Part::Value(credential("password")),
        Part::Plain("\n".to_owned()),
    ])
}

/// `mosquitto` of the host, on loopback only.
fn process() -> ProcessRecipe {
    let configuration = Text(vec![
        Part::Plain("listener ".to_owned()),
        Part::Port(PORT.to_owned()),
        Part::Plain(" 127.0.0.1\nallow_anonymous false\npassword_file ".to_owned()),
        Part::File(PASSWORD_FILE.to_owned()),
        Part::Plain("\npersistence true\npersistence_location ".to_owned()),
        Part::DataFolder(DATA.to_owned()),
        Part::Plain("/\nlog_dest stderr\n".to_owned()),
    ]);
    ProcessRecipe {
        programs: &["mosquitto"],
        folders: &["/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin"],
        package: "mosquitto",
        prepare: Vec::new(),
        files: vec![(CONFIGURATION_FILE.to_owned(), 0o400, configuration), (PASSWORD_FILE.to_owned(), 0o400, passwords())],
        command: vec![
            Text(vec![Part::ProgramFolder("mosquitto".to_owned()), Part::Plain("/mosquitto".to_owned())]),
            Text::plain("-c"),
            Text(vec![Part::File(CONFIGURATION_FILE.to_owned())]),
        ],
        env: Vec::new(),
        stop_signal: StopSignal::Term,
        data_paths: &[DATA],
    }
}
