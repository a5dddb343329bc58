//! From manifest to objects: found, overridden, validated as a whole before the first write.

use koan_adapters::catalogue;
use koan_core::validate::{StackOptions, validate_service, validate_stack};
use koan_core::violation::Violation;
use koan_crds::v1alpha1::{DevStack, ServiceSpec};
use koan_crds::{labels, names};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Run, known};
use crate::failure::{Failure, Problem};
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
}

/// Finds and validates the manifest of this run; `amend` changes each stack before the checks (flags of `up`).
///
/// # Errors
/// What finding and reading met, or every violation with its place; nothing was applied.
pub(crate) fn prepare(run: &Run, amend: impl Fn(&mut Value) -> Result<(), Failure>) -> Result<Prepared, Failure> {
    let working = std::env::current_dir().map_err(|source| Failure::ReadFile { path: ".".into(), source })?;
    let mut found = find(&run.globals.files, &working)?;
    known::learn_of_manifest(&found.documents);
    let project = found.project.display().to_string();
    let mut warnings = std::mem::take(&mut found.notices);
    let mut problems = Vec::new();
    for document in &mut found.documents {
        warnings.extend(document.boolean_keys());
        if document.api_version != koan_crds::API_VERSION {
            if run.settings.is_isolated() && document.kind != "Namespace" {
                document.value["metadata"]["namespace"] = json!(isolated_namespace(&project));
            }
            continue;
        }
        if let Some(wrong) = shape(document) {
            problems.extend(wrong);
            continue;
        }
        amend_document(run, document, &project, &amend)?;
        match shape(document) {
            Some(wrong) => problems.extend(wrong),
            None => judge(document, &mut problems, &mut warnings),
        }
    }
    if problems.is_empty() { Ok(Prepared { found, warnings }) } else { Err(Failure::Violations { problems }) }
}

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
    }
    document.value["metadata"]["annotations"][labels::PROJECT] = json!(project);
    if run.settings.is_isolated() {
        document.value["metadata"]["namespace"] = json!(isolated_namespace(project));
    } else if run.globals.namespace.is_some() || document.value.pointer("/metadata/namespace").is_none() {
        document.value["metadata"]["namespace"] = json!(run.settings.namespace);
    }
    Ok(())
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
fn shape(document: &Document) -> Option<Vec<Problem>> {
    let found = check_fields(&document.kind, &document.value);
    let problems = found.into_iter().map(|field| Problem {
        reason: "Invalid".to_owned(),
        message: field.message,
        location: document.location(&field.path),
        hint: Some(field.hint),
    });
    let problems: Vec<Problem> = problems.collect();
    (!problems.is_empty()).then_some(problems)
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
                    warnings.extend(valid.warnings.iter().map(|warning| format!("{}: {}", warning.path, warning.message)));
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
