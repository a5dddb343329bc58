//! What the engine sends and how it judges answers, against a scripted socket: no container engine is needed.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use koan_core::identity::Owner;
use koan_core::outcome::{Failure, Outcome};
use koan_core::step::{NetworkSpec, ObjectRef, Step, StepAction, VolumeSpec};
use koan_core::text::{Part, Text, Values};
use koan_core::workload::{ContainerRun, EnvEntry, ImageSpec, Limits, Mount, MountSource, PortEntry, Run, WorkloadSpec};
use koan_crds::v1alpha1::{FailureClass, Protocol, PullPolicy, RestartPolicy};
use koan_crds::vocabulary::{ExitCode, Reason};
use koan_engines::Engine;
use koan_engines::moby::Moby;
use serde_json::json;

use crate::socket::{FakeEngine, moby_at};

fn owner() -> Owner {
    Owner { instance: "i".into(), namespace: "n".into(), stack: Some("shop".into()), service: "web".into(), uid: "u".into() }
}

fn labels() -> serde_json::Value {
    json!({
        "koan.dev/instance": "i", "koan.dev/namespace": "n", "koan.dev/stack": "shop", "koan.dev/service": "web",
        "koan.dev/owner-uid": "u",
    })
}

fn object() -> ObjectRef {
    ObjectRef { name: "web-1".to_owned(), id: None, owner: owner() }
}

fn container(state: &str) -> serde_json::Value {
    json!({"Id": "c1", "Name": "/web-1", "State": {"Status": state}, "Config": {"Labels": labels()}})
}

async fn apply(engine: &Moby, action: StepAction) -> Outcome {
    let step = Step::alone("object", "a test", action);
    engine.apply(&step, &Values::default()).await
}

async fn failure(engine: &Moby, action: StepAction) -> Failure {
    match apply(engine, action).await {
        Outcome::Failed(failure) => failure,
        other => panic!("expected a failure, got {other:?}"),
    }
}

pub(crate) fn workload() -> WorkloadSpec {
    let published = |name: &str| Part::Published(name.to_owned());
    let run = ContainerRun {
        image: "redis:7".to_owned(),
        command: Some(vec!["serve".to_owned()]),
        args: Some(vec!["--fast".to_owned()]),
        working_dir: Some("/srv".to_owned()),
        user: Some("999".to_owned()),
        init: true,
        image_health: false,
    };
    WorkloadSpec {
        owner: owner(),
        object: "web-1".to_owned(),
        replica: 0,
        alias: "web".to_owned(),
        run: Run::Container(run),
        env: vec![
            EnvEntry { name: "PORT".to_owned(), value: Text(vec![Part::Port("main".to_owned())]) },
            EnvEntry {
                name: "AT".to_owned(),
                value: Text(vec![published("main"), Part::Plain(",".to_owned()), published("inner")]),
            },
        ],
        files: Vec::new(),
        ports: vec![
            PortEntry { name: "main".to_owned(), container: 80, protocol: Protocol::Tcp, host: Some(8080) },
            PortEntry { name: "inner".to_owned(), container: 81, protocol: Protocol::Udp, host: None },
        ],
        mounts: vec![
            Mount { target: "/data".to_owned(), source: MountSource::Volume("vol".to_owned()), read_only: false },
            Mount { target: "/tmp".to_owned(), source: MountSource::Tmpfs(Some(1024)), read_only: false },
        ],
        networks: vec!["net".to_owned()],
        limits: Limits { cpu_millis: Some(1500), memory_bytes: Some(1 << 20), gpus: None },
        stop_grace: Duration::from_millis(1500),
        restart: RestartPolicy::Always,
        hash: "h1".into(),
    }
}

/// Scripts everything that a `Create` reads.
pub(crate) fn ready_to_create(fake: &FakeEngine, volumes: serde_json::Value) {
    fake.answer(
        "GET /images/redis:7/json",
        200,
        json!({"Id": "sha256:1", "Os": "linux", "Architecture": "amd64", "Config": {"Volumes": volumes}}),
    );
    fake.answer("GET /networks", 200, json!([{"Id": "net-id", "Name": "net", "Created": "2026-01-01", "Labels": labels()}]));
    fake.answer("POST /containers/create", 201, json!({"Id": "c1", "Warnings": []}));
}

