//! Settings of one run: flag, then `KOAN_*`, then default; the first that is set wins (CLI-5, CLI-37).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use koan_crds::v1alpha1::{EngineName, GoDuration, Profile};

use crate::arguments::Globals;
use crate::failure::Failure;

/// The person's environment, taken once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment(BTreeMap<String, String>);

/// Old spellings that still work, with the new one (CLI-37).
const OLD_SPELLINGS: [(&str, &str); 3] = [
    ("Koan_ENV", "KOAN_ENV"),
    ("Koan_ORCHESTRATION_PREFERRED_PROVIDERS", "KOAN_PREFERRED_PROVIDERS"),
    ("Koan_PORT_PROBE_MAX", "KOAN_PORT_PROBE_MAX"),
];

impl Environment {
    /// The variables of this process that are valid Unicode.
    pub(crate) fn of_process() -> Self {
        Self(std::env::vars_os().filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?))).collect())
    }

    /// The value of a variable; empty counts as unset. An old spelling works too.
    ///
    /// # Errors
    /// [`Failure::Usage`] where old and new spelling are set differently.
    pub(crate) fn get(&self, name: &str) -> Result<Option<&str>, Failure> {
        let value = |key: &str| self.0.get(key).map(String::as_str).filter(|text| !text.is_empty());
        let old = OLD_SPELLINGS.iter().find(|(_, new)| *new == name).map(|(old, _)| *old);
        match (value(name), old.and_then(value)) {
            (Some(new), Some(other)) if new != other => Err(Failure::Usage {
                message: format!("{name}={new} and {}={other} contradict each other", old.unwrap_or_default()),
                hint: format!("unset {}", old.unwrap_or_default()),
            }),
            (Some(new), _) => Ok(Some(new)),
            (None, other) => Ok(other),
        }
    }

    /// Every variable, for detection (DET-11).
    pub(crate) fn all(&self) -> &BTreeMap<String, String> {
        &self.0
    }
}

/// Settings of one run.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) home: PathBuf,
    pub(crate) namespace: String,
    pub(crate) context: Option<String>,
    pub(crate) profile: Option<Profile>,
    pub(crate) engine: Option<EngineName>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) environment: Environment,
}

/// Namespace where neither flag nor variable names one.
const DEFAULT_NAMESPACE: &str = "default";

impl Settings {
    /// Reads flags and environment.
    ///
    /// # Errors
    /// [`Failure::Usage`] for a value that nothing accepts; it names the variable and the accepted words.
    pub(crate) fn resolve(globals: &Globals, environment: Environment) -> Result<Self, Failure> {
        let text = |name| environment.get(name).map(|value| value.map(str::to_owned));
        let home = match (&globals.home, text("KOAN_HOME")?) {
            (Some(path), _) => path.clone(),
            (None, Some(path)) => PathBuf::from(path),
            (None, None) => default_home(&environment)?,
        };
        let profile = match (&globals.profile, text("KOAN_ENV")?) {
            (Some(word), _) => Some(profile(word, "--profile")?),
            (None, Some(word)) => Some(profile(&word, "KOAN_ENV")?),
            (None, None) => None,
        };
        let engine = match (globals.engine, text("KOAN_ENGINE")?) {
            (Some(engine), _) => Some(engine.into()),
            (None, Some(word)) => Some(engine(&word)?),
            (None, None) => None,
        };
        let timeout = match (&globals.timeout, text("KOAN_TIMEOUT")?) {
            (Some(word), _) => Some(duration(word, "--timeout")?),
            (None, Some(word)) => Some(duration(&word, "KOAN_TIMEOUT")?),
            (None, None) => None,
        };
        Ok(Self {
            home: std::path::absolute(&home).unwrap_or(home),
            namespace: globals.namespace.clone().or(text("KOAN_NAMESPACE")?).unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned()),
            context: globals.context.clone().or(text("KOAN_CONTEXT")?),
            profile,
            engine,
            timeout,
            environment,
        })
    }
}

fn default_home(environment: &Environment) -> Result<PathBuf, Failure> {
    if let Some(state) = environment.get("XDG_STATE_HOME")?.filter(|path| path.starts_with('/')) {
        return Ok(PathBuf::from(state).join("koan"));
    }
    match environment.get("HOME")? {
        Some(home) => Ok(PathBuf::from(home).join(".local/state/koan")),
        None => Err(Failure::Usage {
            message: "neither KOAN_HOME nor HOME is set".to_owned(),
            hint: "set KOAN_HOME to a folder of your own".to_owned(),
        }),
    }
}

/// A profile by its word, `production` included.
///
/// # Errors
/// [`Failure::Usage`] naming the four (CLI-23).
pub(crate) fn profile(word: &str, from: &str) -> Result<Profile, Failure> {
    match word.to_ascii_lowercase().as_str() {
        "local" => Ok(Profile::Local),
        "ci" => Ok(Profile::Ci),
        "staging" => Ok(Profile::Staging),
        "prod" | "production" => Ok(Profile::Prod),
        _ => Err(Failure::Usage {
            message: format!("{from}: unknown profile `{word}`"),
            hint: "one of local, ci, staging, prod".to_owned(),
        }),
    }
}

fn engine(word: &str) -> Result<EngineName, Failure> {
    match word.to_ascii_lowercase().as_str() {
        "auto" => Ok(EngineName::Auto),
        "docker" => Ok(EngineName::Docker),
        "podman" => Ok(EngineName::Podman),
        "process" => Ok(EngineName::Process),
        _ => Err(Failure::Usage {
            message: format!("KOAN_ENGINE: unknown engine `{word}`"),
            hint: "one of auto, docker, podman, process".to_owned(),
        }),
    }
}

fn duration(word: &str, from: &str) -> Result<Duration, Failure> {
    GoDuration::from(word).parse().ok_or_else(|| Failure::Usage {
        message: format!("{from}: `{word}` is no duration"),
        hint: "write it like 500ms, 5s or 1h30m".to_owned(),
    })
}
