use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use koan_adapters::catalogue;
use koan_core::recipe::Recipes;

use super::{Run, catalog};
use crate::failure::Failure;
use crate::output::{InitReport, emit, say};

/// Write a commented koan.yaml; nothing is overwritten
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Folder of the project; made where it is not there
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Adapter to start with; may be repeated
    #[arg(long = "adapter", value_name = "ADAPTER")]
    adapters: Vec<String>,
    /// Name of the stack; the folder's
    #[arg(long)]
    name: Option<String>,
}

/// Longest name of a stack.
const MAX_NAME: usize = 32;

pub(crate) fn run(run: &Run, arguments: &Arguments) -> Result<u8, Failure> {
    let recipes = catalogue();
    for adapter in &arguments.adapters {
        catalog::adapter(adapter)?;
    }
    let name = arguments.name.clone().unwrap_or_else(|| name_of(&arguments.folder));
    if !is_name(&name) {
        return Err(Failure::Usage {
            message: format!("--name: `{name}` is no name of a stack"),
            hint: format!(
                "2 to {MAX_NAME} of a-z, 0-9 and -, a letter first and no - last, such as {}",
                name_of(&arguments.folder)
            ),
        });
    }
    let manifest = arguments.folder.join("koan.yaml");
    std::fs::create_dir_all(&arguments.folder).map_err(|source| Failure::WriteFile { path: arguments.folder.clone(), source })?;
    write_new(&manifest, &manifest_text(&name, &arguments.adapters, &recipes.ids()))?;
    let state = arguments.folder.join(".koan");
    std::fs::create_dir_all(&state).map_err(|source| Failure::WriteFile { path: state.clone(), source })?;
    let ignore = state.join(".gitignore");
    if !ignore.exists() {
        write_new(&ignore, "*\n!.gitignore\n")?;
    }
    emit(&InitReport::of(name, manifest.display().to_string()), run.globals.format());
    say(run.globals.quiet, "next: koan up");
    Ok(0)
}

/// What validation takes as the name of a stack.
fn is_name(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let length = (2..=MAX_NAME).contains(&name.len());
    length && name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(inner) && !name.ends_with('-')
}

/// A valid name from the folder's: lower case, letter first.
fn name_of(folder: &Path) -> String {
    let real = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
    let text = real.file_name().map(|n| n.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let text: String = text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let text = text.trim_start_matches(|c: char| !c.is_ascii_alphabetic());
    let text: String = text.chars().take(MAX_NAME).collect();
    let text = text.trim_end_matches('-');
    if text.len() < 2 { "stack".to_owned() } else { text.to_owned() }
}

fn manifest_text(name: &str, adapters: &[String], known: &[&str]) -> String {
    let mut text = format!(
        "# Services that this project needs. `koan up` finds or provisions them, `koan down` removes them.\n\
         apiVersion: koan.dev/v1alpha1\nkind: DevStack\nmetadata:\n  name: {name}\nspec:\n"
    );
    if adapters.is_empty() {
        text.push_str("  services: []\n");
    } else {
        text.push_str("  services:\n");
        for adapter in adapters {
            text.push_str(&format!("  - name: {adapter}\n    adapter: {adapter}\n"));
        }
    }
    text.push_str("  # Further services, remove the # to use them:\n");
    for id in known.iter().filter(|id| !adapters.iter().any(|a| a == *id)) {
        text.push_str(&format!("  # - name: {id}\n  #   adapter: {id}\n"));
    }
    text
}

fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
    let opened = std::fs::OpenOptions::new().write(true).create_new(true).open(path);
    let mut file = opened.map_err(|source| match source.kind() {
        std::io::ErrorKind::AlreadyExists => Failure::Usage {
            message: format!("{} exists already", path.display()),
            hint: "edit it, or name another folder: koan init DIR".to_owned(),
        },
        _ => Failure::WriteFile { path: path.to_path_buf(), source },
    })?;
    file.write_all(text.as_bytes()).map_err(|source| Failure::WriteFile { path: path.to_path_buf(), source })
}
