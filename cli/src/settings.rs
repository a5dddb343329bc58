//! Settings of one run: flag, `KOAN_*`, project file, user file, default; the first that is set wins (CLI-5, CLI-37).
//!
//! Over 400 lines: each setting has its variable, its reader and its source in one place.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use koan_crds::v1alpha1::{EngineName, GoDuration, Profile};

use crate::arguments::Globals;
use crate::config::{ConfigFile, Files};
use crate::failure::Failure;
use crate::logging::Verbosity;
use crate::output::SettingLine;
use crate::redact::redact;

/// The person's environment, taken once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment(BTreeMap<String, String>);

/// A variable that Koan reads (CLI-37).
pub(crate) struct Variable {
    pub(crate) name: &'static str,
    /// Old spelling that still works.
    pub(crate) old: Option<&'static str>,
    pub(crate) meaning: &'static str,
}

const fn variable(name: &'static str, meaning: &'static str) -> Variable {
    Variable { name, old: None, meaning }
}

/// Every variable that Koan reads.
pub(crate) const VARIABLES: [Variable; 12] = [
    Variable { old: Some("Koan_ENV"), ..variable("KOAN_ENV", "Profile: local, ci, staging, prod.") },
    variable("KOAN_HOME", "State directory; `$XDG_STATE_HOME/koan`, else `~/.local/state/koan`."),
    variable("KOAN_CONFIG", "User file; `$XDG_CONFIG_HOME/koan/config.yaml`, else `~/.config/koan/config.yaml`."),
    variable("KOAN_CONTEXT", "Context of a kubeconfig: work on that cluster."),
    variable("KOAN_NAMESPACE", "Namespace of stacks whose manifest names none."),
    variable("KOAN_ISOLATED", "Gives each project folder a namespace of its own."),
    variable("KOAN_ENGINE", "Engine that must be used; exit 3 where it is absent."),
    Variable {
        old: Some("Koan_ORCHESTRATION_PREFERRED_PROVIDERS"),
        ..variable("KOAN_PREFERRED_PROVIDERS", "Order in which container engines are asked, such as `podman,docker`.")
    },
    variable("KOAN_TIMEOUT", "Longest wait of a command, such as `5m`."),
    Variable {
        old: Some("Koan_PORT_PROBE_MAX"),
        ..variable("KOAN_PORT_PROBE_MAX", "How many ports after a busy one are tried.")
    },
    variable(
        "KOAN_OTLP_ENDPOINT",
        "OTLP endpoint that the user's own programs of a `local` stack get as `OTEL_EXPORTER_OTLP_ENDPOINT`, as it is: it must be reachable from where they run.",
    ),
    variable("KOAN_LOG", "How much is logged where no flag says it: error, info, verbose, debug, trace."),
];

/// Names that Koan sets for the programs that it starts, and reads nowhere (CLI-37).
pub(crate) const SET: [&str; 1] = ["KOAN_SEED"];
/// Names that CLI-37 keeps for such programs: no setting, so no warning; nothing sets them yet.
pub(crate) const KEPT_FREE: [&str; 4] = ["KOAN_RUN_ID", "KOAN_MODE", "KOAN_STEP", "KOAN_DEADLINE"];

