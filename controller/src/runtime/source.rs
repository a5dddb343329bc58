//! Watches of the API: list, then watch, and a new list whenever the watch might have gone quiet.
//!
//! Guarantees: every object is reported once at the start and after each change; a watch that cannot be established, fails,
//! or stays silent for 90 s is dropped with its resourceVersion and rebuilt from a new list (REL-4); a fresh list comes at
//! least every 10 min (REL-5). It does not keep objects: versions only, to tell what a new list changed.
//!
//! The stock watcher keeps its resourceVersion over every HTTP error at watch start and hides bookmarks, so nothing around
//! it could tell an idle watch from a dead one; this one is the client's plain `list` and `watch`.

use std::collections::BTreeMap;
use std::pin::{Pin, pin};
use std::time::Duration;

use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use koan_crds::v1alpha1::{DevStack, ServiceSpec};
use kube::api::{Api, ListParams, PartialObjectMeta, WatchEvent, WatchParams};
use kube::core::Request;
use kube::{Client, Resource, ResourceExt};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};

/// Objects per page of a list (PERF-94).
const PAGE: u32 = 500;
/// A list or a watch that is not answered within this time has failed.
const ESTABLISH_LIMIT: Duration = Duration::from_secs(30);
/// A watch without event or bookmark for this long is dead.
const IDLE_LIMIT: Duration = Duration::from_secs(90);
/// A fresh list comes at least this often.
const FRESH_LIST: Duration = Duration::from_secs(600);
/// First delay before a rebuild.
const REBUILD_FIRST: Duration = Duration::from_millis(250);
/// Longest delay before a rebuild.
const REBUILD_LAST: Duration = Duration::from_secs(30);
/// Seconds after which the server ends a watch by itself; the next one goes on from the same version.
const WATCH_SECONDS: u32 = 290;
/// Changes that wait for the runner; a full channel slows the watch, not the server.
const CHANGES_WAITING: usize = 1024;

/// Kinds that the controllers watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WatchedKind {
    /// `DevStack`.
    Stack,
    /// `ServiceSpec`.
    Service,
    /// `Secret`; metadata only.
    Secret,
    /// `ConfigMap`; metadata only.
    ConfigMap,
}

impl WatchedKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Stack, Self::Service, Self::Secret, Self::ConfigMap];
}

/// Something happened to an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its kind.
    pub kind: WatchedKind,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its new version.
    pub version: String,
    /// It is gone.
    pub gone: bool,
}

/// Stream of changes; never ends by itself.
pub type Changes = Pin<Box<dyn Stream<Item = Change> + Send>>;

/// Where changes come from.
pub trait Source: Send + Sync + 'static {
    /// Changes of one kind: every object once, then each change.
    fn changes(&self, kind: WatchedKind) -> Changes;
}

/// Watches over an API client, in both homes.
#[derive(Clone)]
pub struct ApiSource {
    client: Client,
}

impl ApiSource {
    /// Watches through this client.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    fn follow<K>(&self, kind: WatchedKind) -> Changes
    where
        K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + Send + Sync + 'static,
        K: for<'de> serde::Deserialize<'de>,
    {
        let (sender, receiver) = mpsc::channel(CHANGES_WAITING);
        let client = self.client.clone();
        let follower = Follower::<K> { api: Api::all(client.clone()), client, kind, sender, seen: BTreeMap::new() };
        let changes = tokio_stream::wrappers::ReceiverStream::new(receiver);
        // The follower lives inside the stream: dropping the stream stops it.
        let driver = futures::stream::once(follower.run()).filter_map(|()| async { None });
        Box::pin(futures::stream::select(changes, driver))
    }
}

impl Source for ApiSource {
    fn changes(&self, kind: WatchedKind) -> Changes {
        match kind {
            WatchedKind::Stack => self.follow::<DevStack>(kind),
            WatchedKind::Service => self.follow::<ServiceSpec>(kind),
            WatchedKind::Secret => self.follow::<Secret>(kind),
            WatchedKind::ConfigMap => self.follow::<ConfigMap>(kind),
        }
    }
}

/// Why a watch was given up; every cause leads to a new list.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("no answer within {ESTABLISH_LIMIT:?}")]
    NotEstablished,
    #[error("no event or bookmark within {IDLE_LIMIT:?}")]
    Silent,
    #[error(transparent)]
    Failed(#[from] Box<kube::Error>),
    #[error("the stream reported {code} {reason}")]
    Expired { code: u16, reason: String },
}

impl From<kube::Error> for Broken {
    fn from(error: kube::Error) -> Self {
        Self::Failed(Box::new(error))
    }
}

