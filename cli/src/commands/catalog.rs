use clap::{Args, Subcommand};
use koan_adapters::catalogue;
use koan_core::recipe::{Recipe, Recipes};
use koan_crds::vocabulary::ExitCode;

use super::{Run, render};
use crate::catalogue::{CatalogEntry, CatalogImages, CatalogLint, CatalogList};
use crate::failure::{Failure, suggest};
use crate::output::emit;

/// The services that Koan knows: what is found, tried, started and injected
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the adapters
    List,
    /// Show everything that is known of one adapter
    Show {
        /// Adapter, by id or alias
        name: String,
    },
    /// Check the catalogue itself: exact tags, whole rows, proven maturity; exit 1 on a fault
    Lint,
    /// List the images, one a line, to pull or mirror them beforehand
    Images,
    /// Print a manifest with one service, for koan apply -f -
    Render(render::Arguments),
}

pub(crate) fn run(run: &Run, arguments: &Arguments) -> Result<u8, Failure> {
    let format = run.globals.format();
    match arguments.action.as_ref().unwrap_or(&Action::List) {
        Action::List => emit(&CatalogList::of(catalogue()), format),
        Action::Show { name } => emit(&CatalogEntry::of(adapter(name)?), format),
        Action::Images => emit(&CatalogImages(CatalogList::of(catalogue())), format),
        Action::Render(arguments) => render::run(run, arguments)?,
        Action::Lint => {
            let report = CatalogLint::of(catalogue().recipes().len(), catalogue().lint());
            emit(&report, format);
            return Ok(verdict(&report));
        }
    }
    Ok(0)
}

fn verdict(report: &CatalogLint) -> u8 {
    if report.findings.is_empty() { 0 } else { ExitCode::General as u8 }
}

/// The adapter of this id or alias.
///
/// # Errors
/// [`Failure::Unknown`] with the nearest names.
pub(super) fn adapter(name: &str) -> Result<&'static Recipe, Failure> {
    catalogue().recipe(name).ok_or_else(|| {
        let known = catalogue().recipes().iter().flat_map(|recipe| recipe.aliases.iter().chain([&recipe.id]));
        Failure::Unknown { kind: "adapter", name: name.to_owned(), nearest: suggest(name, known.map(|name| (*name).to_owned())) }
    })
}

#[cfg(test)]
mod tests {
    use koan_core::lint::Finding;

    use super::*;

    /// DET-39: a finding ends with 1, a catalogue without one with 0.
    #[test]
    fn a_finding_ends_with_1() {
        let text = || "x".to_owned();
        let finding = Finding { adapter: text(), field: text(), message: text(), remedy: text() };
        assert_eq!(verdict(&CatalogLint::of(1, vec![finding])), 1);
        assert_eq!(verdict(&CatalogLint::of(1, Vec::new())), 0);
    }
}