impl Environment {
    /// The variables of this process that are valid Unicode.
    pub(crate) fn of_process() -> Self {
        Self(std::env::vars_os().filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?))).collect())
    }

    /// These variables.
    #[cfg(test)]
    pub(crate) fn of<const N: usize>(variables: [(&str, &str); N]) -> Self {
        Self(variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
    }

    /// The value of a variable; empty counts as unset. An old spelling works too.
    ///
    /// # Errors
    /// [`Failure::Usage`] where old and new spelling are set differently.
    pub(crate) fn get(&self, name: &str) -> Result<Option<&str>, Failure> {
        let value = |key: &str| self.0.get(key).map(String::as_str).filter(|text| !text.is_empty());
        let old = VARIABLES.iter().find(|variable| variable.name == name).and_then(|variable| variable.old);
        match (value(name), old.and_then(value)) {
            (Some(new), Some(other)) if new != other => Err(Failure::Usage {
                message: format!("{name}={new} and {}={other} contradict each other", old.unwrap_or_default()),
                hint: format!("unset {}", old.unwrap_or_default()),
            }),
            (Some(new), _) => Ok(Some(new)),
            (None, other) => Ok(other),
        }
    }

    /// One notice for each old spelling that is set (CLI-37).
    pub(crate) fn notices(&self) -> Vec<String> {
        let set = |old: &&str| self.0.get(*old).is_some_and(|text| !text.is_empty());
        let told = |variable: &Variable| Some(format!("{} is the old spelling of {}", variable.old.filter(set)?, variable.name));
        VARIABLES.iter().filter_map(told).collect()
    }

    /// Every variable, for detection (DET-11).
    pub(crate) fn all(&self) -> &BTreeMap<String, String> {
        &self.0
    }
}

/// Where a setting came from, the strongest first (CLI-5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    Flag,
    Environment,
    ProjectFile,
    UserFile,
}

impl Source {
    /// True where it overrides what a manifest says.
    pub(crate) fn beats_manifest(self) -> bool {
        matches!(self, Self::Flag | Self::Environment)
    }

    /// The word that output shows.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Flag => "flag",
            Self::Environment => "environment",
            Self::ProjectFile => "project file",
            Self::UserFile => "user file",
        }
    }
}

/// A setting with its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sourced<T> {
    pub(crate) value: T,
    pub(crate) source: Source,
}

/// Settings of one run.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) home: PathBuf,
    pub(crate) namespace: String,
    /// Somebody named the namespace; else it is the default.
    pub(crate) namespace_named: bool,
    pub(crate) context: Option<String>,
    pub(crate) profile: Option<Sourced<Profile>>,
    pub(crate) engine: Option<Sourced<EngineName>>,
    /// Order in which `Auto` asks container engines.
    pub(crate) preferred: Option<Sourced<Vec<EngineName>>>,
    pub(crate) probe_max: Option<Sourced<u32>>,
    pub(crate) isolated: bool,
    pub(crate) timeout: Option<Duration>,
    /// What the user's own programs of a `local` stack are told of a collector.
    pub(crate) otlp_endpoint: Option<String>,
    /// How much is logged where no flag says it.
    pub(crate) verbosity: Option<Verbosity>,
    /// Foreign origins that may call the server; from the user file alone (API-30).
    pub(crate) allowed_origins: Vec<String>,
    pub(crate) environment: Environment,
    origins: Origins,
}

/// Where the settings came from that carry no source of their own; unset: nobody made them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Origins {
    home: Option<Source>,
    namespace: Option<Source>,
    context: Option<Source>,
    isolated: Option<Source>,
    timeout: Option<Source>,
    otlp: Option<Source>,
    log: Option<Source>,
    allowed: Option<Source>,
}

/// Namespace where nobody names one.
const DEFAULT_NAMESPACE: &str = "default";

/// Looks a setting up: flag, variable, project file, user file.
struct Lookup<'a> {
    environment: &'a Environment,
    files: &'a Files,
}

/// Text of a setting with its source and how to name it in an error.
struct Text {
    value: String,
    source: Source,
    from: String,
}

/// The text of a flag that was given.
fn flag(name: &str, value: &Option<String>) -> Option<Text> {
    let value = value.clone()?;
    Some(Text { value, source: Source::Flag, from: name.to_owned() })
}

