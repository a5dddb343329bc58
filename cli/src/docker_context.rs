//! The contexts of the Docker command line: where one of them says that the engine listens (CLI-37).

use std::path::{Path, PathBuf};

use koan_crds::names;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::failure::Failure;
use crate::settings::Environment;

/// The context that means the engine's own place.
const DEFAULT: &str = "default";
/// Variable that names a context.
const VARIABLE: &str = "DOCKER_CONTEXT";

/// The address of the context that `DOCKER_CONTEXT` names, else of the one that `docker context use` chose, with the name of its
/// source; `None` where it is the default one or the choice cannot be read.
///
/// # Errors
/// [`Failure::Usage`] where `DOCKER_CONTEXT` names a context that is not there.
pub(crate) fn address(environment: &Environment) -> Result<Option<(String, String)>, Failure> {
    let Some(folder) = folder(environment)? else { return Ok(None) };
    if let Some(name) = environment.get(VARIABLE)? {
        if name == DEFAULT {
            return Ok(None);
        }
        let found = host_of(&folder, name).ok_or_else(|| Failure::Usage {
            message: format!("{VARIABLE}: there is no Docker context `{name}`"),
            hint: format!("`docker context ls` lists them; unset {VARIABLE} to use the default one"),
        })?;
        return Ok(Some((found, VARIABLE.to_owned())));
    }
    let config = read(&folder.join("config.json"));
    let chosen = config.as_ref().and_then(|config| config["currentContext"].as_str()).filter(|name| *name != DEFAULT);
    Ok(chosen.and_then(|name| Some((host_of(&folder, name)?, format!("Docker context `{name}`")))))
}

/// The folder of Docker's settings.
pub(crate) fn folder(environment: &Environment) -> Result<Option<PathBuf>, Failure> {
    if let Some(folder) = environment.get("DOCKER_CONFIG")? {
        return Ok(Some(PathBuf::from(folder)));
    }
    Ok(environment.get("HOME")?.map(|home| Path::new(home).join(".docker")))
}

/// The address of a context: its folder bears the SHA-256 of its name.
fn host_of(folder: &Path, name: &str) -> Option<String> {
    let digest = names::hex(&Sha256::digest(name.as_bytes()));
    let meta = read(&folder.join("contexts/meta").join(digest).join("meta.json"))?;
    meta.pointer("/Endpoints/docker/Host")?.as_str().map(str::to_owned)
}

fn read(path: &Path) -> Option<Value> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}
