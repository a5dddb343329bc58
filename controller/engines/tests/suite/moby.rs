//! Fixtures of Docker and Podman: engines that were started for the tests, with their images.

use std::path::PathBuf;
use std::sync::Arc;

use koan_core::workload::{ContainerRun, ImageSpec, Run};
use koan_crds::v1alpha1::{EngineName, PullPolicy};
use koan_engines::moby::{Dialect, Endpoint, Moby, MobyOptions, RegistryLogins};

use crate::fixture::{Bench, Fixture};

/// Binds its port and answers every request.
pub(crate) const SERVER: &str = "docker.io/library/koan-sleeper:1.0.0";
/// Any image with a shell.
pub(crate) const SHELL: &str = "docker.io/library/redis:7";

const DOCKER_SOCKET: &str = "KOAN_TEST_DOCKER_SOCKET";
const PODMAN_SOCKET: &str = "KOAN_TEST_PODMAN_SOCKET";

pub(crate) async fn docker(case: &str) -> Option<Bench> {
    bench(DOCKER_SOCKET, EngineName::Docker, case)
}

pub(crate) async fn podman(case: &str) -> Option<Bench> {
    bench(PODMAN_SOCKET, EngineName::Podman, case)
}

/// The same engine and objects for another process of Koan, which remembers nothing.
pub(crate) fn again(bench: &Bench) -> Bench {
    let variable = match bench.engine.id() {
        EngineName::Podman => PODMAN_SOCKET,
        _ => DOCKER_SOCKET,
    };
    let socket = std::env::var_os(variable).expect("it was there before");
    let secrets = bench.fixture.secrets().expect("a folder").to_owned();
    Bench {
        engine: connect(bench.engine.id(), socket.into(), secrets),
        fixture: Box::new(Containers { secrets: Secrets::Borrowed(bench.fixture.secrets().expect("a folder").to_owned()) }),
        owner: bench.owner.clone(),
    }
}

fn bench(variable: &str, engine: EngineName, case: &str) -> Option<Bench> {
    let Some(socket) = std::env::var_os(variable) else {
        println!("SKIPPED engine {engine:?}: {variable} names no socket");
        return None;
    };
    let secrets = tempfile::Builder::new().prefix("koan-secrets").tempdir().expect("a folder");
    let moby = connect(engine, socket.into(), secrets.path().to_owned());
    Some(Bench::new(moby, Box::new(Containers { secrets: Secrets::Own(secrets) }), case))
}

fn connect(engine: EngineName, socket: PathBuf, secrets_dir: PathBuf) -> Arc<Moby> {
    let dialect = Dialect::of(engine).expect("a container engine");
    let options = MobyOptions {
        endpoint: Endpoint::Unix(socket),
        looked_at: Vec::new(),
        dialect,
        secrets_dir,
        cores: 2,
        logins: RegistryLogins::default(),
    };
    Arc::new(Moby::new(options).expect("an engine"))
}

/// Where mounted files lie: a folder that goes with the bench, or another bench's.
enum Secrets {
    Own(tempfile::TempDir),
    Borrowed(PathBuf),
}

struct Containers {
    secrets: Secrets,
}

/// A container of an image, or of a shell script in it.
pub(crate) fn container(image: &str, script: Option<&str>) -> Run {
    Run::Container(ContainerRun {
        image: image.to_owned(),
        command: script.map(|script| vec!["sh".to_owned(), "-c".to_owned(), script.to_owned()]),
        args: None,
        working_dir: None,
        user: None,
        init: script.is_some(),
        image_health: false,
    })
}

fn words(list: &[&str]) -> Vec<String> {
    list.iter().map(|word| (*word).to_owned()).collect()
}

impl Fixture for Containers {
    fn server(&self, _port: u16) -> Run {
        container(SERVER, None)
    }

    fn talker(&self) -> Run {
        container(SHELL, Some("echo out 1; echo err 1 >&2; echo out 2; echo err 2 >&2; sleep 600 & wait"))
    }

    fn ender(&self, code: i64) -> Run {
        container(SHELL, Some(&format!("exit {code}")))
    }

    fn image(&self, run: &Run) -> Option<ImageSpec> {
        match run {
            Run::Container(run) => Some(ImageSpec { reference: run.image.clone(), pull: PullPolicy::Never, build: None }),
            Run::Process(_) => None,
        }
    }

    fn secrets(&self) -> Option<&std::path::Path> {
        Some(match &self.secrets {
            Secrets::Own(folder) => folder.path(),
            Secrets::Borrowed(path) => path,
        })
    }

    fn print_file(&self, path: &str) -> Vec<String> {
        words(&["cat", path])
    }

    fn print_letters(&self, letters: usize) -> Vec<String> {
        words(&["sh", "-c", &format!("head -c {letters} /dev/zero | tr '\\0' x")])
    }

    fn hang(&self) -> Vec<String> {
        words(&["sleep", "120"])
    }
}
