//! Order of services: cycles, levels, and the longest remaining path by which starts are queued (PERF-84).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::validate::ValidStack;

/// Names of services and what each waits for; a name that is no key is ignored.
pub type Edges = BTreeMap<String, BTreeSet<String>>;

/// Boot time that is assumed where no timeline tells one.
pub const ASSUMED_BOOT: Duration = Duration::from_secs(1);

/// A cycle in full, first name repeated at the end (`a → b → a`); `None` where there is none.
pub fn cycle(edges: &Edges) -> Option<Vec<String>> {
    let mut done = BTreeSet::new();
    for start in edges.keys() {
        let mut path: Vec<&String> = Vec::new();
        if let Some(found) = walk(edges, start, &mut path, &mut done) {
            return Some(found);
        }
    }
    None
}

/// Depth-first search with its own stack: names nest as deep as a manifest has services.
fn walk<'a>(
    edges: &'a Edges,
    start: &'a String,
    path: &mut Vec<&'a String>,
    done: &mut BTreeSet<&'a String>,
) -> Option<Vec<String>> {
    let mut pending: Vec<(&String, bool)> = vec![(start, false)];
    while let Some((name, leaving)) = pending.pop() {
        if leaving {
            path.pop();
            done.insert(name);
            continue;
        }
        if let Some(position) = path.iter().position(|passed| *passed == name) {
            let names = path[position..].iter().copied().chain([name]);
            return Some(names.cloned().collect());
        }
        let Some(next) = edges.get(name) else { continue };
        if done.contains(name) {
            continue;
        }
        path.push(name);
        pending.push((name, true));
        pending.extend(next.iter().rev().map(|other| (other, false)));
    }
    None
}

/// Services by level: each level waits for earlier ones only. Members of a cycle are left out.
pub fn levels(edges: &Edges) -> Vec<Vec<String>> {
    let mut placed: BTreeSet<&String> = BTreeSet::new();
    let mut found = Vec::new();
    loop {
        let free: Vec<&String> = edges
            .iter()
            .filter(|(name, waits)| {
                !placed.contains(name) && waits.iter().all(|other| placed.contains(other) || !edges.contains_key(other))
            })
            .map(|(name, _)| name)
            .collect();
        if free.is_empty() {
            return found;
        }
        placed.extend(free.iter().copied());
        found.push(free.into_iter().cloned().collect());
    }
}

/// Time from the start of each service to the readiness of the last one that waits for it.
///
/// `boots` are learnt from the last timeline; [`ASSUMED_BOOT`] stands in for the rest. Members of a cycle are left out.
pub fn remaining(edges: &Edges, boots: &BTreeMap<String, Duration>) -> BTreeMap<String, Duration> {
    let mut dependents: BTreeMap<&String, Vec<&String>> = BTreeMap::new();
    for (name, waits) in edges {
        for other in waits {
            dependents.entry(other).or_default().push(name);
        }
    }
    let mut path: BTreeMap<String, Duration> = BTreeMap::new();
    for level in levels(edges).into_iter().rev() {
        for name in level {
            let behind = dependents.get(&name).into_iter().flatten().filter_map(|dependent| path.get(*dependent)).max();
            let boot = boots.get(&name).copied().unwrap_or(ASSUMED_BOOT);
            let total = boot.saturating_add(behind.copied().unwrap_or_default());
            path.insert(name, total);
        }
    }
    path
}

/// A stack's objects in the order in which they are queued, each with its [`remaining`] path; `boots` by object.
pub fn of_stack(stack: &ValidStack, boots: &BTreeMap<String, Duration>) -> Vec<(String, Duration)> {
    let member = |service: &crate::validate::ValidService| {
        (service.key.name.clone(), service.gates.iter().map(|gate| gate.object.clone()).collect())
    };
    let edges: Edges = stack.members().map(|one| member(&one.service)).collect();
    let priority = |service: &crate::validate::ValidService| (service.key.name.clone(), service.startup_priority);
    let priorities = stack.members().map(|one| priority(&one.service)).collect();
    let paths = remaining(&edges, boots);
    let with_path = |name: String| {
        let path = paths.get(&name).copied().unwrap_or_default();
        (name, path)
    };
    queue(&edges, boots, &priorities).into_iter().map(with_path).collect()
}

/// Names in the order in which they are queued: longest remaining path, then `startupPriority`, then name.
pub fn queue(edges: &Edges, boots: &BTreeMap<String, Duration>, priorities: &BTreeMap<String, u32>) -> Vec<String> {
    let remaining = remaining(edges, boots);
    let mut names: Vec<&String> = remaining.keys().collect();
    names.sort_by_key(|name| {
        let path = remaining.get(*name).copied().unwrap_or_default();
        (std::cmp::Reverse(path), priorities.get(*name).copied().unwrap_or_default(), (*name).clone())
    });
    names.into_iter().cloned().collect()
}
