//! From manifest to objects: found, overridden, validated as a whole before the first write.

use std::collections::BTreeMap;

use koan_adapters::catalogue;
use koan_core::validate::{StackOptions, validate_service, validate_stack};
use koan_core::violation::Violation;
use koan_crds::v1alpha1::{DevStack, ServiceSpec};
use koan_crds::vocabulary::Reason;
use koan_crds::{labels, names};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Run, known, programs};
use crate::failure::{Failure, Location, Problem, suggest};
use crate::manifest::{Document, Found, check_fields, find};
use crate::settings::{Settings, Source, Sourced};

/// Objects that passed every check.
pub(crate) struct Prepared {
    pub(crate) found: Found,
    pub(crate) warnings: Vec<String>,
}

impl Prepared {
    /// Documents of kind `DevStack`.
    pub(crate) fn stacks(&self) -> impl Iterator<Item = &Document> {
        self.found.documents.iter().filter(|document| document.kind == "DevStack")
    }

    /// The one stack of [`prepare_one`].
    ///
    /// # Errors
    /// [`Failure::Bug`] where there is none.
    pub(crate) fn stack(&self) -> Result<&Document, Failure> {
        self.stacks().next().ok_or_else(|| Failure::Bug { message: "the stack that was chosen is gone".to_owned() })
    }
}

/// Finds and validates the manifest of this run.
///
/// # Errors
/// What finding and reading met, or every violation with its place; nothing was applied.
pub(crate) fn prepare(run: &Run) -> Result<Prepared, Failure> {
    validate(run, read(run)?, |_| Ok(()))
}

/// The same, each stack changed by `amend` before the checks.
///
/// # Errors
/// As [`prepare`].
pub(crate) fn prepare_amended(run: &Run, amend: impl Fn(&mut Value) -> Result<(), Failure>) -> Result<Prepared, Failure> {
    validate(run, read(run)?, amend)
}

/// The same for one stack of the manifest: other stacks are left out. `amend` changes it before the checks (flags of `up`).
///
/// # Errors
/// As [`prepare`]; [`Failure::Unknown`] or [`Failure::Ambiguous`] where the name tells no stack.
pub(crate) fn prepare_one(
    run: &Run,
    name: Option<&str>,
    amend: impl Fn(&mut Value) -> Result<(), Failure>,
) -> Result<Prepared, Failure> {
    let mut found = read(run)?;
    let name = choose(&found.documents, name)?;
    found.documents.retain(|document| document.kind != "DevStack" || document.name() == name);
    validate(run, found, amend)
}

/// The name of the one stack that is meant.
fn choose(documents: &[Document], name: Option<&str>) -> Result<String, Failure> {
    let names: Vec<String> = documents.iter().filter(|d| d.kind == "DevStack").map(|d| d.name().to_owned()).collect();
    let meant: Vec<&String> = names.iter().filter(|known| name.is_none_or(|name| *known == name)).collect();
    match (name, meant.as_slice()) {
        (_, [only]) => Ok((*only).clone()),
        (Some(name), []) => Err(Failure::Unknown { kind: "stack", name: name.to_owned(), nearest: suggest(name, names) }),
        (Some(name), _) => Err(Failure::Usage {
            message: format!("the manifest holds `{name}` in more than one namespace"),
            hint: "`koan apply` takes them all; for `koan up`, write one file for each and name it with -f".to_owned(),
        }),
        (None, []) => Err(Failure::Usage {
            message: "the manifest holds no DevStack".to_owned(),
            hint: "`koan apply` takes manifests without one".to_owned(),
        }),
        (None, _) => Err(Failure::Ambiguous { names }),
    }
}

/// The documents of this run; no object stands twice among them.
fn read(run: &Run) -> Result<Found, Failure> {
    let working = std::env::current_dir().map_err(|source| Failure::ReadFile { path: ".".into(), source })?;
    let found = find(&run.globals.files, &working)?;
    known::learn_of_manifest(&found.documents);
    for document in &found.documents {
        tracing::debug!(kind = document.kind, name = document.name(), files = document.files.join(", "), "manifest");
    }
    let project = found.project.display().to_string();
    let problems = duplicates(&found.documents, |document| namespace(run, &project, document));
    if problems.is_empty() { Ok(found) } else { Err(Failure::Violations { problems }) }
}

