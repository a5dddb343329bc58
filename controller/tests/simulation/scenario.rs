//! The stories that are told under faults (REL-13): what the user and the world do, and how each ends.

use std::time::Duration;

use koan_crds::vocabulary::Reason;
use koan_engines::sim::{Answer, Program};
use serde_json::{Value, json};

/// The stack of every scenario.
pub(crate) const STACK: &str = "shop";
/// A virtual time in which a service that could start would have started.
const PATIENCE: Duration = Duration::from_secs(20);

/// One move of the user or of the world.
#[derive(Clone, Debug)]
pub(crate) enum Move {
    /// The user applies the stack.
    Apply(Value),
    /// The user deletes the stack.
    Delete,
    /// The run goes on until this holds.
    Until(Goal),
    /// The run goes on for so long.
    Wait(Duration),
    /// A program behaves so from now on, by its image or first word.
    Script(&'static str, Program),
    /// The engine restarts and ends what runs.
    EngineRestarts,
    /// The engine stops answering.
    EngineDown,
    /// The engine answers again.
    EngineUp,
    /// A server of the host begins to listen, which knows the default login of its product.
    HostAppears,
    /// A server of the host begins to listen, which refuses every login.
    HostRefuses,
    /// It listens no more.
    HostVanishes,
    /// The user deletes the stack's namespace.
    DeleteNamespace,
}

/// What holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    /// The stack is ready for its present generation, with five workloads.
    Ready,
    /// The stack is ready for its present generation, with so many workloads.
    ReadyWith(usize),
    /// The stack is gone, and its services with it.
    Gone,
    /// At least so many workloads exist.
    Workloads(usize),
    /// Every service that is left says that its clean-up is blocked by the engine (L-6).
    Blocked,
    /// The stack is refused as it stands.
    Refused,
    /// The stack is suspended, and nothing of it runs.
    Suspended,
    /// The stack is not ready, and a service says so for this reason.
    Says(Reason),
}

/// A story.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    /// Its name in plans.
    pub(crate) name: &'static str,
    /// What happens.
    pub(crate) moves: Vec<Move>,
    /// How it ends.
    pub(crate) goal: Goal,
    /// Another scenario that ends in the same state (L-4).
    pub(crate) ends_like: Option<&'static str>,
    /// Which effects come before the user's next move is a matter of timing: what is retained and counted may differ.
    pub(crate) racy: bool,
    /// The user asked for the volumes to go too.
    pub(crate) volumes_may_go: bool,
    /// Where the stack lives.
    pub(crate) namespace: &'static str,
}

impl Scenario {
    fn new(name: &'static str, moves: Vec<Move>, goal: Goal) -> Self {
        Self { name, moves, goal, ends_like: None, racy: false, volumes_may_go: false, namespace: "default" }
    }
}

/// Every scenario, the shortest first.
pub(crate) fn all() -> Vec<Scenario> {
    let ready = || Move::Until(Goal::Ready);
    let gone = || Move::Until(Goal::Gone);
    let apply = || Move::Apply(stack());
    let boots = || Program::boots_in(Duration::from_millis(200));
    let broken = || Program::stays(Answer::NotYet, Duration::ZERO);
    vec![
        Scenario::new("create", vec![apply()], Goal::Ready),
        Scenario::new("edit", vec![apply(), ready(), Move::Apply(edited())], Goal::Ready),
        Scenario {
            ends_like: Some("create"),
            ..Scenario::new(
                "rollback",
                vec![apply(), ready(), Move::Apply(invalid()), Move::Until(Goal::Refused), Move::Apply(stack())],
                Goal::Ready,
            )
        },
        Scenario {
            ends_like: Some("create"),
            ..Scenario::new(
                "dependency-fails",
                vec![
                    Move::Script("docker.io/library/postgres:15.1", broken()),
                    apply(),
                    Move::Wait(PATIENCE),
                    Move::Script("docker.io/library/postgres:15.1", boots()),
                ],
                Goal::Ready,
            )
        },
        Scenario::new("delete", vec![apply(), ready(), Move::Delete], Goal::Gone),
        Scenario {
            volumes_may_go: true,
            ..Scenario::new(
                "delete-volumes",
                vec![apply(), ready(), Move::Apply(without_volumes()), Move::Wait(Duration::from_secs(2)), Move::Delete],
                Goal::Gone,
            )
        },
        Scenario {
            racy: true,
            ..Scenario::new("delete-during-create", vec![apply(), Move::Until(Goal::Workloads(1)), Move::Delete], Goal::Gone)
        },
        Scenario::new("recreate", vec![apply(), ready(), Move::Delete, gone(), apply()], Goal::Ready),
        Scenario {
            ends_like: Some("create"),
            ..Scenario::new("engine-restart", vec![apply(), ready(), Move::EngineRestarts], Goal::Ready)
        },
        Scenario::new(
            "engine-gone-at-delete",
            vec![apply(), ready(), Move::EngineDown, Move::Delete, Move::Until(Goal::Blocked), Move::EngineUp],
            Goal::Gone,
        ),
        Scenario::new("refused", vec![Move::Apply(invalid())], Goal::Refused),
    ]
    .into_iter()
    .chain(wishes())
    .chain(places())
    .collect()
}

