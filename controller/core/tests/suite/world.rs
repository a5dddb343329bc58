//! A small world around the stages: parsed fixtures, facts with everything there, an inventory that obeys a plan.

use jiff::{SignedDuration, Timestamp};
use koan_core::conclude::{Deletion, ServiceInput, StepOutcome, Verdict, conclude_service};
use koan_core::decide::{Decision, EngineVerdict, PortAllocation, allocate_ports, decide};
use koan_core::desired::{Desired, desired, references};
use koan_core::facts::{CredentialFact, Facts};
use koan_core::inventory::{Inventory, NetworkRecord, VolumeRecord, WorkloadRecord, WorkloadState};
use koan_core::outcome::{Done, Outcome};
use koan_core::plan::plan;
use koan_core::step::{Plan, StepAction};
use koan_core::validate::{StackOptions, ValidService, ValidStack, validate_service, validate_stack};
use koan_core::violation::Violations;
use koan_core::workload::{Run, WorkloadSpec};
use koan_crds::v1alpha1::{DevStack, EngineName, ServiceSpec, ServiceSpecStatus};

use crate::catalogue::Catalogue;

pub(crate) const SHOP: &str = include_str!("fixtures/shop.yaml");

/// A stack as a user writes it, with the identity that a server would give it.
pub(crate) fn stack(yaml: &str) -> DevStack {
    let mut stack: DevStack = serde_saphyr::from_str(yaml).expect("the fixture is a DevStack");
    stack.metadata.uid = Some("stack-uid".to_owned());
    stack.metadata.generation = Some(1);
    stack
}

/// A stack of these services, given as YAML list items.
pub(crate) fn stack_of(services: &str) -> DevStack {
    let services: String = services.lines().map(|line| format!("  {line}\n")).collect();
    stack(&format!(
        "apiVersion: koan.dev/v1alpha1\nkind: DevStack\nmetadata: {{name: shop, namespace: default}}\nspec:\n  services:\n{services}"
    ))
}

pub(crate) fn valid_stack(stack: &DevStack) -> ValidStack {
    validate_stack(stack, &StackOptions::default(), &Catalogue::new()).expect("the stack is valid")
}

pub(crate) fn violations(stack: &DevStack) -> Violations {
    validate_stack(stack, &StackOptions::default(), &Catalogue::new()).expect_err("the stack is invalid")
}

/// `path: message` of each violation.
pub(crate) fn spelled(stack: &DevStack) -> Vec<String> {
    violations(stack).iter().map(ToString::to_string).collect()
}

/// A service of a stack as its controller sees it: stored, with a UID of its own.
pub(crate) fn member(stack: &DevStack, name: &str) -> ServiceSpec {
    let valid = valid_stack(stack);
    let mut object = valid.members().find(|member| member.name == name).expect("the service is there").object.clone();
    object.metadata.uid = Some(format!("{name}-uid"));
    object.metadata.generation = Some(1);
    object
}

pub(crate) fn service(object: &ServiceSpec) -> ValidService {
    validate_service(object, &Catalogue::new()).expect("the service is valid")
}

/// The only service of a stack.
pub(crate) fn only(services: &str) -> ValidService {
    let stack = stack_of(services);
    let name = stack.spec.services[0].name.clone();
    service(&member(&stack, &name))
}

pub(crate) fn docker() -> EngineVerdict {
    EngineVerdict::Selected { engine: EngineName::Docker, version: None, endpoint: None, evidence: vec!["it answers".to_owned()] }
}

pub(crate) fn facts() -> Facts {
    Facts {
        instance: "instance".into(),
        engine: docker(),
        generated_credential: CredentialFact::Present { keys: vec!["password".to_owned()] },
        ..Facts::default()
    }
}

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(1_700_000_000 + seconds)
}

pub(crate) fn empty() -> Inventory {
    Inventory { engine: EngineName::Docker, workloads: Vec::new(), networks: Vec::new(), volumes: Vec::new(), ports: Vec::new() }
}

/// One service in its world.
pub(crate) struct World {
    pub(crate) service: ValidService,
    pub(crate) facts: Facts,
    pub(crate) inventory: Inventory,
    pub(crate) status: ServiceSpecStatus,
    pub(crate) now: Timestamp,
    /// Every reference is provided.
    pub(crate) provided: bool,
    serial: u32,
}

/// One visit of the stages.
pub(crate) struct Visit {
    pub(crate) decision: Decision,
    pub(crate) ports: PortAllocation,
    pub(crate) desired: Desired,
    pub(crate) plan: Plan,
    pub(crate) verdict: Verdict<ServiceSpecStatus>,
}

impl Visit {
    /// `verb object-kind` of each step.
    pub(crate) fn verbs(&self) -> Vec<&'static str> {
        self.plan.steps.iter().map(|step| step.action.verb()).collect()
    }
}

impl World {
    pub(crate) fn new(service: ValidService) -> Self {
        Self {
            service,
            facts: facts(),
            inventory: empty(),
            status: ServiceSpecStatus::default(),
            now: at(0),
            provided: true,
            serial: 0,
        }
    }

    /// The workload of the service.
    pub(crate) fn record(&mut self) -> &mut WorkloadRecord {
        self.inventory.workloads.first_mut().expect("a workload is there")
    }

