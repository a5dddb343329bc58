//! Putting a server together and starting it.

use std::sync::Arc;

use serde_json::Value;

use super::ServerError;
use super::core::{Core, Parts};
use super::listen::{self, ListenOptions, Listening};
use super::mirrors::Mirrors;
use super::reader::SnapshotReader;
use super::service::Service;
use crate::crds;
use crate::deletion::{self, Worklist};
use crate::journal::{Journal, Memory};
use crate::kinds::Registry;
use crate::ports::{Clock, Ids, OsRandom, Random, RandomIds, SystemClock};
use crate::store::Store;
use crate::workloads::Workloads;

/// What a server is made from. Everything has a default: no kinds of one's own, a journal in memory, this machine's
/// clock and randomness.
pub struct Builder {
    definitions: Vec<Value>,
    extended: bool,
    kinds: Option<Arc<Registry>>,
    journal: Box<dyn Journal>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    ids: Option<Arc<dyn Ids>>,
}

/// A running server. Dropping it without [`Server::shutdown`] ends it as well, without waiting for open requests.
pub struct Server {
    core: Arc<Core>,
}

impl Server {
    /// A builder with the defaults.
    #[must_use]
    pub fn builder() -> Builder {
        Builder {
            definitions: Vec::new(),
            extended: false,
            kinds: None,
            journal: Box::new(Memory::new()),
            clock: Arc::new(SystemClock),
            random: Arc::new(OsRandom),
            ids: None,
        }
    }

    /// The server as a tower service, with the owner's rights and without a socket.
    #[must_use]
    pub fn service(&self) -> Service {
        Service::inside(Arc::clone(&self.core))
    }

    /// Reads of stored objects without HTTP.
    #[must_use]
    pub fn snapshot_reader(&self) -> SnapshotReader {
        SnapshotReader::new(Arc::clone(&self.core))
    }

    /// Where the embedding process shows its Pods.
    #[must_use]
    pub fn mirrors(&self) -> Mirrors {
        Mirrors::new(Arc::clone(&self.core))
    }

    /// Who answers about the Pods that are shown; only the first one counts.
    pub fn answer_for_pods(&self, workloads: Arc<dyn Workloads>) {
        self.core.set_workloads(workloads);
    }

    /// The random id of this store, which stays with it for its life.
    #[must_use]
    pub fn instance(&self) -> &str {
        &self.core.instance
    }

    /// Serves the API over TLS on the loopback addresses and writes the kubeconfig of this run.
    ///
    /// # Errors
    /// No socket, no certificate, or the state directory cannot be written.
    pub async fn listen(&self, options: ListenOptions) -> Result<Listening, ServerError> {
        listen::listen(&self.core, options).await
    }

    /// Resolves when a part of the server ended by a panic, so that it can go on only by half: its process is to end (REL-2).
    pub async fn broken(&self) {
        let mut broken = self.core.store.broken();
        // The sender lives as long as the server.
        let _ = broken.wait_for(|broken| *broken).await;
    }

    /// Ends all watches and background work; what was acknowledged is already durable.
    pub fn shutdown(&self) {
        self.core.stop();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.core.stop();
    }
}

impl Builder {
    /// CustomResourceDefinitions to serve; applied at each start.
    #[must_use]
    pub fn crds(mut self, definitions: Vec<Value>) -> Self {
        self.definitions = definitions;
        self
    }

    /// Serves the reference's built-in kinds as plain data too: Pods that nothing runs, Deployments that nothing rolls out.
    /// For tests of other people's controllers.
    #[must_use]
    pub fn extended_kinds(mut self, extended: bool) -> Self {
        self.extended = extended;
        self
    }

    /// Serves what `other` serves, with what it compiled of it, instead of reading definitions again. The journal has to be
    /// a copy of `other`'s, so that the definitions are stored here too: for simulations, which start many servers.
    #[must_use]
    pub fn kinds_of(mut self, other: &Server) -> Self {
        self.kinds = Some(other.core.registry());
        self
    }

    /// Where acknowledged writes are kept.
    #[must_use]
    pub fn journal(mut self, journal: impl Journal) -> Self {
        self.journal = Box::new(journal);
        self
    }

    /// The source of the time.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The source of UIDs; by default they are drawn from the randomness.
    #[must_use]
    pub fn ids(mut self, ids: Arc<dyn Ids>) -> Self {
        self.ids = Some(ids);
        self
    }

    /// The source of randomness.
    #[must_use]
    pub fn random(mut self, random: Arc<dyn Random>) -> Self {
        self.random = random;
        self
    }

    /// Opens the journal, seeds namespaces and definitions, and starts the collector on the current runtime.
    ///
    /// # Errors
    /// The journal cannot be used, or a definition is refused.
    pub async fn start(mut self) -> Result<Server, ServerError> {
        let ids = self.ids.take().unwrap_or_else(|| Arc::new(RandomIds(Arc::clone(&self.random))));
        let mut loaded = self.journal.load()?;
        if loaded.instance.is_empty() {
            loaded.instance = ids.uid().map_err(ServerError::Random)?;
            self.journal.adopt(&loaded.instance)?;
        }
        let instance = loaded.instance.clone();
        let work = Arc::new(Worklist::default());
        let observer = deletion::observer(Arc::clone(&work));
        let store = Store::open(self.journal, loaded, Arc::clone(&self.clock), observer)
            .map_err(|error| ServerError::Store(error.to_string()))?;
        let core = Arc::new(Core::new(Parts { store, clock: self.clock, ids, random: self.random, instance, work }));
        if let Some(kinds) = self.kinds {
            core.serve(kinds);
        } else {
            core.serve(Arc::new(crds::registry(&core, self.extended)));
            tokio::try_join!(crds::seed_namespaces(&core), crds::seed(&core, &self.definitions))?;
            crds::settle(&core).await.map_err(|failure| ServerError::Store(failure.to_string()))?;
            if self.extended {
                crds::seed_extended(&core).await?;
            }
            crds::refresh_objects(&core);
        }
        deletion::start(&core);
        Ok(Server { core })
    }
}
