//! The plan of one service: what is missing is made, what changed is replaced, what died is started, nothing else is touched.

use std::time::Duration;

use koan_crds::v1alpha1::RestartPolicy;

use super::deletion::{may_run, owns, take_down};
use super::steps::{Cause, Steps, created, reference};
use crate::desired::{Desired, Ownership, changed_fields, references};
use crate::facts::Facts;
use crate::gates;
use crate::inventory::{Inventory, NetworkRecord, WorkloadRecord, WorkloadState};
use crate::step::{Downtime, NetworkSpec, Plan, StepAction, StepId};
use crate::text::ValueRef;
use crate::validate::ValidService;
use crate::workload::{Run, WorkloadSpec};

/// Plans one service. `inventory` is that of the engine that [`Desired`] names, or of the one that holds its workloads.
///
/// Empty when converged. `Start` stands in it only when every gate is open (S-10); a workload is created ahead of its gates
/// once each value that it refers to is there (PERF-84), and never replaced while a gate is closed.
pub fn plan(service: &ValidService, desired: &Desired, inventory: &Inventory, facts: &Facts) -> Plan {
    let own = Ownership::of_service(service, &facts.instance);
    let mine: Vec<&WorkloadRecord> = inventory.workloads.iter().filter(|record| owns(&own.owner, &record.owner)).collect();
    let mut steps = Steps::default();
    let wanted = |record: &WorkloadRecord| desired.workloads.iter().any(|spec| spec.object == record.name);
    for record in mine.iter().filter(|record| !wanted(record)) {
        take_down(&mut steps, record, &own, "nothing asks for it any more");
    }
    if service.suspend {
        suspend(&mut steps, service, &mine);
        return steps.plan();
    }
    let open = gates::open(&facts.gates);
    let provided = unresolved(desired, facts).is_none();
    let mut planner = Planner { service, desired, inventory, facts, open, provided, steps, ground: None };
    for spec in &desired.workloads {
        planner.workload(spec, mine.iter().find(|record| record.name == spec.object).copied());
    }
    planner.keep_one_network();
    planner.steps.plan()
}

/// What keeps a service from being started or created; `None` where nothing does.
pub fn hold(desired: &Desired, facts: &Facts) -> Option<String> {
    if !gates::open(&facts.gates) {
        return Some("a gate is closed".to_owned());
    }
    unresolved(desired, facts).map(|reference| format!("{} is not there yet", spell(&reference)))
}

/// The first value that nothing provides yet.
fn unresolved(desired: &Desired, facts: &Facts) -> Option<ValueRef> {
    let all = desired.workloads.iter().flat_map(references);
    all.filter(|reference| !matches!(reference, ValueRef::Literal { .. }))
        .find(|reference| !facts.versions.contains_key(reference))
        .cloned()
}

fn spell(reference: &ValueRef) -> String {
    match reference {
        ValueRef::SecretKey { name, key } => format!("key `{key}` of Secret {name}"),
        ValueRef::ConfigKey { name, key } => format!("key `{key}` of ConfigMap {name}"),
        ValueRef::Output { service, output } => format!("output `{output}` of {service}"),
        ValueRef::Literal { key } => format!("literal `{key}`"),
    }
}

fn suspend(steps: &mut Steps, service: &ValidService, mine: &[&WorkloadRecord]) {
    let cause = Cause { text: "the service is suspended", evidence: &[], downtime: Downtime::Restart, repair: false };
    for record in mine.iter().filter(|record| may_run(record.state)) {
        steps.stop(record, service.stop_grace, &cause, &[]);
    }
}

struct Planner<'a> {
    service: &'a ValidService,
    desired: &'a Desired,
    inventory: &'a Inventory,
    facts: &'a Facts,
    /// Every gate is open.
    open: bool,
    /// Every value that a workload refers to is there.
    provided: bool,
    steps: Steps,
    /// Steps that every creation waits for, once they were asked for.
    ground: Option<Vec<StepId>>,
}

