use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use koan_core::identity::Owner;
use koan_core::inventory::{Inventory, LivePort, WorkloadRecord, WorkloadState};
use koan_core::outcome::{Failure, Outcome};
use koan_core::step::{ObjectRef, Step, StepAction};
use koan_crds::v1alpha1::{EngineName, FailureClass, Protocol};
use koan_crds::vocabulary::Reason;
use koan_engines::sim::SimWorld;

use super::overlay::{difference, merge};
use super::{Ahead, Pool};
use crate::runtime::{Key, Wake};

fn record(id: &str, uid: &str, state: WorkloadState) -> WorkloadRecord {
    WorkloadRecord {
        id: id.into(),
        name: format!("shop-{id}"),
        owner: Owner {
            instance: "i".into(),
            namespace: "default".to_owned(),
            stack: Some("shop".to_owned()),
            service: id.to_owned(),
            uid: uid.into(),
        },
        hash: "h".into(),
        state,
        image: None,
        image_digest: None,
        platform: None,
        started_at: None,
        finished_at: None,
        exit_code: None,
        oom_killed: false,
        restarts: 0,
        cut_off: false,
        addresses: Vec::new(),
        ports: vec![LivePort {
            service: id.to_owned(),
            host: 5432,
            container: 5432,
            protocol: Protocol::Tcp,
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            owner: None,
            pid: None,
        }],
        pid: None,
        volumes: Vec::new(),
    }
}

fn inventory(workloads: Vec<WorkloadRecord>) -> Inventory {
    Inventory { engine: EngineName::Docker, workloads, networks: Vec::new(), volumes: Vec::new(), ports: Vec::new() }
}

/// REL-5, P22: a list that lacks a container, or shows it ended, names exactly its owner.
#[test]
fn difference_names_the_owners_of_what_changed() {
    let old = inventory(vec![
        record("a", "1", WorkloadState::Running),
        record("b", "2", WorkloadState::Running),
        record("c", "3", WorkloadState::Running),
    ]);
    let new = inventory(vec![record("a", "1", WorkloadState::Running), record("b", "2", WorkloadState::Exited)]);
    let owners: Vec<String> = difference(&old, &new).owners.into_iter().map(|uid| uid.0).collect();
    assert_eq!(owners, ["2", "3"]);
    assert!(difference(&new, &new).owners.is_empty());
}

/// PERF-84: what is made ahead of its gates gives way to a start, one is made at a time, and who gave way is woken.
#[test]
fn what_is_made_ahead_gives_way_to_a_start() {
    let (ahead, key) = (Ahead::default(), Key::service("default", "shop-app"));
    let (docker, podman) = (EngineName::Docker, EngineName::Podman);
    let wake = Wake::default();
    let starting = ahead.start(docker, &wake);
    assert!(ahead.make(docker, &key, &wake).is_none() && wake.is_idle());
    assert!(ahead.make(podman, &key, &wake).is_some(), "another engine is not busy");
    drop(starting);
    assert!(!wake.is_idle());

    let wake = Wake::default();
    let making = ahead.make(docker, &key, &wake);
    assert!(making.is_some() && ahead.make(docker, &key, &wake).is_none() && wake.is_idle());
    drop(making);
    assert!(!wake.is_idle());
}

/// PERF-84: a start with little behind it lets a longer one go first, waits for none that is about as long, and not for ever.
#[tokio::test(start_paused = true)]
async fn a_start_gives_way_to_longer_paths() {
    let (ahead, docker) = (Ahead::default(), EngineName::Docker);
    let path = Duration::from_millis;
    let database = ahead.room(docker, path(6000)).await;
    let _nearly_as_long = ahead.room(docker, path(5700)).await;
    let mut cache = std::pin::pin!(ahead.room(docker, path(5400)));
    assert!(futures::poll!(cache.as_mut()).is_pending());
    drop(database);
    let begun = tokio::time::Instant::now();
    drop(cache.await);
    assert_eq!(begun.elapsed(), Duration::ZERO);
    let _silent = ahead.room(docker, path(9000)).await;
    // Ends by itself: the other is never answered.
    ahead.room(docker, path(1)).await;
}

/// PERF-84: where starts take long, a path has to be longer by more: who waits for one start must not end behind it.
#[tokio::test(start_paused = true)]
async fn slow_starts_widen_what_counts_as_longer() {
    let (ahead, docker) = (Ahead::default(), EngineName::Docker);
    let slow = ahead.room(docker, Duration::ZERO).await;
    tokio::time::advance(Duration::from_secs(3)).await;
    drop(slow);
    let _long = ahead.room(docker, Duration::from_secs(10)).await;
    let begun = tokio::time::Instant::now();
    ahead.room(docker, Duration::from_secs(8)).await;
    assert_eq!(begun.elapsed(), Duration::ZERO);
    ahead.room(docker, Duration::from_secs(6)).await;
    assert!(!begun.elapsed().is_zero());
}

/// REL-5, PERF-80: a list that our own step overtook changes nothing about that step's object, and everything about the rest.
#[test]
fn an_overtaken_list_tells_of_all_others() {
    let old = inventory(vec![record("a", "1", WorkloadState::Running), record("b", "2", WorkloadState::Running)]);
    let listed = inventory(vec![record("a", "1", WorkloadState::Created), record("b", "2", WorkloadState::Exited)]);
    let merged = merge(&old, listed, &["shop-a"].into());
    let states: Vec<WorkloadState> = merged.workloads.iter().map(|record| record.state).collect();
    assert_eq!(states, [WorkloadState::Running, WorkloadState::Exited]);
}

fn start(record: &WorkloadRecord) -> Step {
    let object = ObjectRef { name: record.name.clone(), id: Some(record.id.clone()), owner: record.owner.clone() };
    Step::alone(&record.name, "it does not run", StepAction::Start(object))
}

/// REL-32, S-9, DET-35: after a lost reply whoever asks for the inventory gets a new list, once; a refusal that the engine told
/// leaves no doubt.
#[tokio::test(start_paused = true)]
async fn a_lost_reply_is_settled_by_the_next_list() {
    let world = SimWorld::new(EngineName::Docker);
    let pool = Pool::new(vec![Arc::new(world.engine())], "i".into());
    let step = start(&record("a", "1", WorkloadState::Created));
    let failed = |class| {
        let (reason, message) = (Reason::ProvisionFailed, "no reply".to_owned());
        Outcome::Failed(Failure { class, reason, message, remedy: None })
    };
    let mut reads = Vec::new();
    for class in [None, Some(FailureClass::Transient), Some(FailureClass::Denied)] {
        if let Some(class) = class {
            pool.stepped(EngineName::Docker, &step, &failed(class), jiff::Timestamp::UNIX_EPOCH);
        }
        for _reader in 0..2 {
            assert!(pool.inventory(EngineName::Docker).await.unwrap().is_some());
        }
        reads.push(world.reads());
    }
    assert_eq!(reads, [reads[0], reads[0] + 1, reads[0] + 1]);
}
