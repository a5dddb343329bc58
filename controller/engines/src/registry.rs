//! The engines that can be chosen, one line each, and in which order (CLI-38).

use std::path::PathBuf;
use std::sync::Arc;

use koan_crds::v1alpha1::EngineName;

use crate::moby::{Dialect, Endpoint, Moby, MobyOptions, RegistryLogins};
use crate::process::{ProcessEngine, ProcessOptions};
use crate::{Engine, EngineError};

/// Where a container engine listens, and how it logs in at registries of images.
#[derive(Clone, Debug)]
pub struct Place {
    /// Its address.
    pub endpoint: Endpoint,
    /// Other places where it might have listened.
    pub looked_at: Vec<Endpoint>,
    /// Where logins of image registries stand.
    pub logins: RegistryLogins,
}

/// What the caller gathered for every engine; nothing here reads the environment.
#[derive(Clone, Debug)]
pub struct EngineSettings {
    /// Docker's place.
    pub docker: Place,
    /// Podman's place.
    pub podman: Place,
    /// Folder of the state directory for mounted secret files.
    pub secrets_dir: PathBuf,
    /// Cores of this machine.
    pub cores: usize,
    /// Settings of the process engine.
    pub process: ProcessOptions,
}

/// An engine that can be chosen.
#[derive(Debug)]
pub struct Registered {
    /// Its name.
    pub name: EngineName,
    /// Under `Auto` the greatest one that is available wins; 0 is chosen only as ENG-17 says.
    pub priority: u8,
    construct: fn(&EngineSettings) -> Result<Arc<dyn Engine>, EngineError>,
}

impl Registered {
    /// The engine; nothing is connected yet.
    ///
    /// # Errors
    /// [`EngineError::Unreachable`] where its client cannot be built.
    pub fn construct(&self, settings: &EngineSettings) -> Result<Arc<dyn Engine>, EngineError> {
        (self.construct)(settings)
    }
}

/// Every engine of this build, the first choice first.
pub static ENGINES: &[Registered] = &[
    Registered {
        name: EngineName::Docker,
        priority: 100,
        construct: |settings| moby(settings, &Dialect::DOCKER, &settings.docker),
    },
    Registered {
        name: EngineName::Podman,
        priority: 50,
        construct: |settings| moby(settings, &Dialect::PODMAN, &settings.podman),
    },
    Registered {
        name: EngineName::Process,
        priority: 0,
        construct: |settings| Ok(Arc::new(ProcessEngine::new(settings.process.clone()))),
    },
];

fn moby(settings: &EngineSettings, dialect: &'static Dialect, place: &Place) -> Result<Arc<dyn Engine>, EngineError> {
    let Place { endpoint, looked_at, logins } = place.clone();
    let (secrets_dir, cores) = (settings.secrets_dir.clone(), settings.cores);
    let options = MobyOptions { endpoint, looked_at, dialect, secrets_dir, cores, logins };
    Ok(Arc::new(Moby::new(options)?))
}

#[cfg(test)]
mod tests {
    use koan_core::decide::CONTAINER_ENGINES;

    use super::*;

    /// CLI-38, ENG-4: Docker before Podman before processes, each once, each with its own priority, as the choice has them.
    #[test]
    fn the_order_of_choice_is_fixed() {
        let order: Vec<_> = ENGINES.iter().map(|engine| (engine.name, engine.priority)).collect();
        assert_eq!(order, [(EngineName::Docker, 100), (EngineName::Podman, 50), (EngineName::Process, 0)]);
        let by_order: Vec<_> = ENGINES.iter().filter(|engine| engine.priority > 0).map(|engine| engine.name).collect();
        assert_eq!(by_order, CONTAINER_ENGINES);
    }
}
