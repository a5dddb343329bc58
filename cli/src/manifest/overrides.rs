//! Overrides of a manifest, in this order: further `-f` files, `koan.overrides.yaml`, `.koan/overrides.yaml` (CLI-25), and the
//! files of older projects (CLI-26). `--set` comes after them.

use std::path::Path;

use koan_crds::API_VERSION;

use super::merge::merge;
use super::node::{Kind, Node};
use super::read::{Document, read_tree};
use super::{find, legacy};
use crate::failure::{Failure, Location};

/// Files of the project folder that override its manifest, in order.
const FILES: [&str; 2] = ["koan.overrides.yaml", ".koan/overrides.yaml"];
/// The same in older projects.
const OLD_FILES: [&str; 2] = [".Koan/overrides.json", "overrides.Koan.json"];
/// Keys of an override.
const KEYS: [&str; 4] = ["apiVersion", "kind", "metadata", "spec"];

/// Lays the override files of the project folder over its stack; returns notices for the person.
///
/// # Errors
/// What reading found, an unknown key, or an override that no stack of the manifest takes.
pub(super) fn of_project(project: &Path, documents: &mut [Document]) -> Result<Vec<String>, Failure> {
    let mut notices = Vec::new();
    if !documents.iter().any(|document| document.kind == "DevStack") {
        return Ok(notices);
    }
    for name in OLD_FILES {
        let path = project.join(name);
        if path.is_file() {
            let file = path.display().to_string();
            let Some(tree) = read_tree(&file, &find::read_bytes(&path)?)? else { continue };
            let over = legacy::overrides(&file, &tree, &|service| in_container(documents, service))?;
            notices.push(format!("{file} has the form of older versions: write koan.overrides.yaml instead"));
            lay(documents, &file, over)?;
        }
    }
    for name in FILES {
        let path = project.join(name);
        if path.is_file() {
            let file = path.display().to_string();
            let Some(tree) = read_tree(&file, &find::read_bytes(&path)?)? else { continue };
            lay(documents, &file, tree)?;
        }
    }
    Ok(notices)
}

/// True where a stack of the manifest runs this service as a container of its own.
fn in_container(documents: &[Document], service: &str) -> bool {
    let services = documents.iter().filter_map(|document| document.value.pointer("/spec/services")?.as_array()).flatten();
    services.into_iter().any(|entry| entry["name"] == service && entry["container"].is_object())
}

/// Lays the stacks of a further `-f` argument over those of the same name that earlier ones hold. What one argument holds twice
/// stays twice, and is refused where the manifest is prepared.
pub(super) fn fold(known: &mut Vec<Document>, further: Vec<Document>) {
    let mut open: Vec<usize> = (0..known.len()).collect();
    for document in further {
        let same = |index: &usize| is_same_stack(&known[*index], &document);
        match open.iter().position(same) {
            Some(place) => {
                let file = document.files.first().cloned().unwrap_or_default();
                put(&mut known[open.swap_remove(place)], &file, document.node);
            }
            None => known.push(document),
        }
    }
}

/// A stack of the same name; a namespace that only one of them names tells nothing.
fn is_same_stack(one: &Document, other: &Document) -> bool {
    let stacks = one.kind == "DevStack" && other.kind == "DevStack" && one.name() == other.name();
    stacks && one.namespace().zip(other.namespace()).is_none_or(|(one, other)| one == other)
}

fn lay(documents: &mut [Document], file: &str, over: Node) -> Result<(), Failure> {
    let refuse = |node: &Node, path: &str, message: String| Failure::Manifest {
        location: Location { file: file.to_owned(), line: node.at.line, column: node.at.column, path: path.to_owned() },
        message,
        snippet: None,
    };
    let Kind::Map(entries) = &over.kind else {
        return Err(refuse(&over, "", "an override is a DevStack without what it does not change: spec is expected".to_owned()));
    };
    if let Some((key, at, _)) = entries.iter().find(|(key, _, _)| !KEYS.contains(&key.as_str())) {
        let place = Node { kind: Kind::Null, at: *at };
        return Err(refuse(&place, key, format!("unknown key `{key}`: an override has {}", KEYS.join(", "))));
    }
    for (key, wanted) in [("apiVersion", API_VERSION), ("kind", "DevStack")] {
        match over.get(key) {
            Some(node) if over.text_of(key) != Some(wanted) => {
                return Err(refuse(node, key, format!("an override has {key}: {wanted}")));
            }
            Some(_) | None => {}
        }
    }
    let name = over.get("metadata").and_then(|metadata| metadata.text_of("name")).map(str::to_owned);
    let mut stacks = documents.iter_mut().filter(|document| document.kind == "DevStack");
    let target = match &name {
        Some(name) => stacks.find(|document| document.name() == name),
        None => stacks.next().filter(|_| stacks.next().is_none()),
    };
    let Some(target) = target else {
        let message = match name {
            Some(name) => format!("the manifest holds no stack `{name}` to override"),
            None => "the manifest holds several stacks: say with metadata.name which one this overrides".to_owned(),
        };
        return Err(refuse(&over, "metadata.name", message));
    };
    put(target, file, over);
    Ok(())
}

fn put(target: &mut Document, file: &str, over: Node) {
    let over = over.in_file(target.files.len());
    target.files.push(file.to_owned());
    let base = std::mem::replace(&mut target.node, Node::from_json(&serde_json::Value::Null));
    target.node = merge(base, over);
    target.value = target.node.to_json();
}