/// What a user may ask of a whole stack.
fn wishes() -> Vec<Scenario> {
    let ready = || Move::Until(Goal::Ready);
    let apply = || Move::Apply(stack());
    vec![
        Scenario::new(
            "suspend",
            vec![apply(), ready(), Move::Apply(with("suspend", json!(true))), Move::Until(Goal::Suspended), apply()],
            Goal::Ready,
        ),
        Scenario::new(
            "ttl",
            vec![Move::Apply(with("ttl", json!("1m"))), ready(), Move::Wait(PATIENCE), Move::Until(Goal::Gone)],
            Goal::Gone,
        ),
        Scenario::new("edit-value", vec![apply(), ready(), Move::Apply(other_value())], Goal::Ready),
        Scenario::new(
            "forced-engine",
            vec![Move::Apply(with("engine", json!({"name": "Podman"})))],
            Goal::Says(Reason::ForcedUnavailable),
        ),
        Scenario::new("never", vec![Move::Apply(never())], Goal::Says(Reason::HostServiceRequired)),
    ]
}

/// What happens to the place of a stack, and to each class of its fields.
fn places() -> Vec<Scenario> {
    let ready = || Move::Until(Goal::Ready);
    let apply = || Move::Apply(stack());
    let each = edits().into_iter().flat_map(|edit| [Move::Apply(edit), Move::Until(Goal::Ready)]);
    vec![
        Scenario {
            ends_like: Some("create"),
            ..Scenario::new("host-appears", vec![apply(), ready(), Move::HostAppears, Move::Wait(PATIENCE)], Goal::Ready)
        },
        Scenario::new(
            "host-vanishes",
            vec![
                Move::HostAppears,
                Move::Apply(hosted()),
                Move::Until(Goal::ReadyWith(2)),
                Move::HostVanishes,
                Move::Until(Goal::Says(Reason::HostLost)),
                Move::HostAppears,
            ],
            Goal::ReadyWith(2),
        ),
        Scenario::new(
            "host-refused",
            vec![
                Move::HostRefuses,
                Move::Apply(hosted()),
                Move::Until(Goal::ReadyWith(3)),
                Move::HostVanishes,
                Move::EngineRestarts,
            ],
            Goal::ReadyWith(3),
        ),
        Scenario {
            namespace: "team",
            ..Scenario::new("namespace-deleted", vec![Move::Apply(of_team()), ready(), Move::DeleteNamespace], Goal::Gone)
        },
        Scenario {
            ends_like: Some("create"),
            ..Scenario::new("edit-each", [apply(), ready()].into_iter().chain(each).chain([apply()]).collect(), Goal::Ready)
        },
    ]
}

