//! Names and bounds that the schema also states (K-1, K-10): a manifest may be validated without a server.

use koan_crds::v1alpha1::ServiceFields;

use super::findings::Findings;

/// Longest name of a stack or a service inside one.
const MAX_NAME: usize = 32;
/// Longest name of an object.
const MAX_OBJECT_NAME: usize = 63;

/// DNS-1123 label, letter first.
fn label(name: &str, most: usize) -> bool {
    let letters = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    let ends = name.starts_with(|c: char| c.is_ascii_lowercase()) && !name.ends_with('-');
    name.len() >= 2 && name.len() <= most && letters && ends
}

/// Name of a `ServiceSpec`.
pub(super) fn object_name(name: &str, findings: &mut Findings) {
    if !label(name, MAX_OBJECT_NAME) {
        findings.violations.push(
            crate::violation::Violation::invalid("metadata.name", format!("`{name}` is no name of a service"))
                .hint("write 2 to 63 of a-z, 0-9 and -, a letter first"),
        );
    }
}

/// Name of a stack, or of a service in one.
pub(super) fn short_name(name: &str) -> bool {
    label(name, MAX_NAME)
}

/// Most entries of the lists, and lengths of the texts, that no other check looks at.
pub(super) fn fields(fields: &ServiceFields, findings: &mut Findings) {
    let lists = [
        ("env", fields.env.as_ref().map_or(0, Vec::len), 256),
        ("ports", fields.ports.as_ref().map_or(0, Vec::len), 32),
        ("volumes", fields.volumes.as_ref().map_or(0, Vec::len), 32),
        ("files", fields.files.as_ref().map_or(0, Vec::len), 32),
        ("networks", fields.networks.as_ref().map_or(0, Vec::len), 16),
        ("dependsOn", fields.depends_on.as_ref().map_or(0, Vec::len), 64),
    ];
    for (field, count, most) in lists {
        if count > most {
            findings.refuse(field, format!("has {count} entries, more than {most}"));
        }
    }
    for (index, name) in fields.networks.iter().flatten().enumerate() {
        if !label(name, MAX_OBJECT_NAME) {
            let hint = "write 2 to 63 of a-z, 0-9 and -, a letter first";
            findings.refuse_with(&format!("networks[{index}]"), format!("`{name}` is no name of a network"), hint);
        }
    }
    if fields.database.as_deref().is_some_and(|name| name.is_empty() || name.len() > MAX_OBJECT_NAME) {
        findings.refuse("database", format!("is empty or longer than {MAX_OBJECT_NAME} characters"));
    }
    let depends = fields.depends_on.iter().flatten();
    let mut names = std::collections::BTreeSet::new();
    for (index, on) in depends.enumerate() {
        if !names.insert(&on.name) {
            findings.refuse(&format!("dependsOn[{index}].name"), format!("`{}` is listed twice", on.name));
        }
    }
}
