//! The critical path of the last start: back from the last service that became ready, each time to the gate that opened last.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::validate::ValidStack;

/// Services on the longest path, in order of their start; `ready` says when each became ready.
pub(super) fn path(stack: &ValidStack, ready: &BTreeMap<String, Timestamp>) -> Vec<String> {
    let waits: BTreeMap<&str, Vec<&str>> = stack
        .members()
        .map(|member| (member.object.metadata.name.as_deref().unwrap_or_default(), member))
        .map(|(name, member)| (name, member.service.gates.iter().map(|gate| gate.object.as_str()).collect()))
        .collect();
    let last = |names: &mut dyn Iterator<Item = &str>| -> Option<String> {
        names
            .filter(|name| ready.contains_key(*name))
            .max_by_key(|name| (ready[*name], std::cmp::Reverse(*name)))
            .map(str::to_owned)
    };
    let mut found: Vec<String> = Vec::new();
    let mut next = last(&mut waits.keys().copied());
    while let Some(name) = next.filter(|name| !found.contains(name)) {
        next = waits.get(name.as_str()).and_then(|gates| last(&mut gates.iter().copied()));
        found.push(name);
    }
    found.reverse();
    let short = |object: &String| {
        let member = stack.members().find(|member| member.object.metadata.name.as_ref() == Some(object));
        member.map_or_else(|| object.clone(), |member| member.name.clone())
    };
    found.iter().map(short).collect()
}