impl Lookup<'_> {
    fn text(&self, flag: Option<Text>, variable: &str, key: &str) -> Result<Option<Text>, Failure> {
        if flag.is_some() {
            return Ok(flag);
        }
        if let Some(value) = self.environment.get(variable)? {
            return Ok(Some(Text { value: value.to_owned(), source: Source::Environment, from: variable.to_owned() }));
        }
        let of = |file: &ConfigFile, source| {
            file.get(key).map(|value| Text { value: value.text.clone(), source, from: value.place.clone() })
        };
        Ok(of(&self.files.project, Source::ProjectFile).or_else(|| of(&self.files.user, Source::UserFile)))
    }

    fn parsed<T>(
        &self,
        text: Option<Text>,
        parse: impl Fn(&str, &str) -> Result<T, Failure>,
    ) -> Result<Option<Sourced<T>>, Failure> {
        text.map(|text| Ok(Sourced { value: parse(&text.value, &text.from)?, source: text.source })).transpose()
    }
}

impl Settings {
    /// Reads flags, environment and both files.
    ///
    /// # Errors
    /// [`Failure::Usage`] for a value that nothing accepts; it names its source and the accepted words.
    /// [`Failure::Settings`] for a file that breaks its schema.
    pub(crate) fn resolve(globals: &Globals, environment: Environment, working: &Path) -> Result<Self, Failure> {
        let files = Files::read(working, user_file(&environment)?)?;
        let look = Lookup { environment: &environment, files: &files };
        let home = match (&globals.home, environment.get("KOAN_HOME")?) {
            (Some(path), _) => path.clone(),
            (None, Some(path)) => PathBuf::from(path),
            (None, None) => default_home(&environment)?,
        };
        let profile = look.parsed(look.text(flag("--profile", &globals.profile), "KOAN_ENV", "profile")?, profile)?;
        let engine = match globals.engine {
            Some(word) => Some(Sourced { value: word.into(), source: Source::Flag }),
            None => look.parsed(look.text(None, "KOAN_ENGINE", "engine")?, engine)?,
        };
        let preferred = look.parsed(look.text(None, "KOAN_PREFERRED_PROVIDERS", "preferredProviders")?, preferred)?;
        let probe_max = look.parsed(look.text(None, "KOAN_PORT_PROBE_MAX", "portProbeMax")?, probes)?;
        let isolated = look.parsed(look.text(None, "KOAN_ISOLATED", "isolated")?, switch)?;
        let timeout = look.parsed(look.text(flag("--timeout", &globals.timeout), "KOAN_TIMEOUT", "timeout")?, duration)?;
        let namespace = look.text(flag("--namespace", &globals.namespace), "KOAN_NAMESPACE", "namespace")?;
        let namespace = look.parsed(namespace, named_namespace)?;
        let allowed = files.user.get("allowedOrigins").map(|value| value.text.clone()).unwrap_or_default();
        let origins = Origins {
            namespace: namespace.as_ref().map(|sourced| sourced.source),
            isolated: isolated.as_ref().map(|sourced| sourced.source),
            timeout: timeout.as_ref().map(|sourced| sourced.source),
            allowed: files.user.get("allowedOrigins").map(|_| Source::UserFile),
            ..Origins::of(globals, &environment)?
        };
        Ok(Self {
            home: std::path::absolute(&home).unwrap_or(home),
            namespace_named: namespace.is_some(),
            namespace: namespace.map_or_else(|| DEFAULT_NAMESPACE.to_owned(), |sourced| sourced.value),
            context: globals.context.clone().or(environment.get("KOAN_CONTEXT")?.map(str::to_owned)),
            profile,
            engine,
            preferred,
            probe_max,
            isolated: isolated.is_some_and(|sourced| sourced.value),
            timeout: timeout.map(|sourced| sourced.value),
            otlp_endpoint: environment.get(OTLP)?.map(collector).transpose()?,
            verbosity: environment.get("KOAN_LOG")?.map(verbosity).transpose()?,
            allowed_origins: allowed.split(',').filter(|origin| !origin.is_empty()).map(str::to_owned).collect(),
            origins,
            environment,
        })
    }

