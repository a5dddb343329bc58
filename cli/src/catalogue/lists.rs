//! The catalogue as a whole: its rows, its images, its faults.

use koan_adapters::Catalogue;
use koan_core::lint::Finding;
use koan_core::recipe::Recipe;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::entry::{PortFact, maturity, mirrors};
use crate::output::{Document, Header, table};

/// One adapter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CatalogRow {
    pub(crate) id: String,
    pub(crate) aliases: Vec<String>,
    pub(crate) title: String,
    pub(crate) wave: u8,
    /// Stable or Preview.
    pub(crate) maturity: String,
    pub(crate) image: String,
    /// Other places of the same image.
    pub(crate) mirrors: Vec<String>,
    pub(crate) ports: Vec<PortFact>,
}

/// `koan catalog list`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CatalogList {
    #[serde(flatten)]
    header: Header,
    items: Vec<CatalogRow>,
}

impl CatalogList {
    /// Every adapter, by id.
    pub(crate) fn of(catalogue: &Catalogue) -> Self {
        Self { header: Header::of("CatalogList"), items: catalogue.recipes().iter().map(row).collect() }
    }
}

fn row(recipe: &Recipe) -> CatalogRow {
    CatalogRow {
        id: recipe.id.to_owned(),
        aliases: recipe.aliases.iter().map(|alias| (*alias).to_owned()).collect(),
        title: recipe.title.to_owned(),
        wave: recipe.wave,
        maturity: maturity(recipe.maturity).0.to_owned(),
        image: recipe.image.to_string(),
        mirrors: mirrors(recipe),
        ports: recipe.ports.iter().map(|port| PortFact { name: port.name.to_owned(), port: port.port }).collect(),
    }
}

impl Document for CatalogList {
    fn human(&self, wide: bool) -> String {
        let mut head = vec!["ID", "ALIASES", "WAVE", "MATURITY", "IMAGE", "PORTS"];
        head.extend(wide.then_some("MIRRORS"));
        let rows = self.items.iter().map(|row| {
            let ports = row.ports.iter().map(|port| port.port.to_string()).collect::<Vec<_>>().join(",");
            let listed = |items: &[String]| if items.is_empty() { "-".to_owned() } else { items.join(",") };
            let wave = row.wave.to_string();
            let mut cells = vec![row.id.clone(), listed(&row.aliases), wave, row.maturity.clone(), row.image.clone(), ports];
            cells.extend(wide.then(|| listed(&row.mirrors)));
            cells
        });
        table(&std::iter::once(head.into_iter().map(str::to_owned).collect()).chain(rows).collect::<Vec<_>>())
    }

    fn names(&self) -> Vec<String> {
        self.items.iter().map(|row| row.id.clone()).collect()
    }
}

/// `koan catalog images`: the same rows; people and pipes get the references alone.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub(crate) struct CatalogImages(pub(crate) CatalogList);

impl Document for CatalogImages {
    fn human(&self, _: bool) -> String {
        self.names().into_iter().map(|image| image + "\n").collect()
    }

    fn names(&self) -> Vec<String> {
        let mut images: Vec<String> = self.0.items.iter().map(|row| row.image.clone()).collect();
        images.sort();
        images.dedup();
        images
    }
}

/// One fault of a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct LintLine {
    pub(crate) adapter: String,
    pub(crate) field: String,
    pub(crate) message: String,
    pub(crate) remedy: String,
}

/// `koan catalog lint`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CatalogLint {
    #[serde(flatten)]
    header: Header,
    /// How many adapters were judged.
    adapters: usize,
    pub(crate) findings: Vec<LintLine>,
}

impl CatalogLint {
    /// The faults of this many rows.
    pub(crate) fn of(adapters: usize, findings: Vec<Finding>) -> Self {
        let line = |Finding { adapter, field, message, remedy }: Finding| LintLine { adapter, field, message, remedy };
        Self { header: Header::of("CatalogLint"), adapters, findings: findings.into_iter().map(line).collect() }
    }
}

impl Document for CatalogLint {
    fn human(&self, _: bool) -> String {
        if self.findings.is_empty() {
            return format!("{} adapters, nothing to find fault with\n", self.adapters);
        }
        let line = |line: &LintLine| format!("{} {}: {}\n  hint: {}\n", line.adapter, line.field, line.message, line.remedy);
        self.findings.iter().map(line).collect()
    }

    fn names(&self) -> Vec<String> {
        self.findings.iter().map(|line| line.adapter.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// DET-39: a finding names row, field and remedy; without one, the list says how many rows were judged.
    #[test]
    fn findings_read_well() {
        let finding = Finding {
            adapter: "ledger".to_owned(),
            field: "image.tag".to_owned(),
            message: "`latest` is no exact version: it moves on to other images".to_owned(),
            remedy: "name one release, with its 3 numbers".to_owned(),
        };
        insta::assert_snapshot!(CatalogLint::of(1, vec![finding]).human(false), @r"
        ledger image.tag: `latest` is no exact version: it moves on to other images
          hint: name one release, with its 3 numbers
        ");
        assert_eq!(CatalogLint::of(12, Vec::new()).human(false), "12 adapters, nothing to find fault with\n");
    }
}
