//! The engines that can be chosen, one line each, and in which order (CLI-38).

use std::path::PathBuf;
use std::sync::Arc;

use koan_crds::v1alpha1::EngineName;

use crate::moby::{Dialect, Endpoint, Moby, MobyOptions, RegistryLogins};
use crate::process::{ProcessEngine, ProcessOptions};
use crate::{Engine, EngineError};

/// What the caller gathered for every engine; nothing here reads the environment.
#[derive(Clone, Debug)]
pub struct EngineSettings {
    /// Where Docker listens.
    pub docker: Endpoint,
    /// Where Podman listens.
    pub podman: Endpoint,
    /// Folder of the state directory for mounted secret files.
    pub secrets_dir: PathBuf,
    /// Cores of this machine.
    pub cores: usize,
    /// Where logins of image registries stand.
    pub logins: RegistryLogins,
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

fn moby(settings: &EngineSettings, dialect: &'static Dialect, endpoint: &Endpoint) -> Result<Arc<dyn Engine>, EngineError> {
    let options = MobyOptions {
        endpoint: endpoint.clone(),
        dialect,
        secrets_dir: settings.secrets_dir.clone(),
        cores: settings.cores,
        logins: settings.logins.clone(),
    };
    Ok(Arc::new(Moby::new(options)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CLI-38, ENG-4: Docker before Podman before processes, each once, each with its own priority.
    #[test]
    fn the_order_of_choice_is_fixed() {
        let order: Vec<_> = ENGINES.iter().map(|engine| (engine.name, engine.priority)).collect();
        assert_eq!(order, [(EngineName::Docker, 100), (EngineName::Podman, 50), (EngineName::Process, 0)]);
    }
}
