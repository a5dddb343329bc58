//! The query parameters of a write: dry run, field manager, field validation, force.

use crate::http::{Incoming, PatchType};
use crate::schema::go_quote;
use crate::status::{Cause, Failure};

/// The longest field manager.
const MANAGER_LIMIT: usize = 128;

/// What happens to unknown and repeated fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strictness {
    Ignore,
    Warn,
    Strict,
}

/// The options of a create, update or patch.
#[derive(Debug, Clone)]
pub(crate) struct WriteOptions {
    pub(crate) dry_run: bool,
    pub(crate) manager: String,
    pub(crate) strictness: Strictness,
    pub(crate) force: bool,
}

impl WriteOptions {
    /// Reads the options; `kind` is how messages call them, `patch` the kind of patch if it is one.
    ///
    /// # Errors
    /// 422 naming each wrong parameter.
    pub(crate) fn parse(incoming: &Incoming, kind: &str, patch: Option<PatchType>) -> Result<Self, Failure> {
        let query = &incoming.query;
        let mut causes = Vec::new();
        let dry_run = dry_run(incoming, &mut causes);
        let strictness = match query.get("fieldValidation") {
            None | Some("Warn") => Strictness::Warn,
            Some("Ignore") => Strictness::Ignore,
            Some("Strict") => Strictness::Strict,
            Some(other) => {
                causes.push(Cause::unsupported("fieldValidation", other, &["", "Ignore", "Strict", "Warn"]));
                Strictness::Warn
            }
        };
        let named = query.get("fieldManager");
        if let Some(manager) = named {
            check_manager(manager, &mut causes);
        }
        let force = query.flag("force");
        match patch {
            Some(PatchType::Apply) if named.is_none() => {
                causes.push(Cause::required("fieldManager", "is required for apply patch"));
            }
            Some(PatchType::Json | PatchType::Merge | PatchType::Strategic) if query.get("force").is_some() => {
                causes.push(Cause::forbidden("force", "may not be specified for non-apply patch"));
            }
            Some(_) | None => {}
        }
        if causes.is_empty() {
            Ok(Self { dry_run, manager: named.map_or_else(|| incoming.agent(), str::to_owned), strictness, force })
        } else {
            Err(Failure::invalid_options(kind, causes))
        }
    }
}

/// Whether `dryRun=All` is set; a list with anything else is a cause.
pub(super) fn dry_run(incoming: &Incoming, causes: &mut Vec<Cause>) -> bool {
    let values: Vec<&str> = incoming.query.every("dryRun").collect();
    causes.extend(unsupported_dry_run(&values));
    !values.is_empty()
}

/// The parameter is shown as the list that it is, with what is right in it.
pub(super) fn unsupported_dry_run(values: &[&str]) -> Option<Cause> {
    let shown = || format!("Unsupported value: {}: supported values: \"All\"", serde_json::json!(values));
    values.iter().any(|value| *value != "All").then(|| Cause::new("FieldValueNotSupported", "dryRun", shown()))
}

fn check_manager(manager: &str, causes: &mut Vec<Cause>) {
    if manager.len() > MANAGER_LIMIT {
        causes.push(Cause::new(
            "FieldValueTooLong",
            "fieldManager",
            format!("Too long: may not be more than {MANAGER_LIMIT} bytes"),
        ));
    }
    // The place is counted in bytes, as the reference's language does.
    if let Some((place, letter)) = manager.char_indices().find(|(_, letter)| letter.is_control()) {
        let why = format!("invalid character U+{:04X} (at position {place})", u32::from(letter));
        causes.push(Cause::invalid("fieldManager", &go_quote(manager), &why));
    }
}
