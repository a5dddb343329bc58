//! Authenticate and Authorise of one candidate: the order and the rules of DET-19 to DET-21.

use koan_core::probe::{Access, Address, Candidate, CandidateVerdict, CredentialRef, Probe, Tls, Usable};
use koan_core::recipe::Recipe;
use koan_core::secret::Login;
use koan_crds::v1alpha1::{Evidence, EvidenceCode, EvidenceStep};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::greet::line;
use super::resolve::literal;
use crate::ownership::{Class, Manifest, Policy, policy};
use crate::product::{Attempt, Product, Proof};
use crate::wire::Peer;

/// Refused logins per endpoint and generation (SEC-2).
pub const REFUSED_LIMIT: usize = 3;
/// Bytes of the hash that a fingerprint keeps: enough to tell credentials apart. It is kept where Secrets are.
const FINGERPRINT: usize = 4;

/// The candidate whose credentials are tried.
pub(super) struct Door<'a> {
    pub(super) question: &'a Probe,
    pub(super) access: &'a Access,
    pub(super) recipe: &'a Recipe,
    pub(super) product: &'a dyn Product,
    pub(super) candidate: (usize, &'a Candidate),
    pub(super) peer: Peer,
    pub(super) class: Class,
    /// The greeting let a connection without login in.
    pub(super) open: bool,
    pub(super) deadline: Instant,
}

/// What the logins gave.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) evidence: Vec<Evidence>,
    pub(super) refused: Vec<String>,
}

/// Whether other credentials follow.
enum Turn {
    Next,
    Stop,
    Won(Usable),
}

