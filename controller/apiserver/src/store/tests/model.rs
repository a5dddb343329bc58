//! Every order in which writers, watchers, a full disk and forgetting can meet the steps of a commit (T6): the real store and the
//! real pipeline, driven one step at a time by a schedule instead of by threads.
//!
//! A schedule is a list of choices. The first `KOAN_MODEL_DEPTH` of a run (8 where nothing is said) are tried in every
//! combination, from the start and from later points of the run; what follows takes turns. After each step the invariants are
//! checked, at the end what everybody saw. `KOAN_MODEL_MINUTES` bounds the time, `KOAN_MODEL_SEED` the random schedules that follow;
//! `hack/long-run model` sets them. A violation prints its schedule.
//!
//! Over 400 lines: one model, whose actors, invariants and schedules are read together.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use super::super::pipeline::{ORDER, Pipeline, Step};
use super::*;
use crate::journal::{Change, JournalError, Loaded, Row};

/// Choices of a run that are tried in every combination.
const DEPTH: usize = 8;
/// With everybody on stage so many fewer are, since there are more of each.
const LESS: usize = 4;
/// Steps that pass in turns before they are, one window after the other.
const WINDOWS: [usize; 2] = [0, 10];
/// Random schedules that follow.
const RANDOM: u64 = 1_000;
/// More steps than any run takes.
const STEPS: usize = 400;

/// Who takes part.
#[derive(Clone, Copy)]
struct Cast {
    writers: usize,
    watchers: usize,
    /// How often the disk is full, and how often everything is forgotten.
    faults: usize,
}

const FEW: Cast = Cast { writers: 2, watchers: 1, faults: 0 };
const ALL: Cast = Cast { writers: 3, watchers: 2, faults: 1 };

/// A journal whose rows the model looks at, and whose disk it fills.
#[derive(Clone, Default)]
struct Disk(Arc<Mutex<Durable>>);

impl Disk {
    fn durable(&self) -> MutexGuard<'_, Durable> {
        self.0.lock().unwrap()
    }
}

#[derive(Default)]
struct Durable {
    rows: BTreeMap<String, u64>,
    revision: u64,
    full: bool,
}

impl crate::journal::Journal for Disk {
    fn load(&mut self) -> Result<Loaded, JournalError> {
        Ok(Loaded::default())
    }

    fn adopt(&mut self, _: &str) -> Result<(), JournalError> {
        Ok(())
    }

    fn commit(&mut self, changes: &[Change]) -> Result<(), JournalError> {
        let mut durable = self.durable();
        if std::mem::take(&mut durable.full) {
            return Err(JournalError::Write { path: "store.db".into(), cause: "full".to_owned() });
        }
        for change in changes {
            durable.revision = durable.revision.max(change.revision());
            match change {
                Change::Put(Row { key, revision, .. }) => drop(durable.rows.insert(key.clone(), *revision)),
                Change::Delete { key, .. } => drop(durable.rows.remove(key)),
            }
        }
        Ok(())
    }

    fn blocks(&self) -> bool {
        true
    }
}

/// Whether somebody who waits was called.
#[derive(Default)]
struct Bell(AtomicBool);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

type Commit = Pin<Box<dyn Future<Output = Result<Arc<Object>, CommitError>>>>;

/// A client that writes one object after the other; each write is based on what it read before.
struct Writer {
    plan: Vec<(&'static str, bool)>,
    bell: Arc<Bell>,
    under_way: Option<(Expected, Commit)>,
}

/// A client that lists, then watches from there; when it was left behind it lists anew.
struct Watcher {
    position: Option<u64>,
    seen: BTreeMap<String, u64>,
    changed: Option<tokio::sync::watch::Receiver<u64>>,
}

/// Who may do the next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Actor {
    Write(usize),
    Watch(usize),
    Journal,
    /// The disk is full at the next sync.
    Fill,
    /// The ring forgets everything.
    Forget,
}

