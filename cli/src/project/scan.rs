use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};

use koan_adapters::{FILE_PROVIDERS, catalogue, environment_candidates};
use koan_core::activation::{Nature, Sighting};
use koan_core::recipe::Recipe;
use serde_json::Value;

use super::configured::{appsettings, compose, dotenv, is_image_of};
use super::packages::{Listing, packages};

/// Most files that are read.
const MAX_FILES: usize = 200;
/// Most bytes of a file; a longer one is read so far.
const MAX_BYTES: u64 = 1024 * 1024;
/// Folders beside hidden ones that hold no sources of the project.
const SKIPPED: [&str; 6] = ["node_modules", "target", "vendor", "bin", "obj", "dist"];
/// Names of compose files.
const COMPOSE: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"];
/// Begin of names that are settings made for Koan.
const OWN: [&str; 3] = ["Koan__", "Koan_", "KOAN_"];

/// A product that something of the project speaks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Adapter by id; a word of its own for what has none.
    pub(crate) id: String,
    pub(crate) nature: Nature,
    pub(crate) sighting: Sighting,
    /// Where: file and name, never a value.
    pub(crate) place: String,
}

/// Everything that the files of a project folder and the person's environment speak for, and what could not be read.
pub(crate) fn scan(project: &Path, environment: &BTreeMap<String, String>) -> (Vec<Seen>, Vec<String>) {
    let (mut seen, mut notices) = (variables("environment", environment), Vec::new());
    for path in files(project) {
        let name = path.strip_prefix(project).unwrap_or(&path).display().to_string();
        match read(&path) {
            Ok(text) => seen.extend(of_file(&name, &text, &mut notices)),
            Err(error) => notices.push(format!("{name} cannot be read: {error}")),
        }
    }
    (seen, notices)
}

/// Files of the folder and of the folders in it, by name.
fn files(project: &Path) -> Vec<PathBuf> {
    let entries = |folder: &Path| -> BTreeSet<PathBuf> {
        std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path()).collect()
    };
    let here = entries(project);
    let inner = here.iter().filter(|path| path.is_dir() && !path.is_symlink() && is_source(path)).flat_map(|path| entries(path));
    let all: BTreeSet<PathBuf> = here.iter().cloned().chain(inner).filter(|path| path.is_file() && speaks(path)).collect();
    all.into_iter().take(MAX_FILES).collect()
}

fn is_source(folder: &Path) -> bool {
    let name = name_of(folder);
    !name.starts_with('.') && !SKIPPED.contains(&name)
}

fn name_of(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// What a file holds.
enum Holding {
    Packages(Listing),
    Compose,
    Variables,
    Settings,
}

fn holding(file: &str) -> Option<Holding> {
    match file {
        _ if COMPOSE.contains(&file) => Some(Holding::Compose),
        ".env" | ".env.local" | ".env.development" => Some(Holding::Variables),
        _ if file.starts_with("appsettings") && file.ends_with(".json") => Some(Holding::Settings),
        _ => Listing::of(file).map(Holding::Packages),
    }
}

fn speaks(path: &Path) -> bool {
    holding(name_of(path)).is_some()
}

fn read(path: &Path) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn of_file(name: &str, text: &str, notices: &mut Vec<String>) -> Vec<Seen> {
    let file = name_of(Path::new(name));
    let unreadable = |what: &str| format!("{name} is no {what} that can be read; nothing of it is shown");
    match holding(file) {
        None => Vec::new(),
        Some(Holding::Variables) => variables(name, &dotenv(text)),
        Some(Holding::Packages(listing)) => of_packages(name, &packages(listing, text)),
        Some(Holding::Settings) => match serde_json::from_str::<Value>(text) {
            Ok(settings) => variables(name, &appsettings(&settings)),
            Err(_) => {
                notices.push(unreadable("JSON"));
                Vec::new()
            }
        },
        Some(Holding::Compose) => match serde_saphyr::from_str::<Value>(text) {
            Ok(file) => of_compose(name, &compose(&file)),
            Err(_) => {
                notices.push(unreadable("YAML"));
                Vec::new()
            }
        },
    }
}

/// Variables that a recipe takes for one of its servers.
fn variables(place: &str, variables: &BTreeMap<String, String>) -> Vec<Seen> {
    let recipes = catalogue().recipes().iter();
    let found = recipes.flat_map(|recipe| {
        let names: BTreeSet<String> =
            environment_candidates(recipe.id, &[], variables).into_iter().map(|(name, _candidate)| name).collect();
        names.into_iter().map(move |name| {
            let own = OWN.iter().any(|prefix| name.starts_with(prefix));
            let sighting = if own { Sighting::Explicit } else { Sighting::Configured };
            seen(recipe, sighting, format!("{place}: {name}"))
        })
    });
    found.collect()
}

fn of_compose(place: &str, services: &[(String, String)]) -> Vec<Seen> {
    let recipes = catalogue().recipes().iter();
    let found = recipes.flat_map(|recipe| {
        let services = services.iter().filter(move |(_name, image)| is_image_of(recipe, image));
        services.map(move |(name, _image)| seen(recipe, Sighting::Configured, format!("{place}: service {name}")))
    });
    found.collect()
}

fn of_packages(place: &str, names: &BTreeSet<String>) -> Vec<Seen> {
    let known = |package: &&&str| names.contains(&package.to_ascii_lowercase());
    let recipes = catalogue().recipes().iter().flat_map(|recipe| {
        let packages = recipe.packages.iter().filter(known);
        packages.map(move |package| seen(recipe, Sighting::Package, format!("{place}: {package}")))
    });
    let files = FILE_PROVIDERS.iter().flat_map(|provider| {
        let packages = provider.packages.iter().filter(known);
        packages.map(move |package| Seen {
            id: provider.id.to_owned(),
            nature: Nature::Files,
            sighting: Sighting::Package,
            place: format!("{place}: {package}"),
        })
    });
    recipes.chain(files).collect()
}

fn seen(recipe: &Recipe, sighting: Sighting, place: String) -> Seen {
    let nature = if recipe.heavy { Nature::Heavy } else { Nature::Server };
    Seen { id: recipe.id.to_owned(), nature, sighting, place }
}
