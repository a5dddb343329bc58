//! What only container engines promise: images, builds, networks, mounted files, logs across replacements.

use std::time::Duration;

use futures::StreamExt;
use koan_core::inventory::WorkloadState;
use koan_core::step::{NetworkSpec, ObjectRef, StepAction};
use koan_core::text::Text;
use koan_core::workload::{BuildSpec, FileEntry, ImageSpec, WorkloadSpec};
use koan_crds::v1alpha1::{FailureClass, PullPolicy};
use koan_crds::vocabulary::Reason;
use koan_engines::{ExecRequest, LogLine, LogOptions, Stream};

use crate::fixture::{Bench, GRACE};
use crate::moby::{SERVER, SHELL, container};

/// An image that declares a data path as a volume.
const DECLARING: &str = "docker.io/library/postgres:15";
const PATIENCE: Duration = Duration::from_secs(60);

async fn client(bench: &Bench) -> bollard::Docker {
    let endpoint = bench.engine.info().await.endpoint.expect("an endpoint");
    bollard::Docker::connect_with_unix(&endpoint, 60, bollard::API_DEFAULT_VERSION).expect("a client")
}

async fn next(lines: &mut koan_engines::LogStream) -> LogLine {
    tokio::time::timeout(PATIENCE, lines.next()).await.expect("a line in time").expect("the log goes on").expect("a line")
}

/// P16: of an image that declares volumes, each mounted volume is named, labelled and in the inventory.
pub(crate) async fn p16_no_anonymous_volume_is_left(bench: &Bench) {
    let spec = bench.workload("database", container(DECLARING, Some("sleep 600 & wait")));
    bench.start(&spec).await;
    let inventory = bench.inventory().await;
    let mounted = &inventory.workloads[0].volumes;
    let listed: Vec<_> = inventory.volumes.iter().map(|volume| volume.name.clone()).collect();
    assert!(!mounted.is_empty(), "the image declares a path");
    assert_eq!(mounted, &listed);
    assert_eq!(inventory.volumes[0].path, "/var/lib/postgresql/data");
}

/// Drift: a container that somebody paused runs again after a start, and a stop ends it within its grace.
pub(crate) async fn a_paused_container_is_started_and_stopped(bench: &Bench) {
    let spec = bench.workload("server", container(SERVER, None));
    bench.start(&spec).await;
    let client = client(bench).await;
    client.pause_container(&spec.object).await.expect("it pauses");
    assert_eq!(bench.record(&spec).await.state, WorkloadState::Paused);
    assert!(bench.done(StepAction::Start(bench.object(&spec))).await.changed);
    assert_eq!(bench.record(&spec).await.state, WorkloadState::Running);
    client.pause_container(&spec.object).await.expect("it pauses");
    assert!(bench.done(StepAction::Stop { object: bench.object(&spec), grace: GRACE }).await.changed);
    assert_eq!(bench.record(&spec).await.state, WorkloadState::Exited);
}

/// ENG-8: a build takes its arguments, leaves out what `.dockerignore` names, and is repeated only when asked.
pub(crate) async fn a_build_honours_its_context_and_is_not_repeated(bench: &Bench) {
    let folder = tempfile::tempdir().expect("a folder");
    let dockerfile = format!("FROM {SHELL}\nARG WORD=none\nENV WORD=$WORD\nCOPY . /context/\nENTRYPOINT [\"sh\"]\n");
    for (name, text) in [("Dockerfile.test", dockerfile.as_str()), ("kept", "k"), ("secret", "s"), (".dockerignore", "secret\n")]
    {
        std::fs::write(folder.path().join(name), text).expect("a file");
    }
    let reference = format!("docker.io/library/{}:1", bench.name("built"));
    let image = |always| ImageSpec {
        reference: reference.clone(),
        pull: PullPolicy::IfNotPresent,
        build: Some(BuildSpec {
            context: folder.path().display().to_string(),
            dockerfile: "Dockerfile.test".to_owned(),
            target: None,
            args: vec![("WORD".to_owned(), "heard".to_owned())],
            always,
        }),
    };
    let built = bench.done(StepAction::EnsureImage(image(false))).await;
    assert!(built.changed && built.image_digest.is_some());
    assert!(!bench.done(StepAction::EnsureImage(image(false))).await.changed);
    assert!(bench.done(StepAction::EnsureImage(image(true))).await.changed);

    let spec = bench.workload("built", container(&reference, Some("sleep 600 & wait")));
    bench.done(StepAction::Create(Box::new(spec.clone()))).await;
    bench.done(StepAction::Start(bench.object(&spec))).await;
    let command = ["sh", "-c", "echo $WORD; ls /context"].map(str::to_owned).to_vec();
    let request = ExecRequest { command, timeout: PATIENCE, output_limit: 1000 };
    let report = bench.engine.exec(&bench.object(&spec), &request).await.expect("it runs");
    assert_eq!(report.output, "heard\nDockerfile.test\nkept\n");
    bench.clean_up().await;
    client(bench)
        .await
        .remove_image(&reference, None::<bollard::query_parameters::RemoveImageOptions>, None)
        .await
        .expect("the image goes");

    std::fs::write(folder.path().join("Dockerfile.test"), format!("FROM {SHELL}\nRUN exit 4\n")).expect("a file");
    let failure = bench.failure(StepAction::EnsureImage(image(true))).await;
    assert_eq!((failure.class, failure.reason), (FailureClass::Invalid, Reason::ImagePullFailed), "{failure:?}");
}

