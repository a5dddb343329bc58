//! GET with `watch=true`: every version in order, as one stream.
//!
//! A watcher reads the ring of its resource at its own pace; a slow one costs the writers nothing. Its queue is what
//! happened since its start and was not read: when that is full, or the ring has forgotten some of it, the watcher gets an
//! in-stream 410 and is closed. A watch never starts with an HTTP status about its version: clients wedge on that.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use http::Response;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

use super::answer::{form, included, shaped};
use super::call::Call;
use super::push::{WATCH_PROTOCOLS, pump};
use super::read::scope;
use crate::http::{Body, Encoding, Form, Incoming, STREAM_TYPES, Target, Transforms, Wish, encoding, respond_stream, warn, wish};
use crate::kinds;
use crate::paging;
use crate::selectors::Selector;
use crate::server::{Core, Permit};
use crate::status::Failure;
use crate::store::{Event, EventKind, Object, Portion, Scope, watch_line};
use crate::table::{Include, Shape, table};

/// Time between two bookmarks.
const BOOKMARK_EVERY: Duration = Duration::from_secs(60);
/// The shortest life of a watch that names none.
const LIFE_MIN: Duration = Duration::from_secs(30 * 60);
/// How much longer it may live.
const LIFE_SPREAD_SECONDS: u64 = 30 * 60;
/// What is taken from the ring at a time.
const PORTION: Portion = Portion { events: 256, bytes: 1024 * 1024 };
/// Events that may wait for a watcher which does not read.
const QUEUE_EVENTS: usize = 1_000;
/// Bytes that may wait for it.
const QUEUE_BYTES: usize = 8 * 1024 * 1024;

/// Answers a watch.
pub(super) fn watch(call: Call<'_>) -> Result<Response<Body>, Failure> {
    paging::check_match(&call.incoming.query, true)?;
    let version = paging::version(&call.incoming.query)?;
    let mut selector = Selector::parse(&call.incoming.query, call.resource())?;
    if let Some(name) = &call.target.name {
        selector = selector.named(name);
    }
    let form = form(&call)?;
    if encoding(&call.incoming.headers, Transforms::All) != Encoding::Json {
        return Err(Failure::not_acceptable(&STREAM_TYPES));
    }
    let permit = call.core.admit_watch()?;
    let query = &call.incoming.query;
    let bookmarks = query.flag("allowWatchBookmarks");
    let initial = paging::initial_events(query);
    let core = Arc::clone(call.core);
    let mut watcher = Watcher {
        changed: core.store.subscribe(&call.resource().storage),
        stopping: core.stopping(),
        serving: core.serving(),
        scope: scope(&call),
        ends: Instant::now() + life(&core, query.get("timeoutSeconds"))?,
        bookmark: bookmarks.then(|| Instant::now() + BOOKMARK_EVERY),
        position: 0,
        began: call.core.store.revision(),
        initial: Vec::new().into_iter(),
        end_mark: false,
        waiting: VecDeque::new(),
        columns_shown: false,
        over: false,
        target: call.target.clone(),
        incoming: call.incoming.clone(),
        selector,
        form,
        core,
        _permit: permit,
    };
    watcher.start(version, initial, bookmarks);
    let frames = stream::unfold(watcher, |mut watcher| async move {
        let line = watcher.next().await?;
        Some((line, watcher))
    });
    let mut response = match wish(&call.incoming.headers)? {
        Wish::WebSocket(offer) => {
            let protocol = offer.choose(&WATCH_PROTOCOLS)?;
            offer.accept(protocol, move |socket| Box::pin(pump(socket, protocol, frames)))
        }
        Wish::Nothing | Wish::Other(_) => respond_stream(frames),
    };
    warn(&mut response, call.resource().deprecation.iter().cloned().collect());
    Ok(response)
}

fn life(core: &Core, asked: Option<&str>) -> Result<Duration, Failure> {
    if let Some(seconds) = asked.and_then(|text| text.parse::<u64>().ok()).filter(|seconds| *seconds > 0) {
        return Ok(Duration::from_secs(seconds));
    }
    let mut bytes = [0_u8; 8];
    core.random.fill(&mut bytes).map_err(|error| Failure::internal(format!("no randomness: {error}")))?;
    Ok(LIFE_MIN + Duration::from_secs(u64::from_le_bytes(bytes) % LIFE_SPREAD_SECONDS))
}

