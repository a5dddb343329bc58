//! The engines of this machine, as settings and environment name them.

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
        let instance = instance_of(home)?;
        let settings = EngineSettings {
            docker: place(settings, EngineName::Docker, "DOCKER_HOST")?,
            podman: place(settings, EngineName::Podman, "CONTAINER_HOST")?,
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
fn place(settings: &Settings, engine: EngineName, variable: &str) -> Result<Place, Failure> {
    let logins = registry_logins::of_person(&settings.environment, engine)?;
    Ok(Place { endpoint: endpoint(settings, engine, variable)?, logins })
}

/// Address of an engine: its variable, for Docker its context, else the first default place whose socket exists, else the first.
fn endpoint(settings: &Settings, engine: EngineName, variable: &str) -> Result<Endpoint, Failure> {
    let environment = &settings.environment;
    let named = match environment.get(variable)? {
        Some(address) => Some((address.to_owned(), variable.to_owned())),
        None if engine == EngineName::Docker => docker_context::address(environment)?,
        None => None,
    };
    if let Some((address, source)) = named {
        return Endpoint::parse(&address).map_err(|error| Failure::Usage {
            message: format!("{source}: {error}"),
            hint: format!("set {variable} to a unix:// socket"),
        });
    }
    let facts = HostFacts {
        windows: cfg!(windows),
        runtime_dir: environment.get("XDG_RUNTIME_DIR")?.map(PathBuf::from),
        home: environment.get("HOME")?.map(PathBuf::from),
        user_id: rustix::process::geteuid().as_raw(),
    };
    let places = default_endpoints(engine, &facts);
    let present = places.iter().find(|place| matches!(place, Endpoint::Unix(path) if path.exists()));
    present.or(places.first()).cloned().ok_or_else(|| Failure::Bug { message: format!("{engine:?} has no default address") })
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
