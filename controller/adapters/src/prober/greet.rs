//! Locate, Identify and Own of one candidate: no credential is touched here.

use koan_core::inventory::LivePort;
use koan_core::probe::{Address, Candidate, CandidateVerdict, Tls};
use koan_crds::v1alpha1::{DetectionMethod, Evidence, EvidenceCode, EvidenceStep};
use tokio::time::Instant;

use super::resolve::{literal, resolve};
use crate::ownership::{Class, Listener, classify, read};
use crate::product::Product;
use crate::tls::Verified;
use crate::wire::{CONNECT_ELSEWHERE, Fault, GREETING, Peer, Target};

/// Longest name of an owner in evidence.
const OWNER_TEXT: usize = 120;

/// What tells owners apart.
#[derive(Clone, Copy)]
pub(super) struct Owners<'a> {
    /// Ports that engines publish.
    pub(super) ports: &'a [LivePort],
    /// The uid that counts as ours.
    pub(super) our_uid: u32,
}

/// What is known of a candidate before any login.
pub(super) struct Greeted {
    /// The proof so far.
    pub(super) evidence: Vec<Evidence>,
    /// How it goes on.
    pub(super) next: Next,
}

/// How it goes on.
pub(super) enum Next {
    /// The verdict stands.
    Done(CandidateVerdict),
    /// The right product: logins follow. The flag: its greeting let a connection without login in.
    Login(Peer, Class, bool),
}

/// Looks at one candidate.
pub(super) async fn greet(candidate: &Candidate, product: &dyn Product, owners: Owners<'_>, deadline: Instant) -> Greeted {
    let mut evidence = Vec::new();
    let next = steps(candidate, product, owners, (deadline, &mut evidence)).await;
    Greeted { evidence, next }
}

async fn steps(
    candidate: &Candidate,
    product: &dyn Product,
    owners: Owners<'_>,
    (deadline, evidence): (Instant, &mut Vec<Evidence>),
) -> Next {
    let asked = candidate.address.to_string();
    let target = match resolve(&candidate.address, deadline).await {
        Ok(target) => target,
        Err(fault) => return absent(evidence, EvidenceStep::Locate, &asked, fault),
    };
    let endpoint = literal(&target).to_string();
    if !may_ask(candidate, &target) {
        let fault = Fault::absent(EvidenceCode::RemoteNotAllowed, "beyond loopback only what the manifest names is asked");
        return absent(evidence, EvidenceStep::Locate, &endpoint, fault);
    }
    let peer = match demand(&candidate.address, target, candidate.tls.as_ref()).await {
        Ok(peer) => peer,
        Err(fault) => {
            evidence.push(line(EvidenceStep::Locate, fault.code, &endpoint, fault.detail));
            return Next::Done(CandidateVerdict::Rejected);
        }
    };
    let limit = deadline.min(Instant::now() + CONNECT_ELSEWHERE + GREETING);
    let identity = product.identify(&peer, limit).await;
    if let Err(fault) = &identity
        && !fault.connected
    {
        return absent(evidence, EvidenceStep::Locate, &endpoint, fault.clone());
    }
    let (class, owner) = own(&peer.target, owners).await;
    let verdict = match identity {
        Ok(identified) => {
            evidence.push(line(EvidenceStep::Identify, EvidenceCode::Identified, &endpoint, identified.detail));
            Next::Login(peer, class, identified.open)
        }
        Err(fault) => {
            evidence.push(line(EvidenceStep::Identify, fault.code, &endpoint, fault.detail));
            Next::Done(unproved(fault.code))
        }
    };
    if let Some(code) = class.code() {
        evidence.push(line(EvidenceStep::Own, code, &endpoint, owner));
    }
    if class != Class::KoanOwned {
        return verdict;
    }
    if let Next::Login(peer, _class, _open) = verdict {
        product.leave(&peer).await;
    }
    Next::Done(CandidateVerdict::KoanOwned)
}

