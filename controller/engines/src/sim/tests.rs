//! The simulated engine's own promises: each phase of a fault, drift, time, and repeatable runs.

use std::time::Duration;

use futures::StreamExt;
use koan_core::identity::Owner;
use koan_core::inventory::WorkloadState;
use koan_core::outcome::Outcome;
use koan_core::probe::Address;
use koan_core::step::{NetworkSpec, ObjectRef, Step, StepAction};
use koan_core::text::Values;
use koan_core::workload::{ContainerRun, ImageSpec, Limits, PortEntry, Run, WorkloadSpec};
use koan_crds::v1alpha1::{EngineName, Protocol, PullPolicy, RestartPolicy};
use koan_crds::vocabulary::Reason;

use super::*;
use crate::{Engine, Hint, Scope};

fn owner() -> Owner {
    Owner { instance: "i".into(), namespace: "n".into(), stack: Some("s".into()), service: "web".into(), uid: "u".into() }
}

fn network() -> StepAction {
    StepAction::EnsureNetwork(NetworkSpec { name: "net".to_owned(), owner: owner() })
}

fn workload() -> WorkloadSpec {
    let run = ContainerRun {
        image: "web".to_owned(),
        command: None,
        args: None,
        working_dir: None,
        user: None,
        init: false,
        image_health: false,
    };
    let port = PortEntry { name: "main".to_owned(), container: 80, protocol: Protocol::Tcp, host: Some(8080) };
    WorkloadSpec {
        owner: owner(),
        object: "web".to_owned(),
        replica: 0,
        alias: "web".to_owned(),
        run: Run::Container(run),
        env: Vec::new(),
        files: Vec::new(),
        ports: vec![port],
        mounts: Vec::new(),
        networks: Vec::new(),
        limits: Limits::default(),
        stop_grace: Duration::from_secs(10),
        restart: RestartPolicy::Always,
        hash: "h".into(),
    }
}

fn object() -> ObjectRef {
    ObjectRef { name: "web".to_owned(), id: None, owner: owner() }
}

async fn apply(engine: &SimEngine, action: StepAction) -> Outcome {
    let step = Step::alone("object", "a test", action);
    engine.apply(&step, &Values::default()).await
}

async fn started(world: &SimWorld) -> SimEngine {
    let engine = world.engine();
    let image = ImageSpec { reference: "web".to_owned(), pull: PullPolicy::IfNotPresent, build: None };
    for action in [StepAction::EnsureImage(image), StepAction::Create(Box::new(workload())), StepAction::Start(object())] {
        assert!(matches!(apply(&engine, action).await, Outcome::Done(done) if done.changed));
    }
    engine
}

fn unreachable(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Failed(failure) if failure.reason == Reason::EngineUnreachable)
}

fn web() -> Address {
    Address::Tcp { host: "127.0.0.1".to_owned(), port: 8080 }
}

/// REL-1, REL-14: each phase of a fault leaves exactly its own effects and its own answer.
#[tokio::test(start_paused = true)]
async fn each_phase_of_a_fault_has_its_effect_and_its_answer() {
    let late = Duration::from_secs(5);
    for (fault, effects_now, effects_later) in
        [(Fault::BeforeSend, 0, 0), (Fault::ReplyLost, 1, 1), (Fault::LandsLate(late), 0, 1), (Fault::Hangs(late), 0, 0)]
    {
        let world = SimWorld::new(EngineName::Docker);
        world.fault_at(0, fault.clone());
        assert!(unreachable(&apply(&world.engine(), network()).await), "{fault:?}");
        assert_eq!(world.effects().len(), effects_now, "{fault:?}");
        tokio::time::sleep(late).await;
        assert_eq!((world.effects().len(), world.networks().len()), (effects_later, effects_later), "{fault:?}");
        assert_eq!(world.calls()[0].fault, Some(fault));
    }
    let world = SimWorld::new(EngineName::Docker);
    world.fault_at(0, Fault::Twice);
    assert!(matches!(apply(&world.engine(), network()).await, Outcome::Done(done) if done.changed));
    assert_eq!((world.effects().len(), world.networks().len()), (1, 1));
}

