//! `questions`: what to ask the world about a service before it can be decided; nothing where no answer could matter.

use std::time::Duration;

use koan_crds::v1alpha1::{DetectionMethod, Profile, ProvisioningMode};

use crate::candidate::ParsedCandidate;
use crate::decide::standing;
use crate::desired::own_volumes;
use crate::facts::Facts;
use crate::probe::{Address, Candidate, CredentialRef, Probe};
use crate::recipe::{Recipe, Recipes};
use crate::validate::{ValidService, Workload};

/// Most candidates of one service (DET-12).
pub const MAX_CANDIDATES: usize = 8;

/// The question of a service; `None` where nothing is asked: `Always`, `Disabled`, no adapter alone (DET-45), retained data
/// (DET-8), or a decision that stands and works (DET-26).
///
/// Of the facts it reads `environment`, `retained`, `previous` and `lost`.
pub fn questions(service: &ValidService, facts: &Facts, recipes: &dyn Recipes) -> Option<Probe> {
    let recipe = recipes.recipe(service.adapter.as_deref()?)?;
    let asks = match service.mode {
        ProvisioningMode::Auto | ProvisioningMode::Never => true,
        ProvisioningMode::Always | ProvisioningMode::Disabled => false,
    };
    let alone = match &service.workload {
        Workload::Recipe { .. } => true,
        Workload::Container(_) | Workload::Process(_) | Workload::External(_) => false,
    };
    let stands = standing(service, facts).is_some() && !facts.lost;
    let kept_data = service.mode == ProvisioningMode::Auto
        && service.detection.candidates.is_empty()
        && own_volumes(service, facts).next().is_some()
        && !facts.lost;
    if !asks || !alone || stands || kept_data {
        return None;
    }
    Some(Probe {
        service: service.key.clone(),
        generation: service.generation,
        adapter: recipe.id.to_owned(),
        candidates: candidates(service, facts, recipe),
        credentials: credentials(service, recipe),
        database: service.database.clone(),
        total: service.detection.total,
        attempt: service.detection.attempt,
    })
}

/// Candidates in the order of DET-9; an address that came before is not asked twice.
fn candidates(service: &ValidService, facts: &Facts, recipe: &Recipe) -> Vec<Candidate> {
    let explicit = service
        .detection
        .candidates
        .iter()
        .map(|candidate: &ParsedCandidate| candidate.question(DetectionMethod::Explicit, None, true));
    let by = |method: DetectionMethod| facts.environment.iter().filter(move |hit| hit.method == method).cloned();
    let ports = service.detection.ports.iter().copied();
    let main: Vec<u16> = recipe.ports.first().map(|port| port.port).into_iter().collect();
    let ports: Vec<u16> = if service.detection.ports.is_empty() { main } else { ports.collect() };
    let automatic = ports.into_iter().flat_map(|port| {
        ["127.0.0.1", "::1"].map(|host| Candidate {
            method: DetectionMethod::Automatic,
            source: None,
            address: Address::Tcp { host: host.to_owned(), port },
            named_by_manifest: false,
            tls: None,
            database: None,
        })
    });
    let mut found: Vec<Candidate> = Vec::new();
    for candidate in explicit
        .chain(by(DetectionMethod::Environment))
        .chain(automatic)
        .chain(by(DetectionMethod::HostGateway))
        .chain(by(DetectionMethod::ContainerLoopback))
    {
        if found.len() < MAX_CANDIDATES && found.iter().all(|known| known.address != candidate.address) {
            found.push(candidate);
        }
    }
    found
}

/// Credentials in the order of DET-19; a login inside a candidate's URL is bound to that candidate alone.
fn credentials(service: &ValidService, recipe: &Recipe) -> Vec<CredentialRef> {
    let own = service.detection.candidates.iter().enumerate();
    let mut order: Vec<CredentialRef> =
        own.filter(|(_, candidate)| candidate.login.is_some()).map(|(index, _)| CredentialRef::Candidate(index)).collect();
    if service.credentials.from_manifest() {
        order.push(CredentialRef::Manifest);
    }
    order.push(CredentialRef::Anonymous);
    let allowed = match service.profile {
        Profile::Local | Profile::Ci => service.credentials.defaults,
        Profile::Staging | Profile::Prod => false,
    };
    if allowed {
        order.extend((0..recipe.default_logins.len()).map(CredentialRef::Default));
    }
    order
}

/// How long probes of a used host service may fail before it counts as lost (DET-28).
pub fn loss_after(profile: Profile) -> Duration {
    match profile {
        Profile::Ci => Duration::from_secs(10),
        Profile::Local | Profile::Staging | Profile::Prod => Duration::from_secs(30),
    }
}
