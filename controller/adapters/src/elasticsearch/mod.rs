//! Elasticsearch and OpenSearch: one protocol, two products; what they answer before any login tells them apart.

mod greeting;
mod probe;
mod recipe;

pub(crate) use probe::{ELASTICSEARCH, OPENSEARCH};
pub(crate) use recipe::{elasticsearch, opensearch};

#[cfg(test)]
mod tests;
