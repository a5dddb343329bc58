//! What a definition must be before it is stored: the reference's rules, in its order and words.
//!
//! The reference checks an internal form in which what all versions have in common stands once, directly under `spec`; paths
//! of findings are those of that form, `spec.validation…` for a definition with one version.

mod go;
mod internal;
mod names;
mod openapi;
mod schema;
mod version;

use serde_json::Value;

pub(super) use names::{Approval, is_protected};

use self::internal::Internal;
use crate::kinds::{CoreKind, Resource, condition};
use crate::schema::{Problem, canonical_json, go_quote, is_known_format};
use crate::status::Cause;

/// Every violation in `new`, which replaces `old` if there is one.
pub(crate) fn check(new: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut problems = Vec::new();
    if old.is_none() {
        name(new, &mut problems);
    }
    spec(&Internal::of(&new["spec"]), old, &mut problems);
    if let Some(old) = old {
        immutable(&new["spec"], old, &mut problems);
    }
    stored_versions(new, &mut problems);
    names::approval(new, old, &mut problems);
    preserve(new, old, &mut problems);
    problems.into_iter().map(|problem| Cause::new(problem.kind.reason(), problem.path, problem.message)).collect()
}

/// A warning for each format in the schemas of a definition that nothing checks.
pub(crate) fn unrecognized_formats(resource: &Resource, definition: &Value) -> Vec<String> {
    let mut warnings = Vec::new();
    if resource.core() == Some(CoreKind::CustomResourceDefinition) {
        let versions = definition["spec"]["versions"].as_array().into_iter().flatten();
        versions.for_each(|version| formats(&version["schema"]["openAPIV3Schema"], &mut warnings));
    }
    warnings
}