/// S-8: a call that lands after its sender was restarted cannot touch what has another owner by then.
#[tokio::test(start_paused = true)]
async fn s_8_a_zombie_write_is_refused() {
    let world = SimWorld::new(EngineName::Docker);
    let engine = started(&world).await;
    world.fault_at(world.calls().len(), Fault::LandsLate(Duration::from_secs(5)));
    assert!(unreachable(&apply(&engine, StepAction::Stop { object: object(), grace: Duration::ZERO }).await));
    world.relabel("web", Some(Owner { uid: "later".into(), ..owner() }));
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(world.workloads().values().next().map(|workload| workload.state), Some(WorkloadState::Running));
}

/// P7, P14: a program answers by its script: nobody, a temporary server, nobody again, ready.
#[tokio::test(start_paused = true)]
async fn p7_a_temporary_server_is_not_ready() {
    let seconds = Duration::from_secs;
    let world = SimWorld::new(EngineName::Docker);
    world.script("web", Program::with_temporary_server(seconds(1), seconds(2), seconds(3)));
    started(&world).await;
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(world.answer(&web()));
        tokio::time::sleep(seconds(1)).await;
    }
    assert_eq!(seen, [Answer::Refused, Answer::NotYet, Answer::Refused, Answer::Ready]);
    world.kill("web");
    assert_eq!(world.answer(&web()), Answer::Refused);
}

/// REL-5: an exit is hinted at when it happens, though nobody calls; the stream ends with the engine.
#[tokio::test(start_paused = true)]
async fn an_exit_is_hinted_at_on_time() {
    let world = SimWorld::new(EngineName::Docker);
    world.script("web", Program::ends(Duration::from_secs(7), 1));
    let engine = started(&world).await;
    let mut hints = engine.watch(&Scope { instance: "i".into() });
    assert_eq!(hints.next().await, Some(Hint::Relist));
    let begin = tokio::time::Instant::now();
    assert!(matches!(hints.next().await, Some(Hint::Object(_))));
    assert_eq!(begin.elapsed(), Duration::from_secs(7));
    let inventory = engine.inventory(&Scope { instance: "i".into() }).await.unwrap();
    assert_eq!((inventory.workloads[0].state, inventory.workloads[0].exit_code), (WorkloadState::Exited, Some(1)));
    world.engine_down();
    assert_eq!(hints.next().await, None);
    assert!(!engine.info().await.available);
}

/// PERF-85, K-7: a program that ignores TERM keeps its stop waiting for the whole grace and ends with 137.
#[tokio::test(start_paused = true)]
async fn a_deaf_program_ends_after_the_grace() {
    let world = SimWorld::new(EngineName::Docker);
    world.script("web", Program { deaf: true, ..Program::default() });
    let engine = started(&world).await;
    let begin = tokio::time::Instant::now();
    let grace = Duration::from_secs(10);
    assert!(matches!(apply(&engine, StepAction::Stop { object: object(), grace }).await, Outcome::Done(done) if done.changed));
    assert_eq!(begin.elapsed(), grace);
    let inventory = engine.inventory(&Scope { instance: "i".into() }).await.unwrap();
    assert_eq!(inventory.workloads[0].exit_code, Some(137));
}

/// REL-8: two runs of one scenario are equal in every call, effect and object.
#[tokio::test(start_paused = true)]
async fn a_run_repeats_byte_for_byte() {
    let mut stories = Vec::new();
    for _ in 0..2 {
        let world = SimWorld::new(EngineName::Docker);
        world.fault_at(2, Fault::ReplyLost);
        world.script("web", Program::ends(Duration::from_secs(1), 9));
        let engine = world.engine();
        let image = ImageSpec { reference: "web".to_owned(), pull: PullPolicy::IfNotPresent, build: None };
        for action in [StepAction::EnsureImage(image), StepAction::Create(Box::new(workload())), StepAction::Start(object())] {
            apply(&engine, action).await;
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        stories.push(format!("{:?}{:?}{:?}", world.calls(), world.effects(), world.workloads().keys()));
    }
    assert_eq!(stories[0], stories[1]);
}