    /// Every setting with its value and its source (CLI-5).
    pub(crate) fn lines(&self) -> Vec<SettingLine> {
        let from = self.origins;
        let line = |name: &str, value: Option<String>, source: Option<Source>| SettingLine {
            name: name.to_owned(),
            value,
            source: source.map_or("default", Source::word).to_owned(),
        };
        let engines = |engines: &Vec<EngineName>| engines.iter().map(word).collect::<Vec<_>>().join(",");
        let preferred = self.preferred.as_ref();
        vec![
            line("allowedOrigins", Some(self.allowed_origins.join(",")).filter(|text| !text.is_empty()), from.allowed),
            line("context", self.context.clone(), from.context),
            line("engine", self.engine.as_ref().map(|s| word(&s.value)), self.engine.as_ref().map(|s| s.source)),
            line("home", Some(self.home.display().to_string()), from.home),
            line("isolated", Some(self.isolated.to_string()), from.isolated),
            line("log", self.verbosity.as_ref().map(word), from.log),
            line("namespace", Some(self.namespace.clone()), from.namespace),
            line("otlpEndpoint", self.otlp_endpoint.as_deref().map(redact), from.otlp),
            line("portProbeMax", self.probe_max.as_ref().map(|s| s.value.to_string()), self.probe_max.as_ref().map(|s| s.source)),
            line("preferredProviders", preferred.map(|s| engines(&s.value)), preferred.map(|s| s.source)),
            line("profile", self.profile.as_ref().map(|s| word(&s.value)), self.profile.as_ref().map(|s| s.source)),
            line("timeout", self.timeout.map(|timeout| format!("{timeout:?}")), from.timeout),
        ]
    }
}

/// The word of a setting that is one of several.
fn word(value: &impl std::fmt::Debug) -> String {
    format!("{value:?}").to_ascii_lowercase()
}

impl Origins {
    /// Those of settings that files do not hold.
    fn of(globals: &Globals, environment: &Environment) -> Result<Self, Failure> {
        let variable = |name: &str| Ok::<_, Failure>(environment.get(name)?.map(|_| Source::Environment));
        let flag = |given: bool| given.then_some(Source::Flag);
        Ok(Self {
            home: flag(globals.home.is_some()).or(variable("KOAN_HOME")?),
            context: flag(globals.context.is_some()).or(variable("KOAN_CONTEXT")?),
            otlp: variable(OTLP)?,
            log: variable("KOAN_LOG")?,
            ..Self::default()
        })
    }
}

impl Settings {
    /// Tells each setting that somebody made, with its source.
    pub(crate) fn tell(&self) {
        tracing::debug!(home = %self.home.display(), namespace = self.namespace, isolated = self.isolated, "settings");
        let told = [
            self.profile.as_ref().map(|s| (s.source, format!("profile {:?}", s.value))),
            self.engine.as_ref().map(|s| (s.source, format!("engine {:?}", s.value))),
            self.preferred.as_ref().map(|s| (s.source, format!("preferred engines {:?}", s.value))),
            self.probe_max.as_ref().map(|s| (s.source, format!("ports tried {}", s.value))),
        ];
        for (source, text) in told.into_iter().flatten() {
            tracing::debug!(source = source.word(), "{text}");
        }
    }

    /// True where stacks of this run live in a namespace of their project folder's own: a namespace that somebody names wins.
    pub(crate) fn is_isolated(&self) -> bool {
        self.isolated && !self.namespace_named
    }
}

