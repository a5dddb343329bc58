//! The cases of the contract. Each proves what a caller of any engine relies on.

use std::time::Duration;

use futures::StreamExt;
use koan_core::inventory::WorkloadState;
use koan_core::outcome::Outcome;
use koan_core::probe::{Address, Vantage};
use koan_core::secret::Secret;
use koan_core::step::{ObjectRef, StepAction};
use koan_core::text::{Part, Text, ValueRef, Values};
use koan_core::workload::{EnvEntry, FileEntry};
use koan_crds::vocabulary::Reason;
use koan_engines::{DialRequest, EngineError, ExecRequest, Hint, LogOptions, Scope, Stream};

use crate::fixture::{Bench, GRACE};

const PORT: u16 = 8080;

/// ENG-1, ENG-2: an engine that answers says so, with version and endpoint, and names what it can do.
pub(crate) async fn info_says_what_the_engine_is_and_can(bench: &Bench) {
    let info = bench.engine.info().await;
    assert!(info.available, "{info:?}");
    assert_eq!((info.engine, info.reason, info.remedy), (bench.engine.id(), None, None));
    assert!(info.capabilities.containers || info.capabilities.processes);
    assert!(info.version.is_some_and(|version| !version.is_empty()));
}

/// ENG-1, ENG-6, ENG-7: each step does its work once, says so, and is done already the second time.
pub(crate) async fn a_workload_lives_its_whole_life_and_each_step_is_idempotent(bench: &Bench) {
    let capabilities = bench.engine.info().await.capabilities;
    let mut spec = bench.workload("server", bench.fixture.server(PORT));
    if capabilities.networks {
        let network = bench.network();
        assert!(bench.done(StepAction::EnsureNetwork(network.clone())).await.changed);
        assert!(!bench.done(StepAction::EnsureNetwork(network.clone())).await.changed);
        spec.networks.push(network.name);
    }
    let volume = bench.volume(&mut spec);
    assert!(bench.done(StepAction::EnsureVolume(volume.clone())).await.changed);
    assert!(!bench.done(StepAction::EnsureVolume(volume.clone())).await.changed);

    let made = bench.create(&spec).await;
    let again = bench.done(StepAction::Create(Box::new(spec.clone()))).await;
    assert!(made.changed && made.id.is_some());
    assert_eq!((again.changed, &again.id), (false, &made.id));
    let record = bench.record(&spec).await;
    assert_eq!((record.state, &record.owner, &record.hash), (WorkloadState::Created, &bench.owner, &spec.hash));
    assert_eq!(Some(&record.id), made.id.as_ref());
    assert!(record.volumes.contains(&volume.name));

    let object = ObjectRef { name: spec.object.clone(), id: made.id.clone(), owner: bench.owner.clone() };
    assert!(bench.done(StepAction::Start(object.clone())).await.changed);
    assert!(!bench.done(StepAction::Start(object.clone())).await.changed);
    let record = bench.record(&spec).await;
    assert_eq!(record.state, WorkloadState::Running);
    assert!(record.started_at.is_some() && record.exit_code.is_none());

    let stop = StepAction::Stop { object: object.clone(), grace: GRACE };
    assert!(bench.done(stop.clone()).await.changed);
    assert!(!bench.done(stop).await.changed);
    assert_eq!(bench.record(&spec).await.state, WorkloadState::Exited);
    assert!(bench.done(StepAction::Remove(object.clone())).await.changed);
    assert!(!bench.done(StepAction::Remove(object)).await.changed);

    let inventory = bench.inventory().await;
    assert!(inventory.workloads.is_empty());
    assert_eq!(inventory.volumes.iter().map(|record| &record.name).collect::<Vec<_>>(), [&volume.name]);
    for record in inventory.networks {
        let object = ObjectRef { name: record.name, id: Some(record.id), owner: record.owner };
        assert!(bench.done(StepAction::RemoveNetwork(object.clone())).await.changed);
        assert!(!bench.done(StepAction::RemoveNetwork(object)).await.changed);
    }
}

