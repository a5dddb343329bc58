//! The words of `fieldValidation`.

use std::collections::HashSet;

use super::Duplicate;

/// Most findings that the reference keeps of a text that it reads field by field.
const MAX_IN_ORDER: usize = 100;

/// All findings as one message; `None` where there are none.
pub(crate) fn told(findings: &[String]) -> Option<String> {
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

/// The findings in a text that is read field by field, in the order of its `keys`: below an unknown field nothing is read.
pub(crate) fn in_order(keys: &[String], unknown: &[String]) -> Vec<String> {
    let unknown: HashSet<&String> = unknown.iter().collect();
    let mut findings = Vec::new();
    let (mut seen, mut known) = (HashSet::new(), HashSet::new());
    let mut passed: Option<&String> = None;
    for path in keys {
        let below = passed.and_then(|passed| path.strip_prefix(passed.as_str()));
        if below.is_some_and(|rest| rest.starts_with(['.', '['])) {
            continue;
        }
        passed = Some(path).filter(|path| unknown.contains(path));
        let again = !seen.insert(path);
        let finding = match (passed, again) {
            (Some(path), _) => format!("unknown field \"{path}\""),
            (None, true) => format!("duplicate field \"{path}\""),
            (None, false) => continue,
        };
        if findings.len() < MAX_IN_ORDER && known.insert(finding.clone()) {
            findings.push(finding);
        }
    }
    findings
}

/// Repeated keys of a YAML body as one finding under `fieldValidation=Strict`.
pub(crate) fn yaml_error(duplicates: &[Duplicate]) -> String {
    let lines: Vec<String> = apply_warnings(duplicates).into_iter().map(|line| format!("  {line}")).collect();
    format!("yaml: unmarshal errors:\n{}", lines.join("\n"))
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
