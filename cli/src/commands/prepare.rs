//! From manifest to objects: found, overridden, validated as a whole before the first write.

use koan_adapters::catalogue;
use koan_core::validate::{StackOptions, validate_service, validate_stack};
use koan_core::violation::Violation;
use koan_crds::labels;
use koan_crds::v1alpha1::{DevStack, ServiceSpec};
use serde_json::{Value, json};

use super::Run;
use crate::failure::{Failure, Problem};
use crate::manifest::{Document, Found, find, unknown_fields};

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
    let project = found.project.display().to_string();
    let mut warnings = Vec::new();
    let mut problems = Vec::new();
    for document in &mut found.documents {
        warnings.extend(document.boolean_keys());
        if document.api_version != koan_crds::API_VERSION {
            continue;
        }
        amend_document(run, document, &project, &amend)?;
        judge(document, &mut problems, &mut warnings);
    }
    if problems.is_empty() { Ok(Prepared { found, warnings }) } else { Err(Failure::Violations { problems }) }
}

fn amend_document(
    run: &Run,
    document: &mut Document,
    project: &str,
    amend: &impl Fn(&mut Value) -> Result<(), Failure>,
) -> Result<(), Failure> {
    if document.kind == "DevStack" {
        amend(&mut document.value)?;
        if let Some(profile) = run.settings.profile {
            document.value["spec"]["profile"] = json!(profile);
        }
        if let Some(engine) = run.settings.engine {
            document.value["spec"]["engine"]["name"] = json!(engine);
        }
    }
    let annotations = &mut document.value["metadata"]["annotations"];
    if annotations.is_null() {
        *annotations = json!({});
    }
    annotations[labels::PROJECT] = json!(project);
    if run.globals.namespace.is_some() || document.value.pointer("/metadata/namespace").is_none() {
        document.value["metadata"]["namespace"] = json!(run.settings.namespace);
    }
    Ok(())
}

fn judge(document: &Document, problems: &mut Vec<Problem>, warnings: &mut Vec<String>) {
    let recipes = catalogue();
    let mut refuse = |path: &str, reason: &str, message: String, hint: Option<String>| {
        problems.push(Problem { reason: reason.to_owned(), message, location: document.location(path), hint });
    };
    let unknown = unknown_fields(&document.kind, &document.value);
    if !unknown.is_empty() {
        for field in unknown {
            let name = field.path.rsplit('.').next().unwrap_or_default();
            let nearest = field.nearest.join(", ");
            let hint = if nearest.is_empty() { "remove it".to_owned() } else { format!("did you mean {nearest}?") };
            refuse(&field.path, "Invalid", format!("unknown field `{name}`"), Some(hint));
        }
        return;
    }
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
