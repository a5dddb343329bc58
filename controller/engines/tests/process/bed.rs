//! A state directory of its own per test, and the steps that most tests need.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures::StreamExt;
use koan_core::identity::{InstanceId, Owner, SpecHash, Uid};
use koan_core::inventory::{Inventory, WorkloadRecord, WorkloadState};
use koan_core::outcome::{Done, Failure, Outcome};
use koan_core::secret::Secret;
use koan_core::step::{ObjectRef, Step, StepAction, VolumeSpec};
use koan_core::text::{Text, ValueRef, Values};
use koan_core::workload::{Limits, MountSource, ProcessRun, Run, StopSignal, WorkloadSpec};
use koan_crds::v1alpha1::RestartPolicy;
use koan_engines::process::{Helper, ProcessEngine, ProcessOptions, ProgramSource};
use koan_engines::{Engine, LogLine, LogOptions, Scope};

/// Longest wait for anything.
pub(crate) const LONG: Duration = Duration::from_secs(60);
/// Grace that no test ever uses up, unless it says so.
pub(crate) const GRACE: Duration = Duration::from_secs(30);
/// Instance of every test.
const INSTANCE: &str = "inst-1";
/// Marks a run of this executable as supervisor.
pub(crate) const SUPERVISOR_MARK: &str = "--test-threads=1";
/// Marks a run of this executable as a command on a terminal; a separator and what it becomes follow.
pub(crate) const TERMINAL_MARK: &str = "--test-threads=3";

/// Marks a run of this executable as a Koan that is going to be killed.
pub(crate) const KOAN_MARK: &str = "--test-threads=2";

/// The password of every server of a test.
pub(crate) fn password() -> ValueRef {
    ValueRef::SecretKey { name: "credentials".to_owned(), key: "password".to_owned() }
}

/// Values with that password; a canary that must not be found outside the run.
pub(crate) fn values() -> Values {
    let mut values = Values::default();
    values.insert(password(), Secret::new("canary0f6b1d2e9a8c7b5d4e3f".to_owned()));
    values
}

/// The folder behind the argument that marks a played role.
pub(crate) fn folder_after(mark: &str) -> Option<String> {
    let mut arguments = std::env::args();
    arguments.find(|argument| argument == mark)?;
    arguments.next()
}

/// An engine below a folder.
pub(crate) struct Bed {
    /// The engine.
    pub(crate) engine: ProcessEngine,
    /// Where everything lies.
    pub(crate) root: PathBuf,
    folder: Option<tempfile::TempDir>,
}

impl Bed {
    /// An engine in a fresh folder.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_owned();
        Self { engine: ProcessEngine::new(options(&root)), root, folder: Some(folder) }
    }

    /// An engine in a folder that is there, as after a restart of Koan.
    pub(crate) fn at(root: PathBuf) -> Self {
        Self { engine: ProcessEngine::new(options(&root)), root, folder: None }
    }

    /// An engine with other settings in a fresh folder.
    pub(crate) fn with(change: impl FnOnce(&mut ProcessOptions)) -> Self {
        let mut bed = Self::new();
        let mut settings = options(&bed.root);
        change(&mut settings);
        bed.engine = ProcessEngine::new(settings);
        bed
    }

    /// Runs one step.
    pub(crate) async fn apply(&self, action: StepAction) -> Outcome {
        self.apply_with(action, &Values::default()).await
    }

    /// Runs one step with values.
    pub(crate) async fn apply_with(&self, action: StepAction, values: &Values) -> Outcome {
        self.engine.apply(&step(action), values).await
    }

    /// Creates a workload and starts it.
    pub(crate) async fn up(&self, spec: &WorkloadSpec) -> Done {
        self.up_with(spec, &Values::default()).await
    }

    /// Creates a workload and starts it with values.
    pub(crate) async fn up_with(&self, spec: &WorkloadSpec, values: &Values) -> Done {
        done(self.apply_with(StepAction::Create(Box::new(spec.clone())), values).await);
        let until = Instant::now() + LONG;
        loop {
            match self.apply_with(StepAction::Start(reference(&spec.object)), values).await {
                Outcome::Waiting { .. } => assert!(Instant::now() < until, "{} never started", spec.object),
                outcome => return done(outcome),
            }
        }
    }

    /// Makes the volumes that a workload mounts.
    pub(crate) async fn volumes(&self, spec: &WorkloadSpec) {
        for mount in &spec.mounts {
            if let MountSource::Volume(name) = &mount.source {
                done(self.apply(StepAction::EnsureVolume(volume(name, &mount.target))).await);
            }
        }
    }

    /// Stops a workload.
    pub(crate) async fn stop(&self, object: &str, grace: Duration) -> Done {
        done(self.apply(StepAction::Stop { object: reference(object), grace }).await)
    }

    /// The inventory.
    pub(crate) async fn inventory(&self) -> Inventory {
        self.engine.inventory(&Scope { instance: INSTANCE.into() }).await.unwrap()
    }

    /// A workload of the inventory.
    pub(crate) async fn workload(&self, object: &str) -> WorkloadRecord {
        self.inventory().await.workloads.into_iter().find(|workload| workload.name == object).unwrap()
    }

    /// Waits for a state.
    pub(crate) async fn reaches(&self, object: &str, state: WorkloadState) -> WorkloadRecord {
        until(|| async {
            let workload = self.workload(object).await;
            (workload.state == state).then_some(workload)
        })
        .await
    }

    /// Texts of the lines so far.
    pub(crate) async fn lines(&self, object: &str, options: LogOptions) -> Vec<LogLine> {
        let stream = self.engine.logs(&reference(object), &options).await.unwrap();
        stream.map(Result::unwrap).collect().await
    }

    /// Texts of the current run.
    pub(crate) async fn texts(&self, object: &str) -> Vec<String> {
        self.lines(object, LogOptions::default()).await.into_iter().map(|line| line.text).collect()
    }
}

