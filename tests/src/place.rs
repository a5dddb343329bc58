use std::path::PathBuf;

use crate::{Component, Engine, Koan, component};

/// One place where workloads run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A Docker engine of the tests' own.
    Docker,
    /// A Podman service of the tests' own.
    Podman,
    /// Supervised processes of this machine; no container engine answers.
    Process,
}

impl Place {
    /// A home that knows this engine and no other; `None` where it is missing.
    pub fn home(self, suite: &str) -> Option<Koan> {
        let socket = |path: PathBuf| format!("unix://{}", path.display());
        match self {
            Self::Docker => Some(Koan::new().with("DOCKER_HOST", socket(component(suite, Component::Docker)?))),
            Self::Podman => Some(Koan::new().with("CONTAINER_HOST", socket(component(suite, Component::Podman)?))),
            Self::Process => Some(Koan::new()),
        }
    }

    /// The engine's own API; `None` where there is no container engine.
    pub fn engine(self, suite: &str) -> Option<Engine> {
        match self {
            Self::Docker => component(suite, Component::Docker).map(Engine::at),
            Self::Podman => component(suite, Component::Podman).map(Engine::at),
            Self::Process => None,
        }
    }

    /// The `image:` line of an adapter's service: the image of the tests' own, nothing for processes.
    pub fn image(self, adapter: &str) -> String {
        let variable = format!("KOAN_TEST_{}_IMAGE", adapter.to_ascii_uppercase());
        match std::env::var(variable) {
            Ok(name) if self != Self::Process => format!("    image: {name}\n"),
            Ok(_) | Err(_) => String::new(),
        }
    }

    /// A database and a cache that never look for host services, so that their ports are re-picked where others hold them.
    pub fn stack(self) -> String {
        format!(
            "apiVersion: koan.dev/v1alpha1\nkind: DevStack\nmetadata: {{name: shop}}\nspec:\n  provisioning: {{mode: Always}}\n  services:\n\
             \x20 - name: db\n    adapter: postgres\n{}  - name: cache\n    adapter: redis\n{}",
            self.image("postgres"),
            self.image("redis"),
        )
    }
}