/// Five services, three levels deep: `db` and `cache`, then `api`, then `worker` and `web`.
pub(crate) fn stack() -> Value {
    let health = json!({"exec": {"command": ["sleep", "0"]}, "interval": "5s"});
    json!({
        "apiVersion": "koan.dev/v1alpha1", "kind": "DevStack",
        "metadata": {"name": STACK, "namespace": "default"},
        "spec": {"services": [
            {"name": "db", "adapter": "postgres", "image": "docker.io/library/postgres:15.1"},
            {"name": "cache", "adapter": "redis", "image": "docker.io/library/redis:7.2"},
            {"name": "api", "container": {"image": "docker.io/library/api:1.0"}, "health": health,
             "dependsOn": [{"name": "db"}, {"name": "cache"}],
             "env": [{"name": "DATABASE_URL", "valueFrom": {"serviceRef": {"name": "db", "output": "url"}}}]},
            {"name": "worker", "container": {"image": "docker.io/library/worker:1.0"}, "health": health,
             "dependsOn": [{"name": "api"}]},
            {"name": "web", "container": {"image": "docker.io/library/web:1.0"}, "health": health,
             "dependsOn": [{"name": "api"}],
             "ports": [{"name": "http", "containerPort": 8080, "publish": true}]},
        ]},
    })
}

/// The stack with another image at its middle level.
fn edited() -> Value {
    let mut stack = stack();
    stack["spec"]["services"][2]["container"]["image"] = json!("docker.io/library/api:2.0");
    stack
}

/// The stack with a field of its spec set.
fn with(field: &str, value: Value) -> Value {
    let mut stack = stack();
    stack["spec"][field] = value;
    stack
}

/// The stack with one variable of a leaf changed (PERF-70).
fn other_value() -> Value {
    let mut stack = stack();
    stack["spec"]["services"][3]["env"] = json!([{"name": "LEVEL", "value": "debug"}]);
    stack
}

/// The stack whose cache may come from the host only, which has none (S-15).
fn never() -> Value {
    let mut stack = stack();
    stack["spec"]["services"].as_array_mut().unwrap().truncate(2);
    stack["spec"]["services"][1]["provisioning"] = json!({"mode": "Never"});
    stack
}

/// A leaf that changes one class of its fields after the other.
fn edits() -> Vec<Value> {
    let mut stack = stack();
    let classes = [
        ("env", json!([{"name": "LEVEL", "value": "debug"}])),
        ("ports", json!([{"name": "metrics", "containerPort": 9090}])),
        ("volumes", json!([{"target": "/scratch", "tmpfs": {}}])),
        ("files", json!([{"path": "/etc/worker.conf", "content": "level = debug"}])),
        ("resources", json!({"memory": "64Mi"})),
        ("health", json!({"exec": {"command": ["sleep", "1"]}, "interval": "5s"})),
        ("restart", json!("OnFailure")),
        ("stopGracePeriod", json!("3s")),
        ("startupPriority", json!(7)),
        ("dependsOn", json!([{"name": "db"}])),
    ];
    let edit = |(field, value): (&str, Value)| {
        stack["spec"]["services"][3][field] = value;
        stack.clone()
    };
    classes.into_iter().map(edit).collect()
}

/// A service that the host may run, beside two that it does not.
fn hosted() -> Value {
    let mut stack = stack();
    let services = stack["spec"]["services"].as_array_mut().unwrap();
    services.truncate(3);
    services[2]["dependsOn"] = json!([{"name": "cache"}]);
    services[2].as_object_mut().unwrap().remove("env");
    stack
}

/// The stack in a namespace of its own.
fn of_team() -> Value {
    let mut stack = stack();
    stack["metadata"]["namespace"] = json!("team");
    stack
}

/// The stack with gates in a circle: refused, without any effect on what runs (S-14).
fn invalid() -> Value {
    let mut stack = stack();
    stack["spec"]["services"][0]["dependsOn"] = json!([{"name": "web"}]);
    stack
}

/// The stack whose volumes go with it.
fn without_volumes() -> Value {
    let mut stack = stack();
    stack["metadata"]["annotations"] = json!({koan_crds::labels::DELETE_VOLUMES: "true"});
    stack
}
