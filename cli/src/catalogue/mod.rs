//! What is known of adapters, made ready for people and scripts: `koan catalog` and the pages in `docs/` show the same facts (DET-48).

mod entry;
mod example;
mod human;
mod lists;
mod text;

pub(crate) use entry::CatalogEntry;
pub(crate) use example::policy;
pub(crate) use lists::{CatalogImages, CatalogLint, CatalogList};