struct Model {
    store: Arc<Store>,
    pipeline: Pipeline,
    /// The steps that are left of the batch under way.
    steps: Vec<Step>,
    order: &'static [Step],
    disk: Disk,
    writers: Vec<Writer>,
    watchers: Vec<Watcher>,
    fills: usize,
    forgets: usize,
    /// Versions on which a write that succeeded was based.
    bases: BTreeSet<(String, u64)>,
    acknowledged: u64,
    /// The revision before the first write.
    opened: u64,
}

fn plans() -> Vec<Vec<(&'static str, bool)>> {
    vec![vec![("a", false), ("b", false), ("a", true)], vec![("a", false), ("a", false)], vec![("b", true), ("c", false)]]
}

impl Model {
    fn new(order: &'static [Step], cast: Cast) -> Self {
        let disk = Disk::default();
        let clock = Arc::new(Fixed(1));
        let (store, pipeline) =
            Store::open_stepped(Box::new(disk.clone()), Loaded::default(), clock, Box::new(|_, _| {})).unwrap();
        let writers = plans().into_iter().take(cast.writers).map(|plan| Writer { plan, bell: Arc::default(), under_way: None });
        let opened = store.revision();
        let watcher = || Watcher { position: None, seen: BTreeMap::new(), changed: None };
        Self {
            store: Arc::new(store),
            pipeline,
            steps: Vec::new(),
            order,
            disk,
            writers: writers.collect(),
            watchers: (0..cast.watchers).map(|_| watcher()).collect(),
            fills: cast.faults,
            forgets: cast.faults,
            bases: BTreeSet::new(),
            acknowledged: 0,
            opened,
        }
    }

    /// Everybody who can do something now.
    fn able(&self) -> Vec<Actor> {
        let mut able = Vec::new();
        if !self.steps.is_empty() || self.pipeline.waiting() > 0 {
            able.push(Actor::Journal);
        }
        for (number, writer) in self.writers.iter().enumerate() {
            let called = writer.under_way.is_none() || writer.bell.0.load(Ordering::Relaxed);
            if called && (writer.under_way.is_some() || !writer.plan.is_empty()) {
                able.push(Actor::Write(number));
            }
        }
        for (number, watcher) in self.watchers.iter().enumerate() {
            if watcher.changed.as_ref().is_none_or(|changed| changed.has_changed().unwrap_or(true)) {
                able.push(Actor::Watch(number));
            }
        }
        let busy = self.writers.iter().any(|writer| writer.under_way.is_some() || !writer.plan.is_empty());
        if busy && self.fills > 0 {
            able.push(Actor::Fill);
        }
        if busy && self.forgets > 0 {
            able.push(Actor::Forget);
        }
        able
    }

    fn step(&mut self, actor: Actor) -> Result<(), String> {
        match actor {
            Actor::Journal if self.steps.is_empty() => {
                self.pipeline.begin();
                self.steps = self.order.iter().rev().copied().collect();
            }
            Actor::Journal => {
                if let Some(step) = self.steps.pop() {
                    self.pipeline.take(step);
                }
            }
            Actor::Fill => {
                self.fills -= 1;
                self.disk.durable().full = true;
            }
            Actor::Forget => {
                self.forgets -= 1;
                self.store.inner.write().bound_rings(0);
            }
            Actor::Write(number) => self.write(number)?,
            Actor::Watch(number) => self.watch(number)?,
        }
        self.holds()
    }

