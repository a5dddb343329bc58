//! Crashes: of Koan, of a supervisor, in the middle of a preparation, in the middle of a change of volumes.

use std::path::Path;
use std::process::{Command, Stdio};

use koan_core::identity::{ObjectId, SpecHash, Uid};
use koan_core::inventory::{WorkloadRecord, WorkloadState};
use koan_core::step::{ObjectRef, StepAction};
use koan_core::text::{Part, Text};
use koan_core::workload::{Mount, MountSource, Prepare, WorkloadSpec};
use koan_crds::v1alpha1::FailureClass;
use koan_crds::vocabulary::Reason;
use koan_engines::{LogOptions, Stream};

use crate::bed::{Bed, GRACE, KOAN_MARK, command, done, failed, lives, owner, process, reference, script, until, values, volume};

/// The life of a Koan that is going to be killed: it makes the volumes of the workload in `spec.json`, starts it, and says so.
pub(crate) fn start_and_wait(root: &Path) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let spec: WorkloadSpec = serde_json::from_slice(&std::fs::read(root.join("spec.json")).unwrap()).unwrap();
        let bed = Bed::at(root.to_owned());
        bed.volumes(&spec).await;
        bed.up_with(&spec, &values()).await;
        std::fs::write(root.join("started"), "").unwrap();
        std::future::pending::<()>().await;
    });
}

/// Lets another process start a workload, and kills it with SIGKILL once the workload runs.
pub(crate) async fn started_by_a_killed_koan(bed: &Bed, spec: &WorkloadSpec) -> WorkloadRecord {
    std::fs::write(bed.root.join("spec.json"), serde_json::to_vec(spec).unwrap()).unwrap();
    let mut koan = Command::new(std::env::current_exe().unwrap())
        .args(["koan_entry", "--exact", "--nocapture", KOAN_MARK])
        .arg(&bed.root)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    until(|| async { bed.root.join("started").exists().then_some(()) }).await;
    let before = bed.workload(&spec.object).await;
    koan.kill().unwrap();
    koan.wait().unwrap();
    before
}

/// S-4, ENG-10, REL-32: a Koan that is killed leaves its program running; the next one adopts it with the same process and start time,
/// starts no second one, reads the output of the time between, and stops it cleanly.
#[tokio::test]
async fn a_program_outlives_koan_and_is_adopted() {
    let bed = Bed::new();
    let spec = script("web", "echo up; trap 'echo bye; exit 0' TERM; while :; do sleep 0.05; done");
    let before = started_by_a_killed_koan(&bed, &spec).await;
    let after = Bed::at(bed.root.clone());
    assert_eq!(after.workload("web").await, before);
    assert!(!after.up(&spec).await.changed);
    assert_eq!(after.workload("web").await, before);
    after.stop("web", GRACE).await;
    let ended = after.workload("web").await;
    assert_eq!((ended.state, ended.exit_code), (WorkloadState::Exited, Some(0)));
    let mut said = after.lines("web", LogOptions::default()).await;
    said.retain(|line| line.stream == Stream::Stdout);
    assert_eq!(said.iter().map(|line| line.text.as_str()).collect::<Vec<_>>(), ["up", "bye"]);
}

/// ENG-10: an exit that no Koan saw is read by the next one.
#[tokio::test]
async fn an_exit_between_two_koans_is_known() {
    let bed = Bed::new();
    bed.up(&script("job", "while test ! -e go; do sleep 0.02; done; exit 9")).await;
    let go = go_file(&bed);
    let next = Bed::at(bed.root.clone());
    std::fs::write(go, "").unwrap();
    assert_eq!(next.reaches("job", WorkloadState::Exited).await.exit_code, Some(9));
}

/// The file `go` in the only run folder.
fn go_file(bed: &Bed) -> std::path::PathBuf {
    let mut folders = std::fs::read_dir(bed.root.join("run")).unwrap();
    folders.next().unwrap().unwrap().path().join("run/go")
}

pub(crate) fn supervisor(bed: &Bed, object: &str) -> u32 {
    let record = std::fs::read(bed.root.join(format!("state/process/runs/{object}.json"))).unwrap();
    let record: serde_json::Value = serde_json::from_slice(&record).unwrap();
    record["supervisor"]["pid"].as_u64().unwrap().try_into().unwrap()
}

fn kill(pid: u32) {
    assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
}

/// S-4: a supervisor that is killed leaves its program in the inventory; a start ends that one first and runs exactly one again.
#[tokio::test]
async fn a_program_without_its_supervisor_is_never_doubled() {
    let bed = Bed::new();
    let spec = script("web", "sleep 600");
    bed.up(&spec).await;
    let first = bed.workload("web").await.pid.unwrap();
    let guard = supervisor(&bed, "web");
    kill(guard);
    until(|| async { (!lives(guard)).then_some(()) }).await;
    assert_eq!(bed.workload("web").await.pid, Some(first));
    let lines = bed.lines("web", LogOptions::default()).await;
    assert!(lines.last().is_some_and(|line| line.stream == Stream::Gap));
    assert!(bed.up(&spec).await.changed);
    let second = bed.workload("web").await.pid.unwrap();
    assert!(second != first && !lives(first) && lives(second));
    kill(supervisor(&bed, "web"));
    assert!(bed.stop("web", GRACE).await.changed);
    assert!(!lives(second));
}

