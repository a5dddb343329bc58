//! The checker: versions are put in one order, and each answer is held against it.
//!
//! The order is the server's own: it numbers all writes of the store. What is checked is that the numbers agree with real
//! time (D-8), with the versions that writes were based on (D-8), with what was acknowledged (D-7), and that each watch
//! shows a gap-free piece of that order once (D-1 to D-6). It takes little time because the order is given.

use std::collections::{BTreeMap, HashMap};

use super::record::{Act, Attempt, EventKind, History, List, Outcome, Read, Seen, Watch};

/// What is known of one version of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fact {
    object: String,
    tag: String,
    /// Whether the version is the end of the object.
    end: bool,
    /// From when on it was surely there: the first instant at which anybody knew of it.
    known: u64,
}

/// All versions in order, and who wrote what.
struct Order<'a> {
    facts: BTreeMap<u64, Fact>,
    /// Versions of each object, in order.
    chains: HashMap<&'a str, Vec<u64>>,
    writers: HashMap<&'a str, &'a Attempt>,
    /// The versions of each object that a delete named which was not refused, and whether it was acknowledged.
    deletes: HashMap<&'a str, BTreeMap<u64, bool>>,
    problems: Vec<String>,
}

/// Everything that a correct server cannot have answered; empty for a history without fault.
#[must_use]
pub fn violations(history: &History) -> Vec<String> {
    let mut order = Order::of(history);
    order.contents(history);
    order.real_time(history);
    order.bases(history);
    order.ends(history);
    for list in &history.lists {
        order.list(list);
    }
    for read in &history.reads {
        order.read(read);
    }
    for (number, watch) in history.watches.iter().enumerate() {
        order.watch(number, watch);
        order.kinds(number, watch, history.baseline.version);
    }
    order.problems
}

impl<'a> Order<'a> {
    fn of(history: &'a History) -> Self {
        let writers = history.attempts.iter().map(|attempt| (attempt.tag.as_str(), attempt)).collect();
        let mut deletes: HashMap<&str, BTreeMap<u64, bool>> = HashMap::new();
        for attempt in history.attempts.iter().filter(|attempt| attempt.act == Act::Delete) {
            if let Some(base) = attempt.base.filter(|_| attempt.outcome != Outcome::Refused) {
                let acknowledged = matches!(attempt.outcome, Outcome::Acknowledged(_));
                *deletes.entry(&attempt.object).or_default().entry(base).or_default() |= acknowledged;
            }
        }
        let mut order = Self { facts: BTreeMap::new(), chains: HashMap::new(), writers, deletes, problems: Vec::new() };
        order.add_list(&history.baseline);
        for attempt in &history.attempts {
            if let Outcome::Acknowledged(Some(version)) = attempt.outcome {
                let seen = Seen { object: attempt.object.clone(), version, tag: attempt.tag.clone() };
                order.add(&seen, attempt.act == Act::Delete, attempt.ended);
            }
        }
        history.lists.iter().for_each(|list| order.add_list(list));
        for read in &history.reads {
            if let Some(seen) = &read.found {
                order.add(seen, false, read.ended);
            }
        }
        for event in history.watches.iter().flat_map(|watch| &watch.events) {
            if event.kind != EventKind::Bookmark {
                order.add(&event.seen, event.kind == EventKind::Deleted, event.at);
            }
        }
        let mut chains: HashMap<&'a str, Vec<u64>> = HashMap::new();
        let names: HashMap<&str, &'a str> = history.names().map(|name| (name, name)).collect();
        for (version, fact) in &order.facts {
            if let Some(name) = names.get(fact.object.as_str()) {
                chains.entry(name).or_default().push(*version);
            }
        }
        order.chains = chains;
        order
    }

    fn add_list(&mut self, list: &List) {
        for seen in &list.items {
            self.add(seen, false, list.ended);
        }
    }

    /// D-8: a version is one content of one object for everybody.
    fn add(&mut self, seen: &Seen, end: bool, at: u64) {
        let fact = Fact { object: seen.object.clone(), tag: seen.tag.clone(), end, known: at };
        match self.facts.get_mut(&seen.version) {
            None => drop(self.facts.insert(seen.version, fact)),
            Some(known) if (&known.object, &known.tag, known.end) == (&fact.object, &fact.tag, fact.end) => {
                known.known = known.known.min(at);
            }
            Some(known) => {
                let text = format!("D-8: version {} is {known:?} and {fact:?}", seen.version);
                self.problems.push(text);
            }
        }
    }

