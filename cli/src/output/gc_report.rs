//! What `koan down` prints: what goes and what stays, by ID.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Document, Header, table};

/// An object of an engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct HeldObject {
    /// Workload, Network or Volume.
    pub(crate) kind: String,
    pub(crate) engine: String,
    pub(crate) name: String,
    pub(crate) id: String,
}

/// `koan down`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GcReport {
    #[serde(flatten)]
    header: Header,
    /// Stacks that were taken down.
    stacks: Vec<String>,
    removed: Vec<HeldObject>,
    kept: Vec<HeldObject>,
}

impl GcReport {
    /// Report of these objects.
    pub(crate) fn of(stacks: Vec<String>, removed: Vec<HeldObject>, kept: Vec<HeldObject>) -> Self {
        Self { header: Header::of("GcReport"), stacks, removed, kept }
    }
}

/// Characters of an id that tell objects apart for people; names of volumes are ids as a whole.
const SHORT: usize = 12;

impl Document for GcReport {
    fn human(&self, wide: bool) -> String {
        let line = |verb: &str, object: &HeldObject| {
            let id = if wide { object.id.clone() } else { object.id.chars().take(SHORT).collect() };
            let id = if object.kind == "Volume" { String::new() } else { id };
            vec![verb.to_owned(), object.kind.to_ascii_lowercase(), object.name.clone(), id, object.engine.clone()]
        };
        let removed = self.removed.iter().map(|object| line("goes", object));
        table(&removed.chain(self.kept.iter().map(|object| line("stays", object))).collect::<Vec<_>>())
    }

    fn names(&self) -> Vec<String> {
        self.removed.iter().map(|object| object.id.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SEC-3: people see what goes and what stays, by name and short id.
    #[test]
    fn what_goes_and_stays_reads_well() {
        let object = |kind: &str, name: &str, id: &str| HeldObject {
            kind: kind.to_owned(),
            engine: "Docker".to_owned(),
            name: name.to_owned(),
            id: id.to_owned(),
        };
        let removed = vec![object("Workload", "shop-db", "0123456789abcdef")];
        let report = GcReport::of(vec!["shop".to_owned()], removed, vec![object("Volume", "shop-db-data-1f", "shop-db-data-1f")]);
        insta::assert_snapshot!(report.human(false), @r"
        goes   workload  shop-db          0123456789ab  Docker
        stays  volume    shop-db-data-1f                Docker
        ");
    }
}
