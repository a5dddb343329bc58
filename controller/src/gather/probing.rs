//! Asks the prober what core wants to know about host services.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt;
use koan_core::candidate::ParsedCandidate;
use koan_core::inventory::LivePort;
use koan_core::probe::{Access, CredentialRef, Probe, ProbeReport};
use koan_core::secret::Login;
use koan_core::validate::ValidService;
use koan_crds::v1alpha1::ServiceSpec;
use tokio::time::timeout;

use super::{attempts, environment};
use crate::context::Context;
use crate::injection::login_of;
use crate::reader::ReadError;

/// No decision comes later than its budget and this (DET-13).
const GRACE: Duration = Duration::from_millis(100);

/// Asks one question; one that was asked a moment ago and found nothing usable keeps its answer (SEC-2). A prober that panics or
/// hangs is a fault in the report: siblings go on, and nothing is hidden (DET-6).
pub(crate) async fn ask(
    context: &Context,
    object: &ServiceSpec,
    service: &ValidService,
    question: &Probe,
) -> Result<ProbeReport, ReadError> {
    if let Some(report) = context.asks.recent(service, question) {
        return Ok(report);
    }
    let access = Access {
        logins: logins(context, object, service, question).await?,
        engine_ports: engine_ports(context).await,
        refused: attempts::refused(context, service).await?,
    };
    let asked = AssertUnwindSafe(context.prober.probe(question, &access)).catch_unwind();
    let report = match timeout(question.total + GRACE, asked).await {
        Ok(Ok(report)) => report,
        Ok(Err(_)) => fault("the check panicked"),
        Err(_) => fault("the check did not end within its budget"),
    };
    context.asks.keep(service, question, &report);
    Ok(report)
}

fn fault(message: &str) -> ProbeReport {
    ProbeReport { candidates: Vec::new(), fault: Some(message.to_owned()) }
}

/// Values of the credentials that the question names, and those inside candidates of the environment.
async fn logins(
    context: &Context,
    object: &ServiceSpec,
    service: &ValidService,
    question: &Probe,
) -> Result<BTreeMap<CredentialRef, Login>, ReadError> {
    let mut found = BTreeMap::new();
    for credential in &question.credentials {
        if let Some(login) = login_of(context, object, service, credential).await? {
            found.insert(credential.clone(), login);
        }
    }
    let hits = environment::hits(context, service).await?;
    for (index, candidate) in question.candidates.iter().enumerate() {
        let Some(source) = &candidate.source else { continue };
        // One name may list several addresses, each with a login of its own.
        let own = |(name, parsed): &&(String, ParsedCandidate)| name == source && parsed.address == candidate.address;
        let login = hits.iter().find(own).and_then(|(_, parsed)| parsed.login.clone());
        if let Some(login) = login {
            found.entry(CredentialRef::Candidate(index)).or_insert(login);
        }
    }
    Ok(found)
}

/// Ports that engines publish, for ownership (DET-15); an engine that does not answer publishes nothing.
async fn engine_ports(context: &Context) -> Vec<LivePort> {
    let mut ports = Vec::new();
    for name in context.pool.names().collect::<Vec<_>>() {
        if !context.pool.info(name).await.is_some_and(|info| info.available) {
            continue;
        }
        if let Ok(Some(inventory)) = context.pool.inventory(name).await {
            ports.extend(inventory.ports.iter().cloned());
        }
    }
    ports
}
