//! One version of a definition: deprecation, schema, subresources, columns and selectable fields.

use serde_json::{Map, Value};

use super::internal::Internal;
use super::{schema, text};
use crate::schema::Problem;

/// The longest warning of a deprecated version.
const WARNING_LIMIT: usize = 256;
/// The most selectable fields of one version.
const SELECTABLE_LIMIT: usize = 8;

const COLUMN_TYPES: [&str; 5] = ["boolean", "date", "integer", "number", "string"];
const COLUMN_FORMATS: [&str; 8] = ["byte", "date", "date-time", "double", "float", "int32", "int64", "password"];

/// What stands in one version alone. `unchanged` says that its schema was accepted before.
pub(super) fn check(spec: &Internal<'_>, version: &Value, path: &str, unchanged: bool, problems: &mut Vec<Problem>) {
    deprecation(version, &format!("{path}.deprecationWarning"), problems);
    let status = !spec.subresources_of(version)["status"].is_null();
    let own = |field: &str| spec.own(version, field);
    schema::check(&own("schema")["openAPIV3Schema"], (status, unchanged), &format!("{path}.schema"), problems);
    subresources(own("subresources"), &format!("{path}.subresources"), problems);
    columns(own("additionalPrinterColumns"), &format!("{path}.additionalPrinterColumns"), problems);
    let fields = own("selectableFields");
    if fields.as_array().is_some_and(|fields| !fields.is_empty()) {
        let found = &own("schema")["openAPIV3Schema"];
        let path = format!("{path}.selectableFields");
        if found.is_null() {
            let detail = "may only be set when `version.schema.openAPIV3Schema` is not included";
            problems.push(Problem::invalid(&path, "".into(), detail));
        } else {
            selectable(fields, found, &path, problems);
        }
    }
}

/// What all versions share.
pub(super) fn common(spec: &Internal<'_>, unchanged: bool, problems: &mut Vec<Problem>) {
    let status = spec.versions.iter().any(|version| !spec.subresources_of(version)["status"].is_null());
    if let Some(validation) = spec.validation {
        schema::check(&validation["openAPIV3Schema"], (status, unchanged), "spec.validation", problems);
    }
    subresources(spec.subresources.unwrap_or(&Value::Null), "spec.subresources", problems);
    columns(spec.columns.unwrap_or(&Value::Null), "spec.additionalPrinterColumns", problems);
    if let Some(fields) = spec.selectable.filter(|fields| fields.as_array().is_some_and(|fields| !fields.is_empty())) {
        match spec.validation {
            None => {
                let detail = "may only be set when validations.schema is included";
                problems.push(Problem::invalid("spec.selectableFields", "".into(), detail));
            }
            Some(validation) => selectable(fields, &validation["openAPIV3Schema"], "spec.selectableFields", problems),
        }
    }
}

fn deprecation(version: &Value, path: &str, problems: &mut Vec<Problem>) {
    let Some(warning) = version["deprecationWarning"].as_str() else { return };
    let mut found = Vec::new();
    if version["deprecated"] == Value::Bool(true) {
        if warning.len() > WARNING_LIMIT {
            found.push(format!("must be <= {WARNING_LIMIT} characters long"));
        }
        if warning.is_empty() {
            found.push("must not be an empty string".to_owned());
        }
        if let Some((index, _)) = warning.char_indices().find(|(_, letter)| letter.is_control()) {
            found.push(format!("must only contain printable UTF-8 characters; non-printable character found at index {index}"));
        }
    } else {
        found.push("can only be set for deprecated versions".to_owned());
    }
    problems.extend(found.iter().map(|detail| Problem::invalid(path, warning.into(), detail)));
}

fn subresources(subresources: &Value, path: &str, problems: &mut Vec<Problem>) {
    let scale = &subresources["scale"];
    if scale.is_null() {
        return;
    }
    for (field, root) in [("specReplicasPath", ".spec"), ("statusReplicasPath", ".status")] {
        let place = format!("{path}.scale.{field}");
        let found = text(&scale[field]);
        if found.is_empty() {
            problems.push(Problem::required(&place, ""));
        } else if !simple_path(found, &place, problems) && !found.starts_with(&format!("{root}.")) {
            problems.push(Problem::invalid(&place, found.into(), &format!("should be a json path under {root}")));
        }
    }
    let selector = text(&scale["labelSelectorPath"]);
    let place = format!("{path}.scale.labelSelectorPath");
    if !selector.is_empty()
        && !simple_path(selector, &place, problems)
        && !selector.starts_with(".spec.")
        && !selector.starts_with(".status.")
    {
        problems.push(Problem::invalid(&place, selector.into(), "should be a json path under either .spec or .status"));
    }
}

