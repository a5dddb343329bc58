//! The Koan API: `DevStack` and `ServiceSpec` (`koan.dev/v1alpha1`), their conditions, reasons, labels, names and events.
//!
//! Pure data: no I/O, no clock, no environment. The CRD YAML beside this crate is generated from these types.

#![allow(unreachable_pub, reason = "the schema derives repeat each type inside a function body")]

pub mod events;
pub mod labels;
pub mod names;
pub mod secret_like;
pub mod v1alpha1;
pub mod vocabulary;

mod schema;

/// API group of every Koan kind.
pub const GROUP: &str = "koan.dev";
/// API version of every Koan kind.
pub const VERSION: &str = "v1alpha1";
/// `apiVersion` of every Koan object and document.
pub const API_VERSION: &str = "koan.dev/v1alpha1";
