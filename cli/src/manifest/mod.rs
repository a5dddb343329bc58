//! Manifests: found by the rules of CLI-9, read with a tight budget, every value with its place.

mod fields;
mod find;
mod node;
mod read;
#[cfg(test)]
mod tests;

pub(crate) use fields::unknown_fields;
pub(crate) use find::{Found, find};
use node::{Node, Position};
pub(crate) use read::Document;
