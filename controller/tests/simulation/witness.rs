//! What stands between the controllers and the simulated world, and notes what each invariant needs to know.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use koan_adapters::Prober;
use koan_core::identity::ObjectId;
use koan_core::inventory::{EngineInfo, Inventory};
use koan_core::outcome::{Done, Outcome};
use koan_core::probe::{
    Access, Address, CandidateReport, CandidateVerdict, Check, CheckReport, CredentialRef, Probe, ProbeReport, Usable,
};
use koan_core::recipe::Recipes;
use koan_core::secret::Login;
use koan_core::step::{ObjectRef, Step, StepAction};
use koan_core::text::Values;
use koan_crds::v1alpha1::{EngineName, Evidence, EvidenceCode, EvidenceStep};
use koan_engines::sim::{Answer, SimEngine, SimWorld};
use koan_engines::{
    DialRequest, Engine, EngineError, ExecReport, ExecRequest, Hints, Interactive, LogOptions, LogStream, OpenRequest, Opened,
    Scope, Tunnel,
};

/// What was seen of probes and engine calls.
#[derive(Default)]
pub(crate) struct Notes {
    /// Workloads that passed a probe since their last start.
    pub(crate) passed: BTreeSet<ObjectId>,
    /// Addresses that an engine named, by workload.
    dialled: BTreeMap<String, ObjectId>,
    /// Addresses that got a login although no engine of ours named them (S-13).
    pub(crate) leaked: Vec<String>,
    /// A server of the host listens.
    pub(crate) host: bool,
    /// It passed a probe since it last began to.
    pub(crate) host_passed: bool,
    /// It refuses every login, and was asked with one.
    pub(crate) host_refuses: bool,
    pub(crate) host_refused: bool,
}

/// Product of the host's server.
const HOST_ADAPTER: &str = "postgres";
/// Its port, on loopback.
pub(crate) const HOST_PORT: u16 = 5432;

/// The engine with a witness beside it.
pub(crate) struct WitnessedEngine {
    engine: SimEngine,
    notes: Arc<Mutex<Notes>>,
}

impl WitnessedEngine {
    /// A connection to the world.
    pub(crate) fn new(world: &SimWorld, notes: &Arc<Mutex<Notes>>) -> Self {
        Self { engine: world.engine(), notes: Arc::clone(notes) }
    }
}

#[async_trait]
impl Interactive for WitnessedEngine {
    async fn open(&self, object: &ObjectRef, request: &OpenRequest) -> Result<Opened, EngineError> {
        self.engine.open(object, request).await
    }
}

#[async_trait]
impl Engine for WitnessedEngine {
    fn id(&self) -> EngineName {
        self.engine.id()
    }

    async fn info(&self) -> EngineInfo {
        self.engine.info().await
    }

    async fn inventory(&self, scope: &Scope) -> Result<Inventory, EngineError> {
        self.engine.inventory(scope).await
    }

    fn watch(&self, scope: &Scope) -> Hints {
        self.engine.watch(scope)
    }

    async fn apply(&self, step: &Step, values: &Values) -> Outcome {
        let outcome = self.engine.apply(step, values).await;
        if let (StepAction::Start(_), Outcome::Done(Done { changed: true, id: Some(id), .. })) = (&step.action, &outcome) {
            self.notes.lock().unwrap().passed.remove(id);
        }
        outcome
    }

    async fn logs(&self, object: &ObjectRef, options: &LogOptions) -> Result<LogStream, EngineError> {
        self.engine.logs(object, options).await
    }

    async fn exec(&self, object: &ObjectRef, request: &ExecRequest) -> Result<ExecReport, EngineError> {
        let report = self.engine.exec(object, request).await?;
        if report.exit_code == Some(0) {
            self.notes.lock().unwrap().passed.extend(object.id.clone());
        }
        Ok(report)
    }

    async fn dial(&self, object: &ObjectRef, request: &DialRequest) -> Result<Tunnel, EngineError> {
        let tunnel = self.engine.dial(object, request).await?;
        if let Some(id) = &object.id {
            self.notes.lock().unwrap().dialled.insert(tunnel.address.to_string(), id.clone());
        }
        Ok(tunnel)
    }
}

