//! The decision table (DET-2), total over modes, facts and workloads.

use koan_crds::v1alpha1::{Action, DetectionMethod, Evidence, EvidenceCode, EvidenceStep, ProvisioningMode};
use koan_crds::vocabulary::Reason;

use super::sticky;
use crate::desired::own_volumes;
use crate::facts::{CredentialFact, Facts};
use crate::probe::{Address, CandidateVerdict, CredentialRef, ProbeReport, Tls, Usable};
use crate::recipe::{OwnLogin, Recipes};
use crate::validate::{ValidService, Workload};

/// Most lines of evidence that a decision keeps (DET-4).
pub const MAX_EVIDENCE: usize = 24;

/// What becomes of a service, with its proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What is done.
    pub action: Action,
    /// Why.
    pub reason: Reason,
    /// Address of the host or external service.
    pub endpoint: Option<Address>,
    /// Verified TLS that the endpoint demands.
    pub tls: Option<Tls>,
    /// Where the winning candidate came from.
    pub detection_method: Option<DetectionMethod>,
    /// Credential in use.
    pub credential: Option<CredentialRef>,
    /// Identity of the host server, where the product has one.
    pub server_id: Option<String>,
    /// The proof, in order.
    pub evidence: Vec<Evidence>,
    /// Kept from an earlier reconcile of this generation (DET-26).
    pub sticky: bool,
}

impl Decision {
    fn new(action: Action, reason: Reason) -> Self {
        Self {
            action,
            reason,
            endpoint: None,
            tls: None,
            detection_method: None,
            credential: None,
            server_id: None,
            evidence: Vec::new(),
            sticky: false,
        }
    }

    /// A workload is provisioned.
    pub fn provisions(&self) -> bool {
        self.action == Action::ProvisionContainer
    }
}

/// Decides. Total and pure: equal inputs give equal decisions (DET-2).
pub fn decide(service: &ValidService, facts: &Facts, recipes: &dyn Recipes) -> Decision {
    let mut decision = judge(service, facts, recipes);
    decision.evidence.truncate(MAX_EVIDENCE);
    check(service, &decision);
    decision
}

/// What holds of every decision, whatever the facts are (REL-7). One that stood before is as good as what told of it.
fn check(service: &ValidService, decision: &Decision) {
    let (key, action) = (&service.key, decision.action);
    let fresh = !decision.sticky && decision.reason != Reason::HostLost;
    let detected = fresh && matches!(service.workload, Workload::Recipe { .. });
    match service.mode {
        ProvisioningMode::Disabled => assert!(action == Action::NoAction, "{key}: Disabled, and {action:?}"),
        ProvisioningMode::Never => assert!(!detected || !decision.provisions(), "{key}: Never falls through to nothing (S-15)"),
        ProvisioningMode::Always => assert!(action != Action::UseHostService, "{key}: Always, and a host service is used (S-15)"),
        ProvisioningMode::Auto => {}
    }
    let uses = action == Action::UseHostService;
    assert!(!uses || decision.endpoint.is_some(), "{key}: a host service without an address is used");
    assert!(!uses || !fresh || decision.credential.is_some(), "{key}: a host service that took no login is used (B-1)");
    let foreign = fresh && decision.provisions() && decision.endpoint.is_some();
    assert!(!foreign, "{key}: a workload of Koan's own at a foreign address (S-15)");
    let required = decision.reason == Reason::HostServiceRequired;
    assert!(!required || service.mode == ProvisioningMode::Never, "{key}: a host service is required by {:?}", service.mode);
}

fn judge(service: &ValidService, facts: &Facts, recipes: &dyn Recipes) -> Decision {
    if service.mode == ProvisioningMode::Disabled {
        return Decision::new(Action::NoAction, Reason::Disabled);
    }
    match &service.workload {
        Workload::External(external) => {
            let mut decision = Decision::new(Action::NoAction, Reason::ManagedExternally);
            decision.endpoint = Some(external.address.clone());
            decision.tls.clone_from(&external.tls);
            decision.detection_method = Some(DetectionMethod::Explicit);
            decision.credential =
                external.login.as_ref().map(|_| CredentialRef::Candidate(0)).or_else(|| own_credential(service, facts));
            decision
        }
        Workload::Container(_) | Workload::Process(_) => provision(service, facts, recipes, Reason::NoAdapter),
        Workload::Recipe { .. } => detect(service, facts, recipes),
    }
}

/// A workload that Koan provides, with the credential that it will have.
pub(super) fn provision(service: &ValidService, facts: &Facts, recipes: &dyn Recipes, reason: Reason) -> Decision {
    let recipe = service.adapter.as_deref().and_then(|id| recipes.recipe(id));
    let mut decision = Decision::new(Action::ProvisionContainer, reason);
    if service.adapter.is_some() {
        decision.credential = own_credential(service, facts).or_else(|| match &service.workload {
            Workload::Recipe { .. } if recipe.is_some_and(|recipe| recipe.own_login == OwnLogin::Nothing) => {
                Some(CredentialRef::Anonymous)
            }
            Workload::Recipe { .. } => Some(CredentialRef::Generated),
            Workload::Container(_) | Workload::Process(_) | Workload::External(_) => None,
        });
    }
    decision
}

