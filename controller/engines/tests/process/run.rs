//! A program from start to end: what it sees, what is kept of it, what is left of it.

use std::time::Duration;

use futures::StreamExt;
use koan_core::inventory::WorkloadState;
use koan_core::probe::{Address, Vantage};
use koan_core::secret::Secret;
use koan_core::step::StepAction;
use koan_core::text::{Part, Text, ValueRef, Values};
use koan_core::workload::{EnvEntry, FileEntry, Mount, MountSource, PortEntry, StopSignal};
use koan_crds::v1alpha1::{FailureClass, Protocol};
use koan_crds::vocabulary::Reason;
use koan_engines::{DialRequest, Engine, EngineError, ExecRequest, Hint, LogOptions, Scope, Stream};

use crate::bed::{Bed, GRACE, command, done, failed, lives, process, reference, script, until, volume};

/// ENG-10: a program is created, started, seen running, stopped and removed, and each step done again is done already.
#[tokio::test]
async fn a_program_lives_from_create_to_remove() {
    let bed = Bed::new();
    let spec = command("web", &["sleep", "600"]);
    assert!(done(bed.apply(StepAction::Create(Box::new(spec.clone()))).await).changed);
    assert_eq!(bed.workload("web").await.state, WorkloadState::Created);
    assert!(bed.up(&spec).await.changed);
    assert!(!bed.up(&spec).await.changed);
    let running = bed.workload("web").await;
    assert_eq!(running.state, WorkloadState::Running);
    assert!(running.started_at.is_some() && running.exit_code.is_none() && lives(running.pid.unwrap()));
    assert!(bed.stop("web", GRACE).await.changed);
    assert!(!bed.stop("web", GRACE).await.changed);
    let ended = bed.workload("web").await;
    assert_eq!((ended.state, ended.exit_code, ended.id), (WorkloadState::Exited, Some(128 + 15), running.id));
    assert!(ended.finished_at >= ended.started_at && !lives(running.pid.unwrap()));
    assert!(done(bed.apply(StepAction::Remove(reference("web"))).await).changed);
    assert!(!done(bed.apply(StepAction::Remove(reference("web"))).await).changed);
    assert!(bed.inventory().await.workloads.is_empty());
}

/// ENG-10: the exit code of a program that ends by itself is kept, and it can be started again as a new run.
#[tokio::test]
async fn an_exit_code_is_kept() {
    let bed = Bed::new();
    bed.up(&script("job", "echo run; exit 7")).await;
    let ended = bed.reaches("job", WorkloadState::Exited).await;
    assert_eq!((ended.exit_code, ended.pid), (Some(7), None));
    bed.up(&script("job", "echo run; exit 7")).await;
    let again = bed.reaches("job", WorkloadState::Exited).await;
    assert!(again.started_at > ended.started_at);
}

/// ENG-10: a program that ignores TERM is killed after the grace, with every member of its group.
#[tokio::test]
async fn a_group_that_ignores_term_is_killed() {
    let bed = Bed::new();
    bed.up(&script("web", "trap '' TERM; sleep 600 & echo $!; wait; wait")).await;
    let child = until(|| async { bed.texts("web").await.first().cloned() }).await;
    bed.stop("web", Duration::from_millis(200)).await;
    assert_eq!(bed.workload("web").await.exit_code, Some(128 + 9));
    until(|| async { (!lives(child.parse().unwrap())).then_some(()) }).await;
}

/// ENG-10, ENG-17: a program is asked to end by the signal that it wants, and ends by itself.
#[tokio::test]
async fn a_program_is_asked_by_its_own_signal() {
    let bed = Bed::new();
    let mut spec = script("web", "trap '' TERM; trap 'exit 3' INT; echo up; while :; do sleep 0.05; done");
    process(&mut spec).stop_signal = StopSignal::Int;
    bed.up(&spec).await;
    until(|| async { bed.texts("web").await.first().cloned() }).await;
    bed.stop("web", Duration::from_secs(30)).await;
    assert_eq!(bed.workload("web").await.exit_code, Some(3));
}

/// ENG-10, SEC-20: a program sees the person's PATH and LANG and what the manifest says, and nothing of Koan's own environment.
#[tokio::test]
async fn the_environment_is_what_was_said() {
    let bed = Bed::new();
    let mut spec = command("web", &["env"]);
    spec.env = vec![EnvEntry { name: "discovery.type".to_owned(), value: Text::plain("$(id)") }];
    bed.up(&spec).await;
    bed.reaches("web", WorkloadState::Exited).await;
    let mut lines = bed.texts("web").await;
    lines.sort();
    assert_eq!(lines, ["LANG=C", "PATH=/usr/bin:/bin", "discovery.type=$(id)"]);
}

