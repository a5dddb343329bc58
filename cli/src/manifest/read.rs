//! Text to documents: bounded, strict, each error with file, line and column (CLI-22, SEC-15).

use koan_crds::API_VERSION;
use serde_json::Value;

use super::{Node, Position};
use crate::failure::{Failure, Location};
use crate::redact::redact;

/// Largest manifest stream, in bytes.
const MAX_BYTES: usize = 3 * 1024 * 1024;
/// Most documents in one stream.
const MAX_DOCUMENTS: usize = 100;
/// Most parser events, aliases expanded.
const MAX_EVENTS: usize = 100_000;
/// Most aliases.
const MAX_ALIASES: usize = 1_000;
/// Deepest nesting.
const MAX_DEPTH: usize = 64;
/// Keys that YAML 1.1 reads as booleans; other readers would see another key.
const BOOLEAN_KEYS: [&str; 6] = ["n", "y", "on", "off", "yes", "no"];

/// One document of a stream.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    /// Names of the manifest, `-` for standard input, and of the files that override it.
    pub(crate) files: Vec<String>,
    /// `apiVersion`.
    pub(crate) api_version: String,
    /// `kind`.
    pub(crate) kind: String,
    /// The whole value.
    pub(crate) value: Value,
    /// The same with places.
    pub(crate) node: Node,
}

impl Document {
    /// A stored object as a document; its fields stand nowhere in particular.
    pub(crate) fn stored(value: Value) -> Self {
        let word = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (api_version, kind) = (word("apiVersion"), word("kind"));
        Self { files: Vec::new(), api_version, kind, node: Node::from_json(&value), value }
    }

    /// The place of a field path inside this document.
    pub(crate) fn location(&self, path: &str) -> Location {
        let Position { file, line, column } = self.node.locate(path);
        Location { file: self.file(file).to_owned(), line, column, path: path.to_owned() }
    }

    fn file(&self, number: usize) -> &str {
        self.files.get(number).or(self.files.first()).map(String::as_str).unwrap_or_default()
    }

    /// `metadata.name`, empty where it is missing.
    pub(crate) fn name(&self) -> &str {
        self.value.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default()
    }

    /// `metadata.namespace`, where it is named.
    pub(crate) fn namespace(&self) -> Option<&str> {
        self.value.pointer("/metadata/namespace").and_then(Value::as_str)
    }

    /// Warnings on keys that YAML 1.1 readers, kubectl's among them, turn into booleans.
    pub(crate) fn boolean_keys(&self) -> Vec<String> {
        let mut found = Vec::new();
        self.node.each_key(&mut |key, at| {
            if BOOLEAN_KEYS.contains(&key.to_ascii_lowercase().as_str()) {
                found.push(format!(
                    "{}:{}:{}: key `{key}` is a boolean to YAML 1.1 readers such as kubectl: quote it",
                    self.file(at.file),
                    at.line,
                    at.column
                ));
            }
        });
        found
    }
}

/// Reads every document of a stream.
///
/// # Errors
/// [`Failure::Manifest`] for anything that is no stream of Kubernetes objects; nothing was applied.
pub(crate) fn read_all(file: &str, bytes: &[u8]) -> Result<Vec<Document>, Failure> {
    let nodes = trees(file, bytes)?;
    if nodes.is_empty() {
        return Err(unreadable(file, 1, 1, "no document".to_owned()));
    }
    nodes.into_iter().map(|node| document(file, node)).collect()
}

/// Reads a file of at most one document, whatever it holds; `None` for an empty one.
///
/// # Errors
/// [`Failure::Manifest`] for anything that is no YAML, and for a second document.
pub(crate) fn read_tree(file: &str, bytes: &[u8]) -> Result<Option<Node>, Failure> {
    let mut nodes = trees(file, bytes)?;
    match nodes.as_slice() {
        [] | [_] => Ok(nodes.pop()),
        [_, second, ..] => Err(unreadable(file, second.at.line, 1, "one document is expected".to_owned())),
    }
}

fn unreadable(file: &str, line: u64, column: u64, message: String) -> Failure {
    let location = Location { file: file.to_owned(), line, column, path: String::new() };
    Failure::Manifest { location, message, snippet: None }
}

fn trees(file: &str, bytes: &[u8]) -> Result<Vec<Node>, Failure> {
    if bytes.len() > MAX_BYTES {
        return Err(unreadable(file, 1, 1, format!("{} bytes exceed the limit of {MAX_BYTES}", bytes.len())));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
        unreadable(file, line, 1, "not UTF-8".to_owned())
    })?;
    let nodes: Vec<Option<Node>> =
        serde_saphyr::from_multiple_with_options(text, options()).map_err(|error| yaml(file, text, &error))?;
    Ok(nodes.into_iter().flatten().collect())
}

fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_documents: MAX_DOCUMENTS,
            max_events: MAX_EVENTS,
            max_aliases: MAX_ALIASES,
            max_depth: MAX_DEPTH,
        },
        duplicate_keys: serde_saphyr::options::DuplicateKeyPolicy::Error,
        strict_booleans: true,
        with_snippet: false,
    }
}

fn yaml(file: &str, text: &str, error: &serde_saphyr::Error) -> Failure {
    let (line, column) = error.location().map_or((1, 1), |place| (place.line(), place.column()));
    let index = usize::try_from(line.saturating_sub(1)).unwrap_or(usize::MAX);
    let snippet = text.lines().nth(index).map(|content| {
        let caret = usize::try_from(column.saturating_sub(1)).unwrap_or(0).min(content.chars().count());
        let shown = redact(content);
        let caret = if shown == content { caret } else { caret.min(shown.chars().count()) };
        format!("{shown}\n{}^", " ".repeat(caret))
    });
    Failure::Manifest {
        location: Location { file: file.to_owned(), line, column, path: String::new() },
        message: error.without_snippet().to_string().lines().next().unwrap_or_default().to_owned(),
        snippet,
    }
}

fn document(file: &str, node: Node) -> Result<Document, Failure> {
    let value = node.to_json();
    let word = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (api_version, kind) = (word("apiVersion"), word("kind"));
    let document = Document { files: vec![file.to_owned()], api_version, kind, value, node };
    let refuse = |path: &str, message: String| Failure::Manifest { location: document.location(path), message, snippet: None };
    if document.api_version.is_empty() || document.kind.is_empty() {
        let message = "no Kubernetes object: apiVersion and kind are required".to_owned();
        return Err(refuse("", message));
    }
    let known = match document.api_version.as_str() {
        API_VERSION => ["DevStack", "ServiceSpec"].contains(&document.kind.as_str()),
        "v1" => ["Secret", "ConfigMap", "Namespace"].contains(&document.kind.as_str()),
        _ => return Err(refuse("apiVersion", format!("unknown apiVersion `{}`", document.api_version))),
    };
    if !known {
        return Err(refuse("kind", format!("unknown kind `{}` of {}", document.kind, document.api_version)));
    }
    if document.name().is_empty() {
        return Err(refuse("metadata", "metadata.name is required".to_owned()));
    }
    Ok(document)
}
