//! TLS whose peer is not verified: it finishes a handshake that a loopback server offers, and proves nothing (SEC-2). Passwords that
//! need a verified peer never travel because of it.

use koan_crds::v1alpha1::EvidenceCode;
use rustls::Error;
use rustls::client::danger::ServerCertVerified;
use rustls_pki_types::ServerName;
use tokio::time::{Instant, timeout_at};

use super::verifier::{Judge, Shown, connector};
use crate::wire::{Fault, Wire};

/// Finishes a handshake whose peer may be anybody.
pub(crate) async fn unverified(wire: Wire, deadline: Instant) -> Result<Wire, Fault> {
    let failed = || Fault::new(EvidenceCode::WrongProtocol, "it offers TLS and does not finish the handshake");
    let connector = connector(Anybody).map_err(|_| failed())?;
    let name = ServerName::IpAddress(std::net::Ipv4Addr::LOCALHOST.into());
    match timeout_at(deadline, connector.connect(name, wire)).await {
        Ok(Ok(stream)) => Ok(Wire::over(stream)),
        Ok(Err(_)) | Err(_) => Err(failed()),
    }
}

/// Takes every certificate.
#[derive(Debug)]
struct Anybody;

impl Judge for Anybody {
    fn judge(&self, _shown: &Shown<'_>) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }
}
