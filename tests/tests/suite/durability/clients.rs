//! The clients: eight that write, eight that watch, all through a stock client library.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::ConfigMap;
use koan_tests::history::{Act, Attempt, Event, EventKind, List, Outcome, Read, Seen, Watch};
use kube::api::{Api, DeleteParams, ListParams, PostParams, Preconditions, WatchEvent, WatchParams};
use kube::{Client, Error, ResourceExt as _};
use tokio::task::JoinSet;

use super::log::Log;
use super::{client, tag};

/// Clients that write.
const WRITERS: usize = 8;
/// Clients that watch.
const WATCHERS: usize = 8;
/// Objects that all writers share.
const SHARED: u64 = 6;
/// Objects of one writer alone.
const OWN: u64 = 4;
/// Longest wait for one answer; a killed server gives none.
const ANSWER: Duration = Duration::from_secs(20);
/// The field of an object that names the attempt.
const TAG: &str = "tag";
/// Bytes of an object beside it.
const FILLER: usize = 600;

/// Numbers that a seed determines (SplitMix64).
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % limit
    }
}

/// Clients under way.
pub(super) struct Load {
    writers: JoinSet<()>,
    watchers: JoinSet<(usize, u64)>,
}

/// What outlives a server: the clock of the log, and where each watcher was.
pub(super) struct Clients {
    pub(super) clock: Instant,
    positions: [u64; WATCHERS],
}

impl Clients {
    pub(super) fn new() -> Self {
        Self { clock: Instant::now(), positions: [0; WATCHERS] }
    }

    /// Lists everything before anybody writes.
    pub(super) async fn look(&self, client: &Client, log: &Log) {
        list(&Api::default_namespaced(client.clone()), log).await.expect("a list of a server that nobody kills");
    }

    /// Starts all of them, each with a connection that stands.
    pub(super) async fn start(&self, kubeconfig: &str, log: &Arc<Log>, dice: &mut Dice) -> Load {
        let connections = join_all((0..WATCHERS + WRITERS).map(|_| connect(kubeconfig))).await;
        let mut connections = connections.into_iter();
        let mut load = Load { writers: JoinSet::new(), watchers: JoinSet::new() };
        for ((number, position), maps) in self.positions.into_iter().enumerate().zip(connections.by_ref()) {
            load.watchers.spawn(watch(maps, Arc::clone(log), number, position));
        }
        for (number, maps) in connections.enumerate() {
            let (log, dice) = (Arc::clone(log), Dice::new(dice.below(u64::MAX)));
            load.writers.spawn(Writer { number, maps, log, dice, known: BTreeMap::new() }.run());
        }
        load
    }

    /// Waits for their ends, which the server's brings about.
    pub(super) async fn settle(&mut self, load: Load) {
        load.writers.join_all().await;
        for (number, position) in load.watchers.join_all().await {
            self.positions[number] = position;
        }
    }
}

/// A client of its own whose connection stands.
async fn connect(kubeconfig: &str) -> Api<ConfigMap> {
    let maps = Api::default_namespaced(client(kubeconfig).await);
    maps.get_opt("nothing").await.expect("an answer of a server that nobody kills");
    maps
}

struct Writer {
    number: usize,
    maps: Api<ConfigMap>,
    log: Arc<Log>,
    dice: Dice,
    /// What this writer believes to be there; nothing about an object that it has to read first.
    known: BTreeMap<String, Option<Seen>>,
}

impl Writer {
    /// Writes until the server is gone.
    async fn run(mut self) {
        while self.step().await {}
    }

    /// One request; whether there is still a server.
    async fn step(&mut self) -> bool {
        let shared = self.dice.below(2) == 0;
        let name = if shared {
            format!("shared-{}", self.dice.below(SHARED))
        } else {
            format!("own-{}-{}", self.number, self.dice.below(OWN))
        };
        match (self.known.get(&name).cloned(), self.dice.below(8)) {
            (None, _) | (Some(_), 0) => self.read(name).await,
            (Some(None), _) => self.write(name, Act::Create, None).await,
            (Some(Some(seen)), 1) => self.write(name, Act::Delete, Some(seen)).await,
            (Some(Some(seen)), _) => self.write(name, Act::Update, Some(seen)).await,
        }
    }

    async fn read(&mut self, object: String) -> bool {
        let began = self.log.now();
        let Ok(Ok(answer)) = tokio::time::timeout(ANSWER, self.maps.get_opt(&object)).await else { return false };
        let found = answer.as_ref().map(seen);
        self.log.read(Read { object: object.clone(), began, ended: self.log.now(), found: found.clone() });
        self.known.insert(object, found);
        true
    }