fn own_credential(service: &ValidService, facts: &Facts) -> Option<CredentialRef> {
    let named = service.credentials.from_manifest() || facts.manifest_credential != CredentialFact::None;
    named.then_some(CredentialRef::Manifest)
}

fn detect(service: &ValidService, facts: &Facts, recipes: &dyn Recipes) -> Decision {
    if service.mode == ProvisioningMode::Always {
        return provision(service, facts, recipes, Reason::AlwaysMode);
    }
    if let Some(kept) = sticky::kept(service, facts, recipes) {
        return kept;
    }
    let explicit = !service.detection.candidates.is_empty();
    if service.mode == ProvisioningMode::Auto && !explicit && own_volumes(service, facts).next().is_some() {
        let mut decision = provision(service, facts, recipes, Reason::RetainedData);
        decision.evidence = own_volumes(service, facts).map(|volume| retained(&volume.name)).collect();
        return decision;
    }
    match &facts.probe {
        Some(report) => by_report(service, facts, recipes, report),
        None => unusable((service, facts, recipes), Reason::NoHostService, Vec::new()),
    }
}

fn retained(volume: &str) -> Evidence {
    Evidence {
        step: EvidenceStep::Locate,
        code: EvidenceCode::RetainedData,
        endpoint: None,
        detail: Some(format!("volume {volume} holds the data of this service")),
    }
}

fn by_report(service: &ValidService, facts: &Facts, recipes: &dyn Recipes, report: &ProbeReport) -> Decision {
    let evidence: Vec<Evidence> = report.candidates.iter().flat_map(|candidate| candidate.evidence.clone()).collect();
    if let Some(fault) = &report.fault {
        let mut evidence = evidence;
        evidence.insert(0, faulted(fault));
        return unusable((service, facts, recipes), Reason::NoHostService, evidence);
    }
    if facts.reach.unreachable_from_stack {
        let mut evidence = evidence;
        evidence.insert(0, unreachable());
        return unusable((service, facts, recipes), Reason::HostRejected, evidence);
    }
    let winner = report.candidates.iter().find_map(|candidate| match &candidate.verdict {
        CandidateVerdict::Usable(usable) => Some((candidate.candidate.method, usable)),
        CandidateVerdict::Absent | CandidateVerdict::KoanOwned | CandidateVerdict::Rejected | CandidateVerdict::Impostor => None,
    });
    match winner {
        Some((method, usable)) => use_host(method, usable, evidence),
        None => unusable((service, facts, recipes), refusal(report), evidence),
    }
}

/// The provisioner itself failed: named, never hidden (DET-6, P17).
fn faulted(fault: &str) -> Evidence {
    Evidence {
        step: EvidenceStep::Locate,
        code: EvidenceCode::Timeout,
        endpoint: None,
        detail: Some(format!("the check itself failed: {fault}")),
    }
}

fn unreachable() -> Evidence {
    Evidence {
        step: EvidenceStep::Reach,
        code: EvidenceCode::UnreachableFromStack,
        endpoint: None,
        detail: Some("a container of the stack refers to it, and no way leads there".to_owned()),
    }
}

/// A host service is used.
pub(super) fn use_host(method: DetectionMethod, usable: &Usable, evidence: Vec<Evidence>) -> Decision {
    Decision {
        action: Action::UseHostService,
        reason: Reason::HostValidated,
        endpoint: Some(usable.address.clone()),
        tls: usable.tls.clone(),
        detection_method: Some(method),
        credential: Some(usable.credential.clone()),
        server_id: usable.server_id.clone(),
        evidence,
        sticky: false,
    }
}

/// Why none of the candidates is usable: a rejected one says more than an impostor, an impostor more than silence.
fn refusal(report: &ProbeReport) -> Reason {
    let any = |wanted: &CandidateVerdict| report.candidates.iter().any(|candidate| candidate.verdict == *wanted);
    if any(&CandidateVerdict::Rejected) {
        Reason::HostRejected
    } else if any(&CandidateVerdict::Impostor) {
        Reason::HostImpostor
    } else {
        Reason::NoHostService
    }
}

/// No host service can be used: the mode decides.
fn unusable(
    (service, facts, recipes): (&ValidService, &Facts, &dyn Recipes),
    reason: Reason,
    evidence: Vec<Evidence>,
) -> Decision {
    let mut decision = match service.mode {
        ProvisioningMode::Auto => provision(service, facts, recipes, reason),
        ProvisioningMode::Always => provision(service, facts, recipes, Reason::AlwaysMode),
        ProvisioningMode::Never => Decision::new(Action::NoAction, Reason::HostServiceRequired),
        ProvisioningMode::Disabled => Decision::new(Action::NoAction, Reason::Disabled),
    };
    decision.evidence = evidence;
    decision
}
