//! Fixtures of Docker and Podman: engines that were started for the tests, with their images.

use std::path::PathBuf;
use std::sync::Arc;

use koan_core::workload::{ContainerRun, ImageSpec, Run};
use koan_crds::v1alpha1::{EngineName, PullPolicy};
use koan_engines::moby::{Dialect, Endpoint, Moby, MobyOptions};

use crate::fixture::{Bench, Fixture};

/// Binds its port and answers every request.
const SERVER: &str = "docker.io/library/koan-sleeper:1.0.0";
/// Any image with a shell.
const SHELL: &str = "docker.io/library/redis:7";

pub(crate) async fn docker(case: &str) -> Option<Bench> {
    bench("KOAN_TEST_DOCKER_SOCKET", EngineName::Docker, case)
}

pub(crate) async fn podman(case: &str) -> Option<Bench> {
    bench("KOAN_TEST_PODMAN_SOCKET", EngineName::Podman, case)
}

fn bench(variable: &str, engine: EngineName, case: &str) -> Option<Bench> {
    let dialect = Dialect::of(engine).expect("a container engine");
    let Some(socket) = std::env::var_os(variable) else {
        println!("SKIPPED engine {}: {variable} names no socket", dialect.title.to_lowercase());
        return None;
    };
    let secrets = tempfile::Builder::new().prefix("koan-secrets").tempdir().expect("a folder");
    let options = MobyOptions {
        endpoint: Endpoint::Unix(PathBuf::from(socket)),
        dialect,
        secrets_dir: secrets.path().to_owned(),
        cores: 2,
    };
    let moby = Moby::new(options).expect("an engine");
    Some(Bench::new(Arc::new(moby), Box::new(Containers { _secrets: secrets }), case))
}

struct Containers {
    _secrets: tempfile::TempDir,
}

fn container(image: &str, script: Option<&str>) -> Run {
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