/// What is read of an object in a watch event.
#[derive(Clone, Debug, Deserialize)]
struct Told {
    #[serde(default)]
    metadata: Identity,
}

/// Which object, at which version.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Identity {
    namespace: String,
    name: String,
    resource_version: String,
}

struct Follower<K> {
    api: Api<K>,
    client: Client,
    kind: WatchedKind,
    sender: mpsc::Sender<Change>,
    seen: BTreeMap<(String, String), String>,
}

impl<K> Follower<K>
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + Send + Sync + 'static,
    K: for<'de> serde::Deserialize<'de>,
{
    async fn run(mut self) {
        let mut delay = REBUILD_FIRST;
        while !self.sender.is_closed() {
            match self.list_and_watch().await {
                Ok(()) => delay = REBUILD_FIRST,
                Err(broken) => {
                    tracing::debug!(kind = ?self.kind, "watch rebuilt: {broken}");
                    tokio::time::sleep(delay).await;
                    delay = (delay * 2).min(REBUILD_LAST);
                }
            }
        }
    }

    /// One list and the watches after it, until the list is due again.
    async fn list_and_watch(&mut self) -> Result<(), Broken> {
        let fresh_until = Instant::now() + FRESH_LIST;
        let mut version = self.list().await?;
        while Instant::now() < fresh_until {
            version = self.watch(version, fresh_until).await?;
        }
        Ok(())
    }

    async fn list(&mut self) -> Result<String, Broken> {
        let mut parameters = ListParams::default().limit(PAGE);
        let mut found: BTreeMap<(String, String), String> = BTreeMap::new();
        let version = loop {
            let page =
                timeout(ESTABLISH_LIMIT, self.api.list_metadata(&parameters)).await.map_err(|_| Broken::NotEstablished)??;
            for object in &page.items {
                found.insert(name_of(object), object.resource_version().unwrap_or_default());
            }
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => parameters = parameters.continue_token(&token),
                None => break page.metadata.resource_version.unwrap_or_default(),
            }
        };
        let before = std::mem::take(&mut self.seen);
        for (name, version) in &found {
            if before.get(name) != Some(version) {
                self.report(name.clone(), version.clone(), false).await;
            }
        }
        for (name, version) in before {
            if !found.contains_key(&name) {
                self.report(name, version, true).await;
            }
        }
        self.seen = found;
        Ok(version)
    }

    /// Watches until the server ends the stream or the next list is due; the version to go on from.
    async fn watch(&mut self, mut version: String, until: Instant) -> Result<String, Broken> {
        let parameters = WatchParams::default().timeout(WATCH_SECONDS);
        let request = Request::new(K::url_path(&(), None)).watch_metadata(&parameters, &version);
        let request = request.map_err(kube::Error::BuildRequest)?;
        let stream =
            timeout(ESTABLISH_LIMIT, self.client.request_events::<Told>(request)).await.map_err(|_| Broken::NotEstablished)??;
        let mut stream = pin!(stream);
        loop {
            let idle = Instant::now() + IDLE_LIMIT;
            let event = match timeout_at(idle.min(until), stream.next()).await {
                Ok(Some(event)) => event?,
                Ok(None) => return Ok(version),
                Err(_) if Instant::now() >= until => return Ok(version),
                Err(_) => return Err(Broken::Silent),
            };
            match event {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                    version = self.changed(object.metadata, false).await;
                }
                WatchEvent::Deleted(object) => version = self.changed(object.metadata, true).await,
                WatchEvent::Bookmark(mark) => version = mark.metadata.resource_version,
                WatchEvent::Error(status) => {
                    return Err(Broken::Expired { code: status.code, reason: status.reason });
                }
            }
        }
    }

    async fn changed(&mut self, object: Identity, gone: bool) -> String {
        let version = object.resource_version;
        let name = (object.namespace, object.name);
        if gone {
            self.seen.remove(&name);
        } else {
            self.seen.insert(name.clone(), version.clone());
        }
        self.report(name, version.clone(), gone).await;
        version
    }

    async fn report(&self, (namespace, name): (String, String), version: String, gone: bool) {
        let change = Change { kind: self.kind, namespace, name, version, gone };
        // A closed channel means that the stream was dropped: the loop ends at its next turn.
        let _ = self.sender.send(change).await;
    }
}

fn name_of<K>(object: &PartialObjectMeta<K>) -> (String, String)
where
    K: Resource<DynamicType = ()>,
{
    (object.metadata.namespace.clone().unwrap_or_default(), object.metadata.name.clone().unwrap_or_default())
}
