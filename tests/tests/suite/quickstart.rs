//! The two commands of the README, as a newcomer runs them: with Docker, with Podman only, and with neither.

use std::path::{Path, PathBuf};
use std::process::Command;

use koan_tests::{Engine, Koan, Output, Place};
use serde_json::Value;

/// Where the clone is.
fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

/// `hack/quickstart` with the home and the engine of `koan`; it builds with this machine's own tool chain.
fn quickstart(koan: &Koan) -> Output {
    let mut command = Command::new(repository().join("hack/quickstart"));
    for (name, value) in koan.command(&[]).get_envs() {
        if let Some(value) = value.filter(|_| name != "HOME" && name != "PATH") {
            command.env(name, value);
        }
    }
    Output::of(&mut command)
}

/// A command of `koan` in the folder of an example.
fn inside(koan: &Koan, example: &str, arguments: &[&str]) -> Output {
    Output::of(koan.command(arguments).current_dir(repository().join("examples").join(example)))
}

fn products(answer: &str) {
    let answer: Value = serde_json::from_str(answer).unwrap_or_else(|error| panic!("{error}: {answer}"));
    assert_eq!(answer["products"].as_array().map(Vec::len), Some(3), "the migration ran: {answer}");
    assert!(answer["visits"].as_u64().is_some_and(|visits| visits > 0), "the cache counts: {answer}");
}

/// Tags that the example names, taken away: as on a fresh machine the pull fails, and the quickstart builds the images. A tag that
/// nobody made anew is given back, however the test ends.
struct Forgotten {
    engine: Engine,
    tags: Vec<(&'static str, &'static str)>,
}

/// Under this name an image is kept while its own tag is away.
const KEPT: &str = "koan-tests-kept";

impl Forgotten {
    fn of(engine: Engine) -> Self {
        let tags = [("postgres", "15"), ("redis", "7")];
        let tags = tags.into_iter().filter(|(repository, tag)| has(&engine, &format!("{repository}:{tag}"))).collect();
        let forgotten = Self { engine, tags };
        for (repository, tag) in &forgotten.tags {
            rename(&forgotten.engine, (repository, tag), (KEPT, repository)).unwrap_or_else(|words| panic!("{words}"));
        }
        forgotten
    }
}

impl Drop for Forgotten {
    fn drop(&mut self) {
        for (repository, tag) in &self.tags {
            let name = format!("{repository}:{tag}");
            let given = if has(&self.engine, &name) {
                self.engine.try_call("DELETE", &format!("/images/{KEPT}:{repository}?noprune=true"), None).map(drop)
            } else {
                rename(&self.engine, (KEPT, repository), (repository, tag))
            };
            if let Err(words) = given {
                eprintln!("{name} is kept as {KEPT}:{repository}: {words}");
            }
        }
    }
}

fn has(engine: &Engine, name: &str) -> bool {
    engine.try_call("GET", &format!("/images/{name}/json"), None).is_ok()
}

/// Gives an image another name: repository and tag of each.
fn rename(engine: &Engine, from: (&str, &str), to: (&str, &str)) -> Result<(), String> {
    let from = format!("{}:{}", from.0, from.1);
    engine.try_call("POST", &format!("/images/{from}/tag?repo={}&tag={}", to.0, to.1), None)?;
    engine.try_call("DELETE", &format!("/images/{from}?noprune=true"), None).map(drop)
}

/// The quickstart ends with the shop's answer; then the same shop from images that Koan builds, where there is an engine.
fn newcomer(place: Place) {
    let Some(koan) = place.home("quickstart") else { return };
    let _forgotten =
        (place == Place::Docker).then(|| Forgotten::of(Place::Docker.engine("quickstart").expect("the same engine")));
    let shown = quickstart(&koan).expect_code(0);
    let answer = shown.stdout.lines().last().expect("an answer");
    products(answer);
    assert!(shown.stdout.contains("ready: 4/4"), "the status is shown: {}", shown.stdout);
    inside(&koan, "shop", &["down", "--volumes", "--yes", "--timeout", "60s"]).expect_code(0);
    if place == Place::Process {
        return;
    }
    let status = inside(&koan, "shop-containers", &["up", "-o", "json", "--timeout", "180s"]).expect_code(0).json();
    assert_eq!(status["ready"], "4/4", "{status}");
    let web = status["services"].as_array().into_iter().flatten().find(|service| service["name"] == "web").cloned();
    let endpoint = web.and_then(|web| web["endpoints"]["host"].as_str().map(str::to_owned)).expect("an endpoint of web");
    let fetched = Output::of(Command::new("curl").args(["--noproxy", "*", "-fsS", "--max-time", "10", &endpoint])).expect_code(0);
    products(&fetched.stdout);
    inside(&koan, "shop-containers", &["down", "--volumes", "--yes", "--timeout", "60s"]).expect_code(0);
}

/// ENG-5, ENG-8, CLI-18: a newcomer with Docker, whom no registry answers: the second `koan up` has the images tried again.
#[test]
fn quickstart_with_docker() {
    newcomer(Place::Docker);
}

/// ENG-5, ENG-8: a newcomer with Podman only.
#[test]
fn quickstart_with_podman() {
    newcomer(Place::Podman);
}

/// ENG-17: a newcomer without a container engine.
#[test]
fn quickstart_with_neither() {
    newcomer(Place::Process);
}