/// Whether `found` is no path at all, which is said.
fn simple_path(found: &str, place: &str, problems: &mut Vec<Problem>) -> bool {
    let wrong = !found.starts_with('.');
    if wrong {
        problems.push(Problem::invalid(place, found.into(), "must be a simple json path starting with ."));
    }
    wrong
}

fn columns(columns: &Value, path: &str, problems: &mut Vec<Problem>) {
    for (index, column) in columns.as_array().into_iter().flatten().enumerate() {
        let path = format!("{path}[{index}]");
        if text(&column["name"]).is_empty() {
            problems.push(Problem::required(&format!("{path}.name"), ""));
        }
        let (kind, types) = (text(&column["type"]), format!("must be one of {}", COLUMN_TYPES.join(",")));
        if kind.is_empty() {
            problems.push(Problem::required(&format!("{path}.type"), &types));
        } else if !COLUMN_TYPES.contains(&kind) {
            problems.push(Problem::invalid(&format!("{path}.type"), kind.into(), &types));
        }
        let format = text(&column["format"]);
        if !format.is_empty() && !COLUMN_FORMATS.contains(&format) {
            let detail = format!("must be one of {}", COLUMN_FORMATS.join(","));
            problems.push(Problem::invalid(&format!("{path}.format"), format.into(), &detail));
        }
        let (place, found) = (format!("{path}.JSONPath"), text(&column["jsonPath"]));
        if found.is_empty() {
            problems.push(Problem::required(&place, ""));
        } else {
            simple_path(found, &place, problems);
        }
    }
}

fn selectable(fields: &Value, schema: &Value, path: &str, problems: &mut Vec<Problem>) {
    let mut seen: Vec<&str> = Vec::new();
    for (index, field) in fields.as_array().into_iter().flatten().enumerate() {
        let (place, found) = (format!("{path}[{index}].jsonPath"), text(&field["jsonPath"]));
        if found.is_empty() {
            problems.push(Problem::required(&place, ""));
            continue;
        }
        let target = match resolve(found, schema) {
            Ok(target) => target,
            Err(why) => {
                problems.push(Problem::invalid(&place, found.into(), &format!("is an invalid path: {why}")));
                continue;
            }
        };
        if found == ".metadata" || found.starts_with(".metadata.") {
            problems.push(Problem::invalid(&place, found.into(), "must not point to fields in metadata"));
        }
        if !matches!(text(&target["type"]), "string" | "boolean" | "integer") {
            let detail = "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.";
            problems.push(Problem::invalid(&place, found.into(), detail));
        }
        if seen.contains(&found) {
            problems.push(Problem::duplicate(&place, found.into()));
        } else {
            seen.push(found);
        }
    }
    if seen.len() > SELECTABLE_LIMIT {
        problems.push(Problem::too_many(path, seen.len() as u64, SELECTABLE_LIMIT as u64));
    }
}

/// The schema that a path of fields leads to.
pub(super) fn resolve<'a>(path: &str, schema: &'a Value) -> Result<&'a Value, String> {
    if path.contains('[') {
        return Err("array notation is not allowed".to_owned());
    }
    let Some(rest) = path.strip_prefix('.') else {
        return Err(format!("expected [ or . but got: {}", path.split('.').next().unwrap_or_default()));
    };
    let declared = |schema: &'a Value| schema["properties"].as_object().filter(|fields: &&Map<String, Value>| !fields.is_empty());
    let mut found = schema;
    for step in rest.split('.') {
        if step.is_empty() {
            return Err("unexpected end of JSON path".to_owned());
        }
        found = match (declared(found), &found["additionalProperties"]) {
            (Some(fields), _) => fields.get(step).ok_or("does not refer to a valid field")?,
            (None, values @ Value::Object(_)) => values,
            (None, _) => return Err("does not refer to a valid field".to_owned()),
        };
    }
    Ok(found)
}
