//! What `koan env -o json` prints.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Header;

/// `koan env`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EnvReport {
    #[serde(flatten)]
    header: Header,
    stack: String,
    namespace: String,
    /// Real values for a script; masked on a terminal without `--reveal`.
    variables: BTreeMap<String, String>,
}

impl EnvReport {
    /// Report of the variables of a stack.
    pub(crate) fn of(stack: String, namespace: String, variables: BTreeMap<String, String>) -> Self {
        Self { header: Header::of("EnvReport"), stack, namespace, variables }
    }
}