/// ENG-6: services of a stack reach each other by their names, and the host by its name.
pub(crate) async fn services_reach_each_other_and_the_host_by_name(bench: &Bench) {
    bench.done(StepAction::EnsureNetwork(bench.network())).await;
    let joined = |spec: WorkloadSpec| WorkloadSpec { networks: vec![bench.network().name], ..spec };
    let server = joined(bench.workload("server", container(SERVER, None)));
    let asker = joined(bench.workload("asker", container(SHELL, Some("sleep 600 & wait"))));
    bench.start(&server).await;
    bench.start(&asker).await;
    let address = bench.record(&server).await.addresses[0].address.to_string();
    for (name, expected) in [("server", address.as_str()), ("host.docker.internal", "."), ("host.containers.internal", ".")] {
        let command = ["getent", "hosts", name].map(str::to_owned).to_vec();
        let request = ExecRequest { command, timeout: PATIENCE, output_limit: 1000 };
        // The name server of Podman 4 reads its records anew some time after a container has started.
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let report = bench.engine.exec(&bench.object(&asker), &request).await.expect("it runs");
            if report.exit_code == Some(0) && report.output.contains(expected) {
                break;
            }
            assert!(tokio::time::Instant::now() < deadline, "{name}: {report:?}");
        }
    }
}

/// DET-24: mounted files lie in a private folder; a stopped container without them is listed as dead and its start says why.
pub(crate) async fn a_container_whose_files_are_gone_is_dead(bench: &Bench) {
    use std::os::unix::fs::PermissionsExt;
    let mut spec = bench.workload("server", container(SHELL, Some("sleep 600 & wait")));
    spec.files.push(FileEntry { path: "/etc/koan-test".to_owned(), mode: 0o644, content: Text::plain("text") });
    bench.start(&spec).await;
    let root = bench.fixture.secrets().expect("a folder").to_owned();
    let folder = root.join(&spec.object);
    let mode = |path: &std::path::Path| std::fs::metadata(path).expect("it exists").permissions().mode() & 0o7777;
    assert_eq!((mode(&root), mode(&folder), mode(&folder.join("0"))), (0o700, 0o700, 0o444));
    bench.done(StepAction::Stop { object: bench.object(&spec), grace: GRACE }).await;
    assert_eq!(bench.record(&spec).await.state, WorkloadState::Exited);
    // The process that made the files writes them anew; one that did not know them cannot.
    std::fs::remove_dir_all(&folder).expect("it goes");
    assert_eq!(bench.record(&spec).await.state, WorkloadState::Dead);
    bench.done(StepAction::Start(bench.object(&spec))).await;
    assert_eq!(bench.record(&spec).await.state, WorkloadState::Running);

    bench.done(StepAction::Stop { object: bench.object(&spec), grace: GRACE }).await;
    std::fs::remove_dir_all(&folder).expect("it goes");
    let other = crate::moby::again(bench);
    let failure = other.failure(StepAction::Start(other.object(&spec))).await;
    assert!(failure.message.contains("made anew"), "{failure:?}");
}