/// ENG-1: absent, refused, forbidden, hanging and too old: each has its reason and its remedy, within 2 s and never an error.
#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn each_way_to_be_unavailable_has_reason_and_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.sock");
    let info = |reason: &'static str| {
        let moby = moby_at(&path, folder.path().join("secrets"));
        async move {
            let info = moby.info().await;
            assert!(!info.available && info.version.is_none(), "{info:?}");
            assert!(info.reason.as_deref().unwrap_or_default().contains(reason), "{info:?}");
            assert!(info.remedy.is_some_and(|remedy| !remedy.is_empty()));
            assert!(info.endpoint.is_some_and(|endpoint| endpoint.ends_with("s.sock")));
        }
    };
    info("no socket").await;
    // A socket file that nobody listens on any more.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    info("nothing listens").await;
    std::fs::remove_file(&path).unwrap();
    let silent = std::os::unix::net::UnixListener::bind(&path).unwrap();
    info("does not answer").await;
    drop(silent);

    let old = FakeEngine::start("1.40");
    let info = old.moby().info().await;
    assert_eq!((info.available, info.version.as_deref()), (false, Some("20.10.24")));
    let reason = info.reason.unwrap();
    assert!(reason.contains("1.40") && reason.contains("1.41"), "both versions are named: {reason}");
}

/// ENG-5, ENG-6, CLI-29, PERF-83, PERF-85: the body of a creation, field by field, under the negotiated version.
#[tokio::test]
async fn a_creation_has_this_shape() {
    let fake = FakeEngine::start("1.41");
    ready_to_create(&fake, json!(null));
    let outcome = apply(&fake.moby(), StepAction::Create(Box::new(workload()))).await;
    assert!(matches!(&outcome, Outcome::Done(done) if done.changed && done.id == Some("c1".into())), "{outcome:?}");
    let request = fake.only("POST /v1.41/containers/create");
    assert!(request.query.contains("name=web-1"));
    let body = request.body;
    let mut expected = labels();
    expected["koan.dev/spec-hash"] = json!("h1");
    assert_eq!(body["Labels"], expected);
    assert_eq!(body["Env"], json!(["PORT=80", "AT=8080,81"]));
    assert_eq!((&body["Entrypoint"], &body["Cmd"]), (&json!(["serve"]), &json!(["--fast"])));
    assert_eq!((&body["User"], &body["WorkingDir"], &body["StopTimeout"]), (&json!("999"), &json!("/srv"), &json!(2)));
    assert_eq!(body["Healthcheck"], json!({"Test": ["NONE"]}));
    assert_eq!(body["NetworkingConfig"]["EndpointsConfig"]["net-id"]["Aliases"], json!(["web"]));
    let host = &body["HostConfig"];
    assert_eq!(
        (&host["NetworkMode"], &host["Init"], &host["RestartPolicy"]["Name"]),
        (&json!("net-id"), &json!(true), &json!("no"))
    );
    assert_eq!((&host["NanoCpus"], &host["Memory"]), (&json!(1_500_000_000_u64), &json!(1 << 20)));
    assert_eq!(host["PortBindings"].as_object().unwrap().keys().collect::<Vec<_>>(), ["80/tcp"]);
    for binding in host["PortBindings"]["80/tcp"].as_array().unwrap() {
        assert!(["127.0.0.1", "::1"].contains(&binding["HostIp"].as_str().unwrap()), "loopback only: {binding}");
        assert_eq!(binding["HostPort"], json!("8080"));
    }
    assert_eq!(host["ExtraHosts"], json!(["host.docker.internal:host-gateway", "host.containers.internal:host-gateway"]));
    assert_eq!(
        host["Mounts"],
        json!([
            {"Target": "/data", "Source": "vol", "Type": "volume", "ReadOnly": false},
            {"Target": "/tmp", "Type": "tmpfs", "ReadOnly": false, "TmpfsOptions": {"SizeBytes": 1024}},
        ])
    );
}

