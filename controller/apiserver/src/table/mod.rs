//! Tables and partial objects: what `kubectl get` shows, computed on the server.
//!
//! [`Columns`] come from a CRD's `additionalPrinterColumns` or are those of a built-in kind; [`table`] lays objects out as a
//! `meta.k8s.io` Table, [`partial`] and [`partial_list`] reduce them to their metadata. Pure: the time for ages is an argument.

mod age;
mod columns;
mod jsonpath;
mod layout;
mod plain_kinds;
mod pod;
mod printers;
mod service;

#[cfg(test)]
mod tests;

pub use age::{human_duration, since};
pub use columns::{Column, Columns, TableError};
pub use jsonpath::{JsonPath, JsonPathError};
pub use layout::{Include, Shape, partial, partial_list, table};
