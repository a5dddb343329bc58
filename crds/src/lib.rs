//! The Koan API: `DevStack` and `ServiceSpec` (`koan.dev/v1alpha1`), their conditions, reasons, labels, names and events.
//!
//! Pure data: no I/O, no clock, no environment. The CRD YAML beside this crate is generated from these types.

#![allow(unreachable_pub, reason = "the schema derives repeat each type inside a function body")]
#![allow(clippy::duplicated_attributes, reason = "each printer column repeats the keys of its neighbours")]

pub mod events;
pub mod labels;
pub mod names;
pub mod secret_like;
pub mod v1alpha1;
pub mod vocabulary;

mod schema;

use std::sync::Arc;

use kube::CustomResourceExt;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use v1alpha1::FailureClass;

/// API group of every Koan kind.
pub const GROUP: &str = "koan.dev";
/// API version of every Koan kind.
pub const VERSION: &str = "v1alpha1";
/// `apiVersion` of every Koan object and document.
pub const API_VERSION: &str = "koan.dev/v1alpha1";

/// A CRD as it is committed, applied and seeded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GeneratedCrd {
    /// File name below `crds/`.
    pub file_name: String,
    /// The CustomResourceDefinition.
    pub document: Value,
}

/// What [`generated`] gives, as `cargo xtask crds` wrote it down: one array in one line.
const WRITTEN: &str = include_str!("definitions.json");

/// The written definitions do not read: this build is broken.
#[derive(Clone, Debug, thiserror::Error)]
#[error("definitions.json, which this build carries, holds no definitions")]
pub struct DefinitionsError(#[source] Arc<serde_json::Error>);

impl DefinitionsError {
    /// No input causes it.
    pub fn class(&self) -> FailureClass {
        FailureClass::Bug
    }
}

/// Every CRD of Koan, sorted by file name; read anew at each call, and nobody's to keep (PERF-15).
///
/// Deriving them takes a hundred times as long as reading them, and programs do it at each start (PERF-96).
///
/// # Errors
/// They do not read: a bug, which a test and `cargo xtask crds --check` keep out.
pub fn definitions() -> Result<Vec<GeneratedCrd>, DefinitionsError> {
    read(WRITTEN)
}

fn read(written: &str) -> Result<Vec<GeneratedCrd>, DefinitionsError> {
    serde_json::from_str(written).map_err(|error| DefinitionsError(Arc::new(error)))
}

/// Derives every CRD of Koan from the types, polished, sorted by file name; [`definitions`] are the same, written down.
///
/// # Errors
/// A derived CRD that does not serialise, which no input can cause.
pub fn generated() -> Result<Vec<GeneratedCrd>, serde_json::Error> {
    // Stack names share 62 characters with a service's name (K-1); a ServiceSpec's name is what the two give together.
    let kinds = [(v1alpha1::DevStack::crd(), (2, 32)), (v1alpha1::ServiceSpec::crd(), (2, 63))];
    kinds
        .into_iter()
        .map(|(crd, name_length)| {
            let file_name = format!("{GROUP}_{}.yaml", crd.spec.names.plural);
            let mut document = serde_json::to_value(crd)?;
            schema::polish(&mut document, name_length);
            document["metadata"]["annotations"] = serde_json::json!({labels::MADE_BY: env!("CARGO_PKG_VERSION")});
            Ok(GeneratedCrd { file_name, document })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// K-1, REL-7: definitions that do not read are a bug that is told, never an empty list.
    #[test]
    fn unreadable_definitions_are_a_bug() {
        let error = read("[{\"fileName\": 7}]").unwrap_err();
        assert_eq!(error.class(), FailureClass::Bug);
        assert!(std::error::Error::source(&error).is_some());
    }
}
