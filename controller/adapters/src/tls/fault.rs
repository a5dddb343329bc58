//! Failures of TLS as evidence: each names what is wrong with the peer and what to do about it. Texts of certificates are told in
//! part only, since a stranger wrote them.

use std::io;

use koan_crds::v1alpha1::EvidenceCode;
use rustls::{AlertDescription, CertificateError, Error, OtherError};

use crate::wire::Fault;

/// Nobody vouches for the peer.
const UNTRUSTED: &str = "nobody whom this machine trusts signed its certificate: name the authority's file, or of a self-signed \
    certificate its own, in sslrootcert (Redis: ssl_ca_certs), or add it to the machine's trust store";
/// Names of a certificate that are told.
const NAMES: usize = 3;
/// Longest name that is told.
const NAME: usize = 64;

/// What an error of an encrypted stream says about the peer; `None` where it is no error of TLS.
pub(crate) fn of_stream(error: &io::Error) -> Option<Fault> {
    let error = error.get_ref()?.downcast_ref::<Error>()?;
    Some(of(error, ""))
}

/// The fault of a handshake with a host.
pub(super) fn of(error: &Error, host: &str) -> Fault {
    let required = |detail: String| Fault::new(EvidenceCode::TlsRequired, detail);
    match error {
        Error::InvalidCertificate(error) => required(certificate(error, host)),
        Error::NoCertificatesPresented => required("it shows no certificate".to_owned()),
        Error::InvalidMessage(_) => {
            required("TLS is demanded and it does not speak it: turn TLS on there, or write the candidate without it".to_owned())
        }
        Error::AlertReceived(AlertDescription::CertificateRequired | AlertDescription::BadCertificate) => {
            required("it demands a certificate of its clients, which Koan does not send: let clients in without one".to_owned())
        }
        Error::AlertReceived(alert) => required(format!("it ends the TLS handshake with the alert {alert:?}")),
        other => required(format!("the TLS handshake fails: {other}")),
    }
}

fn certificate(error: &CertificateError, host: &str) -> String {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired: renew it on the server".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet: set the clock of the server or of this machine".to_owned()
        }
        CertificateError::NotValidForName => {
            format!("its certificate does not name {host}: use a name that it has, or let it name {host}")
        }
        CertificateError::NotValidForNameContext { presented, .. } => {
            let names: Vec<String> = presented.iter().take(NAMES).map(|name| short(name)).collect();
            format!("its certificate names {} and not {host}: use a name that it has, or let it name {host}", names.join(", "))
        }
        CertificateError::UnknownIssuer => UNTRUSTED.to_owned(),
        CertificateError::Other(other) if is_own_authority(other) => UNTRUSTED.to_owned(),
        other => format!("its certificate is not accepted: {other}"),
    }
}

/// A certificate that calls itself an authority, as `openssl req -x509` makes them.
pub(super) fn is_own_authority(error: &OtherError) -> bool {
    matches!(error.0.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
}

fn short(name: &str) -> String {
    name.chars().filter(|letter| letter.is_ascii_graphic() || *letter == ' ').take(NAME).collect()
}
