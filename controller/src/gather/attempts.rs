//! What is remembered of host services that could not be used: logins that were refused, so that none is sent twice (DET-20),
//! and when they were asked, so that they are asked seldom (SEC-2).
//!
//! Refused logins are stored in a Secret of the service, since a fingerprint says something of a password. The pace is kept in
//! memory: a restart asks once more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use koan_core::identity::Uid;
use koan_core::probe::{CandidateVerdict, Probe, ProbeReport};
use koan_core::validate::ValidService;
use koan_crds::{API_VERSION, labels, names};
use serde_json::json;
use tokio::time::Instant;

use crate::context::Context;
use crate::gateway::ApiKind;
use crate::reader::{ReadError, value_of};
use crate::runtime::Key;
use crate::service::VisitError;

/// Pause between two questions of a service for which nothing was usable: five in a minute (SEC-2).
pub const PAUSE: Duration = Duration::from_secs(12);
/// Most fingerprints that are kept: more than all candidates may refuse in one generation.
const KEPT: usize = 64;
/// Key of the Secret with the fingerprints, one on each line.
const REFUSED: &str = "refused";
/// Key of the Secret with the generation that they belong to.
const GENERATION: &str = "generation";

struct Asked {
    question: Probe,
    redetect: Option<Timestamp>,
    at: Instant,
    report: ProbeReport,
}

/// The last question of each service that found nothing usable, by owner UID.
#[derive(Default)]
pub(crate) struct Asks(Mutex<BTreeMap<Uid, Asked>>);

impl Asks {
    /// The answer to the same question, where it is too early to ask again.
    pub(super) fn recent(&self, service: &ValidService, question: &Probe) -> Option<ProbeReport> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = all.get(&service.uid)?;
        let same = asked.question == *question && asked.redetect == service.redetect && asked.at.elapsed() < PAUSE;
        same.then(|| asked.report.clone())
    }

    /// Keeps an answer by which nothing is usable.
    pub(super) fn keep(&self, service: &ValidService, question: &Probe, report: &ProbeReport) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if report.candidates.iter().any(|candidate| matches!(candidate.verdict, CandidateVerdict::Usable(_))) {
            all.remove(&service.uid);
            return;
        }
        let (question, report) = (question.clone(), report.clone());
        all.insert(service.uid.clone(), Asked { question, redetect: service.redetect, at: Instant::now(), report });
    }

    /// Forgets a service.
    pub(crate) fn forget(&self, uid: &Uid) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }
}

/// Fingerprints of the logins that were refused to this object in its present generation.
pub(super) async fn refused(context: &Context, service: &ValidService) -> Result<Vec<String>, ReadError> {
    let secret = context.reader.secret(&service.key.namespace, &names::attempts_secret(&service.key.name)).await?;
    let Some(secret) = secret else { return Ok(Vec::new()) };
    let uid = secret.metadata.labels.as_ref().and_then(|all| all.get(labels::OWNER_UID));
    let text = |key: &str| value_of(&secret, key).map(|value| value.expose().clone()).unwrap_or_default();
    // An object of the same name that is gone, or a specification that was changed since, says nothing of this one.
    if uid != Some(&service.uid.0) || text(GENERATION) != service.generation.to_string() {
        return Ok(Vec::new());
    }
    Ok(text(REFUSED).lines().map(str::to_owned).collect())
}

/// Stores what was refused now beside what was refused before; nothing is written where nothing is new.
///
/// # Errors
/// What is stored could not be read or written.
pub(crate) async fn remember(context: &Context, service: &ValidService, report: &ProbeReport) -> Result<(), VisitError> {
    let before = refused(context, service).await?;
    let known: BTreeSet<&String> = before.iter().collect();
    let fresh: BTreeSet<&String> = report.candidates.iter().flat_map(|candidate| &candidate.refused).collect();
    if fresh.is_subset(&known) {
        return Ok(());
    }
    let all: Vec<&str> = known.union(&fresh).take(KEPT).map(|print| print.as_str()).collect();
    let (namespace, name) = (&service.key.namespace, &service.key.name);
    let mut own = BTreeMap::from([
        (labels::INSTANCE, context.instance.0.as_str()),
        (labels::NAMESPACE, namespace),
        (labels::SERVICE, &service.service),
        (labels::OWNER_UID, &service.uid.0),
    ]);
    own.extend(service.stack.as_ref().map(|stack| (labels::STACK, stack.name.as_str())));
    let body = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": {
            "name": names::attempts_secret(name), "namespace": namespace, "labels": own,
            "ownerReferences": [{
                "apiVersion": API_VERSION, "kind": "ServiceSpec", "name": name, "uid": service.uid.0,
                "controller": true, "blockOwnerDeletion": false,
            }],
        },
        "stringData": {GENERATION: service.generation.to_string(), REFUSED: all.join("\n")},
    });
    context.gateway.apply(ApiKind::Secret, labels::MANAGER_SERVICE, body, Some(Key::service(namespace, name))).await?;
    Ok(())
}
