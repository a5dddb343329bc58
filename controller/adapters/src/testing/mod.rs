//! Counterparts of the tests: real servers started from their own process recipes, and a zoo of impostors that record.

pub(crate) mod certificates;
pub(crate) mod forwarders;
pub(crate) mod programs;
pub(crate) mod script;
pub(crate) mod servers;
pub(crate) mod transcript;

use std::time::Duration;

use koan_core::identity::ServiceKey;
use koan_core::probe::{Access, Address, Candidate, CandidateReport, CredentialRef, Probe, ProbeReport};
use koan_core::secret::{Login, Secret};
use koan_crds::v1alpha1::{DetectionMethod, EvidenceCode};

/// A candidate on loopback that the manifest names.
pub(crate) fn candidate(port: u16) -> Candidate {
    Candidate {
        method: DetectionMethod::Explicit,
        source: None,
        address: Address::Tcp { host: "127.0.0.1".to_owned(), port },
        named_by_manifest: true,
        tls: None,
        database: None,
    }
}

/// A question about one port, with these credentials in order.
pub(crate) fn question(adapter: &str, port: u16, credentials: &[CredentialRef]) -> Probe {
    Probe {
        service: ServiceKey { namespace: "default".to_owned(), name: "shop-db".to_owned() },
        generation: 1,
        adapter: adapter.to_owned(),
        candidates: vec![candidate(port)],
        credentials: credentials.to_vec(),
        database: "shop".to_owned(),
        total: Duration::from_secs(20),
        attempt: Duration::from_secs(10),
    }
}

/// A login.
pub(crate) fn login(user: Option<&str>, password: &str) -> Login {
    Login { username: user.map(str::to_owned), password: Some(Secret::new(password.to_owned())), token: None }
}

/// A token.
pub(crate) fn token(token: &str) -> Login {
    Login { token: Some(Secret::new(token.to_owned())), ..Login::default() }
}

/// Access with the manifest's login.
pub(crate) fn manifest(login: Login) -> Access {
    Access { logins: [(CredentialRef::Manifest, login)].into(), ..Access::default() }
}

/// The report of the only candidate.
pub(crate) fn only(report: &ProbeReport) -> &CandidateReport {
    assert_eq!(report.fault, None);
    assert_eq!(report.candidates.len(), 1);
    &report.candidates[0]
}

/// Codes of the evidence, in order.
pub(crate) fn codes(report: &CandidateReport) -> Vec<EvidenceCode> {
    report.evidence.iter().map(|line| line.code).collect()
}