    /// Runs every stage once; the plan is applied and the status is kept.
    pub(crate) fn visit(&mut self) -> Visit {
        let catalogue = Catalogue::new();
        self.facts.previous.clone_from(&self.status.decision);
        self.facts.ports.current.clone_from(&self.status.ports);
        let decision = decide(&self.service, &self.facts, &catalogue);
        let ports = allocate_ports(&self.service, &self.facts.ports).expect("ports are free");
        let mut wanted = desired(&self.service, &decision, &ports, &self.facts, &catalogue);
        if self.provided {
            for reference in wanted.workloads.iter().flat_map(references) {
                self.facts.versions.insert(reference.clone(), "1".to_owned());
            }
            wanted = desired(&self.service, &decision, &ports, &self.facts, &catalogue);
        }
        let plan = plan(&self.service, &wanted, &self.inventory, &self.facts);
        let outcomes = self.apply(&plan);
        let verdict = self.conclude(&catalogue, &decision, &ports, &wanted, &outcomes, None);
        self.status = verdict.status.clone();
        Visit { decision, ports, desired: wanted, plan, verdict }
    }

    #[expect(clippy::too_many_arguments, reason = "a test spells out what a verdict rests on")]
    pub(crate) fn conclude(
        &self,
        catalogue: &Catalogue,
        decision: &Decision,
        ports: &PortAllocation,
        desired: &Desired,
        outcomes: &[StepOutcome],
        deletion: Option<&Deletion>,
    ) -> Verdict<ServiceSpecStatus> {
        conclude_service(&ServiceInput {
            generation: self.service.generation,
            valid: Ok(&self.service),
            facts: &self.facts,
            decision: Some(decision),
            ports: Some(Ok(ports)),
            desired: Some(desired),
            inventory: Some(&self.inventory),
            outcomes,
            deletion,
            panic: None,
            recipes: catalogue,
            old: &self.status,
            began: &self.status,
            now: self.now,
        })
    }

    /// The probe of the present workload passes.
    pub(crate) fn probe_passes(&mut self) {
        let id = self.record().id.0.clone();
        self.facts.health.subject = Some(id);
        self.facts.health.generation = self.service.generation;
        self.facts.health.first_passed = Some(self.now);
        self.facts.health.failures = 0;
    }

    /// Does what the plan says, as a perfect engine would.
    pub(crate) fn apply(&mut self, plan: &Plan) -> Vec<StepOutcome> {
        let mut outcomes = Vec::new();
        for step in &plan.steps {
            self.act(&step.action);
            let outcome = Outcome::Done(Done { changed: true, ..Done::default() });
            outcomes.push(StepOutcome { step: step.clone(), outcome });
        }
        outcomes
    }

    fn act(&mut self, action: &StepAction) {
        let now = self.now;
        let find = |workloads: &mut Vec<WorkloadRecord>, name: &str| workloads.iter().position(|record| record.name == name);
        match action {
            StepAction::EnsureNetwork(network) => self.inventory.networks.push(NetworkRecord {
                id: network.name.as_str().into(),
                name: network.name.clone(),
                owner: network.owner.clone(),
                created_at: "then".to_owned(),
                gateway: None,
                endpoints: None,
            }),
            StepAction::EnsureVolume(volume) => self.inventory.volumes.push(VolumeRecord {
                name: volume.name.clone(),
                owner: volume.owner.clone(),
                path: volume.path.clone(),
                created_at: "then".to_owned(),
            }),
            StepAction::EnsureImage(_) => {}
            StepAction::Create(spec) => {
                self.serial += 1;
                self.inventory.workloads.push(created(spec, self.serial));
            }
            StepAction::Start(object) => {
                let index = find(&mut self.inventory.workloads, &object.name).expect("the workload was created");
                let record = &mut self.inventory.workloads[index];
                (record.state, record.started_at, record.exit_code) = (WorkloadState::Running, Some(now), None);
            }
            StepAction::Stop { object, .. } => {
                let index = find(&mut self.inventory.workloads, &object.name).expect("the workload is there");
                self.inventory.workloads[index].state = WorkloadState::Exited;
            }
            StepAction::Remove(object) => self.inventory.workloads.retain(|record| record.name != object.name),
            StepAction::RemoveNetwork(object) => self.inventory.networks.retain(|record| record.name != object.name),
            StepAction::RemoveVolume { object, .. } => self.inventory.volumes.retain(|record| record.name != object.name),
        }
    }
}

fn created(spec: &WorkloadSpec, serial: u32) -> WorkloadRecord {
    let image = match &spec.run {
        Run::Container(container) => Some(container.image.clone()),
        Run::Process(_) => None,
    };
    WorkloadRecord {
        id: format!("id-{serial}").as_str().into(),
        name: spec.object.clone(),
        owner: spec.owner.clone(),
        hash: spec.hash.clone(),
        state: WorkloadState::Created,
        image,
        image_digest: None,
        platform: None,
        started_at: None,
        finished_at: None,
        exit_code: None,
        oom_killed: false,
        restarts: 0,
        cut_off: false,
        addresses: Vec::new(),
        ports: Vec::new(),
        pid: None,
        volumes: Vec::new(),
    }
}