/// Objects that stand twice under one name: the later would undo the earlier.
fn duplicates(documents: &[Document], namespace: impl Fn(&Document) -> Option<String>) -> Vec<Problem> {
    let mut seen: BTreeMap<(&str, Option<String>, &str), &Document> = BTreeMap::new();
    let mut problems = Vec::new();
    for document in documents {
        let Some(first) = seen.get(&(document.kind.as_str(), namespace(document), document.name())) else {
            seen.insert((&document.kind, namespace(document), document.name()), document);
            continue;
        };
        let Location { file, line, column, .. } = first.location("metadata.name");
        problems.push(Problem {
            reason: Reason::DuplicateName.as_str().to_owned(),
            message: format!("{} `{}` stands twice, first at {file}:{line}:{column}", document.kind, document.name()),
            location: document.location("metadata.name"),
            hint: Some("remove one of them, or give it another metadata.name or metadata.namespace".to_owned()),
        });
    }
    problems
}

fn validate(run: &Run, mut found: Found, amend: impl Fn(&mut Value) -> Result<(), Failure>) -> Result<Prepared, Failure> {
    let project = found.project.display().to_string();
    let mut warnings = std::mem::take(&mut found.notices);
    let mut problems = Vec::new();
    for document in &mut found.documents {
        warnings.extend(document.boolean_keys());
        if document.api_version != koan_crds::API_VERSION {
            place(run, &project, document);
            continue;
        }
        if let Some(wrong) = shape(document)? {
            problems.extend(wrong);
            continue;
        }
        amend_document(run, document, &project, &amend)?;
        match shape(document)? {
            Some(wrong) => problems.extend(wrong),
            None => judge(document, &mut problems, &mut warnings),
        }
    }
    if problems.is_empty() { Ok(Prepared { found, warnings }) } else { Err(Failure::Violations { problems }) }
}

/// What stands for a project folder in the annotation of its stacks: its real path at home, in a cluster only a part of its hash.
pub(crate) fn owner(settings: &Settings, project: &str) -> String {
    let away = settings.context.is_some();
    if away { names::hex(&Sha256::digest(project.as_bytes())).chars().take(PROJECT_DIGITS).collect() } else { project.to_owned() }
}

/// Hex digits of a project folder's hash in a cluster.
const PROJECT_DIGITS: usize = 12;
/// Hex digits of the hash that names a project's own namespace.
const ISOLATED_DIGITS: usize = 12;

/// The namespace of a project folder's own (CLI-10).
pub(crate) fn isolated_namespace(project: &str) -> String {
    let digest = names::hex(&Sha256::digest(project.as_bytes()));
    format!("koan-{}", &digest[..ISOLATED_DIGITS])
}

fn amend_document(
    run: &Run,
    document: &mut Document,
    project: &str,
    amend: &impl Fn(&mut Value) -> Result<(), Failure>,
) -> Result<(), Failure> {
    if document.value["metadata"]["annotations"].is_null() {
        document.value["metadata"]["annotations"] = json!({});
    }
    if document.kind == "DevStack" {
        settle(&run.settings, &mut document.value);
        amend(&mut document.value)?;
        programs::tell(&run.settings, &mut document.value);
    }
    document.value["metadata"]["annotations"][labels::PROJECT] = json!(owner(&run.settings, project));
    place(run, project, document);
    Ok(())
}

/// The namespace that an object goes to: one of the project's own, that of the flag, the manifest's, or the one of the settings.
/// `None` for what lives in none.
fn namespace(run: &Run, project: &str, document: &Document) -> Option<String> {
    match document.value.pointer("/metadata/namespace") {
        _ if document.kind == "Namespace" => None,
        _ if run.settings.is_isolated() => Some(isolated_namespace(project)),
        Some(Value::String(written)) if run.globals.namespace.is_none() => Some(written.clone()),
        None | Some(Value::Null | Value::String(_)) => Some(run.settings.namespace.clone()),
        // A wrong form is for the checks to name.
        Some(_) => None,
    }
}

