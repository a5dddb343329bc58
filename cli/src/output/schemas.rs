//! The JSON Schemas in `docs/schemas/`: one per document, equal to the types that are printed (K-9).

use std::path::Path;

use schemars::{JsonSchema, schema_for};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    EnvReport, GcReport, Header, InitReport, InspectReport, LogEntry, PlanReport, ProgressEvent, ServerStatus, StackList,
    StackRow, StackStatus, ValidationReport, VersionReport,
};
use crate::catalogue::{CatalogEntry, CatalogLint, CatalogList};
use crate::commands::why::WhyReport;
use crate::doctor::{Check, DoctorReport};
use crate::failure::ErrorReport;

/// Set to write the schemas instead of comparing them.
const WRITE: &str = "KOAN_WRITE_SCHEMAS";

fn check<T: JsonSchema>(kind: &str) {
    let schema = serde_json::to_string_pretty(&schema_for!(T)).unwrap() + "\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schemas").join(format!("{kind}.json"));
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(&path, &schema).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(committed, schema, "{} differs: run the test with {WRITE}=1", path.display());
}

/// K-9 (decision 0009), CLI-2: each document has a schema, and the committed one is that of the code.
#[test]
fn the_committed_schemas_are_those_of_the_documents() {
    check::<StackStatus>("StackStatus");
    check::<StackList>("StackList");
    check::<WhyReport>("WhyReport");
    check::<PlanReport>("PlanReport");
    check::<CatalogList>("CatalogList");
    check::<CatalogEntry>("CatalogEntry");
    check::<CatalogLint>("CatalogLint");
    check::<DoctorReport>("DoctorReport");
    check::<GcReport>("GcReport");
    check::<EnvReport>("EnvReport");
    check::<ValidationReport>("ValidationReport");
    check::<VersionReport>("VersionReport");
    check::<ServerStatus>("ServerStatus");
    check::<InitReport>("InitReport");
    check::<InspectReport>("InspectReport");
    check::<ErrorReport>("ErrorReport");
    check::<ProgressEvent>("ProgressEvent");
    check::<LogEntry>("LogLine");
}

fn round_trip<T: serde::Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(document: &T, kind: &str) {
    let value: Value = serde_json::to_value(document).unwrap();
    assert_eq!(value["apiVersion"], "koan.dev/v1alpha1");
    assert_eq!(value["kind"], kind);
    assert_eq!(serde_json::from_value::<T>(value).unwrap(), *document);
}

/// CLI-2: documents carry kind and version, and their keys are names.
#[test]
fn documents_name_their_kind() {
    let row = StackRow {
        name: "shop".to_owned(),
        namespace: "default".to_owned(),
        profile: "local".to_owned(),
        ready: "1/2".to_owned(),
        created_at: "2026-01-01T00:00:00Z".to_owned(),
        age: String::new(),
        project: None,
    };
    round_trip(&StackList { header: Header::of("StackList"), items: vec![row] }, "StackList");
    round_trip(&DoctorReport::of(vec![Check::ok("home.dir", "state directory", "fine")]), "DoctorReport");
}