    /// D-7: every content was written by an attempt on that object, and by none that was refused.
    fn contents(&mut self, history: &History) {
        for (version, fact) in &self.facts {
            if *version <= history.baseline.version || history.baseline.items.iter().any(|item| item.tag == fact.tag) {
                continue;
            }
            match self.writers.get(fact.tag.as_str()) {
                Some(attempt) if attempt.object == fact.object && attempt.outcome != Outcome::Refused => {}
                Some(attempt) => self.problems.push(format!("D-7: version {version} is {fact:?} of {attempt:?}")),
                None => self.problems.push(format!("D-7: nobody wrote version {version}: {fact:?}")),
            }
        }
    }

    /// D-8: what began after a version was known has a higher one.
    fn real_time(&mut self, history: &History) {
        let mut known: Vec<(u64, u64)> = self.facts.iter().map(|(version, fact)| (fact.known, *version)).collect();
        known.extend(history.lists.iter().map(|list| (list.ended, list.version)));
        known.sort_unstable();
        let highest: Vec<u64> = known
            .iter()
            .scan(0, |highest, (_, version)| {
                *highest = (*highest).max(*version);
                Some(*highest)
            })
            .collect();
        let floor = |instant: u64| known.partition_point(|(at, _)| *at < instant).checked_sub(1).map_or(0, |last| highest[last]);
        let mut problems = Vec::new();
        for (version, fact) in self.facts.iter().filter(|(_, fact)| !fact.end) {
            if let Some(attempt) = self.writers.get(fact.tag.as_str())
                && *version <= floor(attempt.began)
            {
                problems.push(format!("D-8: version {version} of {attempt:?}, when {} was known", floor(attempt.began)));
            }
        }
        for list in history.lists.iter().filter(|list| list.version < floor(list.began)) {
            problems.push(format!("D-8: a list of version {}, when {} was known", list.version, floor(list.began)));
        }
        self.problems.append(&mut problems);
    }

    /// Whether a delete of this version was asked for and not refused.
    fn may_be_deleted(&self, object: &str, version: u64) -> bool {
        self.deletes.get(object).is_some_and(|bases| bases.contains_key(&version))
    }

    /// D-8: a write that names a version follows exactly that one, and a create follows none or an end.
    fn bases(&mut self, history: &History) {
        let mut problems = Vec::new();
        for chain in self.chains.values() {
            let before = std::iter::once(None).chain(chain.iter().map(|version| Some(*version)));
            for (before, version) in before.zip(chain) {
                let fact = &self.facts[version];
                let Some(attempt) = self.writers.get(fact.tag.as_str()).filter(|_| *version > history.baseline.version) else {
                    continue;
                };
                let live = before.filter(|before| !self.facts[before].end);
                let ended = live.is_some_and(|live| {
                    self.deletes.get(fact.object.as_str()).is_some_and(|bases| bases.get(&live) == Some(&true))
                });
                let follows = match (fact.end, attempt.act) {
                    // An end carries the tag of what it ends.
                    (true, _) => live.is_some_and(|live| self.facts[&live].tag == fact.tag),
                    (false, Act::Create) => live.is_none_or(|live| self.may_be_deleted(&fact.object, live)),
                    (false, Act::Update) => live.is_some() && live == attempt.base && !ended,
                    (false, Act::Delete) => false,
                };
                if !follows {
                    problems.push(format!("D-8: version {version} of {attempt:?} follows {before:?}"));
                }
            }
        }
        self.problems.append(&mut problems);
    }

    /// D-7: a list shows the last version of each object up to its own version.
    fn list(&mut self, list: &List) {
        let items: HashMap<&str, &Seen> = list.items.iter().map(|seen| (seen.object.as_str(), seen)).collect();
        for (object, chain) in &self.chains {
            let last = chain[..chain.partition_point(|version| *version <= list.version)].last();
            let wanted = last.filter(|last| !self.facts[last].end);
            let found = items.get(object).map(|seen| seen.version);
            let fits = match (found, wanted) {
                (Some(found), Some(wanted)) => found == *wanted,
                (Some(_), None) => false,
                (None, Some(wanted)) => self.may_be_deleted(object, *wanted),
                (None, None) => true,
            };
            if !fits {
                let text = format!("D-7: the list of version {} has {object} at {found:?} for {wanted:?}", list.version);
                self.problems.push(text);
            }
        }
    }

