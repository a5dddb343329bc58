//! `cargo xtask layers`: imports go one way, pure crates stay pure, and no service is named outside the adapters (DET-7).

use crate::sources;
use crate::workspace::{Problems, Workspace, folder};
use anyhow::Result;
use cargo_metadata::{DependencyKind, Package};
use std::path::Path;

/// Checks the order of imports between crates.
#[derive(clap::Args)]
pub(crate) struct Arguments {}

/// Which Koan crates a crate may import, in the order of the layers. A crate that is not listed may not exist.
const LAYERS: [(&str, &[&str]); 19] = [
    ("koan-crds", &[]),
    ("koan-exec", &[]),
    ("koan-oci", &[]),
    ("koan-apiserver", &[]),
    ("context-assembler", &[]),
    ("koan-core", &["koan-crds"]),
    ("koan-adapters", &["koan-crds", "koan-core"]),
    ("koan-engines", &["koan-crds", "koan-core", "koan-exec", "koan-oci"]),
    ("koan-inference", &["koan-crds", "koan-core", "koan-exec", "koan-oci"]),
    ("koan-domains", &["koan-crds", "koan-core", "koan-exec", "koan-oci"]),
    ("koan-export", &["koan-crds", "koan-core"]),
    ("koan-import", &["koan-crds", "koan-core"]),
    ("koan-controller", &["*"]),
    ("koan", &["*", "koan-controller"]),
    ("koan-tests", &["*", "koan-controller", "koan"]),
    ("xtask", &["*", "koan-controller"]),
    ("shop", &[]),
    ("koan-example-envtest", &["koan-apiserver"]),
    ("koan-fuzz", &["*", "koan-controller"]),
];

/// What "*" stands for: everything below the controllers.
const BELOW_CONTROLLERS: usize = 12;

/// Crates without effects (style rule 3), and what would bring effects in.
const PURE: [&str; 4] = ["koan-crds", "koan-core", "koan-export", "koan-import"];
const EFFECTS: [&str; 14] = [
    "async-trait",
    "bollard",
    "futures",
    "getrandom",
    "hyper",
    "kube-runtime",
    "rand",
    "redis",
    "rusqlite",
    "rustix",
    "tokio",
    "tokio-postgres",
    "tower",
    "tracing",
];

/// Crates that may not name a service, and the folder whose sub-folders are the registry's keys.
const NAMELESS: [&str; 4] = ["koan-core", "koan-controller", "koan-engines", "koan"];
pub(crate) const ADAPTERS: &str = "controller/adapters/src";

/// Runs the check.
///
/// # Errors
/// The workspace or a source cannot be read.
pub(crate) fn run(_: &Arguments) -> Result<Problems> {
    let workspace = Workspace::load()?;
    let mut problems = Vec::new();
    for package in workspace.crates() {
        problems.extend(imports(package));
        problems.extend(impurities(package, &workspace));
    }
    let keys = registry_keys(&workspace.root.join(ADAPTERS));
    for package in workspace.crates().into_iter().filter(|package| NAMELESS.contains(&package.name.as_str())) {
        problems.extend(service_names(package, &keys, &workspace)?);
    }
    println!("layers: {} crates, {} registry keys", workspace.crates().len(), keys.len());
    Ok(problems)
}

fn imports(package: &Package) -> Problems {
    let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == package.name.as_str()) else {
        return vec![format!(
            "{} has no place in the layers: add it to hack/xtask/src/layers.rs and to architecture.md",
            package.name
        )];
    };
    let may = |name: &str| {
        allowed.contains(&name) || allowed.contains(&"*") && LAYERS[..BELOW_CONTROLLERS].iter().any(|(below, _)| *below == name)
    };
    package
        .dependencies
        .iter()
        .filter(|dependency| dependency.kind != DependencyKind::Development && dependency.path.is_some())
        .filter(|dependency| !may(&dependency.name))
        .map(|dependency| format!("{} imports {}, which is not below it", package.name, dependency.name))
        .collect()
}

fn impurities(package: &Package, workspace: &Workspace) -> Problems {
    if !PURE.contains(&package.name.as_str()) {
        return Vec::new();
    }
    let mut problems: Problems = package
        .dependencies
        .iter()
        .filter(|dependency| dependency.kind != DependencyKind::Development && EFFECTS.contains(&dependency.name.as_str()))
        .map(|dependency| format!("{} is pure, and imports {}", package.name, dependency.name))
        .collect();
    let lint = folder(package).join("clippy.toml");
    if !lint.exists() {
        problems.push(format!("{} is pure, and lacks {}, which bans the effects of std", package.name, workspace.shown(&lint)));
    }
    problems
}

/// An adapter is a folder with a recipe; its name is its registry key.
pub(crate) fn registry_keys(folder: &Path) -> Vec<String> {
    sources::files(folder, &["rs"])
        .iter()
        .filter(|path| path.file_name().is_some_and(|name| name == "recipe.rs"))
        .filter_map(|path| path.parent().filter(|parent| *parent != folder)?.file_name()?.to_str().map(str::to_owned))
        .collect()
}

fn service_names(package: &Package, keys: &[String], workspace: &Workspace) -> Result<Problems> {
    let mut problems = Vec::new();
    for path in sources::files(&folder(package).join("src"), &["rs"]) {
        if sources::is_test_file(&path) {
            continue;
        }
        let text = sources::read(&path)?;
        for (number, line) in sources::product_lines(&text) {
            for key in keys.iter().filter(|key| sources::has_word(line, key)) {
                problems.push(format!(
                    "{}:{number} names the service {key} (DET-7): ask the registry instead",
                    workspace.shown(&path)
                ));
            }
        }
    }
    Ok(problems)
}

#[cfg(test)]
mod tests {
    use super::{Arguments, run};
    use crate::workspace::Workspace;

    /// DET-7: no service name stands outside the adapters, and imports go one way.
    #[test]
    fn this_workspace_keeps_its_layers() {
        assert_eq!(run(&Arguments {}).expect("the workspace loads"), Vec::<String>::new());
    }

    #[test]
    fn an_import_from_a_layer_above_is_named() {
        let workspace = Workspace::load().expect("the workspace loads");
        let mut core =
            workspace.crates().into_iter().find(|package| package.name.as_str() == "koan-core").expect("the core").clone();
        for dependency in &mut core.dependencies {
            if dependency.name == "koan-crds" {
                dependency.name = "koan-engines".to_owned();
            }
        }
        assert_eq!(super::imports(&core), ["koan-core imports koan-engines, which is not below it"]);
    }
}