/// The user file: `KOAN_CONFIG`, else below the folder of settings.
fn user_file(environment: &Environment) -> Result<Option<PathBuf>, Failure> {
    if let Some(path) = environment.get("KOAN_CONFIG")? {
        return Ok(Some(PathBuf::from(path)));
    }
    let folder = environment.get("XDG_CONFIG_HOME")?.filter(|path| path.starts_with('/')).map(PathBuf::from);
    let home = environment.get("HOME")?.map(|home| PathBuf::from(home).join(".config"));
    Ok(folder.or(home).map(|folder| folder.join("koan/config.yaml")))
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

fn engine(word: &str, from: &str) -> Result<EngineName, Failure> {
    let known = ["auto", "docker", "podman", "process"];
    let index = known.iter().position(|name| name.eq_ignore_ascii_case(word.trim()));
    match index {
        Some(0) => Ok(EngineName::Auto),
        Some(1) => Ok(EngineName::Docker),
        Some(2) => Ok(EngineName::Podman),
        Some(_) => Ok(EngineName::Process),
        None => Err(Failure::Usage {
            message: format!("{from}: unknown engine `{word}`"),
            hint: format!("one of {}", known.join(", ")),
        }),
    }
}

fn preferred(text: &str, from: &str) -> Result<Vec<EngineName>, Failure> {
    let engines: Result<Vec<EngineName>, Failure> = text.split(',').map(|word| engine(word, from)).collect();
    let engines = engines?;
    let container = |engine: &EngineName| matches!(engine, EngineName::Docker | EngineName::Podman);
    let twice = engines.iter().enumerate().any(|(index, engine)| engines[..index].contains(engine));
    if engines.iter().all(container) && !twice {
        return Ok(engines);
    }
    Err(Failure::Usage {
        message: format!("{from}: `{text}` is no order of container engines"),
        hint: "write it like docker,podman".to_owned(),
    })
}

/// Most ports after a busy one that are tried; the manifest's bound.
const MAX_PROBES: u32 = 20_000;

/// Longest name of a namespace.
const MAX_NAMESPACE: usize = 63;

fn named_namespace(text: &str, from: &str) -> Result<String, Failure> {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let ends = |c: char| c == '-';
    if (1..=MAX_NAMESPACE).contains(&text.len()) && text.chars().all(inner) && !text.starts_with(ends) && !text.ends_with(ends) {
        return Ok(text.to_owned());
    }
    Err(Failure::Usage {
        message: format!("{from}: `{text}` is no name of a namespace"),
        hint: format!("1 to {MAX_NAMESPACE} of a-z, 0-9 and -, no - first or last"),
    })
}

fn probes(text: &str, from: &str) -> Result<u32, Failure> {
    text.parse().ok().filter(|number| *number <= MAX_PROBES).ok_or_else(|| Failure::Usage {
        message: format!("{from}: `{text}` is no number of ports"),
        hint: format!("a whole number from 0 to {MAX_PROBES}"),
    })
}

fn switch(text: &str, from: &str) -> Result<bool, Failure> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Ok(true),
        "0" | "false" | "no" | "off" => Ok(false),
        _ => Err(Failure::Usage {
            message: format!("{from}: `{text}` is neither true nor false"),
            hint: "one of true, false, 1, 0".to_owned(),
        }),
    }
}

/// Variable that names a collector.
const OTLP: &str = "KOAN_OTLP_ENDPOINT";

fn collector(text: &str) -> Result<String, Failure> {
    let uri = text.parse::<http::Uri>().ok().filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")));
    uri.map(|_| text.to_owned()).ok_or_else(|| Failure::Usage {
        message: format!("{OTLP}: `{}` is no OTLP endpoint", redact(text)),
        hint: "write it like http://127.0.0.1:4317".to_owned(),
    })
}

fn verbosity(word: &str) -> Result<Verbosity, Failure> {
    Verbosity::from_str(word, true).map_err(|_| Failure::Usage {
        message: format!("KOAN_LOG: `{word}` is no level"),
        hint: "one of error, info, verbose, debug, trace".to_owned(),
    })
}

fn duration(word: &str, from: &str) -> Result<Duration, Failure> {
    GoDuration::from(word).parse().ok_or_else(|| Failure::Usage {
        message: format!("{from}: `{word}` is no duration"),
        hint: "write it like 500ms, 5s or 1h30m".to_owned(),
    })
}