/// SEC-20: a loader variable is refused before anything is written, and so is a name that leads elsewhere.
#[tokio::test]
async fn loader_variables_and_path_names_are_refused() {
    let bed = Bed::new();
    for key in ["LD_PRELOAD", "DYLD_INSERT_LIBRARIES", "A=B", ""] {
        let mut spec = command("web", &["env"]);
        spec.env = vec![EnvEntry { name: key.to_owned(), value: Text::plain("x") }];
        let failure = failed(bed.apply(StepAction::Create(Box::new(spec))).await);
        assert_eq!((failure.class, failure.reason), (FailureClass::Invalid, Reason::Invalid), "{key}");
    }
    let failure = failed(bed.apply(StepAction::Create(Box::new(command("../web", &["env"])))).await);
    assert_eq!(failure.class, FailureClass::Invalid);
    assert!(!bed.root.join("state").exists());
}

/// SEC-11, S-12: a secret reaches a program by file and environment only; arguments with one are refused, and nothing of it is left
/// on disk after the stop.
#[tokio::test]
async fn secrets_go_by_file_and_leave_with_the_run() {
    let bed = Bed::new();
    let reference_to = ValueRef::SecretKey { name: "db".to_owned(), key: "password".to_owned() };
    let canary = "canary-5e1f0a7d93c24b68";
    let mut values = Values::default();
    values.insert(reference_to.clone(), Secret::new(canary.to_owned()));
    let mut spec = script("web", "wc -c < \"$FILE\"; stat -c %a \"$FILE\"; sleep 600");
    spec.files =
        vec![FileEntry { path: "/run/secrets/password".to_owned(), mode: 0o400, content: Text::value(reference_to.clone()) }];
    spec.env = vec![
        EnvEntry { name: "FILE".to_owned(), value: Text(vec![Part::File("/run/secrets/password".to_owned())]) },
        EnvEntry { name: "PASSWORD".to_owned(), value: Text::value(reference_to.clone()) },
    ];
    bed.up_with(&spec, &values).await;
    let lines = until(|| async { Some(bed.texts("web").await).filter(|lines| lines.len() == 2) }).await;
    assert_eq!(lines, [canary.len().to_string(), "400".to_owned()]);
    bed.stop("web", GRACE).await;
    let leak = std::process::Command::new("grep").args(["-rlF", canary]).arg(&bed.root).output().unwrap();
    assert_eq!(String::from_utf8(leak.stdout).unwrap(), "");
    let mut visible = command("argv", &["echo"]);
    process(&mut visible).command.push(Text::value(reference_to));
    assert_eq!(failed(bed.apply(StepAction::Create(Box::new(visible))).await).class, FailureClass::Invalid);
}

/// ENG-17: texts name the data folder, the run folder and the allocated port, and a step before the program runs exactly once.
#[tokio::test]
async fn a_data_folder_is_prepared_once() {
    let bed = Bed::new();
    done(bed.apply(StepAction::EnsureVolume(volume("db-data", "/data"))).await);
    let mut spec = command("db", &["/bin/sh", "-c", "cat \"$0/made\"; echo $1; test -d \"$2\" && echo yes; sleep 600"]);
    spec.mounts = vec![Mount { target: "/data".to_owned(), source: MountSource::Volume("db-data".to_owned()), read_only: false }];
    spec.ports = vec![PortEntry { name: "main".to_owned(), container: 5432, protocol: Protocol::default(), host: Some(15432) }];
    let made = Text(vec![Part::DataFolder("/data".to_owned()), Part::Plain("/made".to_owned())]);
    let run = process(&mut spec);
    run.command.extend([
        Text(vec![Part::DataFolder("/data".to_owned())]),
        Text(vec![Part::Port("main".to_owned())]),
        Text(vec![Part::RunFolder]),
    ]);
    let words = vec![Text::plain("/bin/sh"), Text::plain("-c"), Text::plain("echo made >> \"$0\""), made.clone()];
    run.prepare = vec![koan_core::workload::Prepare { done_when: made, command: words }];
    for _run in 0..2 {
        bed.up(&spec).await;
        let lines = until(|| async { Some(bed.texts("db").await).filter(|lines| lines.len() == 3) }).await;
        assert_eq!(lines, ["made", "15432", "yes"]);
        bed.stop("db", GRACE).await;
    }
}

