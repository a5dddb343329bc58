//! How Go reads and writes the stable kinds of Kubernetes (API-5): the full form of an object in JSON, and protobuf to JSON.
//!
//! All of it comes from one table, which `hack/api-types` prints from the types themselves; nothing is read before it is used.

mod json;
mod quantity;
mod schema;
mod table;
mod wire;

#[cfg(test)]
mod tests;

pub(crate) use json::{full, visit};
pub(crate) use schema::structural;
pub(crate) use table::root;
pub(crate) use wire::decode;
