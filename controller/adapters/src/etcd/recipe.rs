//! What is known of etcd: image, port, environment, names and the process form. Pure data.

use koan_core::recipe::{CandidateMore, ImageName, Maturity, ProcessRecipe, Recipe, RecipePort};
use koan_core::text::{Part, Text};
use koan_core::workload::StopSignal;

use crate::texts::{join, plain};

/// Canonical id.
pub(crate) const ID: &str = "etcd";
/// Name of the port of clients.
const PORT: &str = "client";
/// Data path.
const DATA: &str = "/var/lib/etcd";
/// Where the server keeps everything, below its data path.
const MEMBER: &str = "/member.etcd";
/// Where a server that has no peers listens for them: a port of loopback that it picks itself.
const PEERS: &str = "http://127.0.0.1:0";

/// The login that goes with an address; etcdctl takes both words in one name.
const LOGINS: &[CandidateMore] = &[
    login_of("ETCDCTL_ENDPOINTS", "ETCDCTL_USER", "ETCDCTL_PASSWORD"),
    login_of("ETCD_ENDPOINTS", "ETCD_USERNAME", "ETCD_PASSWORD"),
    login_of("ETCD_URL", "ETCD_USERNAME", "ETCD_PASSWORD"),
];

/// The recipe (detection.md 8.3, decision 0021).
pub(crate) fn recipe() -> Recipe {
    let set = |name: &str, value: &str| (name.to_owned(), Text::plain(value));
    Recipe {
        wave: 2,
        maturity: Maturity::Stable,
        env: vec![
            set("ETCD_NAME", "koan"),
            set("ETCD_DATA_DIR", &format!("{DATA}{MEMBER}")),
            set("ETCD_LISTEN_CLIENT_URLS", "http://0.0.0.0:2379"),
            set("ETCD_ADVERTISE_CLIENT_URLS", "http://127.0.0.1:2379"),
            set("ETCD_LISTEN_PEER_URLS", PEERS),
            set("ETCD_INITIAL_ADVERTISE_PEER_URLS", PEERS),
            set("ETCD_INITIAL_CLUSTER", "koan=http://127.0.0.1:0"),
        ],
        data_paths: |_tag| &[DATA],
        priority: 150,
        exec_check: plain(&["etcdctl", "endpoint", "health"]),
        keeps_data: true,
        schemes: &["http", "https"],
        outputs: &[("endpoints", "{scheme}://{host}:{port}")],
        url_pattern: "{scheme}://[{user}][:{password}]@{host}:{port}[?sslrootcert={sslrootcert}]",
        candidate_names: &["ETCDCTL_ENDPOINTS", "ETCD_ENDPOINTS", "ETCD_URL", "ConnectionStrings__Etcd"],
        candidate_more: LOGINS,
        default_database: Some(""),
        conventional_names: &[
            ("ETCDCTL_ENDPOINTS", "endpoints"),
            ("ETCD_ENDPOINTS", "endpoints"),
            ("ETCDCTL_USER", "user"),
            ("ETCDCTL_PASSWORD", "password"),
        ],
        minimum_version: "3.4",
        greeting: "`GET /version` and `POST /v3/maintenance/status`: etcd's own two versions, and the header of its cluster; both need no login.",
        proof: "A look at the keys below the prefix through the JSON gateway, with a token for the login, or without one where the server asks nobody.",
        traps: &[
            "`database` is a prefix of keys, such as shop for shop/…, that the login must be able to read; none where the manifest names none.",
            "A container of Koan's asks for no login: etcd makes its users after the start alone. It is published on loopback alone.",
            "A server of the host is asked by its JSON gateway; one that was started with --enable-grpc-gateway=false cannot be proven.",
            "The members' own advertised addresses are not what is injected: a client that follows them needs a server that advertises what the client can reach.",
        ],
        process: Some(process()),
        ..Recipe::new(
            ID,
            "etcd",
            ImageName {
                registry: "gcr.io",
                repository: "etcd-development/etcd",
                tag: "v3.6.16",
                mirrors: &[("quay.io", "coreos/etcd")],
            },
            &[RecipePort { name: PORT, port: 2379 }],
        )
    }
}

const fn login_of(of: &'static str, user: &'static str, password: &'static str) -> CandidateMore {
    CandidateMore { of, user: Some(user), pair: true, password: Some(password), token: None, database: None }
}

/// `etcd` of the host, on loopback only.
fn process() -> ProcessRecipe {
    let clients = || Text(vec![Part::Plain("http://127.0.0.1:".to_owned()), Part::Port(PORT.to_owned())]);
    let word = |text: &str| Text::plain(text);
    ProcessRecipe {
        programs: &["etcd"],
        folders: &["/usr/bin", "/usr/local/bin", "/opt/homebrew/bin"],
        package: "etcd-server",
        prepare: Vec::new(),
        files: Vec::new(),
        command: vec![
            Text(vec![Part::ProgramFolder("etcd".to_owned()), Part::Plain("/etcd".to_owned())]),
            word("--name"),
            word("koan"),
            word("--data-dir"),
            join(vec![Part::DataFolder(DATA.to_owned())], MEMBER),
            word("--listen-client-urls"),
            clients(),
            word("--advertise-client-urls"),
            clients(),
            word("--listen-peer-urls"),
            word(PEERS),
            word("--initial-advertise-peer-urls"),
            word(PEERS),
            word("--initial-cluster"),
            word("koan=http://127.0.0.1:0"),
            // The only one since 3.5, and what 3.4 wants to be told.
            word("--logger"),
            word("zap"),
        ],
        env: Vec::new(),
        stop_signal: StopSignal::Term,
        data_paths: &[DATA],
    }
}
