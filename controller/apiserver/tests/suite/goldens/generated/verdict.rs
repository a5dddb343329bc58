//! Whether two answers are one, and what is counted.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::super::compare::equal;
use super::patches::Kind;
use super::subjects::Subject;

/// What two answers are to each other.
pub(super) enum Verdict {
    Equal,
    /// The reference knows a rule of a kind that the extended mode does not (`docs/envtest.md`).
    Ruled,
    /// The reference has no answer: it hung up.
    Unanswered,
    /// They differ; the sort says in what way.
    Different(String),
}

pub(super) fn judge(subject: &Subject, [ours, theirs]: &[Value; 2]) -> Verdict {
    if equal(theirs, ours) {
        return Verdict::Equal;
    }
    if subject.extended && equal(&without_warnings(theirs, ours), ours) {
        return Verdict::Ruled;
    }
    if subject.extended && theirs["body"]["reason"] == "Invalid" && knows_other_rules(ours, theirs) {
        return Verdict::Ruled;
    }
    if theirs["code"] == 0 && ours["code"].as_u64().is_some_and(|code| code >= 400) {
        return Verdict::Unanswered;
    }
    let mut place = String::new();
    first_difference(ours, theirs, &mut place);
    Verdict::Different(format!("{} and {} at {place}", ours["code"], theirs["code"]))
}

/// Their answer without the warnings that ours lacks.
fn without_warnings(theirs: &Value, ours: &Value) -> Value {
    let mut theirs = theirs.clone();
    if let (Some(answer), None) = (theirs.as_object_mut(), ours.pointer("/headers/warning")) {
        answer.shift_remove("headers");
    }
    theirs
}

/// Whether ours is taken, or refused by rules, too: which ones are known decides what is said, and what is not even looked at.
fn knows_other_rules(ours: &Value, theirs: &Value) -> bool {
    let of_patch = |answer: &Value| {
        let causes = answer["body"]["details"]["causes"].as_array();
        causes.into_iter().flatten().any(|cause| cause["field"] == "patch")
    };
    let taken = matches!(ours["code"].as_u64(), Some(200 | 201));
    !of_patch(theirs) && (taken || (ours["body"]["reason"] == "Invalid" && !of_patch(ours)))
}

/// Where two values differ first; entries of lists have no numbers, so that differences of one sort have one place.
fn first_difference(left: &Value, right: &Value, place: &mut String) {
    match (left, right) {
        (Value::Object(left), Value::Object(right)) => {
            for (key, value) in right {
                match left.get(key) {
                    Some(other) if other == value => {}
                    other => {
                        place.push('/');
                        place.push_str(key);
                        return first_difference(other.unwrap_or(&Value::Null), value, place);
                    }
                }
            }
            match left.keys().find(|key| !right.contains_key(*key)) {
                Some(key) => *place = format!("{place}/{key} too much"),
                None => place.push_str(" in another order"),
            }
        }
        (Value::Array(left), Value::Array(right)) => {
            if let Some((left, right)) = left.iter().zip(right).find(|(left, right)| left != right) {
                place.push_str("/*");
                first_difference(left, right, place);
            }
        }
        (Value::String(left), Value::String(right)) if left.contains(' ') || right.contains(' ') => {
            let words = |text: &str| {
                text.split_whitespace()
                    .take(WORDS)
                    .map(|word| if word.contains("case-") { "<name>" } else { word })
                    .collect::<Vec<_>>()
                    .join(" ")
            };
            *place = format!("{place}: {:?} for {:?}", words(left), words(right));
        }
        _ => {}
    }
}

/// Words of a message that tell its sort.
const WORDS: usize = 4;

/// What was compared.
#[derive(Default)]
pub(super) struct Tally {
    /// By type of patch: answers, and how many of them were refusals.
    answers: BTreeMap<&'static str, (u64, u64)>,
    ruled: u64,
    unanswered: u64,
    /// Differences that were not there when the same was asked again: the reference walks its maps in any order.
    unsteady: u64,
    different: u64,
}

impl Tally {
    pub(super) fn count(&mut self, kind: Option<Kind>, [_, theirs]: &[Value; 2], verdict: &Verdict) {
        let (answers, refusals) = self.answers.entry(kind.map_or("create", Kind::name)).or_default();
        *answers += 1;
        *refusals += u64::from(theirs["code"].as_u64().is_none_or(|code| code >= 400));
        match verdict {
            Verdict::Equal => {}
            Verdict::Unanswered => self.unanswered += 1,
            Verdict::Ruled => self.ruled += 1,
            Verdict::Different(_) => self.different += 1,
        }
    }

    /// A difference was none.
    pub(super) fn settle(&mut self) {
        self.different -= 1;
        self.unsteady += 1;
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (kind, (answers, refusals)) in &other.answers {
            let known = self.answers.entry(kind).or_default();
            *known = (known.0 + answers, known.1 + refusals);
        }
        self.ruled += other.ruled;
        self.unanswered += other.unanswered;
        self.unsteady += other.unsteady;
        self.different += other.different;
    }

    /// Whether each type of patch was taken and refused.
    pub(super) fn is_telling(&self) -> bool {
        let kinds = Kind::ALL.iter().map(|kind| self.answers.get(kind.name()).copied().unwrap_or_default());
        kinds.into_iter().all(|(answers, refusals)| refusals > 0 && answers > refusals)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (kind, (answers, refusals)) in &self.answers {
            write!(formatter, "{answers} {kind} ({refusals} refused), ")?;
        }
        write!(
            formatter,
            "{} refused by rules of the reference alone, {} not answered by it, {} answered by it in several ways, {} different",
            self.ruled, self.unanswered, self.unsteady, self.different
        )
    }
}