    async fn write(&mut self, object: String, act: Act, base: Option<Seen>) -> bool {
        let tag = tag();
        let base = base.map(|seen| seen.version);
        let began = self.log.now();
        let outcome = match tokio::time::timeout(ANSWER, self.ask(&object, act, base, &tag)).await {
            Ok(Ok(version)) => Outcome::Acknowledged(version),
            // Conflicts and absences are final; a failure inside the server leaves it open.
            Ok(Err(Error::Api(status))) if (400..429).contains(&status.code) => Outcome::Refused,
            Ok(Err(_)) | Err(_) => Outcome::Unknown,
        };
        let ended = self.log.now();
        match outcome {
            Outcome::Acknowledged(version) => {
                let seen = version.map(|version| Seen { object: object.clone(), version, tag: tag.clone() });
                self.known.insert(object.clone(), seen);
            }
            Outcome::Refused | Outcome::Unknown => drop(self.known.remove(&object)),
        }
        self.log.attempt(Attempt { object, tag, act, base, began, ended, outcome });
        outcome != Outcome::Unknown
    }

    /// The new version; a delete tells none.
    async fn ask(&self, name: &str, act: Act, base: Option<u64>, tag: &str) -> Result<Option<u64>, Error> {
        let mut map = ConfigMap::default();
        map.metadata.name = Some(name.to_owned());
        map.metadata.resource_version = base.filter(|_| act == Act::Update).map(|version| version.to_string());
        map.data = Some([(TAG.to_owned(), tag.to_owned()), ("filler".to_owned(), "x".repeat(FILLER))].into());
        match act {
            Act::Create => self.maps.create(&PostParams::default(), &map).await.map(|map| Some(seen(&map).version)),
            Act::Update => self.maps.replace(name, &PostParams::default(), &map).await.map(|map| Some(seen(&map).version)),
            Act::Delete => {
                let preconditions = Preconditions { uid: None, resource_version: base.map(|version| version.to_string()) };
                let parameters = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
                self.maps.delete(name, &parameters).await.map(|_| None)
            }
        }
    }
}

fn version(text: Option<&str>) -> u64 {
    text.and_then(|text| text.parse().ok()).expect("a decimal resourceVersion")
}

fn seen(map: &ConfigMap) -> Seen {
    let tag = map.data.as_ref().and_then(|data| data.get(TAG)).cloned().unwrap_or_default();
    Seen { object: map.name_any(), version: version(map.metadata.resource_version.as_deref()), tag }
}

/// Logs a list of everything; its version.
async fn list(maps: &Api<ConfigMap>, log: &Log) -> Result<u64, Error> {
    let began = log.now();
    let answer = maps.list(&ListParams::default()).await?;
    let version = version(answer.metadata.resource_version.as_deref());
    log.list(List { began, ended: log.now(), version, items: answer.items.iter().map(seen).collect() });
    Ok(version)
}

/// Watches until the server is gone, from where the watcher was, or from a list where that is forgotten; where it is then.
async fn watch(maps: Api<ConfigMap>, log: Arc<Log>, number: usize, mut position: u64) -> (usize, u64) {
    loop {
        if position == 0 {
            match list(&maps, &log).await {
                Ok(version) => position = version,
                Err(_) => return (number, 0),
            }
        }
        let mut watch = Watch { from: position, events: Vec::new() };
        let expired = follow(&maps, &log, &mut watch).await;
        position = watch.events.last().map_or(position, |event| event.seen.version);
        log.watch(watch);
        if !expired {
            return (number, position);
        }
        position = 0;
    }
}

/// One watch to its end; whether it ended because its version is forgotten.
async fn follow(maps: &Api<ConfigMap>, log: &Log, watch: &mut Watch) -> bool {
    let Ok(events) = maps.watch(&WatchParams::default(), &watch.from.to_string()).await else { return false };
    let mut events = events.boxed();
    while let Ok(Some(event)) = events.try_next().await {
        let at = log.now();
        let (kind, seen) = match event {
            WatchEvent::Added(map) => (EventKind::Added, seen(&map)),
            WatchEvent::Modified(map) => (EventKind::Modified, seen(&map)),
            WatchEvent::Deleted(map) => (EventKind::Deleted, seen(&map)),
            WatchEvent::Bookmark(mark) => {
                let version = version(Some(&mark.metadata.resource_version));
                (EventKind::Bookmark, Seen { object: String::new(), version, tag: String::new() })
            }
            WatchEvent::Error(status) => return status.code == 410,
        };
        watch.events.push(Event { at, kind, seen });
    }
    false
}