struct Watcher {
    core: Arc<Core>,
    target: Target,
    incoming: Incoming,
    scope: Scope,
    selector: Selector,
    form: Form,
    changed: watch::Receiver<u64>,
    stopping: watch::Receiver<bool>,
    serving: watch::Receiver<u64>,
    /// The revision up to which everything has been sent.
    position: u64,
    /// The revision of the store at the start: what came before is history, not queue.
    began: u64,
    /// What was there at the start and is not sent yet; each becomes a line when it is its turn, so that a reader who takes his
    /// time holds what the store holds anyway.
    initial: std::vec::IntoIter<Arc<Object>>,
    /// Whether their end is to be marked.
    end_mark: bool,
    waiting: VecDeque<Bytes>,
    bookmark: Option<Instant>,
    ends: Instant,
    columns_shown: bool,
    over: bool,
    _permit: Permit,
}

impl Watcher {
    fn start(&mut self, version: Option<u64>, initial: bool, bookmarks: bool) {
        let current = self.core.store.revision();
        let version = version.unwrap_or_default();
        if version > current {
            return self.expire(version, current);
        }
        if initial {
            let (revision, objects) =
                self.core.store.list(&self.target.resource.storage, &self.scope, &|object| self.selector.matches(object));
            self.position = revision;
            self.initial = objects.into_iter();
            self.end_mark = bookmarks;
            return;
        }
        self.position = if version == 0 { current } else { version };
        if self.core.store.lag(&self.target.resource.storage, self.position).is_none() {
            self.expire(version, self.core.store.compacted(&self.target.resource.storage));
        }
    }

    fn expire(&mut self, asked: u64, known: u64) {
        let failure = Failure::expired(format!("too old resource version: {asked} ({known})"));
        self.waiting.push_back(watch_line("ERROR", &failure.to_bytes()));
        self.over = true;
    }

    /// The next frame; called when the client has taken the one before.
    async fn next(&mut self) -> Option<Bytes> {
        if self.is_overrun() {
            self.waiting.clear();
            self.initial = Vec::new().into_iter();
            self.end_mark = false;
            self.expire(self.position, self.core.store.revision());
        }
        loop {
            if let Some(line) = self.ready() {
                // Events are no lists: a watcher that wants them so hears nothing more.
                let shapeless = matches!(self.form, Form::MetadataList(_)) && !self.over;
                return (!shapeless).then(|| self.gather(line));
            }
            if self.over || *self.stopping.borrow() {
                return None;
            }
            self.changed.mark_unchanged();
            self.serving.mark_unchanged();
            // A kind that is gone, or served otherwise now, ends its watches: clients list it anew.
            let served = !self.target.resource.is_custom() || self.core.registry().serves(&self.target.resource);
            if self.read() {
                continue;
            }
            if !served {
                return None;
            }
            let wake = self.bookmark.map_or(self.ends, |bookmark| bookmark.min(self.ends));
            tokio::select! {
                biased;
                changed = self.changed.changed() => if changed.is_err() { return None },
                _ = self.stopping.changed() => return None,
                _ = self.serving.changed() => {}
                () = tokio::time::sleep_until(wake) => {
                    if wake == self.ends {
                        return None;
                    }
                    self.bookmark = Some(wake + BOOKMARK_EVERY);
                    return Some(self.mark(false));
                }
            }
        }
    }

    /// The next line that is there without a wait.
    fn ready(&mut self) -> Option<Bytes> {
        if let Some(object) = self.initial.next() {
            return Some(self.line("ADDED", &object));
        }
        if std::mem::take(&mut self.end_mark) {
            return Some(self.mark(true));
        }
        self.waiting.pop_front()
    }

    /// Joins what else is ready, so that a burst travels in few frames.
    fn gather(&mut self, first: Bytes) -> Bytes {
        /// The most bytes of one frame.
        const FRAME_BYTES: usize = 64 * 1024;
        if first.len() >= FRAME_BYTES {
            return first;
        }
        let Some(second) = self.ready() else { return first };
        let mut frame = [&first[..], &second[..]].concat();
        while frame.len() < FRAME_BYTES
            && let Some(line) = self.ready()
        {
            frame.extend_from_slice(&line);
        }
        Bytes::from(frame)
    }

    /// Whether more came than the queue holds while the client did not read.
    fn is_overrun(&self) -> bool {
        let storage = &self.target.resource.storage;
        let from = self.position.max(self.began);
        // What is forgotten shows when it is read.
        let Some(lag) = self.core.store.lag(storage, from).filter(|_| !self.over) else { return false };
        if lag.events <= QUEUE_EVENTS && lag.bytes <= QUEUE_BYTES {
            return false;
        }
        // Only what concerns this watcher would be in its queue.
        let Some((_, events)) = self.core.store.events(storage, from, Portion::ALL) else { return false };
        let mine = events.iter().filter(|event| self.concerns(event) != (false, false));
        let (count, bytes) = mine.fold((0, 0), |(count, bytes), event| (count + 1, bytes + event.object.bytes.len()));
        count > QUEUE_EVENTS || bytes > QUEUE_BYTES
    }