impl Planner<'_> {
    fn workload(&mut self, spec: &WorkloadSpec, record: Option<&WorkloadRecord>) {
        match record {
            None if self.facts.completed || !self.provided => {}
            None => self.create(spec, &Cause::free("it does not exist"), &[]),
            Some(record) if record.state == WorkloadState::Removing => {}
            Some(record) if self.provided && self.asked(record) => {
                let grace = self.service.restart_grace.unwrap_or(self.service.stop_grace);
                self.replace(spec, record, grace, &recreate("a restart was asked for"));
            }
            Some(record) if self.provided && record.hash != spec.hash => {
                if self.open {
                    let text = format!("changed: {}", changes(spec, record).join(", "));
                    self.replace(spec, record, self.service.stop_grace, &recreate(&text));
                }
            }
            Some(record) => match self.drift(spec, record) {
                Some(text) if self.provided && self.open => {
                    self.replace(spec, record, self.service.stop_grace, &Cause { repair: true, ..recreate(&text) })
                }
                Some(_) => {}
                None => self.keep(record),
            },
        }
    }

    /// What was done to a workload that no start can put right; `None` where nothing was.
    fn drift(&self, spec: &WorkloadSpec, record: &WorkloadRecord) -> Option<String> {
        if record.state == WorkloadState::Dead {
            // One that never ran is owed its first run, whatever its policy says of a second.
            let owed = record.started_at.is_none() || self.starts_again(record);
            return owed.then(|| "it cannot be started again".to_owned());
        }
        let known = |wanted: &NetworkSpec| {
            self.inventory.networks.iter().any(|known| known.name == wanted.name && owns(&wanted.owner, &known.owner))
        };
        let mut own = self.desired.networks.iter().filter(|network| spec.networks.contains(&network.name));
        match own.find(|network| !known(network)) {
            Some(gone) => Some(format!("its network {} is gone", gone.name)),
            None => record.cut_off.then(|| "it was cut off from its network".to_owned()),
        }
    }

    /// Same hash and sound: started where it does not run.
    fn keep(&mut self, record: &WorkloadRecord) {
        let start = StepAction::Start(reference(record));
        match record.state {
            WorkloadState::Running | WorkloadState::Paused | WorkloadState::Restarting | WorkloadState::Removing => {}
            WorkloadState::Created => {
                if self.open {
                    self.steps.add(&record.name, start, &Cause::free("it was created and its gates are open"), &[]);
                }
            }
            WorkloadState::Dead => {}
            WorkloadState::Exited => {
                if self.open && self.starts_again(record) {
                    let code = record.exit_code.map_or_else(|| "an unknown code".to_owned(), |code| format!("code {code}"));
                    let text = format!("it ended with {code}");
                    let cause = Cause { text: &text, evidence: &[], downtime: Downtime::Restart, repair: false };
                    self.steps.add(&record.name, start, &cause, &[]);
                }
            }
        }
    }

    /// True where a workload that ended is to run again: by its policy, and not before its back-off is over.
    fn starts_again(&self, record: &WorkloadRecord) -> bool {
        let wanted = match self.service.restart {
            RestartPolicy::Always => true,
            RestartPolicy::OnFailure => record.exit_code != Some(0),
            RestartPolicy::Never => false,
        };
        wanted && !self.facts.restarts.held
    }

    /// Somebody asked for exactly this workload to be made anew; a repeat finds another id and does nothing.
    fn asked(&self, record: &WorkloadRecord) -> bool {
        self.service.restart_request.as_deref() == Some(record.id.0.as_str())
    }

    /// Stop, remove, create, start; volumes, ports and aliases stay (ENG-7).
    fn replace(&mut self, spec: &WorkloadSpec, record: &WorkloadRecord, grace: Duration, cause: &Cause) {
        let stopped: Vec<StepId> =
            may_run(record.state).then(|| self.steps.stop(record, grace, cause, &[])).into_iter().collect();
        let removed = self.steps.remove(record, cause, &stopped);
        self.create(spec, cause, &[removed]);
    }

    /// Creates a workload after `after`, and starts it where its gates are open (S-10).
    fn create(&mut self, spec: &WorkloadSpec, cause: &Cause, after: &[StepId]) {
        let ground = match self.ground.take() {
            Some(ground) => ground,
            None => self.lay_ground(),
        };
        let after: Vec<StepId> = ground.iter().chain(after).copied().collect();
        self.ground = Some(ground);
        let made = self.steps.add(&spec.object, StepAction::Create(Box::new(spec.clone())), cause, &after);
        if self.open {
            let object = created(&spec.object, &spec.owner);
            self.steps.add(&spec.object, StepAction::Start(object), &Cause::free(cause.text), &[made]);
        }
    }

    /// A creation that landed after its sender was gone leaves a second network of the name: the oldest stays (P13).
    fn keep_one_network(&mut self) {
        for network in &self.desired.networks {
            let same = |known: &&NetworkRecord| known.name == network.name && owns(&network.owner, &known.owner);
            if self.inventory.networks.iter().filter(same).count() > 1 {
                let cause = Cause::free("there are several of its name");
                self.steps.add(&network.name, StepAction::EnsureNetwork(network.clone()), &cause, &[]);
            }
        }
    }

    /// Network, volumes and image that are not there yet; the image is asked for always, since only the engine knows its store.
    fn lay_ground(&mut self) -> Vec<StepId> {
        let absent = Cause::free("it does not exist");
        let mut ids = Vec::new();
        for network in &self.desired.networks {
            let same = |known: &NetworkRecord| known.name == network.name && owns(&network.owner, &known.owner);
            if !self.inventory.networks.iter().any(same) {
                ids.push(self.steps.add(&network.name, StepAction::EnsureNetwork(network.clone()), &absent, &[]));
            }
        }
        for volume in &self.desired.volumes {
            if !self.inventory.volumes.iter().any(|known| known.name == volume.name) {
                ids.push(self.steps.add(&volume.name, StepAction::EnsureVolume(volume.clone()), &absent, &[]));
            }
        }
        if let Some(image) = &self.desired.image {
            let action = StepAction::EnsureImage(image.clone());
            ids.push(self.steps.add(&image.reference, action, &Cause::free("a workload needs it"), &[]));
        }
        ids
    }
}

/// The workload is made anew for `text`.
fn recreate(text: &str) -> Cause<'_> {
    Cause { text, evidence: &[], downtime: Downtime::Recreate, repair: false }
}

/// What changed, as far as the record and the hashes tell; values only where they are no secrets.
fn changes(spec: &WorkloadSpec, record: &WorkloadRecord) -> Vec<String> {
    let names = changed_fields(&record.hash, &spec.hash);
    if names.is_empty() {
        return vec!["the workload was made by another version of its rules".to_owned()];
    }
    let image = match (&spec.run, &record.image) {
        (Run::Container(container), Some(old)) => Some(format!("image: {old} → {}", container.image)),
        (Run::Container(_), None) | (Run::Process(_), _) => None,
    };
    let spell = |name: &&'static str| match (*name, &image) {
        ("image", Some(text)) => text.clone(),
        (name, _) => name.to_owned(),
    };
    names.iter().map(spell).collect()
}
