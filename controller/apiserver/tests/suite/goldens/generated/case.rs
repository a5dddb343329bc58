//! A case, its requests, and the two servers that answer them.

use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::super::exchange::Exchange;
use super::super::normal::Memory;
use super::super::server::forget;
use super::patches::{self, Kind};
use super::subjects::Subject;
use super::verdict::{Tally, Verdict, judge};
use crate::fuzz::mutate::Dice;

/// Patches of one case at most.
const PATCHES: usize = 5;
/// Objects made until one has a uid behind that of another.
const OWNERS_TRIED: usize = 1_000;
/// What is shown of two answers, in bytes from where they differ.
const BEFORE: usize = 300;
const AFTER: usize = 500;
/// How often a difference is asked for again.
const AGAIN: usize = 6;
/// The objects that own others, and under which words their uids are put in.
const OWNERS: [&str; 2] = ["owner", "other"];

/// What one request sends.
#[derive(Clone)]
pub(super) struct Step {
    /// `None` creates the object.
    pub(super) kind: Option<Kind>,
    pub(super) query: Vec<(&'static str, String)>,
    /// Sent to `/status`.
    pub(super) status: bool,
    pub(super) body: Value,
    /// A pointer to a member that is written twice.
    pub(super) repeated: Option<String>,
}

/// A create and the patches after it.
#[derive(Clone)]
pub(super) struct Case {
    pub(super) seed: u64,
    pub(super) subject: Arc<Subject>,
    pub(super) steps: Vec<Step>,
}

impl Case {
    pub(super) fn random(seed: u64, subjects: &[Arc<Subject>]) -> Self {
        let mut dice = Dice::new(seed);
        let subject = Arc::clone(&subjects[dice.below(subjects.len())]);
        let mut steps = vec![patches::create(&mut dice, &subject)];
        for _ in 0..=dice.below(PATCHES) {
            steps.push(patches::patch(&mut dice, &subject));
        }
        Self { seed, subject, steps }
    }

    /// The case up to this step.
    pub(super) fn until(&self, place: usize) -> Self {
        Self { steps: self.steps[..=place].to_vec(), ..self.clone() }
    }

    fn requests(&self, name: &str) -> Vec<Value> {
        self.steps.iter().enumerate().map(|(place, step)| self.request(step, place == 0, name)).collect()
    }

    /// The request of a step, which creates the object where it is the first.
    fn request(&self, step: &Step, creates: bool, name: &str) -> Value {
        let mut body = step.body.clone();
        let collection = &self.subject.collection;
        if creates {
            body["metadata"]["name"] = json!(name);
        }
        let mut path = if step.kind.is_none() { collection.clone() } else { format!("{collection}/{name}") };
        if step.status {
            path.push_str("/status");
        }
        for (index, (key, value)) in step.query.iter().enumerate() {
            let sign = if index == 0 { '?' } else { '&' };
            write!(path, "{sign}{key}={value}").unwrap();
        }
        let text = text(&body, "", step.repeated.as_deref());
        match step.kind {
            None => json!({"method": "POST", "path": path, "body": text}),
            Some(kind) => {
                json!({"method": "PATCH", "path": path, "headers": {"content-type": kind.content_type()}, "body": text})
            }
        }
    }
}

/// The JSON text of a value in which the member at `repeated` stands twice.
fn text(value: &Value, path: &str, repeated: Option<&str>) -> String {
    let inner = |key: &str, value: &Value| text(value, &format!("{path}/{}", escaped(key)), repeated);
    match value {
        Value::Object(fields) => {
            let mut members = Vec::with_capacity(fields.len());
            for (key, value) in fields {
                let member = format!("{}:{}", json!(key), inner(key, value));
                if repeated == Some(format!("{path}/{}", escaped(key)).as_str()) {
                    members.push(member.clone());
                }
                members.push(member);
            }
            format!("{{{}}}", members.join(","))
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().enumerate().map(|(index, item)| inner(&index.to_string(), item)).collect();
            format!("[{}]", items.join(","))
        }
        scalar => scalar.to_string(),
    }
}

/// A key as a step of a pointer.
pub(super) fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// Makes an object with a uid behind this one: managed fields stand in the order of the uids in them, which texts show.
async fn owner(exchange: &mut Exchange, name: &str, behind: String) -> Value {
    let path = "/api/v1/namespaces/${ns}/configmaps";
    let body = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
    let take = Value::Object(Map::from_iter([(name.to_owned(), json!("/body/metadata/uid"))]));
    let create = json!({"method": "POST", "path": path, "body": body, "take": take});
    for _ in 0..OWNERS_TRIED {
        let answer = exchange.settled(std::slice::from_ref(&create)).await.remove(0);
        if uid(&answer).is_some_and(|uid| *uid > *behind) {
            return answer;
        }
        exchange.settled(&[json!({"method": "DELETE", "path": format!("{path}/{name}")})]).await;
    }
    panic!("{OWNERS_TRIED} uids in a row come before {behind}");
}

fn uid(answer: &Value) -> Option<&str> {
    answer["body"]["metadata"]["uid"].as_str()
}

/// The embedded server and the reference, with a namespace on each.
pub(super) struct Pair {
    exchanges: [Exchange; 2],
    /// What each said of the owners.
    owners: [Vec<Value>; 2],
    /// Objects made so far, which have names of their own.
    made: u64,
}

/// Where a case differs, and the sort of the difference.
pub(super) type Difference = (usize, String);

impl Pair {
    pub(super) async fn new(mut exchanges: [Exchange; 2]) -> Self {
        let mut owners = [Vec::new(), Vec::new()];
        for (exchange, owners) in exchanges.iter_mut().zip(&mut owners) {
            for name in OWNERS {
                let behind = owners.last().and_then(uid).unwrap_or_default().to_owned();
                owners.push(owner(exchange, name, behind).await);
            }
        }
        Self { exchanges, owners, made: 0 }
    }

