//! How Go reads and writes the stable kinds of Kubernetes: the full form of an object in JSON, why a tree is none, and protobuf to
//! JSON.
//!
//! All of it comes from one table, which `hack/api-types` prints from the types themselves; nothing is read before it is used.

mod json;
mod quantity;
mod read;
mod restore;
mod schema;
mod table;
mod time;
mod wire;

#[cfg(test)]
mod tests;

pub(crate) use json::forget_empty;
pub(crate) use json::{full, visit};
pub(crate) use read::{META, readable};
pub(crate) use restore::{narrow, restorable, restored_type};
pub(crate) use schema::{kept_zero, set_defaults, structural};
pub(crate) use table::{Shape, member, rank, root};
pub(crate) use wire::decode;
