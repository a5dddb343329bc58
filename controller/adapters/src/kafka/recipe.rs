//! What is known of Kafka: image, ports, environment and names. Pure data.

use std::time::Duration;

use koan_core::recipe::{CandidateMore, ImageName, Maturity, Recipe, RecipePort};
use koan_core::text::{Part, Text};

use crate::texts::plain;

/// Canonical id.
pub(crate) const ID: &str = "kafka";
/// Port of the listener for processes of the host.
const PORT: &str = "kafka";
/// Data path.
const DATA: &str = "/var/lib/kafka/data";

/// The login that goes with an address.
const LOGINS: &[CandidateMore] = &[
    login_of("KAFKA_BOOTSTRAP_SERVERS"),
    login_of("KAFKA_BROKERS"),
    login_of("KAFKA_URL"),
    login_of("SPRING_KAFKA_BOOTSTRAP_SERVERS"),
];

/// The recipe (detection.md 8.3, decision 0022).
pub(crate) fn recipe() -> Recipe {
    let set = |name: &str, value: &str| (name.to_owned(), Text::plain(value));
    Recipe {
        wave: 2,
        maturity: Maturity::Stable,
        env: vec![
            set("KAFKA_NODE_ID", "1"),
            set("KAFKA_PROCESS_ROLES", "broker,controller"),
            set("KAFKA_LISTENERS", "HOST://0.0.0.0:9092,STACK://0.0.0.0:9094,SELF://127.0.0.1:9095,CONTROLLER://127.0.0.1:9093"),
            ("KAFKA_ADVERTISED_LISTENERS".to_owned(), advertised()),
            set("KAFKA_LISTENER_SECURITY_PROTOCOL_MAP", "HOST:PLAINTEXT,STACK:PLAINTEXT,SELF:PLAINTEXT,CONTROLLER:PLAINTEXT"),
            set("KAFKA_INTER_BROKER_LISTENER_NAME", "SELF"),
            set("KAFKA_CONTROLLER_LISTENER_NAMES", "CONTROLLER"),
            set("KAFKA_CONTROLLER_QUORUM_VOTERS", "1@127.0.0.1:9093"),
            set("KAFKA_LOG_DIRS", DATA),
            set("KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR", "1"),
            set("KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR", "1"),
            set("KAFKA_TRANSACTION_STATE_LOG_MIN_ISR", "1"),
            set("KAFKA_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR", "1"),
            set("KAFKA_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR", "1"),
            set("KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS", "0"),
        ],
        // The image declares the other two as well.
        data_paths: |_tag| &[DATA, "/etc/kafka/secrets", "/mnt/shared/config"],
        priority: 250,
        readiness: Duration::from_secs(60),
        exec_check: plain(&["/opt/kafka/bin/kafka-broker-api-versions.sh", "--bootstrap-server", "127.0.0.1:9095"]),
        stop_grace: Duration::from_secs(30),
        keeps_data: true,
        schemes: &["kafka", "kafka+ssl"],
        stack_port: Some(9094),
        outputs: &[("bootstrapServers", "{host}:{port}")],
        url_pattern: "{scheme}://[{user}][:{password}]@{host}:{port}[?sslrootcert={sslrootcert}]",
        candidate_names: &[
            "KAFKA_BOOTSTRAP_SERVERS",
            "KAFKA_BROKERS",
            "KAFKA_URL",
            "SPRING_KAFKA_BOOTSTRAP_SERVERS",
            "ConnectionStrings__Kafka",
        ],
        candidate_more: LOGINS,
        default_database: Some(""),
        conventional_names: &[("KAFKA_BOOTSTRAP_SERVERS", "bootstrapServers")],
        greeting: "The question which versions of its messages it speaks, answered to everybody: a broker's list, with the number of the question.",
        proof: "A login by the strongest of SCRAM-SHA-512, SCRAM-SHA-256 and PLAIN that the listener offers, or none where it takes none; then the brokers of the cluster, without any topic, each of whose advertised addresses is dialled.",
        traps: &[
            "Clients go on to the addresses that the broker advertises: one that cannot be reached from here is refused as Unreachable, with its name.",
            "A server of the host that advertises a loopback address serves processes of the host, not containers of the stack.",
            "Each mechanism has users of its own: a user that PLAIN alone knows is refused where the listener offers SCRAM too.",
            "A container of Koan's asks for no login; it is published on loopback alone. A credential of the manifest is for a server of the host.",
            "One broker with one copy of everything: topics that ask for more replicas are refused.",
        ],
        ..Recipe::new(
            ID,
            "Kafka",
            ImageName { registry: "docker.io", repository: "apache/kafka", tag: "4.3.1", mirrors: &[] },
            &[RecipePort { name: PORT, port: 9092 }],
        )
    }
}

/// Where each listener sends its clients: whoever came by the published port stays there, whichever it is.
fn advertised() -> Text {
    Text(vec![
        Part::Plain("HOST://127.0.0.1:".to_owned()),
        Part::Published(PORT.to_owned()),
        Part::Plain(format!(",STACK://{}:9094,SELF://127.0.0.1:9095", Recipe::SERVICE)),
    ])
}

const fn login_of(of: &'static str) -> CandidateMore {
    CandidateMore {
        of,
        user: Some("KAFKA_SASL_USERNAME"),
        pair: false,
        password: Some("KAFKA_SASL_PASSWORD"),
        token: None,
        database: None,
    }
}
