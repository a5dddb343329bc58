//! What a bench works with: the program, the engine, the repetitions.

use super::floor::Engine;
use super::record::{Record, Run};
use anyhow::Result;
use clap::ValueEnum;
use std::path::PathBuf;

/// Repetitions of what takes at most [`LONG`] seconds, and of what takes longer (PERF-1).
const REPETITIONS: usize = 5;
const LONG_REPETITIONS: usize = 3;
const LONG: f64 = 10.0;

/// Where stacks come up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum EngineName {
    Docker,
    Podman,
    Process,
}

/// What a bench works with.
pub(crate) struct Setting {
    /// The program under test.
    pub(crate) program: PathBuf,
    /// Where stacks come up.
    pub(crate) engine: EngineName,
    /// As asked for.
    pub(crate) repetitions: Option<usize>,
    /// Only these stacks, or parts of `apiserver`; all when empty.
    pub(crate) workloads: Vec<String>,
    /// The working tree whose `hack/reference` is measured beside the program; `None` where that is not asked for.
    pub(crate) reference: Option<PathBuf>,
    /// What all results of this run share.
    pub(crate) run: Run,
}

/// What came of a bench.
pub(crate) enum Outcome {
    Measured(Vec<Record>),
    /// What is missing and how to get it.
    Skipped(String),
}

/// A container engine with the sleeper's image.
pub(crate) struct Sleepers {
    /// The raw socket.
    pub(crate) engine: Engine,
    /// Variable and value that show this engine to the program.
    pub(crate) variable: (&'static str, String),
    /// The sleeper's image.
    pub(crate) image: String,
}

impl EngineName {
    /// Socket of this engine, as `hack/engines` names it.
    pub(crate) fn socket(self) -> Option<PathBuf> {
        let variable = match self {
            Self::Docker => "KOAN_TEST_DOCKER_SOCKET",
            Self::Podman => "KOAN_TEST_PODMAN_SOCKET",
            Self::Process => return None,
        };
        std::env::var_os(variable).map(PathBuf::from).filter(|path| path.exists())
    }
}

impl Setting {
    /// Repetitions of something that took `seconds` in the warm-up.
    pub(crate) fn repetitions(&self, seconds: f64) -> usize {
        self.repetitions.unwrap_or(if seconds > LONG { LONG_REPETITIONS } else { REPETITIONS })
    }

    /// The engine with its sleepers, or what is missing.
    ///
    /// # Errors
    /// The engine does not answer.
    pub(crate) fn sleepers(&self) -> Result<Result<Sleepers, String>> {
        let variable = match self.engine {
            EngineName::Docker => "DOCKER_HOST",
            EngineName::Podman => "CONTAINER_HOST",
            EngineName::Process => return Ok(Err("sleepers are containers; name --engine docker or podman".to_owned())),
        };
        let Some(socket) = self.engine.socket() else {
            return Ok(Err("no engine of the tests' own; `eval \"$(hack/engines up)\"`, or run hack/bench".to_owned()));
        };
        let Ok(image) = std::env::var("KOAN_TEST_SLEEPER_IMAGE") else {
            return Ok(Err("KOAN_TEST_SLEEPER_IMAGE is not set; `eval \"$(hack/images)\"`, or run hack/bench".to_owned()));
        };
        let engine = Engine::new(&socket, &image);
        if !engine.has_image()? {
            return Ok(Err(format!("the engine lacks {image}; `eval \"$(hack/images)\"`, or run hack/bench")));
        }
        Ok(Ok(Sleepers { engine, variable: (variable, format!("unix://{}", socket.display())), image }))
    }
}
