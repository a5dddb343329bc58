//! The schema of a version: its root, its structure, its defaults, its fields, its rules.

use serde_json::Value;

use super::{go, openapi, text};
use crate::schema::{Problem, ProblemKind, Schema};

/// What may stand at the root beside the extensions while there is a status subresource.
const ROOT_FIELDS: [&str; 20] = [
    "description",
    "type",
    "format",
    "title",
    "maximum",
    "exclusiveMaximum",
    "minimum",
    "exclusiveMinimum",
    "maxLength",
    "minLength",
    "pattern",
    "maxItems",
    "minItems",
    "uniqueItems",
    "multipleOf",
    "required",
    "items",
    "properties",
    "externalDocs",
    "example",
];
/// The extensions that may stand there too.
const ROOT_EXTENSIONS: [&str; 2] = ["x-kubernetes-preserve-unknown-fields", "x-kubernetes-validations"];
/// How the reference lists them.
const ROOT_LIST: &str = "[Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength MinLength Pattern \
    MaxItems MinItems UniqueItems MultipleOf Required Items Properties ExternalDocs Example XPreserveUnknownFields XValidations]";

/// Every violation of `schema`, an `openAPIV3Schema` below `path`; with a `status` subresource its root is limited. The rules of
/// one that was accepted before are not weighed again.
pub(super) fn check(schema: &Value, (status, accepted): (bool, bool), path: &str, problems: &mut Vec<Problem>) {
    let Some(fields) = schema.as_object() else { return };
    let before = problems.len();
    if status {
        root(schema, path, problems);
    }
    if fields.get("nullable") == Some(&Value::Bool(true)) {
        problems.push(Problem::forbidden(&format!("{path}.openAPIV3Schema.nullable"), "nullable cannot be true at the root"));
    }
    let root = format!("{path}.openAPIV3Schema");
    let mut shape = Vec::new();
    openapi::check(schema, &root, &mut shape);
    let parsed = Schema::parse(schema);
    match &parsed {
        Err(found) => {
            // A type that there is none of is said once.
            let said = |found: &Problem| {
                shape.iter().any(|problem| problem.kind == ProblemKind::NotSupported && problem.path == found.path)
            };
            problems.extend(found.iter().map(|problem| below(path, problem)).filter(|problem| !said(problem)));
        }
        Ok(schema) => problems.extend(schema.verify_defaults().iter().map(|problem| below(path, problem))),
    }
    problems.append(&mut shape);
    if let Ok(schema) = parsed
        && problems.len() == before
    {
        problems.extend(schema.verify_rules(!accepted).iter().map(|problem| below(path, problem)));
    }
}

/// A finding whose path starts at `openAPIV3Schema`, below `path`.
fn below(path: &str, problem: &Problem) -> Problem {
    let message = problem.message.replace(" within openAPIV3Schema", &format!(" within {path}.openAPIV3Schema"));
    Problem { path: format!("{path}.{}", problem.path), message, ..problem.clone() }
}

fn root(schema: &Value, path: &str, problems: &mut Vec<Problem>) {
    if text(&schema["type"]) != "object" && !schema["type"].is_null() {
        let detail = "only \"object\" is allowed as the type at the root of the schema if the status subresource is enabled";
        problems.push(Problem::invalid(&format!("{path}.openAPIV3Schema.type"), schema["type"].clone(), detail));
        return;
    }
    let allowed = |field: &String| ROOT_FIELDS.contains(&field.as_str()) || ROOT_EXTENSIONS.contains(&field.as_str());
    if schema.as_object().is_some_and(|fields| fields.keys().any(|field| !allowed(field) && field != "nullable")) {
        let detail =
            format!("only {ROOT_LIST} fields are allowed at the root of the schema if the status subresource is enabled");
        problems.push(Problem::invalid_shown(&format!("{path}.openAPIV3Schema"), &go::schema(schema), &detail));
    }
}
