//! What is known of Weaviate: image, ports, environment and names. Pure data.

use std::time::Duration;

use koan_core::recipe::{CandidateMore, ImageName, Maturity, Recipe, RecipePort};
use koan_core::text::Text;

use crate::texts::{credential, plain, token_of};

/// Canonical id.
pub(crate) const ID: &str = "weaviate";
/// Data path.
const DATA: &str = "/var/lib/weaviate";
/// User that the key of the manifest belongs to.
const USER: &str = "koan";

/// The key that goes with an address.
const TOKENS: &[CandidateMore] = &[
    token_of("WEAVIATE_URL", "WEAVIATE_API_KEY"),
    token_of("WEAVIATE_ENDPOINT", "WEAVIATE_API_KEY"),
    token_of("Koan__Data__Weaviate__Endpoint", "Koan__Data__Weaviate__ApiKey"),
];

/// The recipe (detection.md 8.1 and 8.2).
pub(crate) fn recipe() -> Recipe {
    let set = |name: &str, value: &str| (name.to_owned(), Text::plain(value));
    Recipe {
        wave: 1,
        maturity: Maturity::Stable,
        env: vec![
            set("QUERY_DEFAULTS_LIMIT", "25"),
            set("PERSISTENCE_DATA_PATH", DATA),
            set("CLUSTER_HOSTNAME", "node1"),
            set("RAFT_BOOTSTRAP_EXPECT", "1"),
            set("DISABLE_TELEMETRY", "true"),
        ],
        env_with_login: vec![
            set("AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED", "false"),
            set("AUTHENTICATION_APIKEY_ENABLED", "true"),
            ("AUTHENTICATION_APIKEY_ALLOWED_KEYS".to_owned(), Text::value(credential("token"))),
            set("AUTHENTICATION_APIKEY_USERS", USER),
        ],
        env_without_login: vec![set("AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED", "true")],
        secrets_in_env: Some("the server reads its API keys from the environment alone"),
        data_paths: |_tag| &[DATA],
        readiness: Duration::from_secs(45),
        exec_check: plain(&["wget", "-qO-", "http://127.0.0.1:8080/v1/.well-known/ready"]),
        keeps_data: true,
        schemes: &["http", "https"],
        outputs: &[("token", "[{token}]"), ("grpcUrl", "grpc://{host}:{port:50051}")],
        url_pattern: "{scheme}://{host}:{port}[?sslrootcert={sslrootcert}]",
        candidate_names: &[
            "WEAVIATE_URL",
            "WEAVIATE_URLS",
            "WEAVIATE_ENDPOINT",
            "ConnectionStrings__Weaviate",
            "Koan__Data__Weaviate__Endpoint",
        ],
        candidate_more: TOKENS,
        conventional_names: &[("WEAVIATE_URL", "url"), ("WEAVIATE_API_KEY", "token")],
        minimum_version: "1.20",
        packages: &["weaviate-client", "weaviate-ts-client", "github.com/weaviate/weaviate-go-client"],
        greeting: "`GET /v1` and `GET /v1/.well-known/ready`: the links of the API, and a server that is ready; both need no key.",
        proof: "`GET /v1/schema` with the key, or without one where the server lets everybody in.",
        traps: &[
            "Without a key in the manifest the container lets everybody in; it is published on loopback alone.",
            "For a server of the host the output grpcUrl names port 50051, wherever gRPC listens.",
        ],
        ..Recipe::new(
            ID,
            "Weaviate",
            ImageName { registry: "cr.weaviate.io", repository: "semitechnologies/weaviate", tag: "1.39.0", mirrors: &[] },
            &[RecipePort { name: "http", port: 8080 }, RecipePort { name: "grpc", port: 50051 }],
        )
    }
}
