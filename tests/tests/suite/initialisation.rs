//! The server that an image starts while it initialises its data is never taken for the service (DET-38).

use koan_adapters::catalogue;
use koan_core::recipe::{Recipe, Recipes};
use koan_core::text::{Part, Values};
use koan_tests::{Component, Engine, Koan, Kubectl, Place, until};
use serde_json::json;

/// What an initialisation script says once the first server answered it.
const HELD: &str = "the first server answers";
/// Until this file is there the script holds.
const GATE: &str = "gate/open";

/// An image that starts a server of its own for its initialisation scripts.
struct Image {
    adapter: &'static str,
    /// Asks the first server as its scripts may; ends well once it answers.
    asks: &'static str,
}

const POSTGRES: Image = Image {
    adapter: "postgres",
    asks: r#"psql --no-psqlrc --no-password --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" --command "select 1""#,
};

const MONGODB: Image =
    Image { adapter: "mongodb", asks: r#"mongosh --quiet --host 127.0.0.1 --eval "db.runCommand('ping').ok""# };

impl Image {
    /// A stack of one database whose initialisation is held.
    fn stack(&self, place: Place) -> String {
        let Self { adapter, asks, .. } = self;
        let image = place.image(adapter);
        format!(
            "apiVersion: koan.dev/v1alpha1\nkind: DevStack\nmetadata: {{name: shop}}\nspec:\n  provisioning: {{mode: Always}}\n  services:\n\
             \x20 - name: db\n    adapter: {adapter}\n{image}    readinessTimeout: 300s\n\
             \x20   volumes: [{{hostPath: gate, target: /gate, readOnly: true}}]\n\
             \x20   files:\n    - path: /docker-entrypoint-initdb.d/hold.sh\n      content: |\n\
             \x20       {asks} >/dev/null && echo {HELD}\n\
             \x20       while [ ! -e /{GATE} ]; do sleep 0.1; done\n"
        )
    }

    /// The recipe's check as it is run inside.
    fn check(&self) -> Vec<String> {
        let recipe = catalogue().recipe(self.adapter).expect("a row");
        let place = |part: &Part| if let Part::File(path) = part { Some(path.clone()) } else { None };
        let word = |text: &koan_core::text::Text| {
            let word = text.render(&Values::default(), place).unwrap_or_else(|part| panic!("{part:?}"));
            word.expose().replace(Recipe::DATABASE, "shop")
        };
        recipe.exec_check.iter().map(word).collect()
    }
}

/// The exit code of a command inside a container.
fn inside(engine: &Engine, container: &str, words: &[String]) -> i64 {
    let body = json!({"Cmd": words, "AttachStdout": false, "AttachStderr": false});
    let made = engine.call("POST", &format!("/containers/{container}/exec"), Some(&body));
    let id = made["Id"].as_str().unwrap_or_else(|| panic!("no exec: {made}"));
    engine.call("POST", &format!("/exec/{id}/start"), Some(&json!({"Detach": true, "Tty": false})));
    until("the command ended", || {
        let exec = engine.call("GET", &format!("/exec/{id}/json"), None);
        (exec["Running"] == false).then(|| exec["ExitCode"].as_i64()).flatten()
    })
}

fn ready(koan: &Koan) -> bool {
    koan.run(&["status", "-o", "json"]).expect_code(0).json()["ready"] == "1/1"
}

fn first_server_is_not_the_service(place: Place, image: &Image) {
    let (Some(koan), Some(engine)) = (place.home("initialisation"), place.engine("initialisation")) else { return };
    let Some(kubectl) = Kubectl::of("initialisation", Component::NewerKubectl, &koan) else { return };
    if place.image(image.adapter).is_empty() {
        println!("SKIPPED initialisation: there is no image of {}; hack/test builds it", image.adapter);
        return;
    }
    std::fs::create_dir(koan.project().join("gate")).expect("a folder");
    koan.write("koan.yaml", &image.stack(place));
    koan.run(&["up", "--no-wait"]).expect_code(0);
    until("the first server answers its script", || kubectl.run(&["logs", "shop-db"]).stdout.contains(HELD).then_some(()));
    let pod = kubectl.get(&["pod", "shop-db"])["status"]["containerStatuses"][0].clone();
    assert_eq!(pod["ready"], false, "{pod}");
    let id = pod["containerID"].as_str().and_then(|id| id.split_once("://")).expect("a container").1.to_owned();
    let check = image.check();
    assert_ne!(inside(&engine, &id, &check), 0, "{check:?} sees the first server");
    assert!(!ready(&koan), "the first server is not the service");

    koan.write(GATE, "");
    koan.run(&["up", "-o", "json", "--timeout", "300s"]).expect_code(0);
    assert!(ready(&koan));
    assert_eq!(inside(&engine, &id, &check), 0, "{check:?} passes in the service that is ready");
}

/// P7, DET-38: on Docker, while PostgreSQL's image runs its scripts, neither the readiness nor the recipe's check sees its first server.
#[test]
fn p7_the_first_postgres_is_not_the_service_on_docker() {
    first_server_is_not_the_service(Place::Docker, &POSTGRES);
}

/// P7, DET-38: MongoDB's image on Docker, whose first server listens on the container's loopback alone.
#[test]
fn p7_the_first_mongodb_is_not_the_service_on_docker() {
    first_server_is_not_the_service(Place::Docker, &MONGODB);
}