    /// D-7: what an acknowledged delete ended is in no later list.
    fn ends(&mut self, history: &History) {
        for list in &history.lists {
            let items: HashMap<(&str, u64), &Seen> =
                list.items.iter().map(|seen| ((seen.object.as_str(), seen.version), seen)).collect();
            let told = history.attempts.iter().filter(|attempt| {
                attempt.act == Act::Delete && matches!(attempt.outcome, Outcome::Acknowledged(_)) && attempt.ended < list.began
            });
            for attempt in told {
                if attempt.base.is_some_and(|base| items.contains_key(&(attempt.object.as_str(), base))) {
                    self.problems.push(format!("D-7: the list of version {} still has what {attempt:?} deleted", list.version));
                }
            }
        }
    }

    /// D-8: a read shows a version that was the last one at some instant between question and answer.
    fn read(&mut self, read: &Read) {
        let Some(chain) = self.chains.get(read.object.as_str()) else { return };
        let stale = match &read.found {
            Some(seen) => {
                let next = chain.get(chain.partition_point(|version| *version <= seen.version));
                next.is_some_and(|next| self.facts[next].known < read.began)
            }
            // Some end has to follow the last version that was surely there.
            None => {
                let last = chain.iter().rposition(|version| self.facts[version].known < read.began);
                let rest = last.map_or(&[][..], |last| &chain[last..]);
                !rest.is_empty()
                    && !rest.iter().any(|version| self.facts[version].end || self.may_be_deleted(&read.object, *version))
            }
        };
        if stale {
            self.problems.push(format!("D-8: {read:?} is stale: versions {chain:?}"));
        }
    }

    /// D-1 to D-6 of one watch.
    fn watch(&mut self, number: usize, watch: &Watch) {
        let mut last = watch.from;
        let mut marked = None;
        for event in &watch.events {
            let version = event.seen.version;
            let in_order = if event.kind == EventKind::Bookmark { version >= last } else { version > last };
            if !in_order {
                let rule = if marked == Some(last) { "D-6" } else { "D-1, D-2, D-5" };
                self.problems.push(format!("{rule}: watch {number} from {} has {event:?} after {last}", watch.from));
            }
            last = last.max(version);
            marked = (event.kind == EventKind::Bookmark).then_some(version);
        }
        let mut shown = watch.events.iter().filter(|event| event.kind != EventKind::Bookmark).map(|event| event.seen.version);
        let mut next = shown.next();
        let mut missing = Vec::new();
        for version in self.facts.range(watch.from + 1..=last.max(watch.from + 1)).map(|(version, _)| *version) {
            while next.is_some_and(|shown| shown < version) {
                next = shown.next();
            }
            if next != Some(version) && version <= last {
                missing.push(version);
            }
        }
        if !missing.is_empty() {
            self.problems.push(format!("D-4: watch {number} from {} to {last} lacks {missing:?}", watch.from));
        }
    }

    /// D-3: each version is one event, of the kind that its place among the object's versions gives it.
    fn kinds(&mut self, number: usize, watch: &Watch, baseline: u64) {
        for event in watch.events.iter().filter(|event| event.seen.version > baseline) {
            let Some(chain) = self.chains.get(event.seen.object.as_str()) else { continue };
            let before = chain.partition_point(|version| *version < event.seen.version).checked_sub(1).map(|index| chain[index]);
            let live = before.is_some_and(|before| !self.facts[&before].end);
            let fits = match event.kind {
                EventKind::Added => !live || before.is_some_and(|before| self.may_be_deleted(&event.seen.object, before)),
                EventKind::Modified | EventKind::Deleted => live,
                EventKind::Bookmark => true,
            };
            if !fits {
                self.problems.push(format!("D-3: watch {number} has {event:?} after version {before:?}"));
            }
        }
    }
}

impl History {
    fn names(&self) -> impl Iterator<Item = &str> {
        let attempts = self.attempts.iter().map(|attempt| attempt.object.as_str());
        attempts.chain(self.baseline.items.iter().map(|seen| seen.object.as_str()))
    }
}
