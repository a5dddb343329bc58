//! Server-side apply: who owns which field, what an apply changes, and what it must not.
//!
//! After sigs.k8s.io/structured-merge-diff v6 (`fieldpath`, `typed`, `merge`) and apimachinery's `managedfields`:
//! [`apply`] merges an applied configuration into the live object, [`update`] records the ownership of any other write.
//! Both walk objects by their [`Types`], made from a [`crate::schema::Schema`] or for a built-in kind. Pure: time is an argument.

mod builtin;
mod element;
mod errors;
mod fields;
mod legacy;
mod managed;
mod operations;
mod scale;
mod set;
mod typed;
mod types;
mod updater;
mod value;

#[cfg(test)]
mod tests;

pub use element::{Element, Path};
pub use errors::{ApplyError, Conflict};
pub use fields::FieldsError;
pub use managed::ResetFields;
pub use operations::{Applied, ApplyOptions, UpdateOptions, apply, update};
pub(crate) use scale::{VERSION as SCALE_VERSION, scale_owners};
pub use set::Set;
pub use types::{TypeInfo, Types};