/// P16: a path that the image declares and that no mount covers gets a named, labelled volume; a covered one gets none.
#[tokio::test]
async fn p16_declared_paths_get_named_labelled_volumes() {
    let fake = FakeEngine::start("1.41");
    ready_to_create(&fake, json!({"/data/": {}, "/more": {}}));
    let mut made =
        json!({"Name": "v", "Driver": "local", "Mountpoint": "/v", "Options": null, "Scope": "local", "Labels": labels()});
    made["Labels"]["koan.dev/volume-path"] = json!("/more");
    fake.answer("POST /volumes/create", 201, made);
    let outcome = apply(&fake.moby(), StepAction::Create(Box::new(workload()))).await;
    assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
    let volume = fake.only("POST /v1.41/volumes/create").body;
    assert_eq!(volume["Labels"]["koan.dev/volume-path"], json!("/more"));
    assert_eq!(volume["Labels"]["koan.dev/owner-uid"], json!("u"));
    let mounts = fake.only("POST /v1.41/containers/create").body["HostConfig"]["Mounts"].clone();
    let over: Vec<_> = mounts.as_array().unwrap().iter().filter(|mount| mount["Target"] == json!("/more")).collect();
    assert_eq!(over.len(), 1);
    assert_eq!((&over[0]["Type"], &over[0]["Source"]), (&json!("volume"), &volume["Name"]));
}

/// REL-3, S-3: a taken name is adopted with the same owner and hash; another hash waits for its removal, another owner is foreign.
#[tokio::test]
async fn a_taken_name_is_adopted_or_left_alone() {
    let fake = FakeEngine::start("1.41");
    ready_to_create(&fake, json!(null));
    fake.answer("POST /containers/create", 409, json!({"message": "Conflict. The container name is already in use"}));
    let engine = fake.moby();
    let create = || StepAction::Create(Box::new(workload()));
    let mut ours = container("created");
    ours["Config"]["Labels"]["koan.dev/spec-hash"] = json!("h1");
    ours["NetworkSettings"] = json!({"Networks": {"net": {"NetworkID": "net-id"}}});
    fake.answer("GET /containers/web-1/json", 200, ours.clone());
    assert!(matches!(apply(&engine, create()).await, Outcome::Done(done) if !done.changed && done.id == Some("c1".into())));
    ours["Config"]["Labels"]["koan.dev/spec-hash"] = json!("h0");
    fake.answer("GET /containers/web-1/json", 200, ours.clone());
    assert_eq!(failure(&engine, create()).await.reason, Reason::ProvisionFailed);
    ours["Config"]["Labels"]["koan.dev/owner-uid"] = json!("other");
    fake.answer("GET /containers/web-1/json", 200, ours);
    assert_eq!(failure(&engine, create()).await.reason, Reason::ForeignResource);
}

/// S-3, SEC-3: every destructive call is preceded by an uncached read, and none is sent where the labels differ.
#[tokio::test]
async fn s_3_ownership_is_read_before_each_destructive_call() {
    let fake = FakeEngine::start("1.41");
    let engine = fake.moby();
    fake.answer("GET /containers/web-1/json", 200, container("exited"));
    fake.answer("DELETE /containers/c1", 204, json!(null));
    assert!(matches!(apply(&engine, StepAction::Remove(object())).await, Outcome::Done(done) if done.changed));
    let calls: Vec<_> = fake.requests().into_iter().map(|request| (request.call, request.query)).collect();
    assert_eq!(calls[0].0, "GET /v1.41/containers/web-1/json");
    assert_eq!(calls[1].0, "DELETE /v1.41/containers/c1");
    assert!(calls[1].1.contains("v=false") && calls[1].1.contains("force=false"), "volumes stay: {}", calls[1].1);

    let mut foreign = container("exited");
    foreign["Config"]["Labels"] = json!({"app": "theirs"});
    fake.answer("GET /containers/web-1/json", 200, foreign);
    for action in
        [StepAction::Remove(object()), StepAction::Start(object()), StepAction::Stop { object: object(), grace: Duration::ZERO }]
    {
        let failure = failure(&engine, action).await;
        assert_eq!((failure.reason, failure.class), (Reason::ForeignResource, FailureClass::Denied));
    }
    let writes = fake.requests().into_iter().filter(|request| !request.call.starts_with("GET")).count();
    assert_eq!(writes, 1);
}

/// S-8: an id prefix or a renamed container is not what was asked for.
#[tokio::test]
async fn s_8_only_the_exact_object_is_touched() {
    let fake = FakeEngine::start("1.41");
    let mut other = container("running");
    other["Name"] = json!("/web-1-renamed");
    fake.answer("GET /containers/web-1/json", 200, other);
    let outcome = apply(&fake.moby(), StepAction::Stop { object: object(), grace: Duration::ZERO }).await;
    assert!(matches!(outcome, Outcome::Done(done) if !done.changed));
    assert_eq!(fake.requests().len(), 1);
}