impl Drop for Bed {
    /// Nothing that a test started outlives it, also where it failed.
    fn drop(&mut self) {
        if self.folder.is_none() {
            return;
        }
        let engine = self.engine.clone();
        let ended = std::thread::spawn(move || {
            tokio::runtime::Runtime::new().unwrap().block_on(async {
                let held = engine.inventory(&Scope { instance: INSTANCE.into() }).await.unwrap();
                for workload in held.workloads {
                    let object = ObjectRef { name: workload.name, id: None, owner: workload.owner };
                    engine.apply(&step(StepAction::Stop { object, grace: Duration::ZERO }), &Values::default()).await;
                }
            });
        });
        if ended.join().is_err() {
            eprintln!("a workload of {} may be left", self.root.display());
        }
    }
}

fn step(action: StepAction) -> Step {
    Step::alone("", "", action)
}

fn options(root: &Path) -> ProcessOptions {
    ProcessOptions {
        state_dir: root.join("state"),
        supervisor: std::env::current_exe().unwrap(),
        supervisor_args: ["supervisor_entry", "--exact", "--nocapture", SUPERVISOR_MARK].map(Into::into).to_vec(),
        terminal: terminal(),
        instance: INSTANCE.into(),
        data_root: root.join("data"),
        runtime_root: root.join("run"),
        account: "koan".to_owned(),
        environment: BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned()), ("LANG".to_owned(), "C".to_owned())]),
        programs: vec![ProgramSource {
            programs: ["postgres", "initdb", "psql"].map(str::to_owned).to_vec(),
            folders: vec!["/usr/lib/postgresql/*/bin".to_owned()],
            package: "postgresql".to_owned(),
        }],
    }
}

/// As whoever starts Koan behind a shell's `&` does, it lets nothing of the keyboard through.
fn terminal() -> Helper {
    let mut arguments: Vec<OsString> = vec!["-c".into(), "trap '' INT QUIT; exec \"$0\" \"$@\"".into()];
    arguments.push(std::env::current_exe().unwrap().into());
    arguments.extend(["terminal_entry", "--exact", "--nocapture", TERMINAL_MARK, "--"].map(Into::into));
    Helper { program: "/bin/sh".into(), arguments }
}

/// Waits for something to become true.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(mut look: impl FnMut() -> F) -> T {
    let deadline = Instant::now() + LONG;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "the condition never came true");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A step that succeeded.
pub(crate) fn done(outcome: Outcome) -> Done {
    match outcome {
        Outcome::Done(done) => done,
        other => panic!("not done: {other:?}"),
    }
}

/// A step that failed.
pub(crate) fn failed(outcome: Outcome) -> Failure {
    match outcome {
        Outcome::Failed(failure) => failure,
        other => panic!("not failed: {other:?}"),
    }
}

/// The owner of every object of a test.
pub(crate) fn owner() -> Owner {
    Owner {
        instance: InstanceId(INSTANCE.to_owned()),
        namespace: "default".to_owned(),
        stack: Some("shop".to_owned()),
        service: "web".to_owned(),
        uid: Uid("uid-1".to_owned()),
    }
}

/// A reference by name.
pub(crate) fn reference(name: &str) -> ObjectRef {
    ObjectRef { name: name.to_owned(), id: None, owner: owner() }
}

/// A volume at a path.
pub(crate) fn volume(name: &str, path: &str) -> VolumeSpec {
    VolumeSpec { name: name.to_owned(), path: path.to_owned(), owner: owner() }
}

/// A workload that runs a script.
pub(crate) fn script(object: &str, script: &str) -> WorkloadSpec {
    command(object, &["/bin/sh", "-c", script])
}

/// A workload that runs a command.
pub(crate) fn command(object: &str, words: &[&str]) -> WorkloadSpec {
    WorkloadSpec {
        owner: owner(),
        object: object.to_owned(),
        replica: 0,
        alias: "web".to_owned(),
        run: Run::Process(ProcessRun {
            command: words.iter().map(|word| Text::plain(*word)).collect(),
            working_dir: None,
            user: None,
            prepare: Vec::new(),
            stop_signal: StopSignal::Term,
        }),
        env: Vec::new(),
        files: Vec::new(),
        ports: Vec::new(),
        mounts: Vec::new(),
        networks: Vec::new(),
        limits: Limits::default(),
        stop_grace: GRACE,
        restart: RestartPolicy::default(),
        hash: SpecHash("hash-1".to_owned()),
    }
}

/// The process part of a workload.
pub(crate) fn process(spec: &mut WorkloadSpec) -> &mut ProcessRun {
    match &mut spec.run {
        Run::Process(run) => run,
        Run::Container(_) => panic!("a container"),
    }
}

/// The process is there and has not ended.
pub(crate) fn lives(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}