fn place(run: &Run, project: &str, document: &mut Document) {
    if let Some(namespace) = namespace(run, project, document) {
        document.value["metadata"]["namespace"] = json!(namespace);
    }
}

/// Writes settings into a stack: flags and variables over what the manifest says, files where it says nothing (CLI-5, CLI-23).
fn settle(settings: &Settings, stack: &mut Value) {
    let profile = set(stack, &["profile"], settings.profile.as_ref());
    let annotation = profile.map_or(Value::Null, |source| json!(source.word()));
    if let Some(annotations) = stack["metadata"]["annotations"].as_object_mut() {
        annotations.remove(labels::PROFILE_SOURCE);
        if !annotation.is_null() {
            annotations.insert(labels::PROFILE_SOURCE.to_owned(), annotation);
        }
    }
    set(stack, &["engine", "name"], settings.engine.as_ref());
    set(stack, &["engine", "preferred"], settings.preferred.as_ref());
    set(stack, &["ports", "probeMax"], settings.probe_max.as_ref());
}

/// Sets one field of the spec; answers the source where the setting counts.
fn set<T: serde::Serialize>(stack: &mut Value, path: &[&str], setting: Option<&Sourced<T>>) -> Option<Source> {
    let setting = setting?;
    let written = path.iter().fold(&stack["spec"], |node, key| &node[*key]);
    if !written.is_null() && !setting.source.beats_manifest() {
        return None;
    }
    let mut node = &mut stack["spec"];
    for key in path {
        if !node.is_object() && !node.is_null() {
            // A wrong form is for the checks to name.
            return None;
        }
        node = &mut node[*key];
    }
    *node = json!(setting.value);
    Some(setting.source)
}

/// What the schema says of a document; `None` where it says nothing.
fn shape(document: &Document) -> Result<Option<Vec<Problem>>, Failure> {
    let found = check_fields(&document.kind, &document.value)?;
    let problems = found.into_iter().map(|field| Problem {
        reason: "Invalid".to_owned(),
        message: field.message,
        location: document.location(&field.path),
        hint: Some(field.hint),
    });
    let problems: Vec<Problem> = problems.collect();
    Ok((!problems.is_empty()).then_some(problems))
}

/// Judges one document as it stands: nothing is settled, placed or marked. Answers the warnings.
///
/// # Errors
/// Every violation with its place.
pub(crate) fn judged(document: &Document) -> Result<Vec<String>, Failure> {
    let (mut problems, mut warnings) = (Vec::new(), document.boolean_keys());
    match shape(document)? {
        Some(wrong) => problems = wrong,
        None => judge(document, &mut problems, &mut warnings),
    }
    if problems.is_empty() { Ok(warnings) } else { Err(Failure::Violations { problems }) }
}

fn judge(document: &Document, problems: &mut Vec<Problem>, warnings: &mut Vec<String>) {
    let recipes = catalogue();
    let mut refuse = |path: &str, reason: &str, message: String, hint: Option<String>| {
        problems.push(Problem { reason: reason.to_owned(), message, location: document.location(path), hint });
    };
    let violations: Vec<Violation> = if document.kind == "DevStack" {
        match serde_json::from_value::<DevStack>(document.value.clone()) {
            Ok(stack) => match validate_stack(&stack, &StackOptions::default(), recipes) {
                Ok(valid) => {
                    warnings.extend(valid.warnings.iter().map(ToString::to_string));
                    return;
                }
                Err(violations) => violations.iter().cloned().collect(),
            },
            Err(error) => return refuse("spec", "Invalid", error.to_string(), None),
        }
    } else {
        match serde_json::from_value::<ServiceSpec>(document.value.clone()) {
            Ok(spec) => match validate_service(&spec, recipes) {
                Ok(_) => return,
                Err(violations) => violations.iter().cloned().collect(),
            },
            Err(error) => return refuse("spec", "Invalid", error.to_string(), None),
        }
    };
    for violation in violations {
        refuse(&violation.path, violation.reason.as_str(), violation.message, violation.hint);
    }
}