/// Beyond loopback only what the manifest names is asked, and the machine whose container this is: its addresses lead to nobody but
/// that machine, so they are never public ones (DET-10, decision 0007).
fn may_ask(candidate: &Candidate, target: &Target) -> bool {
    let host_of_this_container = match candidate.method {
        DetectionMethod::HostGateway | DetectionMethod::ContainerLoopback => true,
        DetectionMethod::Explicit | DetectionMethod::Environment | DetectionMethod::Automatic => false,
    };
    candidate.named_by_manifest || target.is_local() || (host_of_this_container && target.is_private())
}

/// A server and what its TLS has to prove.
pub(super) async fn demand(address: &Address, target: Target, tls: Option<&Tls>) -> Result<Peer, Fault> {
    let tls = match (tls, address) {
        (Some(tls), Address::Tcp { host, port: _ }) => Some(Verified::of(tls, host).await?),
        (Some(_), Address::Unix { .. }) | (None, _) => None,
    };
    Ok(Peer::new(target, tls))
}

/// What spoils TLS is a fault of the right server more often than another product; whatever it is, it was told nothing.
fn unproved(code: EvidenceCode) -> CandidateVerdict {
    if code == EvidenceCode::TlsRequired { CandidateVerdict::Rejected } else { CandidateVerdict::Impostor }
}

fn absent(evidence: &mut Vec<Evidence>, step: EvidenceStep, endpoint: &str, fault: Fault) -> Next {
    evidence.push(line(step, fault.code, endpoint, fault.detail));
    Next::Done(CandidateVerdict::Absent)
}

/// The class of the listener, and who it is in words.
async fn own(target: &Target, owners: Owners<'_>) -> (Class, String) {
    if !target.is_local() {
        return (Class::Remote, String::new());
    }
    let asked = target.clone();
    let listener = tokio::task::spawn_blocking(move || read(&asked)).await.unwrap_or_default();
    let class = match target {
        Target::Tcp(address) => classify(&listener, *address, owners.ports, owners.our_uid),
        Target::Unix(_) => classify(&listener, std::net::SocketAddr::from(([0, 0, 0, 0], 0)), &[], owners.our_uid),
    };
    (class, words(&listener))
}

fn words(listener: &Listener) -> String {
    let users: Vec<String> = listener.uids.iter().map(|uid| format!("uid {uid}")).collect();
    let text = match (users.is_empty(), listener.names.is_empty()) {
        (true, _) => "no listener is readable".to_owned(),
        (false, true) => users.join(", "),
        (false, false) => format!("{} ({})", listener.names.join(", "), users.join(", ")),
    };
    text.chars().take(OWNER_TEXT).collect()
}

/// A line of evidence.
pub(super) fn line(step: EvidenceStep, code: EvidenceCode, endpoint: &str, detail: impl Into<String>) -> Evidence {
    let detail = detail.into();
    Evidence { step, code, endpoint: Some(endpoint.to_owned()), detail: (!detail.is_empty()).then_some(detail) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::candidate;

    /// DET-9, DET-10 (decision 0007): the machine whose container this is may be asked at private addresses only; what a shell says
    /// beyond loopback never, what the manifest names always.
    #[test]
    fn beyond_loopback_only_the_own_machine_and_named_candidates_are_asked() {
        let asked = |method, named_by_manifest, address: &str| {
            let candidate = Candidate { method, named_by_manifest, ..candidate(1) };
            may_ask(&candidate, &Target::Tcp(address.parse().unwrap()))
        };
        for method in [DetectionMethod::HostGateway, DetectionMethod::ContainerLoopback] {
            for own in ["172.17.0.1:1", "192.168.65.254:1", "10.0.2.2:1", "169.254.1.2:1", "[fd00::1]:1", "127.0.0.1:1"] {
                assert!(asked(method, false, own), "{method:?} {own}");
            }
            assert!(!asked(method, false, "203.0.113.7:1") && !asked(method, false, "[2001:db8::1]:1"));
        }
        for method in [DetectionMethod::Environment, DetectionMethod::Automatic] {
            assert!(!asked(method, false, "172.17.0.1:1"), "{method:?}");
        }
        assert!(asked(DetectionMethod::Environment, true, "203.0.113.7:1"));
    }
}