/// S-3, S-8, P9: an object whose owner UID is another one is neither adopted, started, stopped nor removed.
pub(crate) async fn s_3_objects_of_another_owner_are_left_alone(bench: &Bench) {
    let spec = bench.workload("server", bench.fixture.server(PORT));
    bench.start(&spec).await;
    let mut stranger = bench.object(&spec);
    stranger.owner.uid = "another-uid".into();
    for action in [
        StepAction::Start(stranger.clone()),
        StepAction::Stop { object: stranger.clone(), grace: GRACE },
        StepAction::Remove(stranger.clone()),
    ] {
        assert_eq!(bench.failure(action).await.reason, Reason::ForeignResource);
    }
    let mut twin = spec.clone();
    twin.owner.uid = "another-uid".into();
    assert_eq!(bench.failure(StepAction::Create(Box::new(twin))).await.reason, Reason::ForeignResource);
    let record = bench.record(&spec).await;
    assert_eq!((record.state, &record.owner), (WorkloadState::Running, &spec.owner));
}

/// SEC-3, S-2: a volume goes only when name, owner and creation time are those that the caller saw.
pub(crate) async fn sec_3_a_volume_of_another_age_is_not_deleted(bench: &Bench) {
    let volume = bench.volume(&mut bench.workload("server", bench.fixture.server(PORT)));
    bench.done(StepAction::EnsureVolume(volume.clone())).await;
    let seen = bench.inventory().await.volumes.remove(0);
    assert_eq!((&seen.name, &seen.path), (&volume.name, &volume.path));
    let object = ObjectRef { name: seen.name.clone(), id: None, owner: seen.owner.clone() };
    let mut stranger = object.clone();
    stranger.owner.namespace = "other".to_owned();
    for (object, created_at) in [(object.clone(), "1999-01-01T00:00:00Z"), (stranger, seen.created_at.as_str())] {
        let action = StepAction::RemoveVolume { object, created_at: created_at.to_owned() };
        assert_eq!(bench.failure(action).await.reason, Reason::ForeignResource);
    }
    assert_eq!(bench.inventory().await.volumes, std::slice::from_ref(&seen));
    let action = StepAction::RemoveVolume { object, created_at: seen.created_at };
    assert!(bench.done(action.clone()).await.changed);
    assert!(!bench.done(action).await.changed);
}

/// S-4, REL-3: of two creators of one workload one makes it, the other adopts it.
pub(crate) async fn s_4_two_creators_make_one_workload(bench: &Bench) {
    let spec = bench.workload("server", bench.fixture.server(PORT));
    bench.image(&spec).await;
    let create = || bench.done(StepAction::Create(Box::new(spec.clone())));
    let (first, second) = tokio::join!(create(), create());
    assert_eq!(first.id, second.id);
    assert_eq!(bench.inventory().await.workloads.len(), 1);
}

/// P13: creators that race for a network come to the same one, and no second one is left.
pub(crate) async fn p13_two_creators_agree_on_one_network(bench: &Bench) {
    if !bench.engine.info().await.capabilities.networks {
        return;
    }
    let ensure = || bench.done(StepAction::EnsureNetwork(bench.network()));
    tokio::join!(ensure(), ensure(), ensure());
    let settled = ensure().await;
    let networks = bench.inventory().await.networks;
    assert_eq!(networks.len(), 1);
    assert_eq!(settled.id.as_ref(), Some(&networks[0].id));
}

/// ENG-10, ENG-6: a workload that ends by itself is listed with the code of its exit.
pub(crate) async fn an_exit_is_recorded_with_its_code(bench: &Bench) {
    let spec = bench.workload("ender", bench.fixture.ender(3));
    bench.start(&spec).await;
    let record = bench.record_when(&spec, |record| record.state == WorkloadState::Exited).await;
    assert_eq!((record.exit_code, record.oom_killed), (Some(3), false));
    assert!(record.finished_at.is_some());
}