impl Door<'_> {
    /// Tries the credentials strictly one after another; what greeted and got no login is left cleanly.
    pub(super) async fn open(&self) -> (CandidateVerdict, Findings) {
        let answer = self.try_all().await;
        self.product.leave(&self.peer).await;
        answer
    }

    async fn try_all(&self) -> (CandidateVerdict, Findings) {
        let mut findings = Findings::default();
        for credential in self.order() {
            match self.turn(&credential, &mut findings).await {
                Turn::Next => {}
                Turn::Stop => break,
                Turn::Won(usable) => return (CandidateVerdict::Usable(usable), findings),
            }
        }
        (CandidateVerdict::Rejected, findings)
    }

    /// The candidate's own login first; logins of other candidates never (DET-11).
    fn order(&self) -> Vec<CredentialRef> {
        let own = CredentialRef::Candidate(self.candidate.0);
        let others = self.question.credentials.iter().filter(|credential| !matches!(credential, CredentialRef::Candidate(_)));
        let own = self.access.logins.contains_key(&own).then_some(own);
        own.into_iter().chain(others.cloned()).collect()
    }

    async fn turn(&self, credential: &CredentialRef, findings: &mut Findings) -> Turn {
        let name = credential.name();
        let Some(login) = self.login(credential) else { return Turn::Next };
        let policy = policy(self.class, self.candidate.1.named_by_manifest, self.peer.tls.is_some());
        let Some(plain_text) = allowed(credential, policy, self.peer.target.is_local()) else {
            self.note(findings, EvidenceCode::CredentialSkipped, format!("{name}: the listener's owner gets none"));
            return Turn::Next;
        };
        let fingerprint = self.fingerprint(&login);
        if self.access.refused.contains(&fingerprint) || findings.refused.contains(&fingerprint) {
            self.note(findings, EvidenceCode::CredentialRejected, format!("{name}: refused before, not repeated"));
            return Turn::Next;
        }
        if *credential != CredentialRef::Anonymous && self.spent(findings) >= REFUSED_LIMIT {
            self.note(findings, EvidenceCode::AttemptBudget, format!("{name}: not tried, too many logins were refused"));
            return Turn::Stop;
        }
        let now = Instant::now();
        if now >= self.deadline {
            self.note(findings, EvidenceCode::Timeout, format!("{name}: no time left"));
            return Turn::Stop;
        }
        let deadline = self.deadline.min(now + self.question.attempt);
        let attempt =
            Attempt { peer: &self.peer, login: &login, database: self.database(), plain_text, open: Some(self.open), deadline };
        let proof = self.product.login(&attempt).await;
        self.judge((credential, policy), proof, fingerprint, findings)
    }

    fn judge(
        &self,
        (credential, policy): (&CredentialRef, Policy),
        proof: Proof,
        fingerprint: String,
        findings: &mut Findings,
    ) -> Turn {
        let name = credential.name();
        match proof {
            Proof::Proven { anonymous: true, .. } if !policy.anonymous => {
                self.note(
                    findings,
                    EvidenceCode::CredentialSkipped,
                    "the server asks for no credential; its owner gets no such login",
                );
                Turn::Stop
            }
            Proof::Proven { version, server_id, anonymous } => {
                let credential = if anonymous { CredentialRef::Anonymous } else { credential.clone() };
                self.note(findings, EvidenceCode::CredentialAccepted, credential.name());
                Turn::Won(Usable { credential, address: self.address(), tls: self.candidate.1.tls.clone(), version, server_id })
            }
            Proof::Refused(detail) => {
                self.note(findings, EvidenceCode::CredentialRejected, format!("{name}: {detail}"));
                findings.refused.push(fingerprint);
                Turn::Next
            }
            Proof::Skipped(detail) => {
                self.note(findings, EvidenceCode::CredentialSkipped, format!("{name}: {detail}"));
                Turn::Next
            }
            Proof::Unusable(fault) => {
                let turn = if fault.code == EvidenceCode::NotAuthorised { Turn::Next } else { Turn::Stop };
                findings.evidence.push(line(
                    EvidenceStep::Authorise,
                    fault.code,
                    &self.endpoint(),
                    format!("{name}: {}", fault.detail),
                ));
                turn
            }
            Proof::Broken(fault) => {
                self.note(findings, fault.code, format!("{name}: {}", fault.detail));
                Turn::Stop
            }
        }
    }

    fn login(&self, credential: &CredentialRef) -> Option<Login> {
        match credential {
            CredentialRef::Anonymous => Some(Login::default()),
            CredentialRef::Default(index) => {
                let given = self.access.logins.get(credential).cloned();
                given.or_else(|| self.recipe.default_logins.get(*index).map(|login| login.login()))
            }
            CredentialRef::Candidate(_) | CredentialRef::Manifest | CredentialRef::Generated => {
                self.access.logins.get(credential).cloned()
            }
        }
    }

    fn database(&self) -> &str {
        self.candidate.1.database.as_deref().unwrap_or(&self.question.database)
    }

    fn endpoint(&self) -> String {
        literal(&self.peer.target).to_string()
    }

    /// The literal that answered; the name, where a certificate vouched for it and consumers will ask the same of it.
    fn address(&self) -> Address {
        let (_index, Candidate { address, tls, .. }) = self.candidate;
        if tls.as_ref().is_some_and(Tls::checks_name) { address.clone() } else { literal(&self.peer.target) }
    }

    fn note(&self, findings: &mut Findings, code: EvidenceCode, detail: impl Into<String>) {
        findings.evidence.push(line(EvidenceStep::Authenticate, code, &self.endpoint(), detail));
    }

    /// What all fingerprints of this endpoint and generation begin with.
    fn prefix(&self) -> String {
        format!("{}#{}:", self.endpoint(), self.question.generation)
    }

    fn spent(&self, findings: &Findings) -> usize {
        let prefix = self.prefix();
        self.access.refused.iter().chain(&findings.refused).filter(|print| print.starts_with(&prefix)).count()
    }

    fn fingerprint(&self, login: &Login) -> String {
        let mut hash = Sha256::new();
        let parts = [login.username.as_deref(), login.password.as_ref().map(|text| text.expose().as_str())];
        for part in parts.into_iter().chain([login.token.as_ref().map(|text| text.expose().as_str())]) {
            hash.update(part.map_or(0, |text| text.len() + 1).to_be_bytes());
            hash.update(part.unwrap_or_default());
        }
        let digest = hash.finalize();
        let hex: String = digest.iter().take(FINGERPRINT).map(|byte| format!("{byte:02x}")).collect();
        format!("{}{hex}", self.prefix())
    }
}

/// `None`: this class gets no such credential; else whether it may travel as it is.
fn allowed(credential: &CredentialRef, policy: Policy, local: bool) -> Option<bool> {
    match credential {
        CredentialRef::Anonymous => policy.anonymous.then_some(false),
        CredentialRef::Default(_) => (policy.defaults && local).then_some(true),
        CredentialRef::Candidate(_) | CredentialRef::Manifest | CredentialRef::Generated => match policy.manifest {
            Manifest::Any => Some(true),
            Manifest::Challenge => Some(false),
            Manifest::No => None,
        },
    }
}
