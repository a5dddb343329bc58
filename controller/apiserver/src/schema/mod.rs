//! Structural schemas: a custom resource is pruned, defaulted and validated exactly as the reference does it.
//!
//! [`Schema::parse`] reads an `openAPIV3Schema`; [`Schema::verify`] compiles its patterns and rules (when a CRD is written);
//! [`Schema::prune`], [`Schema::drop_nulls`], [`Schema::default`] and [`Schema::validate`] are the steps of the write path.
//! Pure: no clock, no I/O. Patterns and CEL rules are compiled once, at their first use.

mod cel;
mod defaulting;
mod embedded;
mod equality;
mod formats;
mod lists;
mod members;
mod node;
mod parse;
mod problem;
mod prune;
mod render;
mod structural;
mod validate;
mod values;

#[cfg(test)]
mod tests;

pub(crate) use equality::{identical, same_members};
pub(crate) use formats::is_known as is_known_format;
pub use members::Members;
pub(crate) use node::SchemaId;
pub use node::{Bounds, Extra, ListKind, Node, Rule, Schema, Type};
pub use problem::{Problem, ProblemKind};
pub(crate) use render::escaped_json;
pub(crate) use render::go_value;
pub use render::{canonical_json, go_quote};
pub(crate) use validate::Judgement;