/// A prober of a host with one server, or none: else it asks the programs of the simulated world.
pub(crate) struct ScriptedProber {
    /// The world.
    pub(crate) world: SimWorld,
    /// What is noted.
    pub(crate) notes: Arc<Mutex<Notes>>,
}

#[async_trait]
impl Prober for ScriptedProber {
    async fn probe(&self, question: &Probe, _: &Access) -> ProbeReport {
        let absent = |candidate: &koan_core::probe::Candidate| CandidateReport {
            candidate: candidate.clone(),
            verdict: CandidateVerdict::Absent,
            evidence: Vec::new(),
            refused: Vec::new(),
        };
        let listens = self.notes.lock().unwrap().host && question.adapter == HOST_ADAPTER;
        let usable = CandidateVerdict::Usable(Usable {
            credential: CredentialRef::Default(0),
            address: Address::Tcp { host: "127.0.0.1".to_owned(), port: HOST_PORT },
            version: None,
            server_id: None,
            tls: None,
        });
        let mut candidates: Vec<CandidateReport> = question.candidates.iter().map(absent).collect();
        if let Some(first) = candidates.first_mut().filter(|_| listens) {
            let mut notes = self.notes.lock().unwrap();
            if notes.host_refuses {
                first.verdict = CandidateVerdict::Rejected;
                first.evidence = vec![Evidence {
                    step: EvidenceStep::Authorise,
                    code: EvidenceCode::CredentialRejected,
                    endpoint: Some(format!("127.0.0.1:{HOST_PORT}")),
                    detail: None,
                }];
                notes.host_refused = true;
            } else {
                first.verdict = usable;
                notes.host_passed = true;
            }
        }
        ProbeReport { candidates, fault: None }
    }

    async fn check(&self, check: &Check) -> CheckReport {
        let name = check.address.to_string();
        let local = matches!(&check.address, Address::Tcp { host, port: HOST_PORT } if host == "127.0.0.1");
        if local && !self.is_published(&check.address) && is_default(&check.login) {
            let evidence =
                Evidence { step: EvidenceStep::Identify, code: EvidenceCode::Refused, endpoint: Some(name), detail: None };
            let mut notes = self.notes.lock().unwrap();
            let listens = notes.host;
            notes.host_passed |= listens;
            let passed = CheckReport::Passed { version: None, server_id: None };
            return if listens { passed } else { CheckReport::Absent(evidence) };
        }
        let dialled = self.notes.lock().unwrap().dialled.get(&name).cloned();
        if dialled.is_none() && !self.is_published(&check.address) {
            self.notes.lock().unwrap().leaked.push(name.clone());
        }
        let evidence = |code| Evidence { step: EvidenceStep::Identify, code, endpoint: Some(name.clone()), detail: None };
        match self.world.answer(&check.address) {
            Answer::Ready => {
                self.notes.lock().unwrap().passed.extend(dialled);
                CheckReport::Passed { version: None, server_id: None }
            }
            Answer::Refused => CheckReport::Absent(evidence(EvidenceCode::Refused)),
            Answer::Silent | Answer::NotYet => CheckReport::NotYet(evidence(EvidenceCode::Timeout)),
            Answer::Other => CheckReport::NotYet(evidence(EvidenceCode::WrongProtocol)),
        }
    }
}

/// The host's server was found by a default login; any other one has no business there (S-13).
fn is_default(login: &Login) -> bool {
    let password = login.password.as_ref().map(|password| password.expose().as_str());
    let known = koan_adapters::catalogue().recipe(HOST_ADAPTER).map(|recipe| recipe.default_logins).unwrap_or_default();
    known.iter().any(|known| known.login().password.is_some_and(|known| password == Some(known.expose())))
}

impl ScriptedProber {
    fn is_published(&self, address: &Address) -> bool {
        let Address::Tcp { port, .. } = address else { return false };
        let published =
            |workload: &koan_engines::sim::SimWorkload| workload.spec.ports.iter().any(|entry| entry.host == Some(*port));
        self.world.with_workloads(|workloads| workloads.values().any(published))
    }
}