/// ENG-8: however many wait, an image is pulled once; its digest and platform are answered to each.
#[tokio::test]
async fn an_image_is_pulled_once_for_all_who_wait() {
    let fake = FakeEngine::start("1.41");
    let image = json!({
        "Id": "sha256:1", "Os": "linux", "Architecture": "amd64", "RepoDigests": ["docker.io/library/redis@sha256:d"],
    });
    fake.answer("GET /images/redis:7/json", 200, image);
    fake.answer("POST /images/create", 200, json!({"status": "Downloaded"}));
    fake.delay("POST /images/create", Duration::from_millis(50));
    let engine = Arc::new(fake.moby());
    let ensure = || async {
        let spec = ImageSpec { reference: "redis:7".to_owned(), pull: PullPolicy::Always, build: None };
        apply(&engine, StepAction::EnsureImage(spec)).await
    };
    for outcome in futures::future::join_all((0..8).map(|_| ensure())).await {
        let Outcome::Done(done) = outcome else { panic!("{outcome:?}") };
        assert_eq!((done.image_digest.as_deref(), done.platform.as_deref()), (Some("sha256:d"), Some("linux/amd64")));
    }
    assert!(fake.only("POST /v1.41/images/create").query.contains("fromImage=redis%3A7"));
}

/// ENG-8: a pull carries the login of the image's own registry in the header that the engines read, and no other's.
#[tokio::test]
async fn a_pull_carries_the_login_of_its_registry() {
    let fake = FakeEngine::start("1.41");
    let file = json!({"auths": {"quay.test": {"auth": "dTpwYXNz"}}});
    let engine = fake.moby_logged_in(&file);
    for (reference, logged_in) in [("quay.test/mine/app:1", true), ("redis:7", false)] {
        let image = json!({"Id": "sha256:1", "Os": "linux", "Architecture": "amd64"});
        fake.answer(&format!("GET /images/{reference}/json"), 200, image);
        fake.answer("POST /images/create", 200, json!({"status": "Downloaded"}));
        let spec = ImageSpec { reference: reference.to_owned(), pull: PullPolicy::Always, build: None };
        let outcome = apply(&engine, StepAction::EnsureImage(spec)).await;
        assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
        let sent = fake.requests().into_iter().rfind(|request| request.call.ends_with("/images/create")).unwrap().login;
        let login = sent.and_then(|sent| base64::engine::general_purpose::STANDARD.decode(sent).ok()).unwrap_or_default();
        let login: serde_json::Value = serde_json::from_slice(&login).unwrap_or_default();
        assert_eq!(login["username"] == "u" && login["password"] == "pass", logged_in, "{reference}");
    }
}

/// ENG-8: an image of another platform is refused, and both platforms are named; `Never` does not pull.
#[tokio::test]
async fn a_wrong_platform_and_a_forbidden_pull_are_named() {
    let fake = FakeEngine::start("1.41");
    fake.answer("GET /images/redis:7/json", 200, json!({"Id": "sha256:1", "Os": "linux", "Architecture": "arm64"}));
    let ensure =
        |reference: &str, pull| StepAction::EnsureImage(ImageSpec { reference: reference.to_owned(), pull, build: None });
    let wrong = failure(&fake.moby(), ensure("redis:7", PullPolicy::IfNotPresent)).await;
    assert_eq!(wrong.reason, Reason::ImagePullFailed);
    assert!(wrong.message.contains("linux/arm64") && wrong.message.contains("linux/amd64"), "{}", wrong.message);
    let absent = failure(&fake.moby(), ensure("absent:1", PullPolicy::Never)).await;
    assert_eq!((absent.reason, absent.class), (Reason::ImagePullFailed, FailureClass::Invalid));
    assert!(fake.requests().iter().all(|request| !request.call.starts_with("POST")));
}

