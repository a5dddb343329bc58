//! Workload `real` of the bench `up`: postgres and redis, then an application that takes 300 ms after both answer (PERF-22).
//! The servers' own boots are floors of the same run, told by their own logs.

use super::floor::Server;
use super::setting::Sleepers;
use serde_json::{Value, json};

/// Name of the row and of `--workload`.
pub(crate) const NAME: &str = "real, cold volume";
/// Boot of the application, in seconds.
const APPLICATION: f64 = 0.3;
/// Password of the floor's own server; a container of a moment on a network of its own.
const ENVIRONMENT: [&str; 1] = ["POSTGRES_PASSWORD=floor"];
/// The server of the initialisation says it as well.
const DATABASE_SAYS: (&str, usize) = ("database system is ready to accept connections", 2);
const CACHE_SAYS: (&str, usize) = ("Ready to accept connections", 1);

/// Images of the servers.
pub(crate) struct Images {
    database: String,
    cache: String,
}

impl Images {
    /// The images that `hack/images` built, or what is missing.
    pub(crate) fn of_environment() -> Result<Self, String> {
        let of = |name: &str| std::env::var(name).map_err(|_| format!("{name} is not set; `eval \"$(hack/images)\"`"));
        Ok(Self { database: of("KOAN_TEST_POSTGRES_IMAGE")?, cache: of("KOAN_TEST_REDIS_IMAGE")? })
    }

    /// The database server, its data folder new at each start.
    pub(crate) fn database(&self) -> Server<'_> {
        Server { image: &self.database, environment: &ENVIRONMENT, says: DATABASE_SAYS }
    }

    /// The cache server.
    pub(crate) fn cache(&self) -> Server<'_> {
        Server { image: &self.cache, environment: &[], says: CACHE_SAYS }
    }

    /// The DevStack; its volumes go with it, so that each start finds none.
    pub(crate) fn stack(&self, name: &str, sleepers: &Sleepers) -> Value {
        let server = |name: &str, adapter: &str, image: &str| json!({"name": name, "adapter": adapter, "image": image, "provisioning": {"mode": "Always"}});
        json!({
            "apiVersion": "koan.dev/v1alpha1", "kind": "DevStack", "metadata": {"name": name},
            "spec": {"volumeReclaim": "Delete", "services": [
                server("db", "postgres", &self.database),
                server("cache", "redis", &self.cache),
                {
                    "name": "app", "container": {"image": sleepers.image}, "health": {"http": {"path": "/", "port": 8080}},
                    "env": [{"name": "BOOT_MS", "value": "300"}], "dependsOn": [{"name": "db"}, {"name": "cache"}],
                },
            ]},
        })
    }
}

/// `L_path` of the stack: two starts in a row, the longer boot of the two servers, the boot of the application.
pub(crate) fn bound(prelude: f64, start: f64, database: f64, cache: f64) -> f64 {
    prelude + 2.0 * start + database.max(cache) + APPLICATION
}

#[cfg(test)]
mod tests {
    use super::bound;

    /// PERF-22: the application starts behind the slower server.
    #[test]
    fn the_slower_server_bounds_the_stack() {
        assert!((bound(0.1, 0.2, 2.0, 0.1) - 2.8).abs() < 1e-9);
        assert!((bound(0.1, 0.2, 0.1, 3.0) - 3.8).abs() < 1e-9);
    }
}
