use clap::Args;
use serde::Serialize;

use super::Run;
use crate::failure::Failure;
use crate::output::{Document, emit};

/// Print the version
#[derive(Debug, Args)]
pub(crate) struct Arguments {}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct VersionReport {
    api_version: &'static str,
    kind: &'static str,
    version: &'static str,
    serves: [&'static str; 2],
}

impl Document for VersionReport {
    fn human(&self, _: bool) -> String {
        format!("koan {}\n", self.version)
    }

    fn names(&self) -> Vec<String> {
        vec![self.version.to_owned()]
    }
}

pub(crate) fn run(run: &Run) -> Result<u8, Failure> {
    let report = VersionReport {
        api_version: koan_crds::API_VERSION,
        kind: "VersionReport",
        version: env!("CARGO_PKG_VERSION"),
        serves: ["devstacks.koan.dev/v1alpha1", "servicespecs.koan.dev/v1alpha1"],
    };
    emit(&report, run.globals.format());
    Ok(0)
}
