//! What is known of Ollama: image, ports, environment and names. Pure data.

use koan_core::recipe::{ImageName, Maturity, Recipe, RecipePort};
use koan_core::text::Text;

use crate::texts::plain;

/// Canonical id.
pub(crate) const ID: &str = "ollama";

/// The recipe (detection.md 8.1 and 8.2).
pub(crate) fn recipe() -> Recipe {
    Recipe {
        wave: 1,
        maturity: Maturity::Stable,
        env: vec![("OLLAMA_HOST".to_owned(), Text::plain("0.0.0.0:11434")), ("OLLAMA_KEEP_ALIVE".to_owned(), Text::plain("24h"))],
        data_paths: |_tag| &["/root/.ollama"],
        priority: 450,
        exec_check: plain(&["ollama", "list"]),
        // Models come from elsewhere and can be had again.
        keeps_data: false,
        schemes: &["http", "https"],
        url_pattern: "{scheme}://{host}:{port}[?sslrootcert={sslrootcert}]",
        candidate_names: &["OLLAMA_HOST", "Koan_AI_OLLAMA_URLS", "ConnectionStrings__Ollama"],
        outputs: &[("models", "{database}")],
        default_database: Some(""),
        conventional_names: &[("OLLAMA_HOST", "url")],
        minimum_version: "0.3",
        packages: &["OllamaSharp", "ollama", "ollama-rs", "github.com/ollama/ollama"],
        heavy: true,
        greeting: "`GET /` and `GET /api/version`: the words `Ollama is running` and the version.",
        proof: "`GET /api/tags` lists the model that the service names.",
        traps: &[
            "It has no login: whoever reaches its port may use it, so it is published on loopback alone.",
            "`database` names the models that a host's server has to have, with commas between them; none are needed where it is unset.",
            "A container of Koan's own has no model at first: `ollama pull` brings one into the service's volume.",
        ],
        ..Recipe::new(
            ID,
            "Ollama",
            ImageName { registry: "docker.io", repository: "ollama/ollama", tag: "0.32.15", mirrors: &[] },
            &[RecipePort { name: "http", port: 11434 }],
        )
    }
}