    fn write(&mut self, number: usize) -> Result<(), String> {
        let writer = &mut self.writers[number];
        if writer.under_way.is_none() {
            let (name, delete) = writer.plan.remove(0);
            let key = Key::new(&first_kind(), "", name);
            let expected = self.store.get(&key).map_or(Expected::Absent, |object| Expected::Revision(object.revision));
            if delete && expected == Expected::Absent {
                return Ok(());
            }
            let (store, write) = (Arc::clone(&self.store), super::write(name, expected, delete));
            let commit = async move { store.commit(write).await };
            writer.under_way = Some((expected, Box::pin(commit)));
        }
        writer.bell.0.store(false, Ordering::Relaxed);
        let waker = Waker::from(Arc::clone(&writer.bell));
        let Some((expected, commit)) = &mut writer.under_way else { return Ok(()) };
        let outcome = match commit.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Pending => return Ok(()),
            Poll::Ready(outcome) => outcome,
        };
        let expected = *expected;
        writer.under_way = None;
        let Ok(object) = outcome else { return Ok(()) };
        self.acknowledged = self.acknowledged.max(object.revision);
        if let Expected::Revision(base) = expected
            && !self.bases.insert((object.meta.name.clone(), base))
        {
            return Err(format!("two writes of {} were based on {base} (D-8)", object.meta.name));
        }
        Ok(())
    }

    fn watch(&mut self, number: usize) -> Result<(), String> {
        let (kind, watcher) = (first_kind(), &mut self.watchers[number]);
        let changed = watcher.changed.get_or_insert_with(|| self.store.subscribe(&kind));
        changed.borrow_and_update();
        let events =
            watcher.position.and_then(|position| self.store.events(&kind, position, Portion { events: 1, ..Portion::ALL }));
        let Some((revision, events)) = events else {
            // New, or left behind: what is there now is all there is to know.
            let (revision, objects) = self.store.list(&kind, &Scope::All, &|_| true);
            watcher.position = Some(revision);
            watcher.seen = objects.iter().map(|object| (object.path(), object.revision)).collect();
            return Ok(());
        };
        for event in &events {
            if watcher.position.is_some_and(|position| event.revision() <= position) {
                return Err(format!("watcher {number} saw {} twice or late (D-1, D-2)", event.revision()));
            }
            let known = watcher.seen.get(&event.path).copied();
            if known != event.previous.as_ref().map(|previous| previous.revision) {
                return Err(format!("watcher {number} missed what came before {} (D-4): it knew {known:?}", event.revision()));
            }
            match event.kind {
                EventKind::Deleted => drop(watcher.seen.remove(&event.path)),
                EventKind::Added | EventKind::Modified => drop(watcher.seen.insert(event.path.clone(), event.revision())),
            }
        }
        watcher.position = Some(revision);
        if !events.is_empty() {
            // More may lie behind it.
            changed.mark_changed();
        }
        Ok(())
    }

    /// What is true after every step, and so at every crash.
    fn holds(&self) -> Result<(), String> {
        let durable = self.disk.durable();
        let shown = self.store.revision();
        if shown > self.opened && shown > durable.revision {
            return Err(format!("{shown} is shown, and {} is durable (D-7)", durable.revision));
        }
        if self.acknowledged > durable.revision {
            return Err(format!("{} is acknowledged, and {} is durable (D-7)", self.acknowledged, durable.revision));
        }
        if self.acknowledged > shown {
            return Err(format!("{} is acknowledged, and {shown} is shown (D-8)", self.acknowledged));
        }
        Ok(())
    }

    /// What is true once everybody is done.
    fn ends(&self) -> Result<(), String> {
        if self.writers.iter().any(|writer| writer.under_way.is_some() || !writer.plan.is_empty()) {
            return Err("a writer waits for ever: nobody called it".to_owned());
        }
        let (_, objects) = self.store.list(&first_kind(), &Scope::All, &|_| true);
        let stored: BTreeMap<String, u64> = objects.iter().map(|object| (object.path(), object.revision)).collect();
        let durable = self.disk.durable();
        if durable.rows != stored {
            return Err(format!("{stored:?} is shown, and {:?} is durable", durable.rows));
        }
        match self.watchers.iter().position(|watcher| watcher.seen != stored) {
            Some(number) => Err(format!("watcher {number} saw {:?}, and {stored:?} is there", self.watchers[number].seen)),
            None => Ok(()),
        }
    }
}

/// Runs one schedule; `choose` picks among so many. The violation, with its schedule.
fn run(order: &'static [Step], cast: Cast, mut choose: impl FnMut(usize) -> usize) -> Result<(), String> {
    let (mut model, mut taken) = (Model::new(order, cast), Vec::new());
    for _ in 0..STEPS {
        let able = model.able();
        if able.is_empty() {
            return model.ends().map_err(|error| format!("{error}\nafter {taken:?}"));
        }
        let actor = able[choose(able.len())];
        taken.push(actor);
        model.step(actor).map_err(|error| format!("{error}\nafter {taken:?}"))?;
    }
    Err(format!("no end\nafter {taken:?}"))
}

