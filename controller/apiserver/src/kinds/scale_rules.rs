//! What stands at the paths of a `/scale`: counts that are counts, a selector that is a text. Each violation in the words of the
//! reference, which finds it beside what the schema finds.

use serde_json::Value;

use super::resource::{Resource, Scale};
use crate::codec::go_type;
use crate::schema::go_value;
use crate::status::Cause;

/// The most replicas that a scale can hold.
const MOST: i64 = i32::MAX as i64;

/// Every violation at the scale paths of a custom resource; a write of its status alone is not judged by its spec.
pub(super) fn validate(resource: &Resource, new: &Value, subresource: &str) -> Vec<Cause> {
    let Some(Scale { spec_path, status_path, selector_path }) = &resource.scale else { return Vec::new() };
    let spec = (subresource != "status").then_some(spec_path);
    let counts = spec.into_iter().chain([status_path]).filter_map(|path| count(new, path));
    let selector = selector_path.iter().filter_map(|path| match at(new, path) {
        Ok(None | Some(Value::String(_))) => None,
        Ok(Some(other)) => Some(Cause::invalid(path, "\"\"", &mistyped(path, other, "string"))),
        Err(why) => Some(Cause::invalid(path, "\"\"", &why)),
    });
    counts.chain(selector).collect()
}

fn count(new: &Value, path: &str) -> Option<Cause> {
    let found = match at(new, path) {
        Ok(None) => return None,
        Ok(Some(found)) => found,
        Err(why) => return Some(Cause::invalid(path, "0", &why)),
    };
    let Some(count) = found.as_i64() else { return Some(Cause::invalid(path, "0", &mistyped(path, found, "int64"))) };
    let why = match count {
        ..0 => "should be a non-negative integer".to_owned(),
        0..=MOST => return None,
        _ => format!("should be less than or equal to {MOST}"),
    };
    Some(Cause::invalid(path, &count.to_string(), &why))
}

/// What stands at a path; `None` where nothing does.
///
/// # Errors
/// On the way is something that has no fields.
fn at<'a>(mut value: &'a Value, path: &str) -> Result<Option<&'a Value>, String> {
    let mut passed = String::new();
    for step in path.split('.').filter(|step| !step.is_empty()) {
        passed = format!("{passed}.{step}");
        match value {
            Value::Null => return Ok(None),
            Value::Object(fields) => match fields.get(step) {
                Some(child) => value = child,
                None => return Ok(None),
            },
            other => return Err(mistyped(&passed, other, "map[string]interface{}")),
        }
    }
    Ok(Some(value))
}

fn mistyped(path: &str, found: &Value, wanted: &str) -> String {
    let kind = go_type(found);
    format!("{path} accessor error: {} is of the type {kind}, expected {wanted}", go_value(found))
}
