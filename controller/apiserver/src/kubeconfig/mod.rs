//! Kubeconfig files: one of each run with its token inside, and the stable context in the user's own file.

mod error;
mod file;
mod merge;
pub(crate) mod private;
mod run;
mod splice;
#[cfg(test)]
mod tests;

pub use error::KubeconfigError;
pub use file::KubeconfigFile;
pub use merge::ContextEntry;
pub(crate) use run::{of_run, replace_own};