/// A process that started in a later clock tick; no kernel gives a number twice in one tick.
async fn later_than(tick: u64) -> std::process::Child {
    let start = |pid: u32| -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        stat.rsplit_once(')').unwrap().1.split_ascii_whitespace().nth(19).unwrap().parse().unwrap()
    };
    until(|| async {
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        if start(child.id()) > tick {
            return Some(child);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        None
    })
    .await
}

/// P15, ENG-10: a record whose process id now belongs to a stranger counts as ended, and neither stop, start nor remove touches the
/// stranger.
#[tokio::test]
async fn p15_a_stranger_with_a_reused_id_is_left_alone() {
    let bed = Bed::new();
    let spec = script("web", "exit 0");
    bed.up(&spec).await;
    bed.reaches("web", WorkloadState::Exited).await;
    let path = bed.root.join("state/process/runs/web.json");
    let mut record: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let mut stranger = later_than(record["program"]["start"].as_u64().unwrap()).await;
    record["phase"] = "running".into();
    record["program"]["pid"] = stranger.id().into();
    record["supervisor"]["pid"] = stranger.id().into();
    std::fs::write(&path, serde_json::to_vec(&record).unwrap()).unwrap();
    let seen = bed.workload("web").await;
    assert_eq!((seen.state, seen.pid, seen.exit_code), (WorkloadState::Exited, None, None));
    bed.stop("web", GRACE).await;
    bed.up(&spec).await;
    bed.reaches("web", WorkloadState::Exited).await;
    done(bed.apply(StepAction::Remove(reference("web"))).await);
    assert!(lives(stranger.id()));
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

/// P2: a preparation that a crash cut short starts again from an empty folder and the program comes up; a folder that held data before
/// is never cleared.
#[tokio::test]
async fn p2_a_preparation_that_was_cut_short_is_completed() {
    let bed = Bed::new();
    done(bed.apply(StepAction::EnsureVolume(volume("data", "/data"))).await);
    let folder = bed.root.join("data/data");
    let mut spec = command("db", &["/bin/sh", "-c", "ls \"$0\"; sleep 600"]);
    spec.mounts = vec![Mount { target: "/data".to_owned(), source: MountSource::Volume("data".to_owned()), read_only: false }];
    let data = Text(vec![Part::DataFolder("/data".to_owned())]);
    process(&mut spec).command.push(data.clone());
    // Like initdb: refuses a folder with something in it; here the first time ends in the middle.
    let steps = "test -z \"$(ls \"$0\")\" || exit 8; touch \"$0/half\"; while test -e \"$0/../block\"; do sleep 0.02; done; touch \"$0/version\"";
    process(&mut spec).prepare = vec![Prepare {
        done_when: Text(vec![Part::DataFolder("/data".to_owned()), Part::Plain("/version".to_owned())]),
        command: vec![Text::plain("/bin/sh"), Text::plain("-c"), Text::plain(steps), data],
    }];
    std::fs::write(bed.root.join("data/block"), "").unwrap();
    done(bed.apply(StepAction::Create(Box::new(spec.clone()))).await);
    let start = tokio::spawn({
        let next = Bed::at(bed.root.clone());
        async move { next.apply(StepAction::Start(reference("db"))).await }
    });
    until(|| async { folder.join("half").exists().then_some(()) }).await;
    kill(supervisor(&bed, "db"));
    assert_eq!(failed(start.await.unwrap()).reason, Reason::ProvisionFailed);
    std::fs::remove_file(bed.root.join("data/block")).unwrap();
    bed.up(&spec).await;
    let lines = until(|| async { Some(bed.texts("db").await).filter(|lines| lines.len() == 3) }).await;
    assert_eq!(&lines[1..], ["half", "version"]);
    bed.stop("db", GRACE).await;
    std::fs::write(folder.join("rows"), "precious").unwrap();
    std::fs::remove_file(folder.join("version")).unwrap();
    let failure = failed(bed.apply(StepAction::Start(reference("db"))).await);
    assert!(failure.message.contains("code 8") && folder.join("rows").exists());
}

/// S-2, SEC-3: a volume goes only by its full name, its owner and its creation time; while a workload mounts it, it stays.
#[tokio::test]
async fn a_volume_goes_by_name_and_creation_time_only() {
    let bed = Bed::new();
    for name in ["data", "data-2"] {
        assert!(done(bed.apply(StepAction::EnsureVolume(volume(name, "/data"))).await).changed);
        assert!(!done(bed.apply(StepAction::EnsureVolume(volume(name, "/data"))).await).changed);
        std::fs::write(bed.root.join("data").join(name).join("rows"), "precious").unwrap();
    }
    let known = bed.inventory().await.volumes[0].clone();
    let remove = |object, created_at: &str| StepAction::RemoveVolume { object, created_at: created_at.to_owned() };
    let wrong_time = failed(bed.apply(remove(reference("data"), "2020-01-01T00:00:00Z")).await);
    assert_eq!(wrong_time.reason, Reason::ForeignResource);
    let mut stranger = owner();
    stranger.instance = "inst-2".into();
    let foreign = ObjectRef { owner: stranger, ..reference("data") };
    assert_eq!(failed(bed.apply(remove(foreign, &known.created_at)).await).reason, Reason::ForeignResource);
    let mut spec = script("db", "sleep 600");
    spec.mounts = vec![Mount { target: "/data".to_owned(), source: MountSource::Volume("data".to_owned()), read_only: false }];
    bed.up(&spec).await;
    assert_eq!(failed(bed.apply(remove(reference("data"), &known.created_at)).await).reason, Reason::Conflict);
    bed.stop("db", GRACE).await;
    done(bed.apply(StepAction::Remove(reference("db"))).await);
    assert!(bed.root.join("data/data/rows").exists());
    assert!(done(bed.apply(remove(reference("data"), &known.created_at)).await).changed);
    assert!(!done(bed.apply(remove(reference("data"), &known.created_at)).await).changed);
    assert!(!bed.root.join("data/data").exists() && bed.root.join("data/data-2/rows").exists());
    assert_eq!(bed.inventory().await.volumes.len(), 1);
}

/// P2: a crash between the two writes of a new volume is completed; a folder that Koan did not make is not taken.
#[tokio::test]
async fn p2_a_volume_that_was_half_made_is_completed() {
    let bed = Bed::new();
    done(bed.apply(StepAction::EnsureVolume(volume("data", "/data"))).await);
    let created_at = bed.inventory().await.volumes[0].created_at.clone();
    std::fs::remove_dir(bed.root.join("data/data")).unwrap();
    assert!(done(bed.apply(StepAction::EnsureVolume(volume("data", "/data"))).await).changed);
    assert_eq!(bed.inventory().await.volumes[0].created_at, created_at);
    std::fs::create_dir(bed.root.join("data/mine")).unwrap();
    assert_eq!(failed(bed.apply(StepAction::EnsureVolume(volume("mine", "/data"))).await).reason, Reason::Conflict);
}

/// S-3, SEC-3: another owner's workload of the same name is neither adopted, stopped nor removed; another specification has to wait.
#[tokio::test]
async fn a_foreign_workload_is_left_alone() {
    let bed = Bed::new();
    let spec = script("web", "sleep 600");
    bed.up(&spec).await;
    let mut other = spec.clone();
    other.owner.uid = Uid("uid-2".to_owned());
    let stranger = ObjectRef { owner: other.owner.clone(), ..reference("web") };
    let stale = ObjectRef { id: Some(ObjectId("another".to_owned())), ..reference("web") };
    let steps = [
        (StepAction::Create(Box::new(other)), Reason::ForeignResource),
        (StepAction::Stop { object: stranger.clone(), grace: GRACE }, Reason::ForeignResource),
        (StepAction::Remove(stranger), Reason::ForeignResource),
        (StepAction::Remove(reference("web")), Reason::Conflict),
        (StepAction::Create(Box::new(WorkloadSpec { hash: SpecHash("2".to_owned()), ..spec })), Reason::Conflict),
    ];
    for (step, reason) in steps {
        assert_eq!(failed(bed.apply(step).await).reason, reason);
    }
    assert!(!done(bed.apply(StepAction::Stop { object: stale, grace: GRACE }).await).changed);
    assert_eq!(bed.workload("web").await.state, WorkloadState::Running);
    assert!(bed.stop("web", GRACE).await.changed);
}

/// ENG-17: a missing account is a clear failure that says how to make it, and nothing is started.
#[tokio::test]
async fn a_missing_account_names_its_remedy() {
    let bed = Bed::with(|options| options.account = "another".to_owned());
    let mut spec = script("db", "echo started");
    process(&mut spec).user = Some("koan-no-such-account".to_owned());
    done(bed.apply(StepAction::Create(Box::new(spec))).await);
    let failure = failed(bed.apply(StepAction::Start(reference("db"))).await);
    assert_eq!((failure.class, failure.reason), (FailureClass::Denied, Reason::ProvisionFailed));
    assert!(failure.remedy.unwrap().starts_with("useradd --system"));
    assert_eq!(bed.workload("db").await.state, WorkloadState::Created);
}
