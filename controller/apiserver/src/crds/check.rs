//! What a definition must be before it is stored.

use serde_json::Value;

use crate::schema::Schema;
use crate::status::{Cause, Failure};

/// Checks names, versions, conversion and every schema with its rules.
///
/// # Errors
/// 422 with one cause for each problem.
pub(super) fn check(definition: &Value) -> Result<(), Failure> {
    let spec = &definition["spec"];
    let name = definition["metadata"]["name"].as_str().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut causes = Vec::new();
    let expected = format!("{}.{}", text(&spec["names"]["plural"]), text(&spec["group"]));
    if name != expected {
        causes.push(Cause::invalid("metadata.name", &format!("{name:?}"), "must be spec.names.plural+\".\"+spec.group"));
    }
    for field in ["kind", "plural"] {
        if text(&spec["names"][field]).is_empty() {
            causes.push(Cause::required(format!("spec.names.{field}"), ""));
        }
    }
    if !matches!(spec["scope"].as_str(), Some("Namespaced" | "Cluster")) {
        causes.push(Cause::unsupported("spec.scope", &text(&spec["scope"]), &["Cluster", "Namespaced"]));
    }
    if spec["conversion"]["strategy"].as_str().is_some_and(|strategy| strategy != "None") {
        causes.push(Cause::invalid(
            "spec.conversion.strategy",
            &spec["conversion"]["strategy"].to_string(),
            "the embedded server runs no webhooks",
        ));
    }
    let versions = spec["versions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let stored = versions.iter().filter(|version| version["storage"] == Value::Bool(true)).count();
    if stored != 1 {
        causes.push(Cause::invalid(
            "spec.versions",
            &format!("{stored}"),
            "must have exactly one version marked as storage version",
        ));
    }
    for (index, version) in versions.iter().enumerate() {
        schema(index, &version["schema"]["openAPIV3Schema"], &mut causes);
    }
    if causes.is_empty() {
        return Ok(());
    }
    Err(Failure::invalid("apiextensions.k8s.io", "CustomResourceDefinition", name, causes))
}

fn schema(index: usize, schema: &Value, causes: &mut Vec<Cause>) {
    let base = format!("spec.versions[{index}].schema");
    if schema.is_null() {
        causes.push(Cause::required(format!("{base}.openAPIV3Schema"), "schemas are required"));
        return;
    }
    let problems = match Schema::parse(schema) {
        Ok(parsed) => parsed.verify(),
        Err(problems) => problems,
    };
    causes.extend(
        problems
            .into_iter()
            .map(|problem| Cause::new(problem.kind.reason(), format!("{base}.{}", problem.path), problem.message)),
    );
}
