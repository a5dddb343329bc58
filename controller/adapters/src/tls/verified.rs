//! TLS whose peer is verified: by the authorities that a candidate names, else by the trust store of this machine
//! (`SSL_CERT_FILE` and `SSL_CERT_DIR` as everywhere).

use std::io::Read;
use std::sync::Arc;

use koan_core::probe::Tls;
use koan_crds::v1alpha1::EvidenceCode;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{ServerCertVerified, ServerCertVerifier as _};
use rustls::crypto::ring;
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use super::fault;
use super::verifier::{Judge, Shown, connector};
use crate::wire::{Fault, Wire};

/// Largest file of authorities; a whole distribution's bundle is a quarter of it.
const AUTHORITIES_LIMIT: u64 = 1024 * 1024;

/// What a peer has to prove.
pub(crate) struct Verified {
    connector: TlsConnector,
    name: ServerName<'static>,
    host: String,
}

impl Verified {
    /// Reads the authorities and makes the demand upon a host.
    ///
    /// # Errors
    /// The authorities cannot be read, or the host is no name that a certificate could have.
    pub(crate) async fn of(tls: &Tls, host: &str) -> Result<Self, Fault> {
        let failed = |detail: String| Fault::new(EvidenceCode::TlsRequired, detail);
        let name = ServerName::try_from(host.to_owned()).map_err(|_| failed("no certificate can name its host".to_owned()))?;
        let asked = tls.clone();
        let own = tokio::task::spawn_blocking(move || Demand::read(&asked)).await;
        let demand = own.map_err(|_| failed("the authorities could not be read".to_owned()))?.map_err(failed)?;
        let connector = connector(demand).map_err(|error| failed(error.to_string()))?;
        Ok(Self { connector, name, host: host.to_owned() })
    }

    /// Finishes the handshake; whoever it is verified to be may be told a login.
    pub(crate) async fn handshake(&self, wire: Wire, deadline: Instant) -> Result<Wire, Fault> {
        match timeout_at(deadline, self.connector.connect(self.name.clone(), wire)).await {
            Ok(Ok(stream)) => Ok(Wire::over(stream)),
            Ok(Err(error)) => Err(match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
                Some(error) => fault::of(error, &self.host),
                None => Fault::new(EvidenceCode::WrongProtocol, "it closed the connection in the TLS handshake"),
            }),
            Err(_) => Err(Fault::new(EvidenceCode::Silent, "it does not answer the TLS handshake")),
        }
    }
}

/// Verifies as webpki does, with two differences that the authorities of one's own allow: the name may be left out, and a certificate
/// that stands in the file itself is trusted although it calls itself an authority.
#[derive(Debug)]
struct Demand {
    chain: Arc<WebPkiServerVerifier>,
    own: Vec<CertificateDer<'static>>,
    checks_name: bool,
}

impl Demand {
    fn read(tls: &Tls) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        let own = match &tls.authorities {
            Some(path) => {
                let own = own_file(path)?;
                roots.add_parsable_certificates(own.iter().cloned());
                own
            }
            None => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                Vec::new()
            }
        };
        let none = || match &tls.authorities {
            Some(path) => format!("{path} holds no certificate of an authority: name a PEM file that does"),
            None => "this machine trusts no authority: install its CA certificates, or name a file in sslrootcert \
                (Redis: ssl_ca_certs)"
                .to_owned(),
        };
        let chain = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::new(ring::default_provider()));
        let chain = chain.build().map_err(|_| none())?;
        Ok(Self { chain, own, checks_name: tls.checks_name() })
    }

    /// The chain was verified but for the name, or stands in the file of authorities itself.
    fn excuses(&self, error: &Error, end_entity: &CertificateDer<'_>) -> Option<Excuse> {
        match error {
            Error::InvalidCertificate(CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. })
                if !self.checks_name =>
            {
                Some(Excuse::Name)
            }
            // webpki looks at the dates before it looks at what a certificate calls itself.
            Error::InvalidCertificate(CertificateError::Other(other))
                if self.own.contains(end_entity) && fault::is_own_authority(other) =>
            {
                Some(Excuse::Own)
            }
            _other => None,
        }
    }
}

enum Excuse {
    Name,
    Own,
}

/// Certificates of a PEM file.
fn own_file(path: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let unreadable = |error: std::io::Error| format!("{path}, the file of authorities, cannot be read: {}", error.kind());
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(AUTHORITIES_LIMIT).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(CertificateDer::pem_slice_iter(&bytes).filter_map(Result::ok).collect())
}

impl Judge for Demand {
    fn judge(&self, shown: &Shown<'_>) -> Result<ServerCertVerified, Error> {
        let Shown { end_entity, intermediates, name, ocsp_response, now } = *shown;
        let verdict = self.chain.verify_server_cert(end_entity, intermediates, name, ocsp_response, now);
        let Err(error) = verdict else { return verdict };
        match self.excuses(&error, end_entity) {
            Some(Excuse::Own) if self.checks_name => {
                rustls::client::verify_server_name(&ParsedCertificate::try_from(end_entity)?, name)?;
                Ok(ServerCertVerified::assertion())
            }
            Some(Excuse::Name | Excuse::Own) => Ok(ServerCertVerified::assertion()),
            None => Err(error),
        }
    }
}
