//! Lays one tree over another (CLI-25): maps key by key, `services` and `env` by name, `volumes` by target; everything else is
//! replaced. A key without a value changes nothing.

use super::node::{Kind, Node, Position};

/// How a list is merged.
enum Rule {
    /// Entries with the same value under this key are one.
    By(&'static str),
    Replace,
}

fn rule(key: &str) -> Rule {
    match key {
        "services" | "env" => Rule::By("name"),
        "volumes" => Rule::By("target"),
        _ => Rule::Replace,
    }
}

/// Merges `over` into `base`.
pub(crate) fn merge(base: Node, over: Node) -> Node {
    match (base.kind, over.kind) {
        (Kind::Map(mut entries), Kind::Map(others)) => {
            for (key, at, node) in others {
                set(&mut entries, key, at, node);
            }
            Node { kind: Kind::Map(entries), at: base.at }
        }
        (kind, Kind::Null) => Node { kind, at: base.at },
        (_, kind) => Node { kind, at: over.at },
    }
}

fn set(entries: &mut Vec<(String, Position, Node)>, key: String, at: Position, node: Node) {
    if matches!(node.kind, Kind::Null) {
        return;
    }
    let Some(index) = entries.iter().position(|(known, _, _)| *known == key) else {
        entries.push((key, at, node));
        return;
    };
    let (key, before, base) = entries.remove(index);
    let merged = match (rule(&key), base.kind, node.kind) {
        (Rule::By(name), Kind::List(items), Kind::List(others)) => {
            (before, Node { kind: Kind::List(join(items, others, name)), at: base.at })
        }
        (Rule::Replace, kind @ Kind::Map(_), other @ Kind::Map(_)) => {
            (before, merge(Node { kind, at: base.at }, Node { kind: other, at: node.at }))
        }
        (Rule::By(_) | Rule::Replace, _, kind) => (at, Node { kind, at: node.at }),
    };
    entries.insert(index, (key, merged.0, merged.1));
}

/// Entries of `others` go into the entry of the same name, or to the end.
fn join(mut items: Vec<Node>, others: Vec<Node>, name: &str) -> Vec<Node> {
    for other in others {
        let same = other.text_of(name).and_then(|wanted| items.iter().position(|item| item.text_of(name) == Some(wanted)));
        match same {
            // A volume or a variable has one source: the later entry stands instead of the earlier one.
            Some(index) if name == "target" || other.get("value").is_some() || other.get("valueFrom").is_some() => {
                items[index] = other;
            }
            Some(index) => {
                let base = items.remove(index);
                items.insert(index, merge(base, other));
            }
            None => items.push(other),
        }
    }
    items
}
