//! The main job on real servers: a stack comes up, answers, is healed, and goes.

use std::path::PathBuf;

use koan_tests::{Component, Koan, component};
use serde_json::Value;

/// Longest `koan up` of a test.
const UP: &str = "120s";

/// One place where workloads run.
#[derive(Clone, Copy, Debug)]
enum Place {
    Docker,
    Podman,
    Process,
}

impl Place {
    /// A home that knows this engine and no other; `None` where it is missing.
    fn home(self, suite: &str) -> Option<Koan> {
        let socket = |path: PathBuf| format!("unix://{}", path.display());
        match self {
            Self::Docker => Some(Koan::new().with("DOCKER_HOST", socket(component(suite, Component::Docker)?))),
            Self::Podman => Some(Koan::new().with("CONTAINER_HOST", socket(component(suite, Component::Podman)?))),
            Self::Process => Some(Koan::new()),
        }
    }
}

/// A stack with a database and a cache whose host ports are not the well-known ones: whatever listens there is not the test's.
fn stack(images: bool) -> String {
    let image = |variable: &str| match std::env::var(variable) {
        Ok(name) if images => format!("\n    image: {name}"),
        _ => String::new(),
    };
    format!(
        "apiVersion: koan.dev/v1alpha1\nkind: DevStack\nmetadata: {{name: shop}}\nspec:\n  provisioning: {{mode: Always}}\n  services:\n\
         \x20 - name: db\n    adapter: postgres{}\n  - name: cache\n    adapter: redis{}\n",
        image("KOAN_TEST_POSTGRES_IMAGE"),
        image("KOAN_TEST_REDIS_IMAGE"),
    )
}

fn service<'a>(status: &'a Value, name: &str) -> &'a Value {
    let services = status["services"].as_array().expect("services");
    services.iter().find(|service| service["name"] == name).unwrap_or_else(|| panic!("no {name} in {status}"))
}

fn up_status_down(place: Place) {
    let Some(koan) = place.home("shop") else { return };
    koan.write("koan.yaml", &stack(!matches!(place, Place::Process)));
    let status = koan.run(&["up", "-o", "json", "--timeout", UP]).expect_code(0).json();
    assert_eq!(status["ready"], "2/2", "{status}");
    for name in ["db", "cache"] {
        assert_eq!(service(&status, name)["decision"]["action"], "ProvisionContainer");
        assert_eq!(service(&status, name)["decision"]["reason"], "AlwaysMode");
    }
    let environment = koan.run(&["env", "--format", "json"]).expect_code(0).json();
    answers(&environment);
    let again = koan.run(&["up", "-o", "json", "--timeout", UP]).expect_code(0);
    assert!(again.stderr.contains("unchanged"), "{}", again.stderr);
    koan.run(&["down", "--timeout", UP]).expect_code(0);
    assert_eq!(koan.run(&["list", "-o", "json"]).expect_code(0).json()["items"], serde_json::json!([]));
}

/// The injected URLs lead to a database and a cache that take the injected credentials.
fn answers(environment: &Value) {
    let url = |name: &str| environment[name].as_str().unwrap_or_else(|| panic!("no {name} in {environment}")).to_owned();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (client, connection) =
            tokio_postgres::connect(&url("DATABASE_URL"), tokio_postgres::NoTls).await.expect("a database");
        tokio::spawn(connection);
        let row = client.query_one("SELECT current_database()", &[]).await.expect("an answer");
        assert_eq!(row.get::<_, String>(0), "shop");
        let cache = redis::Client::open(url("REDIS_URL")).expect("a URL");
        let mut cache = cache.get_multiplexed_async_connection().await.expect("a cache");
        let pong: String = redis::cmd("PING").query_async(&mut cache).await.expect("an answer");
        assert_eq!(pong, "PONG");
    });
}

/// ENG-17, CLI-15, DET-34: without a container engine the stack comes up as processes, and the injected URLs work.
#[test]
fn a_stack_comes_up_as_processes() {
    up_status_down(Place::Process);
}

/// ENG-5, ENG-6, DET-34: the same on a real Docker engine.
#[test]
fn a_stack_comes_up_on_docker() {
    up_status_down(Place::Docker);
}

/// ENG-5, ENG-6, DET-34: the same on a real Podman service.
#[test]
fn a_stack_comes_up_on_podman() {
    up_status_down(Place::Podman);
}
