//! The server's certificate: an authority for each state directory, a fresh leaf for each start, all of them P-256.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

use crate::kubeconfig::{KubeconfigError, private};

/// The certificate of the authority, which clients pin.
const CERTIFICATE_FILE: &str = "ca.crt";
/// Its key.
const KEY_FILE: &str = "ca.key";
/// The name of the authority; the leaf's issuer is found by it.
const AUTHORITY_NAME: &str = "koan local authority";

/// A certificate that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A key or certificate could not be made or read.
    #[error("certificate authority in {path}: {cause}; remove ca.crt and ca.key to have them made anew", path = path.display())]
    Certificate {
        /// The state directory.
        path: PathBuf,
        /// What was found.
        cause: String,
    },
    /// The files cannot be kept.
    #[error("certificate authority cannot be stored")]
    File(#[from] KubeconfigError),
    /// The TLS library refused the configuration.
    #[error("TLS cannot be configured")]
    Config(#[source] rustls::Error),
}

/// The authority of a state directory.
pub(crate) struct Authority {
    path: PathBuf,
    key: KeyPair,
    pem: String,
}

fn parameters() -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, AUTHORITY_NAME);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    parameters
}

impl Authority {
    /// Reads the authority of `directory`, or makes it.
    ///
    /// # Errors
    /// Its files cannot be read, or are not what this program wrote.
    pub(crate) fn open(directory: &Path) -> Result<Self, TlsError> {
        let failed =
            |error: &dyn std::fmt::Display| TlsError::Certificate { path: directory.to_owned(), cause: error.to_string() };
        let (key_file, certificate_file) = (directory.join(KEY_FILE), directory.join(CERTIFICATE_FILE));
        let stored = (std::fs::read_to_string(&key_file), std::fs::read_to_string(&certificate_file));
        if let (Ok(key), Ok(pem)) = stored {
            let key = KeyPair::from_pem(&key).map_err(|error| failed(&error))?;
            return Ok(Self { path: directory.to_owned(), key, pem });
        }
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(|error| failed(&error))?;
        let pem = parameters().self_signed(&key).map_err(|error| failed(&error))?.pem();
        private::write(&key_file, key.serialize_pem().as_bytes())?;
        private::write(&certificate_file, pem.as_bytes())?;
        Ok(Self { path: directory.to_owned(), key, pem })
    }

    /// The certificate that clients pin, in PEM.
    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// An acceptor with a fresh leaf for the loopback names.
    ///
    /// # Errors
    /// The leaf cannot be made.
    pub(crate) fn acceptor(&self) -> Result<TlsAcceptor, TlsError> {
        let failed = |error: rcgen::Error| TlsError::Certificate { path: self.path.clone(), cause: error.to_string() };
        let names = ["127.0.0.1", "::1", "localhost"].map(str::to_owned);
        let mut leaf = CertificateParams::new(names).map_err(failed)?;
        leaf.distinguished_name = rcgen::DistinguishedName::new();
        leaf.distinguished_name.push(DnType::CommonName, "koan");
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        leaf.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(failed)?;
        let issuer = Issuer::new(parameters(), &self.key);
        let certificate = leaf.signed_by(&key, &issuer).map_err(failed)?;
        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Config)?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private)
            .map_err(TlsError::Config)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}
