//! Manifests: found by the rules of CLI-9, read with a tight budget, every value with its place.

mod fields;
mod find;
mod legacy;
mod merge;
mod node;
mod overrides;
mod read;
#[cfg(test)]
mod tests;

pub(crate) use fields::check_fields;
pub(crate) use find::{Found, find, read_bytes};
pub(crate) use merge::merge as laid_over;
pub(crate) use node::{Kind, Node, Position};
pub(crate) use read::{Document, read_tree};
