//! Names of values and places that a text asked for and nothing could give.

use koan_core::text::{Part, ValueRef};

/// A part of a text as an error names it; never a value.
pub(crate) fn name_of(part: &Part) -> String {
    match part {
        Part::Value(reference) | Part::Quoted(reference) | Part::Hashed(reference) => match reference {
            ValueRef::SecretKey { name, key } => format!("key {key} of Secret {name}"),
            ValueRef::ConfigKey { name, key } => format!("key {key} of ConfigMap {name}"),
            ValueRef::Output { service, output } => format!("output {output} of service {service}"),
            ValueRef::Literal { key } => format!("literal credential {key}"),
        },
        Part::Plain(_) => "a plain text".to_owned(),
        Part::DataFolder(path) => format!("data folder {path}"),
        Part::RunFolder => "the run folder, which only a process workload has".to_owned(),
        Part::File(path) => format!("file {path}"),
        Part::Port(name) | Part::Published(name) => format!("port {name}"),
        Part::ProgramFolder(program) => format!("the folder of program {program}, which only a process workload has"),
    }
}
