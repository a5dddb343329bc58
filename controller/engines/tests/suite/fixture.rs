//! What a case needs of an engine: programs to run, and steps without a planner.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use koan_core::identity::{InstanceId, Owner, SpecHash};
use koan_core::inventory::{Inventory, WorkloadRecord};
use koan_core::outcome::{Done, Failure, Outcome};
use koan_core::step::{NetworkSpec, ObjectRef, Step, StepAction, VolumeSpec};
use koan_core::text::Values;
use koan_core::workload::{ImageSpec, Limits, Mount, MountSource, PortEntry, Run, WorkloadSpec};
use koan_crds::v1alpha1::{Protocol, RestartPolicy};
use koan_engines::{Engine, Scope};

/// How long a condition may take to come true.
const PATIENCE: Duration = Duration::from_secs(30);
/// Grace of every stop.
pub(crate) const GRACE: Duration = Duration::from_secs(2);

/// Programs that an engine can run; each is what the engine's users would write.
pub(crate) trait Fixture: Send + Sync {
    /// Listens on the port until TERM.
    fn server(&self, port: u16) -> Run;
    /// Prints `out 1` and `out 2`, `err 1` and `err 2` on its error output, then waits for TERM.
    fn talker(&self) -> Run;
    /// Ends at once with an exit code.
    fn ender(&self, code: i64) -> Run;
    /// The image of a run, where it has one.
    fn image(&self, run: &Run) -> Option<ImageSpec>;
    /// Where the engine writes mounted files on the host.
    fn secrets(&self) -> Option<&std::path::Path> {
        None
    }
    /// A command that prints a file of the workload.
    fn print_file(&self, path: &str) -> Vec<String>;
    /// A command that prints `letters` times the letter `x`.
    fn print_letters(&self, letters: usize) -> Vec<String>;
    /// A command that does not end within a minute.
    fn hang(&self) -> Vec<String>;
}

/// An engine with a fixture and an instance of its own.
pub(crate) struct Bench {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) fixture: Box<dyn Fixture>,
    pub(crate) owner: Owner,
}

static COUNTER: AtomicU32 = AtomicU32::new(0);

impl Bench {
    /// A bench whose instance no other test has.
    pub(crate) fn new(engine: Arc<dyn Engine>, fixture: Box<dyn Fixture>, case: &str) -> Self {
        let unique = format!("{}-{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
        let owner = Owner {
            instance: InstanceId(format!("contract-{unique}")),
            namespace: "default".to_owned(),
            stack: Some("contract".to_owned()),
            service: case.chars().take(20).collect::<String>().replace('_', "-"),
            uid: format!("uid-{unique}").as_str().into(),
        };
        Self { engine, fixture, owner }
    }

    /// Name of an object of this bench.
    pub(crate) fn name(&self, part: &str) -> String {
        koan_crds::names::engine_object(&["koantest", part], &self.owner.uid.0)
    }

    /// A workload without ports, files or mounts.
    pub(crate) fn workload(&self, part: &str, run: Run) -> WorkloadSpec {
        WorkloadSpec {
            owner: self.owner.clone(),
            object: self.name(part),
            replica: 0,
            alias: part.to_owned(),
            run,
            env: Vec::new(),
            files: Vec::new(),
            ports: Vec::new(),
            mounts: Vec::new(),
            networks: Vec::new(),
            limits: Limits::default(),
            stop_grace: GRACE,
            restart: RestartPolicy::Never,
            hash: SpecHash("hash-1".to_owned()),
        }
    }

    /// A published TCP port.
    pub(crate) fn port(container: u16, host: u16) -> PortEntry {
        PortEntry { name: "main".to_owned(), container, protocol: Protocol::Tcp, host: Some(host) }
    }

    /// A volume of this bench, mounted at `/data`.
    pub(crate) fn volume(&self, workload: &mut WorkloadSpec) -> VolumeSpec {
        let spec = VolumeSpec { name: self.name("data"), path: "/data".to_owned(), owner: self.owner.clone() };
        workload.mounts.push(Mount {
            target: "/data".to_owned(),
            source: MountSource::Volume(spec.name.clone()),
            read_only: false,
        });
        spec
    }

    /// A network of this bench.
    pub(crate) fn network(&self) -> NetworkSpec {
        NetworkSpec { name: self.name("net"), owner: Owner { service: String::new(), ..self.owner.clone() } }
    }

    pub(crate) async fn apply_with(&self, action: StepAction, values: &Values) -> Outcome {
        let step = Step::alone("object", "the contract suite asks for it", action);
        self.engine.apply(&step, values).await
    }

    pub(crate) async fn apply(&self, action: StepAction) -> Outcome {
        self.apply_with(action, &Values::default()).await
    }

    /// Applies a step until it is done; waiting is asked again.
    #[track_caller]
    pub(crate) fn done(&self, action: StepAction) -> impl Future<Output = Done> + '_ {
        self.done_with(action, Values::default())
    }

