//! What is known of Vault and OpenBao: image, ports, environment and names. Pure data.

use koan_core::recipe::{CandidateMore, DefaultLogin, ImageName, Maturity, OwnLogin, Recipe, RecipePort};
use koan_core::text::Text;

use crate::texts::{credential, plain, token_of};

/// Canonical id.
pub(crate) const ID: &str = "vault";

/// The token that goes with an address.
const TOKENS: &[CandidateMore] = &[
    token_of("VAULT_ADDR", "VAULT_TOKEN"),
    token_of("BAO_ADDR", "BAO_TOKEN"),
    token_of("Koan__Secrets__Vault__Address", "Koan__Secrets__Vault__Token"),
];

/// The recipe (detection.md 8.1 and 8.2).
pub(crate) fn recipe() -> Recipe {
    Recipe {
        aliases: &["openbao"],
        wave: 1,
        maturity: Maturity::Stable,
        env: vec![
            ("VAULT_DEV_ROOT_TOKEN_ID".to_owned(), Text::value(credential("token"))),
            ("VAULT_DEV_LISTEN_ADDRESS".to_owned(), Text::plain("0.0.0.0:8200")),
            ("VAULT_API_ADDR".to_owned(), Text::plain("http://127.0.0.1:8200")),
            ("VAULT_ADDR".to_owned(), Text::plain("http://127.0.0.1:8200")),
            ("SKIP_SETCAP".to_owned(), Text::plain("1")),
        ],
        secrets_in_env: Some("dev mode reads its root token from an argument or the environment alone"),
        data_paths: |_tag| &["/vault/file", "/vault/logs"],
        priority: 400,
        exec_check: plain(&["vault", "status"]),
        own_login: OwnLogin::Token,
        volatile: Some("dev mode keeps secrets in memory: a restart empties it"),
        schemes: &["http", "https"],
        outputs: &[("token", "[{token}]")],
        url_pattern: "{scheme}://{host}:{port}[?sslrootcert={sslrootcert}]",
        candidate_names: &["VAULT_ADDR", "BAO_ADDR", "Koan__Secrets__Vault__Address"],
        candidate_more: TOKENS,
        conventional_names: &[("VAULT_ADDR", "url"), ("VAULT_TOKEN", "token")],
        default_logins: &[
            DefaultLogin::Token("root-token"),
            DefaultLogin::Token("dev-token"),
            DefaultLogin::Token("vault-token"),
        ],
        minimum_version: "1.8",
        packages: &["VaultSharp", "node-vault", "hvac", "vaultrs", "github.com/hashicorp/vault/api"],
        greeting: "`GET /v1/sys/health`: the document with `initialized`, `sealed` and `version`, which every server shows to everybody.",
        proof: "The server is not sealed, and `GET /v1/auth/token/lookup-self` shows the token its own entry.",
        traps: &[
            "The container runs in dev mode, which keeps secrets in memory: a restart empties it.",
            "A sealed server is never unsealed; it counts as not usable until somebody does that.",
            "The file ~/.vault-token is never read.",
        ],
        ..Recipe::new(
            ID,
            "Vault",
            ImageName { registry: "docker.io", repository: "hashicorp/vault", tag: "2.0.2", mirrors: &[] },
            &[RecipePort { name: "http", port: 8200 }],
        )
    }
}
