//! What an adapter's effectful half answers: is it the product, and does this login prove it usable?

use async_trait::async_trait;
use koan_core::secret::Login;
use koan_crds::v1alpha1::EvidenceCode;
use tokio::time::Instant;

use crate::wire::{Fault, Peer};

/// One product on the wire.
#[async_trait]
pub(crate) trait Product: Send + Sync {
    /// Proves the product by its greeting; sends no credential, user name or database name of anybody (DET-14). The handshake ends
    /// in the way that the product counts as clean (SEC-2), or its connection is parked with the peer for the first login.
    async fn identify(&self, peer: &Peer, deadline: Instant) -> Result<Identified, Fault>;

    /// One login and the authorised check (DET-21), the product's goodbye included.
    async fn login(&self, attempt: &Attempt<'_>) -> Proof;

    /// Ends what [`Product::identify`] left open for a login, in the way that the product counts as clean; called once no login follows.
    async fn leave(&self, _peer: &Peer) {}
}

/// A proven greeting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identified {
    /// What greeted, for evidence.
    pub(crate) detail: String,
    /// The server let a connection without login in.
    pub(crate) open: bool,
}

/// One login.
pub(crate) struct Attempt<'a> {
    /// Where.
    pub(crate) peer: &'a Peer,
    /// With what; empty is a connection without credential.
    pub(crate) login: &'a Login,
    /// Database or key space that must be usable.
    pub(crate) database: &'a str,
    /// The listener may be sent a password as it is (SEC-1).
    pub(crate) plain_text: bool,
    /// Whether the greeting let a connection without login in; `None` in a check, which is not greeted apart.
    pub(crate) open: Option<bool>,
    /// Until when.
    pub(crate) deadline: Instant,
}

/// Answer to one login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// Logged in and authorised.
    Proven {
        /// Version of the server.
        version: Option<String>,
        /// Identity of the server.
        server_id: Option<String>,
        /// The server asked for no credential: it counts as anonymous (DET-20).
        anonymous: bool,
    },
    /// The login was refused.
    Refused(String),
    /// Nothing was sent that could be refused.
    Skipped(String),
    /// Logged in, but not usable.
    Unusable(Fault),
    /// No answer that counts.
    Broken(Fault),
}

/// Version numbers that stand in order, `12` below `12.1`.
pub(crate) fn at_least(version: &str, minimum: &str) -> bool {
    let numbers = |text: &str| -> Vec<u64> { text.split('.').map_while(|part| part.parse().ok()).collect() };
    numbers(version) >= numbers(minimum)
}

/// A version below the row's minimum.
pub(crate) fn too_old(version: &str, minimum: &str) -> Fault {
    Fault::new(EvidenceCode::VersionUnsupported, format!("version {version} is older than {minimum}"))
}

/// At most 32 harmless characters of a version, since a stranger may have written it.
pub(crate) fn short(version: &str) -> String {
    version.chars().filter(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-')).take(32).collect()
}
