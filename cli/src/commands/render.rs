use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use serde_json::{Value, json};

use super::{Run, amend, catalog, prepare};
use crate::failure::{Failure, Location};
use crate::manifest::{Document, Kind, Node, laid_over, read_bytes, read_tree};
use crate::output::{Format, say, write_out};

/// What one adapter becomes.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Adapter, by id or alias
    name: String,
    /// Set a field of the service, such as name=orders or provisioning.mode=Always; may be repeated, and comes after --values
    #[arg(long = "set", value_name = "PATH=VALUE", value_parser = NonEmptyStringValueParser::new())]
    sets: Vec<String>,
    /// Fields of the service as YAML; - for standard input
    #[arg(long, value_name = "FILE")]
    values: Option<PathBuf>,
}

/// Number of the values among the files of the rendered document; 0 is the catalogue.
const VALUES: usize = 1;

pub(crate) fn run(run: &Run, arguments: &Arguments) -> Result<(), Failure> {
    let recipe = catalog::adapter(&arguments.name)?;
    let mut service = Node::from_json(&json!({"name": recipe.id, "adapter": recipe.id}));
    let mut files = vec![format!("catalog:{}", recipe.id)];
    if let Some(path) = &arguments.values {
        files.push(path.display().to_string());
        service = laid_over(service, values(path)?);
    }
    let document = document(files, service, &arguments.sets)?;
    for warning in prepare::judged(&document)? {
        say(run.globals.quiet, &format!("warning: {warning}"));
    }
    write_out(&match run.globals.format() {
        Format::Json => format!("{:#}\n", document.value),
        Format::Name => format!("devstack.koan.dev/{}\n", document.name()),
        Format::Human | Format::Wide | Format::Yaml => serde_saphyr::to_string(&document.value).unwrap_or_default(),
    });
    Ok(())
}

/// The fields that a file holds, with their places.
fn values(path: &Path) -> Result<Node, Failure> {
    let file = path.display().to_string();
    let Some(tree) = read_tree(&file, &read_bytes(path)?)? else { return Ok(Node::from_json(&Value::Null)) };
    if matches!(tree.kind, Kind::Map(_)) {
        return Ok(tree.in_file(VALUES));
    }
    let location = Location { file, line: tree.at.line, column: tree.at.column, path: String::new() };
    let message = "no fields of a service: key: value is expected".to_owned();
    Err(Failure::Manifest { location, message, snippet: None })
}

/// A stack with this service alone, named like it.
fn document(files: Vec<String>, service: Node, sets: &[String]) -> Result<Document, Failure> {
    let mut value = service.to_json();
    for pair in sets {
        amend::set_path(&mut value, pair, "such as --set provisioning.mode=Always")?;
    }
    let head = |services: Value| {
        json!({
            "apiVersion": koan_crds::API_VERSION, "kind": "DevStack", "metadata": {"name": value["name"]}, "spec": {"services": services},
        })
    };
    let at = service.at;
    let under = |key: &str, node: Node| Node { kind: Kind::Map(vec![(key.to_owned(), at, node)]), at };
    let node = under("spec", under("services", Node { kind: Kind::List(vec![service]), at }));
    Ok(Document {
        files,
        api_version: koan_crds::API_VERSION.to_owned(),
        kind: "DevStack".to_owned(),
        value: head(json!([value])),
        node,
    })
}
