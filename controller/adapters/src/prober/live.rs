//! The door of the room: both calls of [`Prober`], faults caught.

use std::panic::AssertUnwindSafe;

use async_trait::async_trait;
use futures::{FutureExt, StreamExt, stream};
use koan_core::probe::{Access, CandidateReport, CandidateVerdict, Check, CheckReport, Probe, ProbeReport};
use koan_core::recipe::{Recipe, Recipes};
use koan_crds::v1alpha1::{Evidence, EvidenceCode, EvidenceStep};
use tokio::time::{Instant, timeout_at};

use super::credentials::Door;
use super::greet::{Greeted, Next, Owners, demand, greet, line};
use super::resolve::{literal, resolve};
use crate::contract::Prober;
use crate::ownership::our_uid;
use crate::product::{Attempt, Product, Proof};
use crate::registry::{catalogue, product};

/// Most candidates of one service (DET-12).
const CANDIDATES: usize = 8;
/// Candidates that are asked at once; logins follow one after another (DET-12).
pub const AT_ONCE: usize = 4;

/// Asks the real world; holds no state but who asks.
#[derive(Clone, Copy, Debug)]
pub struct LiveProber {
    our_uid: u32,
}

impl Default for LiveProber {
    fn default() -> Self {
        Self::new()
    }
}

impl LiveProber {
    /// A prober of the user that runs this program.
    pub fn new() -> Self {
        Self { our_uid: our_uid() }
    }

    /// A prober that takes this uid for its own.
    #[cfg(test)]
    pub(crate) fn as_user(our_uid: u32) -> Self {
        Self { our_uid }
    }
}

#[async_trait]
impl Prober for LiveProber {
    async fn probe(&self, question: &Probe, access: &Access) -> ProbeReport {
        let (Some(recipe), Some(product)) = (catalogue().recipe(&question.adapter), product(&question.adapter)) else {
            return fault(format!("no adapter is named {}", question.adapter));
        };
        judged(question, access, (recipe, product), self.our_uid).await
    }

    async fn check(&self, check: &Check) -> CheckReport {
        let endpoint = check.address.to_string();
        let Some(product) = product(&check.adapter) else {
            let detail = format!("no adapter is named {}", check.adapter);
            return CheckReport::NotYet(line(EvidenceStep::Identify, EvidenceCode::CapabilityMissing, &endpoint, detail));
        };
        let answer = AssertUnwindSafe(checked(check, product, &endpoint)).catch_unwind().await;
        answer.unwrap_or_else(|_| {
            CheckReport::NotYet(line(EvidenceStep::Identify, EvidenceCode::WrongProtocol, &endpoint, "the check itself failed"))
        })
    }
}

/// A panic of an adapter is a fault of its service alone (DET-6).
pub(super) async fn judged(question: &Probe, access: &Access, adapter: (&Recipe, &dyn Product), our_uid: u32) -> ProbeReport {
    let answer = AssertUnwindSafe(answer(question, access, adapter, our_uid)).catch_unwind().await;
    answer.unwrap_or_else(|_| fault(format!("the detector of {} failed", adapter.0.id)))
}

fn fault(text: String) -> ProbeReport {
    ProbeReport { candidates: Vec::new(), fault: Some(text) }
}

async fn answer(question: &Probe, access: &Access, (recipe, product): (&Recipe, &dyn Product), our_uid: u32) -> ProbeReport {
    let deadline = Instant::now() + question.total;
    let owners = Owners { ports: &access.engine_ports, our_uid };
    let asked = question.candidates.iter().take(CANDIDATES);
    let greetings = asked.map(|candidate| async move {
        let late = || Greeted {
            evidence: vec![line(EvidenceStep::Locate, EvidenceCode::Timeout, &candidate.address.to_string(), "no time left")],
            next: Next::Done(CandidateVerdict::Absent),
        };
        timeout_at(deadline, greet(candidate, product, owners, deadline)).await.unwrap_or_else(|_| late())
    });
    let greeted: Vec<Greeted> = stream::iter(greetings.collect::<Vec<_>>()).buffered(AT_ONCE).collect().await;
    let mut report = ProbeReport::default();
    let mut won = false;
    for (index, (candidate, greeted)) in question.candidates.iter().zip(greeted).enumerate() {
        let Greeted { mut evidence, next } = greeted;
        let (verdict, refused) = match next {
            Next::Done(verdict) => (verdict, Vec::new()),
            Next::Login(peer, _class, _open) if won => {
                evidence.push(not_needed(&literal(&peer.target).to_string()));
                product.leave(&peer).await;
                (CandidateVerdict::Rejected, Vec::new())
            }
            Next::Login(peer, class, open) => {
                let door = Door { question, access, recipe, product, candidate: (index, candidate), peer, class, open, deadline };
                let (verdict, findings) = door.open().await;
                evidence.extend(findings.evidence);
                (verdict, findings.refused)
            }
        };
        won |= matches!(verdict, CandidateVerdict::Usable(_));
        report.candidates.push(CandidateReport { candidate: candidate.clone(), verdict, evidence, refused });
    }
    report
}

fn not_needed(endpoint: &str) -> Evidence {
    line(EvidenceStep::Authenticate, EvidenceCode::CredentialSkipped, endpoint, "an earlier candidate is usable")
}

async fn checked(check: &Check, product: &dyn Product, endpoint: &str) -> CheckReport {
    let deadline = Instant::now() + check.timeout;
    let target = match resolve(&check.address, deadline).await {
        Ok(target) => target,
        Err(fault) => return CheckReport::Absent(line(EvidenceStep::Locate, fault.code, endpoint, fault.detail)),
    };
    let peer = match demand(&check.address, target, check.tls.as_ref()).await {
        Ok(peer) => peer,
        Err(fault) => return CheckReport::NotYet(line(EvidenceStep::Locate, fault.code, endpoint, fault.detail)),
    };
    let attempt = Attempt { peer: &peer, login: &check.login, database: &check.database, plain_text: true, open: None, deadline };
    let not_yet = |step, code, detail: String| CheckReport::NotYet(line(step, code, endpoint, detail));
    match product.login(&attempt).await {
        Proof::Proven { version, server_id, anonymous: _ } => CheckReport::Passed { version, server_id },
        Proof::Refused(detail) => not_yet(EvidenceStep::Authenticate, EvidenceCode::CredentialRejected, detail),
        Proof::Skipped(detail) => not_yet(EvidenceStep::Authenticate, EvidenceCode::CredentialSkipped, detail),
        Proof::Unusable(fault) => not_yet(EvidenceStep::Authorise, fault.code, fault.detail),
        Proof::Broken(fault) if fault.connected => not_yet(EvidenceStep::Identify, fault.code, fault.detail),
        Proof::Broken(fault) => CheckReport::Absent(line(EvidenceStep::Locate, fault.code, endpoint, fault.detail)),
    }
}