/// All combinations of `depth` choices behind the first `window` steps, which take turns like those that follow.
fn explore(order: &'static [Step], cast: Cast, (window, depth): (usize, usize), until: Option<Instant>) -> (u64, Option<String>) {
    let (mut path, mut done): (Vec<(usize, usize)>, u64) = (Vec::new(), 0);
    loop {
        let mut step = 0;
        let outcome = run(order, cast, |count| {
            step += 1;
            if step <= window || step > window + depth {
                return step % count;
            }
            let place = step - window - 1;
            if place == path.len() {
                path.push((0, count));
            }
            path[place].0
        });
        done += 1;
        if let Err(error) = outcome {
            return (done, Some(error));
        }
        while path.last().is_some_and(|(chosen, count)| chosen + 1 == *count) {
            path.pop();
        }
        match path.last_mut() {
            Some(last) if until.is_none_or(|until| Instant::now() < until) => last.0 += 1,
            Some(_) | None => return (done, None),
        }
    }
}

/// Pseudo-random choices of a seed.
fn random(order: &'static [Step], seed: u64) -> Result<(), String> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    run(order, ALL, |count| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % count as u64).unwrap_or_default()
    })
    .map_err(|error| format!("seed={seed}: {error}"))
}

/// D-1 to D-8, API-10, API-22: whatever the order of their steps, nothing is shown or acknowledged before it is durable, no write is
/// based on an older version than the latest, watchers see every version once and in order or list anew, and nobody waits for ever.
#[test]
fn every_order_of_a_commit_keeps_the_promises() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let depth = number("KOAN_MODEL_DEPTH").map_or(DEPTH, |depth| usize::try_from(depth).unwrap());
    let began = Instant::now();
    let until = number("KOAN_MODEL_MINUTES").map(|minutes| began + Duration::from_secs(minutes * 60));
    let seed = number("KOAN_MODEL_SEED").unwrap_or_default();
    let (mut done, mut failures) = (0, Vec::new());
    for window in WINDOWS {
        for (cast, depth) in [(FEW, depth), (ALL, depth.saturating_sub(LESS))] {
            let (runs, failure) = explore(&ORDER, cast, (window, depth), until);
            done += runs;
            failures.extend(failure);
        }
    }
    for seed in seed..seed + RANDOM {
        done += 1;
        failures.extend(random(&ORDER, seed).err());
    }
    println!(
        "{{\"suite\":\"model-store\",\"seed\":{seed},\"done\":{done},\"failed\":{},\"minutes\":{:.2}}}",
        failures.len(),
        began.elapsed().as_secs_f64() / 60.0
    );
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// REL-10, T6: the model finds what it is for: each wrong order of the steps of a commit.
#[test]
fn every_wrong_order_is_found_out() {
    const EARLY: &[Step] = &[Step::Publish, Step::Sync, Step::Settle, Step::Answer];
    const HASTY: &[Step] = &[Step::Answer, Step::Sync, Step::Publish, Step::Settle];
    const BLIND: &[Step] = &[Step::Sync, Step::Settle, Step::Publish, Step::Answer];
    const MUTE: &[Step] = &[Step::Sync, Step::Publish, Step::Answer];
    for order in [EARLY, HASTY, BLIND, MUTE] {
        let found = std::panic::catch_unwind(|| {
            let windows = WINDOWS.iter().find_map(|window| explore(order, FEW, (*window, DEPTH - LESS), None).1);
            windows.or_else(|| (0..RANDOM).find_map(|seed| random(order, seed).err()))
        });
        // An assertion of the store itself is as good.
        assert!(found.as_ref().is_err() || found.as_ref().is_ok_and(Option::is_some), "{order:?}");
    }
}
