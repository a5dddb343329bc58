//! The engines of this machine, as settings and environment name them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use koan_adapters::catalogue;
use koan_core::identity::InstanceId;
use koan_crds::v1alpha1::EngineName;
use koan_crds::vocabulary::ExitCode;
use koan_engines::Engine;
use koan_engines::moby::{Endpoint, HostFacts, default_endpoints};
use koan_engines::process::{ProcessOptions, ProgramSource};
use koan_engines::registry::{ENGINES, EngineSettings, Place};

use crate::failure::Failure;
use crate::home::{Home, instance_of};
use crate::settings::Settings;
use crate::{docker_context, registry_logins};

/// Docker, with the variable that names its address.
const DOCKER: (EngineName, &str) = (EngineName::Docker, "DOCKER_HOST");
/// The same of Podman.
const PODMAN: (EngineName, &str) = (EngineName::Podman, "CONTAINER_HOST");

/// Stands for the instance of a home where engines are only asked what they are.
const LOOKER: &str = "look";

/// Engines in the order in which `Auto` asks them (CLI-38).
pub(crate) struct Engines {
    instance: InstanceId,
    list: Vec<Arc<dyn Engine>>,
}

impl Engines {
    /// The engines of a home.
    ///
    /// # Errors
    /// [`Failure::Usage`] for an address that Koan does not speak to, [`Failure::Home`] for a home without an instance id.
    pub(crate) fn of_home(home: &Home, settings: &Settings) -> Result<Self, Failure> {
        Self::of(home, instance_of(home)?, settings)
    }

    /// The engines of a home that is perhaps not there yet, to ask what they are: nothing is written for it (CLI-27).
    ///
    /// # Errors
    /// As [`Engines::of_home`].
    pub(crate) fn for_a_look(settings: &Settings) -> Result<Self, Failure> {
        Self::of(&Home { root: settings.home.clone() }, LOOKER.into(), settings)
    }

    fn of(home: &Home, instance: InstanceId, settings: &Settings) -> Result<Self, Failure> {
        let settings = EngineSettings {
            docker: place(settings, DOCKER)?,
            podman: place(settings, PODMAN)?,
            secrets_dir: home.secrets(),
            cores: cores(),
            process: process_options(home, &instance)?,
        };
        let list: Result<_, _> = ENGINES.iter().map(|engine| engine.construct(&settings)).collect();
        let list = list.map_err(|error| unusable(&error))?;
        Ok(Self { instance, list })
    }

    /// All of them.
    pub(crate) fn all(&self) -> &[Arc<dyn Engine>] {
        &self.list
    }

    /// The one of this name.
    pub(crate) fn get(&self, name: EngineName) -> Option<&Arc<dyn Engine>> {
        self.list.iter().find(|engine| engine.id() == name)
    }

    /// The instance whose objects they hold.
    pub(crate) fn instance(&self) -> &InstanceId {
        &self.instance
    }
}

/// Cores of this machine; one where the system does not tell.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Where a container engine listens, and its logins.
fn place(settings: &Settings, (engine, variable): (EngineName, &str)) -> Result<Place, Failure> {
    let logins = registry_logins::of_person(&settings.environment, engine)?;
    let (endpoint, looked_at) = places(settings, engine, variable)?;
    Ok(Place { endpoint, looked_at, logins })
}

/// Where the container engines listen for this run, by name; what a running server was started with may differ (CLI-37).
///
/// # Errors
/// As [`Engines::of_home`].
pub(crate) fn addresses(settings: &Settings) -> Result<BTreeMap<String, String>, Failure> {
    let address = |(engine, variable)| Ok((format!("{engine:?}"), places(settings, engine, variable)?.0.to_string()));
    [DOCKER, PODMAN].into_iter().map(address).collect()
}

/// Address of an engine: its variable, for Docker its context, else the first default place whose socket exists, else the first;
/// then the other default places, where none has a socket.
fn places(settings: &Settings, engine: EngineName, variable: &str) -> Result<(Endpoint, Vec<Endpoint>), Failure> {
    let environment = &settings.environment;
    let named = match environment.get(variable)? {
        Some(address) => Some((address.to_owned(), variable.to_owned())),
        None if engine == EngineName::Docker => docker_context::address(environment)?,
        None => None,
    };
    if let Some((address, source)) = named {
        let endpoint = Endpoint::parse(&address).map_err(|error| Failure::Usage {
            message: format!("{source}: {error}"),
            hint: format!("set {variable} to a unix:// socket"),
        })?;
        return Ok((endpoint, Vec::new()));
    }
    let facts = HostFacts {
        windows: cfg!(windows),
        runtime_dir: environment.get("XDG_RUNTIME_DIR")?.map(PathBuf::from),
        home: environment.get("HOME")?.map(PathBuf::from),
        user_id: rustix::process::geteuid().as_raw(),
    };
    let mut places = default_endpoints(engine, &facts).into_iter();
    let Some(first) = places.next() else { return Err(Failure::Bug { message: format!("{engine:?} has no default address") }) };
    let others: Vec<Endpoint> = places.collect();
    let is_there = |place: &&Endpoint| matches!(place, Endpoint::Unix(path) if path.exists());
    match std::iter::once(&first).chain(&others).find(is_there) {
        Some(present) => Ok((present.clone(), Vec::new())),
        None => Ok((first, others)),
    }
}

fn unusable(error: &koan_engines::EngineError) -> Failure {
    Failure::Home { message: error.to_string(), hint: "`koan doctor` checks the engines".to_owned(), exit: ExitCode::Engine }
}

fn process_options(home: &Home, instance: &InstanceId) -> Result<ProcessOptions, Failure> {
    let program = std::env::current_exe().map_err(|source| Failure::ReadFile { path: "/proc/self/exe".into(), source })?;
    let mut options = ProcessOptions::of_this_user(&home.root, program, instance.clone());
    let recipes = catalogue().recipes().iter().filter_map(|recipe| recipe.process.as_ref());
    let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect();
    options.programs = recipes
        .map(|recipe| ProgramSource {
            programs: words(recipe.programs),
            folders: words(recipe.folders),
            package: recipe.package.to_owned(),
        })
        .collect();
    Ok(options)
}