/// ENG-17: a step that fails is named with its last words, and the program is not started.
#[tokio::test]
async fn a_failed_preparation_is_named() {
    let bed = Bed::new();
    let mut spec = command("db", &["/bin/sh", "-c", "echo started"]);
    process(&mut spec).prepare = vec![koan_core::workload::Prepare {
        done_when: Text::plain("/nonexistent/mark"),
        command: ["/bin/sh", "-c", "echo no space >&2; exit 3"].map(Text::plain).to_vec(),
    }];
    done(bed.apply(StepAction::Create(Box::new(spec))).await);
    let failure = failed(bed.apply(StepAction::Start(reference("db"))).await);
    assert_eq!(failure.reason, Reason::ProvisionFailed);
    assert!(failure.message.contains("/bin/sh ended with code 3; no space"), "{}", failure.message);
    let ended = bed.workload("db").await;
    assert_eq!((ended.state, ended.exit_code, ended.started_at), (WorkloadState::Exited, Some(3), None));
}

/// ENG-17: a program that is not installed is named, with its package where a recipe knows it.
#[tokio::test]
async fn a_missing_program_is_named_with_its_package() {
    let bed = Bed::with(|options| {
        options.programs = vec![koan_engines::process::ProgramSource {
            programs: vec!["no-such-server".to_owned()],
            folders: vec!["/usr/lib/no-such/*/bin".to_owned()],
            package: "no-such-package".to_owned(),
        }];
    });
    done(bed.apply(StepAction::Create(Box::new(command("db", &["no-such-server"])))).await);
    let failure = failed(bed.apply(StepAction::Start(reference("db"))).await);
    assert_eq!(failure.class, FailureClass::Denied);
    assert!(failure.message.contains("no-such-server") && failure.remedy.unwrap().contains("no-such-package"));
}

/// ENG-1: an engine without its supervisor says so instead of waiting.
#[tokio::test]
async fn a_missing_supervisor_is_an_error_at_once() {
    let bed = Bed::with(|options| options.supervisor = "/no/such/koan".into());
    done(bed.apply(StepAction::Create(Box::new(command("web", &["true"])))).await);
    assert!(failed(bed.apply(StepAction::Start(reference("web"))).await).message.contains("/no/such/koan"));
    let bed = Bed::with(|options| options.supervisor = "/bin/false".into());
    done(bed.apply(StepAction::Create(Box::new(command("web", &["true"])))).await);
    assert!(failed(bed.apply(StepAction::Start(reference("web"))).await).message.contains("the supervisor ended"));
}

/// ENG-9: both streams are kept in order with their times; a tail, the run before and lines across a restart can be had.
#[tokio::test]
async fn logs_are_kept_over_runs() {
    let bed = Bed::new();
    let spec = script("job", "echo one; echo two >&2; printf three");
    bed.up(&spec).await;
    bed.reaches("job", WorkloadState::Exited).await;
    let lines = bed.lines("job", LogOptions::default()).await;
    let of = |stream| lines.iter().filter(|line| line.stream == stream).map(|line| line.text.as_str()).collect::<Vec<_>>();
    assert_eq!((of(Stream::Stdout), of(Stream::Stderr)), (vec!["one", "three"], vec!["two"]));
    assert!(lines.iter().all(|line| line.at.is_some()));
    assert!(bed.lines("job", LogOptions { previous: true, ..LogOptions::default() }).await.is_empty());
    let mut follower =
        bed.engine.logs(&reference("job"), &LogOptions { follow: true, tail: Some(1), ..LogOptions::default() }).await.unwrap();
    let last = follower.next().await.unwrap().unwrap();
    assert_eq!(Some(&last), lines.last());
    bed.up(&spec).await;
    let mut next: Vec<String> = Vec::new();
    while next.len() < 3 {
        next.push(follower.next().await.unwrap().unwrap().text);
    }
    next.sort();
    assert_eq!(next, ["one", "three", "two"]);
    bed.reaches("job", WorkloadState::Exited).await;
    assert_eq!(bed.lines("job", LogOptions { previous: true, ..LogOptions::default() }).await, lines);
    done(bed.apply(StepAction::Remove(reference("job"))).await);
    assert!(follower.next().await.is_none());
}