/// CLI-29, CLI-39, DET-15: a published port is bound to loopback, listed with its owner, and dialled from the host.
pub(crate) async fn a_published_port_is_on_loopback_and_can_be_dialled(bench: &Bench) {
    let host = Bench::free_port();
    let container = if bench.engine.info().await.capabilities.containers { PORT } else { host };
    let mut spec = bench.workload("server", bench.fixture.server(container));
    spec.ports.push(Bench::port(container, host));
    if bench.engine.info().await.capabilities.networks {
        bench.done(StepAction::EnsureNetwork(bench.network())).await;
        spec.networks.push(bench.network().name);
    }
    bench.start(&spec).await;
    bench.record_when(&spec, |record| record.ports.iter().any(|port| port.host == host)).await;
    let inventory = bench.inventory().await;
    let ports: Vec<_> = inventory.ports.iter().filter(|port| port.host == host).collect();
    assert!(!ports.is_empty());
    for port in ports {
        assert!(port.address.is_loopback(), "{port:?}");
        assert_eq!((port.container, port.owner.as_ref()), (container, Some(&bench.owner)));
    }
    let request = DialRequest { container_port: container, vantage: Vantage::Host };
    let tunnel = bench.engine.dial(&bench.object(&spec), &request).await.expect("the host reaches the port");
    assert!(matches!(tunnel.address, Address::Tcp { .. }));
    let absent = ObjectRef { name: bench.name("absent"), ..bench.object(&spec) };
    assert!(matches!(bench.engine.dial(&absent, &request).await, Err(EngineError::NotFound { .. })));
}

/// CLI-31: a host port that somebody else has is a conflict, so that the caller can pick another one.
pub(crate) async fn a_taken_port_is_a_conflict(bench: &Bench) {
    if !bench.engine.info().await.capabilities.containers {
        return;
    }
    let host = Bench::free_port();
    let mut first = bench.workload("first", bench.fixture.server(PORT));
    first.ports.push(Bench::port(PORT, host));
    bench.start(&first).await;
    let mut second = bench.workload("second", bench.fixture.server(PORT));
    second.ports.push(Bench::port(PORT, host));
    bench.create(&second).await;
    let failure = bench.failure(StepAction::Start(bench.object(&second))).await;
    assert_eq!(failure.reason, Reason::Conflict, "{failure:?}");
    assert!(failure.remedy.is_some());
}

/// ENG-9: lines come oldest first and each stream keeps its order; tail cuts, an unknown workload is said.
pub(crate) async fn logs_keep_their_order_per_stream(bench: &Bench) {
    let spec = bench.workload("talker", bench.fixture.talker());
    bench.start(&spec).await;
    let object = bench.object(&spec);
    let follow = LogOptions { follow: true, ..LogOptions::default() };
    let stream = bench.engine.logs(&object, &follow).await.expect("the log opens");
    let lines: Vec<_> =
        tokio::time::timeout(Duration::from_secs(30), stream.take(4).collect()).await.expect("four lines in time");
    let lines: Vec<_> = lines.into_iter().map(|line| line.expect("a line")).collect();
    let of = |stream| lines.iter().filter(|line| line.stream == stream).map(|line| line.text.as_str()).collect::<Vec<_>>();
    assert_eq!((of(Stream::Stdout), of(Stream::Stderr)), (vec!["out 1", "out 2"], vec!["err 1", "err 2"]));
    assert!(lines.iter().all(|line| line.at.is_some()));

    let tail = LogOptions { tail: Some(1), ..LogOptions::default() };
    let rest: Vec<_> = bench.engine.logs(&object, &tail).await.expect("the log opens").collect().await;
    assert_eq!(rest.len(), 1);
    let absent = ObjectRef { name: bench.name("absent"), ..object };
    assert!(matches!(bench.engine.logs(&absent, &tail).await, Err(EngineError::NotFound { .. })));
}

