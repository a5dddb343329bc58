//! The words of `fieldValidation`.

use std::collections::HashSet;

use super::Duplicate;

/// The message of `fieldValidation=Strict` for create, update and the JSON patches; `None` where nothing is wrong.
pub fn strict_error(duplicates: &[Duplicate], unknown: &[String]) -> Option<String> {
    let findings = warnings(duplicates, unknown);
    if findings.is_empty() { None } else { Some(format!("strict decoding error: {}", findings.join(", "))) }
}

/// The findings one by one, as `fieldValidation=Warn` reports them.
pub fn warnings(duplicates: &[Duplicate], unknown: &[String]) -> Vec<String> {
    let mut findings: Vec<String> = Vec::with_capacity(duplicates.len() + unknown.len());
    let mut known = HashSet::new();
    let duplicates = duplicates.iter().map(|duplicate| format!("duplicate field \"{}\"", duplicate.path));
    let unknown = unknown.iter().map(|path| format!("unknown field \"{path}\""));
    for finding in duplicates.chain(unknown) {
        if known.insert(finding.clone()) {
            findings.push(finding);
        }
    }
    findings
}

/// Repeated keys in an apply body, as `fieldValidation=Warn` reports them; a body that is JSON has one line.
pub fn apply_warnings(duplicates: &[Duplicate]) -> Vec<String> {
    duplicates
        .iter()
        .map(|duplicate| format!("line {}: key {:?} already set in map", duplicate.line.max(1), duplicate.key))
        .collect()
}

/// The message of `fieldValidation=Strict` for repeated keys in an apply body; `None` where there are none.
pub fn apply_strict_error(duplicates: &[Duplicate]) -> Option<String> {
    if duplicates.is_empty() {
        return None;
    }
    let lines: Vec<String> = duplicates
        .iter()
        .map(|duplicate| format!("  line {}: key {:?} already set in map", duplicate.line, duplicate.key))
        .collect();
    Some(format!("error strict decoding YAML: error converting YAML to JSON: yaml: unmarshal errors:\n{}", lines.join("\n")))
}