fn formats(schema: &Value, warnings: &mut Vec<String>) {
    match schema {
        Value::Object(fields) => {
            if let Some(format) = fields.get("format").and_then(Value::as_str).filter(|format| !format.is_empty())
                && !is_known_format(format, fields.get("type").map(text).unwrap_or_default())
            {
                let warning = format!("unrecognized format {}", go_quote(format));
                if !warnings.contains(&warning) {
                    warnings.push(warning);
                }
            }
            let plain = |name: &str| matches!(name, "default" | "enum" | "example");
            fields.iter().filter(|(name, _)| !plain(name)).for_each(|(_, child)| formats(child, warnings));
        }
        Value::Array(items) => items.iter().for_each(|item| formats(item, warnings)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn name(definition: &Value, problems: &mut Vec<Problem>) {
    let (spec, name) = (&definition["spec"], text(&definition["metadata"]["name"]));
    if name != format!("{}.{}", text(&spec["names"]["plural"]), text(&spec["group"])) {
        problems.push(Problem::invalid("metadata.name", name.into(), "must be spec.names.plural+\".\"+spec.group"));
    }
}

fn spec(spec: &Internal<'_>, old: Option<&Value>, problems: &mut Vec<Problem>) {
    let source = spec.source;
    names::group(text(&source["group"]), problems);
    match text(&source["scope"]) {
        "" => problems.push(Problem::required("spec.scope", "")),
        "Cluster" | "Namespaced" => {}
        other => problems.push(Problem::not_supported("spec.scope", other.into(), &["Cluster".into(), "Namespaced".into()])),
    }
    for (index, version) in spec.versions.iter().enumerate() {
        if spec.validation.is_none() && version["schema"]["openAPIV3Schema"].is_null() {
            problems.push(Problem::required(&format!("spec.versions[{index}].schema.openAPIV3Schema"), ""));
        }
    }
    if spec.validation.is_some_and(|schema| schema["openAPIV3Schema"].is_null()) {
        for index in 0..spec.versions.len() {
            problems.push(Problem::required(&format!("spec.versions[{index}].schema.openAPIV3Schema"), ""));
        }
    }
    let unchanged = |version: &Value| old.is_some_and(|old| same_schema(old, version));
    for (index, version) in spec.versions.iter().enumerate() {
        let path = format!("spec.versions[{index}]");
        names::label(&format!("{path}.name"), text(&version["name"]), problems);
        version::check(spec, version, &path, unchanged(version), problems);
    }
    versions(spec, problems);
    names::required(&source["names"], problems);
    names::check(&source["names"], "spec.names", problems);
    version::common(spec, spec.versions.first().is_some_and(unchanged), problems);
    conversion(&source["conversion"], problems);
}

/// Whether the version of this name has the same schema in `old`.
fn same_schema(old: &Value, version: &Value) -> bool {
    let mut versions = old["spec"]["versions"].as_array().into_iter().flatten();
    versions.any(|known| known["name"] == version["name"] && known["schema"] == version["schema"])
}

fn versions(spec: &Internal<'_>, problems: &mut Vec<Problem>) {
    let mut names: Vec<&str> = spec.versions.iter().map(|version| text(&version["name"])).collect();
    names.sort_unstable();
    let unique = names.windows(2).all(|pair| pair[0] != pair[1]);
    let stored = spec.versions.iter().filter(|version| version["storage"] == Value::Bool(true)).count();
    for (good, detail) in
        [(unique, "must contain unique version names"), (stored == 1, "must have exactly one version marked as storage version")]
    {
        if !good {
            problems.push(Problem::invalid_shown("spec.versions", &spec.shown_versions(), detail));
        }
    }
    if let Some(first) = spec.versions.first() {
        names::label("spec.version", text(&first["name"]), problems);
    }
}

/// Only `None` is served; a webhook is told that there are none here.
fn conversion(conversion: &Value, problems: &mut Vec<Problem>) {
    match text(&conversion["strategy"]) {
        "" if conversion.is_null() => {}
        "" => problems.push(Problem::required("spec.conversion.strategy", "")),
        "None" => {
            if !conversion["webhook"]["clientConfig"].is_null() {
                let detail = "should not be set when strategy is not set to Webhook";
                problems.push(Problem::forbidden("spec.conversion.webhookClientConfig", detail));
            }
            if conversion["webhook"]["conversionReviewVersions"].as_array().is_some_and(|list| !list.is_empty()) {
                let detail = "should not be set when strategy is not set to Webhook";
                problems.push(Problem::forbidden("spec.conversion.conversionReviewVersions", detail));
            }
        }
        "Webhook" => {
            let detail = "the embedded server runs no webhooks";
            problems.push(Problem::invalid("spec.conversion.strategy", "Webhook".into(), detail));
        }
        other => {
            let supported = ["None".into(), "Webhook".into()];
            problems.push(Problem::not_supported("spec.conversion.strategy", other.into(), &supported));
        }
    }
}

fn immutable(new: &Value, old: &Value, problems: &mut Vec<Problem>) {
    let established = condition(old, "Established");
    let old = &old["spec"];
    let mut compare = |path: &str, new: &Value, old: &Value| {
        if new != old {
            problems.push(Problem::invalid(path, new.clone(), "field is immutable"));
        }
    };
    if established {
        compare("spec.scope", &new["scope"], &old["scope"]);
        compare("spec.names.kind", &new["names"]["kind"], &old["names"]["kind"]);
    }
    compare("spec.group", &new["group"], &old["group"]);
    compare("spec.names.plural", &new["names"]["plural"], &old["names"]["plural"]);
}

fn stored_versions(definition: &Value, problems: &mut Vec<Problem>) {
    const PATH: &str = "status.storedVersions";
    let stored: Vec<&str> = definition["status"]["storedVersions"].as_array().into_iter().flatten().map(text).collect();
    if stored.is_empty() {
        problems.push(Problem::invalid_shown(PATH, "null", "must have at least one stored version"));
        return;
    }
    let versions = definition["spec"]["versions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let storage = versions.iter().filter(|version| version["storage"] == Value::Bool(true)).map(|version| text(&version["name"]));
    for missing in storage.filter(|name| !stored.contains(name)) {
        let detail = format!("must have the storage version {missing}");
        problems.push(Problem::invalid_shown(PATH, &canonical_json(&definition["status"]["storedVersions"]), &detail));
    }
    for (index, name) in stored.iter().enumerate().filter(|(_, name)| !versions.iter().any(|version| version["name"] == **name)) {
        let detail = format!(
            "missing from spec.versions; {name} was previously a storage version, and must remain in spec.versions until a \
             storage migration ensures no data remains persisted in {name} and removes {name} from status.storedVersions"
        );
        problems.push(Problem::invalid_shown(&format!("{PATH}[{index}]"), &go_quote(name), &detail));
    }
}

fn preserve(new: &Value, old: Option<&Value>, problems: &mut Vec<Problem>) {
    let set = |definition: &Value| definition["spec"]["preserveUnknownFields"] == Value::Bool(true);
    if set(new) && !old.is_some_and(set) {
        let detail = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead";
        problems.push(Problem::invalid("spec.preserveUnknownFields", Value::Bool(true), detail));
    }
}