    /// Takes the next events from the ring; whether there were any.
    fn read(&mut self) -> bool {
        let storage = Arc::clone(&self.target.resource.storage);
        let Some((revision, events)) = self.core.store.events(&storage, self.position, PORTION) else {
            self.expire(self.position, self.core.store.compacted(&storage));
            return true;
        };
        for event in &events {
            if let Some(line) = self.event(event) {
                self.waiting.push_back(line);
            }
        }
        self.position = self.position.max(revision);
        !events.is_empty()
    }

    /// Whether `event` begins and whether it ends with an object that this watcher sees.
    fn concerns(&self, event: &Event) -> (bool, bool) {
        if !self.scope.contains(&event.path) {
            return (false, false);
        }
        let was =
            event.kind != EventKind::Added && event.previous.as_ref().is_some_and(|previous| self.selector.matches(previous));
        let is = event.kind != EventKind::Deleted && self.selector.matches(&event.object);
        (was, is)
    }

    /// The line of `event` for this watcher, if it concerns it.
    fn event(&mut self, event: &Arc<Event>) -> Option<Bytes> {
        if !self.scope.contains(&event.path) {
            return None;
        }
        if self.selector.is_empty() {
            if self.form == Form::Object && kinds::is_stored_shape(&self.target.resource) {
                return Some(event.line());
            }
            let object = Arc::clone(&event.object);
            return Some(self.line(event.kind.word(), &object));
        }
        match self.concerns(event) {
            (false, false) => None,
            (false, true) => Some(self.line("ADDED", &Arc::clone(&event.object))),
            (true, true) => Some(self.line("MODIFIED", &Arc::clone(&event.object))),
            (true, false) if event.kind == EventKind::Deleted => Some(self.line("DELETED", &Arc::clone(&event.object))),
            (true, false) => {
                // The last matching state, under the version that ended it.
                let previous = event.previous.as_ref()?;
                let mut value = previous.value();
                value["metadata"]["resourceVersion"] = json!(event.revision().to_string());
                let call = Call { core: &self.core, target: &self.target, incoming: &self.incoming };
                let layout = super::call::stored_as(call.core, &self.target.resource);
                let bytes = kinds::encode(&layout, &value).finish(event.revision());
                let object = Object { meta: Arc::clone(&previous.meta), revision: event.revision(), bytes, proven: None };
                Some(self.line("DELETED", &object))
            }
        }
    }

    fn line(&mut self, word: &str, object: &Object) -> Bytes {
        let first = !std::mem::replace(&mut self.columns_shown, true);
        let call = Call { core: &self.core, target: &self.target, incoming: &self.incoming };
        watch_line(word, &shaped(&call, object, &self.form, first))
    }

    /// A bookmark at the current position; `end` closes the initial events.
    fn mark(&self, end: bool) -> Bytes {
        let resource = &self.target.resource;
        let mut metadata = json!({"resourceVersion": self.position.to_string()});
        if end {
            metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        let object: Value = match &self.form {
            Form::Object if resource.is_custom() => {
                metadata.sort_all_objects();
                json!({"apiVersion": resource.api_version(), "kind": resource.kind, "metadata": metadata})
            }
            Form::Object => json!({"kind": resource.kind, "apiVersion": resource.api_version(), "metadata": metadata}),
            Form::Metadata(version) | Form::MetadataList(version) => {
                json!({"kind": "PartialObjectMetadata", "apiVersion": format!("meta.k8s.io/{version}"), "metadata": metadata})
            }
            Form::Table(version) => {
                let object = json!({"kind": resource.kind, "apiVersion": resource.api_version(), "metadata": metadata});
                let call = Call { core: &self.core, target: &self.target, incoming: &self.incoming };
                // The end of the beginning is always told.
                let include = included(&call).filter(|include| !end || *include != Include::None).unwrap_or_default();
                let shape = Shape { version, include, headers: false };
                let Ok(compiled) = call.compiled() else { return watch_line("BOOKMARK", b"{}") };
                let meta = json!({"resourceVersion": self.position.to_string()});
                table(&compiled.columns, &[&object], &meta, shape, self.core.clock.now())
            }
        };
        watch_line("BOOKMARK", object.to_string().as_bytes())
    }
}
