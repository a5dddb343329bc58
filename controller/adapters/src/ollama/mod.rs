//! Ollama.

mod probe;
mod recipe;

pub(crate) use probe::Ollama;
pub(crate) use recipe::recipe;

#[cfg(test)]
mod tests;
