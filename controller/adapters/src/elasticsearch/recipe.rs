//! What is known of Elasticsearch and OpenSearch: images, ports, environment and names. Pure data.

use std::time::Duration;

use koan_core::recipe::{ImageName, Maturity, Recipe, RecipePort};
use koan_core::text::Text;

use super::greeting::Brand;
use crate::texts::plain;

/// Heap of a container: what a developer's data needs.
const HEAP: &str = "-Xms512m -Xmx512m";
/// What a container of either says: it is the only node.
const ALONE: (&str, &str) = ("discovery.type", "single-node");

/// The recipe of Elasticsearch (detection.md 8.3).
pub(crate) fn elasticsearch() -> Recipe {
    Recipe {
        env: env(&[ALONE, ("xpack.security.enabled", "false"), ("ES_JAVA_OPTS", HEAP)]),
        data_paths: |_tag| &["/usr/share/elasticsearch/data"],
        candidate_names: &["ELASTICSEARCH_URL", "ELASTICSEARCH_URLS", "ConnectionStrings__Elasticsearch"],
        conventional_names: &[("ELASTICSEARCH_URL", "url")],
        greeting: "`GET /`: the header `X-Elastic-Product`; where a login is asked for, its two challenges and its own error.",
        // The first one whose answers name the product.
        minimum_version: "7.14",
        traps: &[
            "A container of Koan's asks for no login; a credential of the manifest is for a server of the host.",
            "A login needs the cluster privilege `monitor`, since Koan proves it by the version of the node and the health of the cluster.",
            "A token is sent as an API key.",
        ],
        ..search(Brand::Elasticsearch, ("docker.elastic.co", "elasticsearch/elasticsearch", "9.5.2"))
    }
}

/// The recipe of OpenSearch (detection.md 8.3).
pub(crate) fn opensearch() -> Recipe {
    Recipe {
        env: env(&[ALONE, ("DISABLE_SECURITY_PLUGIN", "true"), ("OPENSEARCH_JAVA_OPTS", HEAP)]),
        data_paths: |_tag| &["/usr/share/opensearch/data"],
        candidate_names: &["OPENSEARCH_URL", "OPENSEARCH_URLS", "ConnectionStrings__OpenSearch"],
        conventional_names: &[("OPENSEARCH_URL", "url")],
        greeting: "`GET /`: the distribution `opensearch`; where a login is asked for, the realm of its security plugin and that plugin's own health, which needs no login.",
        minimum_version: "1.0",
        traps: &[
            "A container of Koan's asks for no login; a credential of the manifest is for a server of the host.",
            "A login needs the cluster privilege `cluster_monitor`, since Koan proves it by the version of the node and the health of the cluster.",
            "A server that asks for a login in another way than by HTTP Basic with its usual realm is not recognised, and is sent nothing.",
        ],
        ..search(Brand::OpenSearch, ("docker.io", "opensearchproject/opensearch", "3.7.0"))
    }
}

/// What both have in common.
fn search(brand: Brand, (registry, repository, tag): (&'static str, &'static str, &'static str)) -> Recipe {
    Recipe {
        wave: 2,
        maturity: Maturity::Stable,
        readiness: Duration::from_secs(120),
        exec_check: plain(&["curl", "-fsS", "http://127.0.0.1:9200/_cluster/health"]),
        proof: "`GET /_nodes/_local` for the version and `GET /_cluster/health`, which must not be red, with the login, or without one where the server lets everybody in.",
        stop_grace: Duration::from_secs(30),
        keeps_data: true,
        schemes: &["http", "https"],
        url_pattern: "{scheme}://[{user}][:{password}]@{host}:{port}[?sslrootcert={sslrootcert}]",
        default_database: Some(""),
        ..Recipe::new(
            brand.id(),
            brand.title(),
            ImageName { registry, repository, tag, mirrors: &[] },
            &[RecipePort { name: "http", port: 9200 }],
        )
    }
}

fn env(entries: &[(&str, &str)]) -> Vec<(String, Text)> {
    entries.iter().map(|(name, value)| ((*name).to_owned(), Text::plain(*value))).collect()
}
