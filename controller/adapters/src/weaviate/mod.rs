//! Weaviate.

mod probe;
mod recipe;

pub(crate) use probe::Weaviate;
pub(crate) use recipe::recipe;

#[cfg(test)]
mod tests;