/// ENG-9, ENG-10: output beyond two files of 10 MiB drops the oldest lines and names the gap; a line beyond 16 KiB is cut and says so.
#[tokio::test]
async fn old_output_makes_room() {
    let bed = Bed::new();
    bed.up(&script(
        "loud",
        "yes 0123456789012345678901234567890123456789 | head -n 500000; head -c 20000 /dev/zero | tr '\\0' x; echo; echo end",
    ))
    .await;
    bed.reaches("loud", WorkloadState::Exited).await;
    let lines = bed.texts("loud").await;
    assert!(lines[0].contains("two files of 10 MiB"), "{}", lines[0]);
    assert_eq!(lines.last().unwrap(), "end");
    let long = &lines[lines.len() - 2];
    assert!(long.len() < 17_000 && long.ends_with("[cut at 16 KiB]"));
    let folder = bed.root.join("state/process/workloads/loud");
    for name in ["output.log", "output.log.1"] {
        let metadata = std::fs::metadata(folder.join(name)).unwrap();
        assert!(metadata.len() <= 10 * 1024 * 1024);
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777, 0o600);
    }
}

/// ENG-9: a command runs with the environment and folder of its workload, and is bounded in time and output.
#[tokio::test]
async fn a_command_runs_beside_its_workload() {
    let bed = Bed::new();
    let mut spec = command("web", &["sleep", "600"]);
    spec.env = vec![EnvEntry { name: "COLOUR".to_owned(), value: Text::plain("blue") }];
    bed.up(&spec).await;
    let request = |command: &[&str], timeout, output_limit| ExecRequest {
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        timeout,
        output_limit,
    };
    let said =
        bed.engine.exec(&reference("web"), &request(&["sh", "-c", "echo $COLOUR; pwd; exit 4"], GRACE, 1000)).await.unwrap();
    assert_eq!(said.exit_code, Some(4));
    assert!(said.output.starts_with("blue\n/") && said.output.ends_with("/run\n"), "{}", said.output);
    let late = bed.engine.exec(&reference("web"), &request(&["sh", "-c", "yes"], Duration::from_secs(3), 10)).await.unwrap();
    assert_eq!((late.exit_code, late.output.as_str()), (None, "y\ny\ny\ny\ny\n"));
    bed.stop("web", GRACE).await;
    let gone = bed.engine.exec(&reference("web"), &request(&["true"], GRACE, 10)).await;
    assert!(matches!(gone, Err(EngineError::NotFound { .. })));
}

/// DET-15, ENG-17: a running program's ports stand in the inventory with owner and process id; a host client dials loopback, a stopped
/// program cannot be dialled.
#[tokio::test]
async fn ports_belong_to_their_program() {
    let bed = Bed::new();
    let mut spec = command("web", &["sleep", "600"]);
    spec.ports = vec![PortEntry { name: "http".to_owned(), container: 8080, protocol: Protocol::default(), host: Some(18080) }];
    bed.up(&spec).await;
    let held = bed.inventory().await;
    let port = &held.ports[0];
    assert_eq!((port.host, port.container, port.pid), (18080, 8080, held.workloads[0].pid));
    assert!(port.address.is_loopback() && port.owner == Some(spec.owner.clone()));
    let request = DialRequest { container_port: 8080, vantage: Vantage::Host };
    let tunnel = bed.engine.dial(&reference("web"), &request).await.unwrap();
    assert_eq!(tunnel.address, Address::Tcp { host: "127.0.0.1".to_owned(), port: 18080 });
    bed.stop("web", GRACE).await;
    assert!(bed.engine.dial(&reference("web"), &request).await.is_err());
    assert!(bed.inventory().await.ports.is_empty());
}

/// REL-5: the first hint asks for a list, and the end of a program that nobody stopped is hinted at.
#[tokio::test]
async fn an_end_is_hinted_at() {
    let bed = Bed::new();
    let mut hints = bed.engine.watch(&Scope { instance: "inst-1".into() });
    assert_eq!(hints.next().await, Some(Hint::Relist));
    bed.up(&script("job", "exit 0")).await;
    let id = bed.reaches("job", WorkloadState::Exited).await.id;
    let hinted = tokio::time::timeout(crate::bed::LONG, hints.next()).await.unwrap();
    assert_eq!(hinted, Some(Hint::Object(id)));
}