    /// Sends the requests of a case to both until two answers differ; gives the last ones.
    async fn answers(&mut self, case: &Case) -> Vec<[Value; 2]> {
        self.made += 1;
        let requests = case.requests(&format!("case-{}", self.made));
        let mut memories = [0, 1].map(|side| {
            let mut memory = Memory::new(&self.exchanges[side].namespace);
            for owner in &self.owners[side] {
                memory.normalised(&json!({}), owner.clone());
            }
            memory
        });
        let mut answers = Vec::new();
        for request in requests {
            let [ours, theirs] = &mut self.exchanges;
            let request = std::slice::from_ref(&request);
            let (mut ours, mut theirs) = futures::join!(ours.settled(request), theirs.settled(request));
            let [first, second] = &mut memories;
            let pair = [first.normalised(&request[0], ours.remove(0)), second.normalised(&request[0], theirs.remove(0))];
            let goes_on =
                matches!(judge(&case.subject, &pair), Verdict::Equal) && (!answers.is_empty() || pair[0]["code"] == 201);
            answers.push(pair);
            if !goes_on {
                break;
            }
        }
        answers
    }

    /// Where the answers to a case differ each time, and in what way.
    pub(super) async fn differs_always(&mut self, case: &Case, tally: &mut Tally) -> Option<Difference> {
        let mut found = self.differs(case, tally).await?;
        for _ in 0..AGAIN {
            match self.differs(case, &mut Tally::default()).await {
                Some(again) => found = again,
                None => {
                    tally.settle();
                    return None;
                }
            }
        }
        Some(found)
    }

    /// Where the answers to a case differ, and in what way.
    pub(super) async fn differs(&mut self, case: &Case, tally: &mut Tally) -> Option<Difference> {
        let answers = self.answers(case).await;
        for (place, (pair, step)) in answers.iter().zip(&case.steps).enumerate() {
            let verdict = judge(&case.subject, pair);
            tally.count(step.kind, pair, &verdict);
            if let Verdict::Different(sort) = verdict {
                let kind = step.kind.map_or("create", Kind::name);
                let shape = if case.subject.custom { "custom" } else { "built-in" };
                return Some((place, format!("{shape} {kind}{} {sort}", if step.status { " of the status" } else { "" })));
            }
        }
        None
    }

    /// The requests of a case as they stand in a corpus, and the two answers to the last one.
    pub(super) async fn shown(&mut self, case: &Case) -> String {
        let answers = self.answers(case).await;
        let mut lines: Vec<String> = case.requests("x").iter().map(|request| format!("    {request}")).collect();
        if let Some([ours, theirs]) = answers.last() {
            let (ours, theirs) = (ours.to_string(), theirs.to_string());
            let same = ours.bytes().zip(theirs.bytes()).take_while(|(left, right)| left == right).count();
            let part = |text: &str| {
                let bytes = text.as_bytes();
                let start = same.saturating_sub(BEFORE).min(bytes.len());
                String::from_utf8_lossy(&bytes[start..bytes.len().min(same + AFTER)]).into_owned()
            };
            lines.push(format!("  koan      {}\n  reference {}", part(&ours), part(&theirs)));
        }
        lines.join("\n")
    }

    /// Lets the namespaces go.
    pub(super) async fn forget(&mut self) {
        for exchange in &mut self.exchanges {
            forget(exchange).await;
        }
    }
}