    pub(crate) async fn done_with(&self, action: StepAction, values: Values) -> Done {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            match self.apply_with(action.clone(), &values).await {
                Outcome::Done(done) => return done,
                Outcome::Waiting { delay, .. } if tokio::time::Instant::now() < deadline => tokio::time::sleep(delay).await,
                other => panic!("{}: {other:?}", action.verb()),
            }
        }
    }

    pub(crate) async fn failure(&self, action: StepAction) -> Failure {
        match self.apply(action).await {
            Outcome::Failed(failure) => failure,
            other => panic!("expected a failure, got {other:?}"),
        }
    }

    /// Image and workload, created.
    pub(crate) async fn create(&self, spec: &WorkloadSpec) -> Done {
        self.image(spec).await;
        self.done(StepAction::Create(Box::new(spec.clone()))).await
    }

    /// The image of a workload, where it has one.
    pub(crate) async fn image(&self, spec: &WorkloadSpec) {
        if let Some(image) = self.fixture.image(&spec.run) {
            self.done(StepAction::EnsureImage(image)).await;
        }
    }

    /// Image and workload, created and started.
    pub(crate) async fn start(&self, spec: &WorkloadSpec) -> Done {
        self.create(spec).await;
        self.done(StepAction::Start(self.object(spec))).await
    }

    pub(crate) fn object(&self, spec: &WorkloadSpec) -> ObjectRef {
        ObjectRef { name: spec.object.clone(), id: None, owner: spec.owner.clone() }
    }

    pub(crate) async fn inventory(&self) -> Inventory {
        self.engine.inventory(&Scope { instance: self.owner.instance.clone() }).await.expect("the engine answers")
    }

    pub(crate) async fn record(&self, spec: &WorkloadSpec) -> WorkloadRecord {
        let inventory = self.inventory().await;
        inventory.workloads.into_iter().find(|record| record.name == spec.object).expect("the workload is listed")
    }

    /// Waits until the workload looks as asked.
    pub(crate) async fn record_when(&self, spec: &WorkloadSpec, what: impl Fn(&WorkloadRecord) -> bool) -> WorkloadRecord {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let record = self.record(spec).await;
            if what(&record) {
                return record;
            }
            assert!(tokio::time::Instant::now() < deadline, "never came true: {record:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A free port of loopback.
    pub(crate) fn free_port() -> u16 {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        listener.local_addr().expect("its address").port()
    }

    /// Takes away everything that carries this bench's instance.
    pub(crate) async fn clean_up(&self) {
        let inventory = self.inventory().await;
        for record in &inventory.workloads {
            let object = ObjectRef { name: record.name.clone(), id: Some(record.id.clone()), owner: record.owner.clone() };
            self.done(StepAction::Stop { object: object.clone(), grace: Duration::ZERO }).await;
            self.done(StepAction::Remove(object)).await;
        }
        for record in &inventory.networks {
            let object = ObjectRef { name: record.name.clone(), id: Some(record.id.clone()), owner: record.owner.clone() };
            self.done(StepAction::RemoveNetwork(object)).await;
        }
        for record in &inventory.volumes {
            let object = ObjectRef { name: record.name.clone(), id: None, owner: record.owner.clone() };
            self.done(StepAction::RemoveVolume { object, created_at: record.created_at.clone() }).await;
        }
    }
}
