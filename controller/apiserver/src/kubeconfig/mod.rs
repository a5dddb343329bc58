//! Kubeconfig files: one of each run with its token inside, and the stable context in the user's own file.

mod error;
pub(crate) mod private;
mod run;

pub use error::KubeconfigError;
pub(crate) use run::{of_run, replace_own};