/// ENG-9: a followed log goes on with the lines of the next run and of the next container; the replacement is a line.
pub(crate) async fn a_followed_log_goes_on_after_a_restart_and_a_replacement(bench: &Bench) {
    let script = "echo run; sleep 600 & wait";
    let mut spec = bench.workload("talker", container(SHELL, Some(script)));
    bench.start(&spec).await;
    let object = bench.object(&spec);
    let options = LogOptions { follow: true, ..LogOptions::default() };
    let mut lines = bench.engine.logs(&object, &options).await.expect("the log opens");
    assert_eq!(next(&mut lines).await.text, "run");
    bench.done(StepAction::Stop { object: object.clone(), grace: GRACE }).await;
    bench.done(StepAction::Start(object.clone())).await;
    assert_eq!(next(&mut lines).await.text, "run");

    bench.done(StepAction::Stop { object: object.clone(), grace: GRACE }).await;
    bench.done(StepAction::Remove(object.clone())).await;
    spec.hash = "hash-2".into();
    bench.start(&spec).await;
    let gap = next(&mut lines).await;
    assert_eq!(gap.stream, Stream::Gap);
    assert!(gap.text.contains("replaced"), "{}", gap.text);
    assert_eq!(next(&mut lines).await.text, "run");
}

/// ENG-9: `previous` shows the lines before the current run only.
pub(crate) async fn the_previous_log_ends_where_the_run_begins(bench: &Bench) {
    let script = "if [ -e /marked ]; then echo second; else touch /marked; echo first; fi; sleep 600 & wait";
    let spec = bench.workload("talker", container(SHELL, Some(script)));
    bench.start(&spec).await;
    let object = bench.object(&spec);
    let follow = LogOptions { follow: true, ..LogOptions::default() };
    let mut lines = bench.engine.logs(&object, &follow).await.expect("the log opens");
    assert_eq!(next(&mut lines).await.text, "first");
    bench.done(StepAction::Stop { object: object.clone(), grace: GRACE }).await;
    bench.done(StepAction::Start(object.clone())).await;
    assert_eq!(next(&mut lines).await.text, "second");
    let previous = LogOptions { previous: true, ..LogOptions::default() };
    let lines: Vec<_> = bench.engine.logs(&object, &previous).await.expect("the log opens").collect().await;
    let texts: Vec<_> = lines.into_iter().map(|line| line.expect("a line").text).collect();
    assert_eq!(texts, ["first"]);
}

/// ENG-8: an image that cannot be had is `ImagePullFailed` with a remedy that names it.
pub(crate) async fn an_absent_image_is_a_failed_pull(bench: &Bench) {
    // Nothing listens on the registry's port: loopback only, no network is asked.
    let reference = "127.0.0.1:9/koan/absent:1".to_owned();
    let image = ImageSpec { reference: reference.clone(), pull: PullPolicy::IfNotPresent, build: None };
    let failure = bench.failure(StepAction::EnsureImage(image)).await;
    assert_eq!((failure.reason, failure.class), (Reason::ImagePullFailed, FailureClass::Transient), "{failure:?}");
    assert!(failure.remedy.is_some_and(|remedy| remedy.contains(&reference)));
}

/// S-4, REL-32: a new process adopts what runs: same id, same start, nothing changed.
pub(crate) async fn s_4_a_restarted_koan_adopts_what_runs(bench: &Bench) {
    let spec = bench.workload("server", container(SERVER, None));
    bench.start(&spec).await;
    let before = bench.record(&spec).await;
    let other = crate::moby::again(bench);
    assert!(!other.done(StepAction::Create(Box::new(spec.clone()))).await.changed);
    assert!(!other.done(StepAction::Start(other.object(&spec))).await.changed);
    let after = other.record(&spec).await;
    assert_eq!((after.id, after.started_at, after.pid), (before.id, before.started_at, before.pid));
}

/// ENG-6: a container of a stack with two networks is in both, also when only a part of its creation was done before.
pub(crate) async fn a_container_joins_every_network_of_its_specification(bench: &Bench) {
    let second = NetworkSpec { name: bench.name("second"), ..bench.network() };
    bench.done(StepAction::EnsureNetwork(bench.network())).await;
    bench.done(StepAction::EnsureNetwork(second.clone())).await;
    let mut spec = bench.workload("server", container(SERVER, None));
    spec.networks = vec![bench.network().name];
    bench.create(&spec).await;
    spec.networks.push(second.name.clone());
    assert!(!bench.done(StepAction::Create(Box::new(spec.clone()))).await.changed);
    bench.done(StepAction::Start(bench.object(&spec))).await;
    let mut names: Vec<_> = bench.record(&spec).await.addresses.into_iter().map(|address| address.network).collect();
    let mut expected = vec![bench.network().name, second.name];
    names.sort();
    expected.sort();
    assert_eq!(names, expected);
    let object = ObjectRef { name: bench.network().name, id: None, owner: bench.network().owner };
    let outcome = bench.apply(StepAction::RemoveNetwork(object)).await;
    assert!(matches!(outcome, koan_core::outcome::Outcome::Waiting { .. }), "a network in use stays: {outcome:?}");
}
