//! Makes a case smaller for as long as it differs in the same way.

use serde_json::Value;

use super::case::{Case, Pair, escaped};
use super::verdict::Tally;

/// Smaller cases that are tried for one difference.
const TRIALS: usize = 400;

/// The smallest case found that has this sort of difference.
pub(super) async fn smallest(case: &Case, sort: &str, pair: &mut Pair) -> Case {
    let (mut best, mut trials) = (case.clone(), 0);
    'again: loop {
        for smaller in smaller(&best) {
            trials += 1;
            if trials > TRIALS {
                return best;
            }
            if let Some((place, found)) = pair.differs(&smaller, &mut Tally::default()).await
                && found == sort
            {
                best = smaller.until(place);
                continue 'again;
            }
        }
        return best;
    }
}

/// Every case that has one thing less, the largest things first.
fn smaller(case: &Case) -> Vec<Case> {
    let mut all = Vec::new();
    for place in 1..case.steps.len().saturating_sub(1) {
        let mut less = case.clone();
        less.steps.remove(place);
        all.push(less);
    }
    for place in (0..case.steps.len()).rev() {
        let step = &case.steps[place];
        for index in 0..step.query.len() {
            let mut less = case.clone();
            less.steps[place].query.remove(index);
            all.push(less);
        }
        if step.repeated.is_some() {
            let mut less = case.clone();
            less.steps[place].repeated = None;
            all.push(less);
        }
        let mut pointers = pointers(&step.body);
        pointers.sort_by_key(|pointer| pointer.matches('/').count());
        for pointer in pointers {
            let mut less = case.clone();
            if removed(&mut less.steps[place].body, &pointer) {
                all.push(less);
            }
        }
    }
    all
}

/// Pointers to all that is in a value, without the value itself.
pub(super) fn pointers(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    collect(value, "", &mut found);
    found
}

fn collect(value: &Value, path: &str, found: &mut Vec<String>) {
    let mut inner = |key: &str, value: &Value| {
        let path = format!("{path}/{}", escaped(key));
        found.push(path.clone());
        collect(value, &path, found);
    };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| inner(key, value)),
        Value::Array(items) => items.iter().enumerate().for_each(|(index, item)| inner(&index.to_string(), item)),
        _ => {}
    }
}

fn removed(value: &mut Value, pointer: &str) -> bool {
    let Some((parent, key)) = pointer.rsplit_once('/') else { return false };
    match value.pointer_mut(parent) {
        Some(Value::Object(fields)) => fields.shift_remove(&key.replace("~1", "/").replace("~0", "~")).is_some(),
        Some(Value::Array(items)) => {
            let index: usize = key.parse().unwrap();
            items.remove(index);
            true
        }
        _ => false,
    }
}
