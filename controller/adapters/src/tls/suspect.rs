//! Listeners of TLS alone, found out by candidates that say nothing of TLS.

use koan_crds::v1alpha1::EvidenceCode;
use tokio::time::Instant;

use super::unverified::unverified;
use crate::wire::{Fault, Peer, connect};

/// A listener of TLS alone closes whatever is no handshake: whether this is one is asked, so that the user learns what to write.
pub(crate) async fn suspected(peer: &Peer, scheme: &str, deadline: Instant, fault: Fault) -> Fault {
    let Ok(wire) = connect(&peer.target, deadline).await else { return fault };
    match unverified(wire, deadline).await {
        Ok(_speaks) => only(scheme),
        Err(_) => fault,
    }
}

/// What to write for a listener of TLS alone.
pub(crate) fn only(scheme: &str) -> Fault {
    Fault::new(EvidenceCode::TlsRequired, format!("it speaks TLS alone: write the candidate as {scheme}://"))
}