/// ENG-1: each error class has its reason, and each reason its exit code.
#[tokio::test]
async fn errors_have_class_reason_and_exit_code() {
    let fake = FakeEngine::start("1.41");
    fake.answer("GET /containers/web-1/json", 200, container("created"));
    let engine = fake.moby();
    let start = || StepAction::Start(object());
    for (status, message, class, reason, exit) in [
        (
            500,
            "Bind for 127.0.0.1:8080 failed: port is already allocated",
            FailureClass::Transient,
            Reason::Conflict,
            ExitCode::Ports,
        ),
        (
            500,
            "listen tcp4 127.0.0.1:1: bind: address already in use",
            FailureClass::Transient,
            Reason::Conflict,
            ExitCode::Ports,
        ),
        (500, "no space left on device", FailureClass::Transient, Reason::ProvisionFailed, ExitCode::General),
        (400, "bad parameter", FailureClass::Invalid, Reason::ProvisionFailed, ExitCode::General),
        (403, "denied by plugin", FailureClass::Denied, Reason::ProvisionFailed, ExitCode::General),
    ] {
        fake.answer("POST /containers/c1/start", status, json!({"message": message}));
        let failure = failure(&engine, start()).await;
        assert_eq!((failure.class, failure.reason, ExitCode::of(failure.reason)), (class, reason, exit), "{message}");
        assert!(failure.message.contains(message), "{}", failure.message);
    }
    fake.answer("POST /containers/c1/start", 304, json!(null));
    assert!(matches!(apply(&engine, start()).await, Outcome::Done(_)));
    let gone = moby_at(std::path::Path::new("/nonexistent/engine.sock"), std::env::temp_dir());
    let failure = failure(&gone, start()).await;
    assert_eq!((failure.reason, ExitCode::of(failure.reason)), (Reason::EngineUnreachable, ExitCode::Engine));
}

/// P13, SEC-3: the oldest of two networks stays, by id; one that is not ours is never touched.
#[tokio::test]
async fn p13_the_oldest_network_stays() {
    let fake = FakeEngine::start("1.41");
    let network = |id: &str, created: &str, labels: serde_json::Value| json!({"Id": id, "Name": "net", "Created": created, "Labels": labels});
    let ensure = || StepAction::EnsureNetwork(NetworkSpec { name: "net".to_owned(), owner: owner() });
    fake.answer("GET /networks", 200, json!([network("young", "2026-01-02", labels()), network("old", "2026-01-01", labels())]));
    fake.answer("DELETE /networks/young", 204, json!(null));
    let outcome = apply(&fake.moby(), ensure()).await;
    assert!(matches!(&outcome, Outcome::Done(done) if done.id == Some("old".into())), "{outcome:?}");
    fake.only("DELETE /v1.41/networks/young");

    let foreign = FakeEngine::start("1.41");
    foreign.answer("GET /networks", 200, json!([network("theirs", "2026-01-01", json!({}))]));
    assert_eq!(failure(&foreign.moby(), ensure()).await.reason, Reason::ForeignResource);
    assert_eq!(foreign.requests().len(), 1);
}

/// SEC-3: a volume of that name without our labels is neither used nor deleted.
#[tokio::test]
async fn sec_3_a_foreign_volume_is_left_alone() {
    let fake = FakeEngine::start("1.41");
    let volume = json!({"Name": "vol", "Driver": "local", "Mountpoint": "/v", "Labels": null, "Options": null, "Scope": "local",
        "CreatedAt": "2026-01-01T00:00:00Z"});
    fake.answer("GET /volumes/vol", 200, volume);
    let spec = VolumeSpec { name: "vol".to_owned(), path: "/data".to_owned(), owner: owner() };
    let remove = StepAction::RemoveVolume {
        object: ObjectRef { name: "vol".to_owned(), id: None, owner: owner() },
        created_at: "2026-01-01T00:00:00Z".to_owned(),
    };
    for action in [StepAction::EnsureVolume(spec), remove] {
        assert_eq!(failure(&fake.moby(), action).await.reason, Reason::ForeignResource);
    }
    assert!(fake.requests().iter().all(|request| request.call.starts_with("GET")));
}

/// PERF-87: calls one after another share one kept connection.
#[tokio::test]
async fn connections_are_kept() {
    let fake = FakeEngine::start("1.41");
    fake.answer("GET /containers/web-1/json", 200, container("running"));
    let engine = fake.moby();
    for _ in 0..10 {
        assert!(matches!(apply(&engine, StepAction::Start(object())).await, Outcome::Done(_)));
    }
    assert_eq!((fake.requests().len(), fake.connections()), (10, 1));
}