/// ENG-9: a command gives its output and code, is cut at its limit, and ends at its deadline.
pub(crate) async fn exec_is_bounded_in_time_and_output(bench: &Bench) {
    if !bench.engine.info().await.capabilities.exec {
        return;
    }
    let spec = bench.workload("talker", bench.fixture.talker());
    bench.start(&spec).await;
    let object = bench.object(&spec);
    let request = |command, millis| ExecRequest { command, timeout: Duration::from_millis(millis), output_limit: 100 };
    let report = bench.engine.exec(&object, &request(bench.fixture.print_letters(50_000), 30_000)).await.expect("it runs");
    assert_eq!((report.exit_code, report.output), (Some(0), "x".repeat(100)));
    let report = bench.engine.exec(&object, &request(bench.fixture.hang(), 300)).await.expect("it runs");
    assert_eq!(report.exit_code, None);
    let absent = ObjectRef { name: bench.name("absent"), ..object };
    let error = bench.engine.exec(&absent, &request(bench.fixture.hang(), 300)).await.err();
    assert!(matches!(error, Some(EngineError::NotFound { .. })));
}

/// REL-5: a subscription begins with a request to list, then every change of an object is hinted at.
pub(crate) async fn events_arrive_as_hints(bench: &Bench) {
    let mut hints = bench.engine.watch(&Scope { instance: bench.owner.instance.clone() });
    let patience = Duration::from_secs(30);
    let first = tokio::time::timeout(patience, hints.next()).await.expect("the stream opens");
    assert_eq!(first, Some(Hint::Relist));
    let spec = bench.workload("server", bench.fixture.server(PORT));
    let id = bench.start(&spec).await.id.expect("an id");
    let of_it = |hint: Hint| matches!(hint, Hint::Object(found) | Hint::Made(found) if found == id);
    let hinted = async { while !of_it(hints.next().await.expect("the stream stays open")) {} };
    tokio::time::timeout(patience, hinted).await.expect("a hint at the new workload");
}

/// DET-24, S-12: values arrive by file and environment; a missing one is named, and none is quoted in an error.
pub(crate) async fn s_12_values_arrive_by_file_and_stay_out_of_errors(bench: &Bench) {
    let reference = ValueRef::SecretKey { name: "credentials".to_owned(), key: "password".to_owned() };
    let path = "/run/koan-password";
    let mut spec = bench.workload("talker", bench.fixture.talker());
    let content = Text(vec![Part::Plain("password=".to_owned()), Part::Value(reference.clone())]);
    spec.files.push(FileEntry { path: path.to_owned(), mode: 0o444, content });
    spec.env.push(EnvEntry { name: "PASSWORD_FILE".to_owned(), value: Text(vec![Part::File(path.to_owned())]) });
    bench.image(&spec).await;
    let failure = bench.failure(StepAction::Create(Box::new(spec.clone()))).await;
    assert!(failure.message.contains("key password of Secret credentials"), "{}", failure.message);

    let mut values = Values::default();
    values.insert(reference, Secret::new("correct horse battery staple".to_owned()));
    bench.done_with(StepAction::Create(Box::new(spec.clone())), values.clone()).await;
    bench.done_with(StepAction::Start(bench.object(&spec)), values.clone()).await;
    if bench.engine.info().await.capabilities.exec {
        let command = bench.fixture.print_file(path);
        let request = ExecRequest { command, timeout: Duration::from_secs(30), output_limit: 1000 };
        let report = bench.engine.exec(&bench.object(&spec), &request).await.expect("it runs");
        assert_eq!(report.output, "password=correct horse battery staple");
    }
    let twin = koan_core::workload::WorkloadSpec { hash: "hash-2".into(), ..spec };
    match bench.apply_with(StepAction::Create(Box::new(twin)), &values).await {
        Outcome::Failed(failure) => assert!(!failure.message.contains("horse"), "{}", failure.message),
        other => panic!("a workload of another specification was adopted: {other:?}"),
    }
}
