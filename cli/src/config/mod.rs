//! Project file and user file: one strict schema, each value with its place (CLI-5).

mod keys;
mod read;
#[cfg(test)]
mod tests;

pub(crate) use keys::reference;
pub(crate) use read::{ConfigFile, Files};
