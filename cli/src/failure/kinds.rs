use std::path::PathBuf;

use koan_crds::vocabulary::{ExitCode, Reason};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Place in a manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Location {
    pub(crate) file: String,
    pub(crate) line: u64,
    pub(crate) column: u64,
    /// Field path; empty where the whole document is meant.
    pub(crate) path: String,
}

/// One violation of a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Problem {
    pub(crate) reason: String,
    pub(crate) message: String,
    pub(crate) location: Location,
    pub(crate) hint: Option<String>,
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("no manifest found")]
    NoManifest { looked: Vec<PathBuf>, compose: bool },
    #[error("two manifests in one folder: {} and {}", one.display(), two.display())]
    TwoManifests { one: PathBuf, two: PathBuf },
    #[error("cannot read {}", path.display())]
    ReadFile {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("cannot write {}", path.display())]
    WriteFile {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{message}")]
    Manifest { location: Location, message: String, snippet: Option<String> },
    #[error("the manifest has {}; nothing was applied", violations(problems.len()))]
    Violations { problems: Vec<Problem> },
    #[error("the settings have {}", violations(problems.len()))]
    Settings { problems: Vec<Problem> },
    #[error("{message}")]
    Usage { message: String, hint: String },
    #[error("{message}")]
    Arguments { message: String, hints: Vec<String> },
    #[error("no {kind} named `{name}`")]
    Unknown { kind: &'static str, name: String, nearest: Vec<String> },
    #[error("more than one stack: name the one you mean")]
    Ambiguous { names: Vec<String> },
    #[error("stack `{name}` belongs to {owner}")]
    ForeignProject { name: String, owner: String },
    #[error("{message}")]
    Home { message: String, hint: String, exit: ExitCode },
    #[error("the server is Koan {server}, this is Koan {client}")]
    OtherVersion { server: String, client: String },
    #[error("the API server refused to {verb} {object}")]
    Api {
        verb: &'static str,
        object: String,
        #[source]
        source: Box<kube::Error>,
    },
    #[error("{message}")]
    Condition { reason: Reason, message: String, details: Vec<String>, hints: Vec<String>, event: Option<u32> },
    #[error("{message}")]
    Timeout { message: String, hints: Vec<String> },
    #[error("interrupted")]
    Interrupted { signal: i32 },
    #[error("{message}")]
    Bug { message: String },
    #[error(transparent)]
    Definitions(#[from] koan_crds::DefinitionsError),
}

fn violations(count: usize) -> String {
    if count == 1 { "1 violation".to_owned() } else { format!("{count} violations") }
}

/// The command that lists things of a kind.
fn lister(kind: &str) -> &'static str {
    if kind == "adapter" { "`koan catalog list`" } else { "`koan list`" }
}

/// What to do about a full disk.
pub(crate) const ROOM_HINT: &str = "make room on that disk; Koan goes on by itself";

/// What to do about a bug.
pub(crate) const BUG_HINT: &str = "this is a bug in Koan: report the message above with `koan version`";

/// The server's store refused a write (REL-20): its words name the file and the cause.
fn disk_is_full(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 500 && status.message.contains("cannot be written"))
}

impl Failure {
    /// The exit code of the process.
    pub(crate) fn exit(&self) -> u8 {
        match self {
            Self::NoManifest { .. }
            | Self::TwoManifests { .. }
            | Self::Manifest { .. }
            | Self::Violations { .. }
            | Self::Settings { .. }
            | Self::Usage { .. }
            | Self::Arguments { .. }
            | Self::Unknown { .. }
            | Self::Ambiguous { .. }
            | Self::ForeignProject { .. }
            | Self::OtherVersion { .. }
            | Self::ReadFile { .. } => ExitCode::Usage as u8,
            Self::WriteFile { .. } | Self::Api { .. } => ExitCode::General as u8,
            Self::Home { exit, .. } => *exit as u8,
            Self::Condition { reason, .. } => ExitCode::of(*reason) as u8,
            Self::Timeout { .. } => ExitCode::Readiness as u8,
            Self::Interrupted { signal } => u8::try_from(128 + signal).unwrap_or(ExitCode::General as u8),
            Self::Bug { .. } | Self::Definitions(_) => ExitCode::Bug as u8,
        }
    }

    /// A stable word for scripts.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::NoManifest { .. } => "NoManifest".to_owned(),
            Self::TwoManifests { .. } => "TwoManifests".to_owned(),
            Self::ReadFile { .. } => "ReadFailed".to_owned(),
            Self::WriteFile { .. } => "WriteFailed".to_owned(),
            Self::Manifest { .. } => "ManifestUnreadable".to_owned(),
            Self::Violations { problems } => problems.first().map_or_else(|| "Invalid".to_owned(), |p| p.reason.clone()),
            Self::Settings { .. } => "SettingsInvalid".to_owned(),
            Self::Usage { .. } | Self::Arguments { .. } => "Usage".to_owned(),
            Self::Unknown { .. } => "NotFound".to_owned(),
            Self::Ambiguous { .. } => "Ambiguous".to_owned(),
            Self::ForeignProject { .. } => "ForeignProject".to_owned(),
            Self::Home { .. } => "Home".to_owned(),
            Self::OtherVersion { .. } => "OtherVersion".to_owned(),
            Self::Api { .. } => "ApiRefused".to_owned(),
            Self::Condition { reason, .. } => reason.as_str().to_owned(),
            Self::Timeout { .. } => "Timeout".to_owned(),
            Self::Interrupted { .. } => "Interrupted".to_owned(),
            Self::Bug { .. } | Self::Definitions(_) => "Bug".to_owned(),
        }
    }

    /// Lines that a user can act on; at least one (CLI-20).
    pub(crate) fn hints(&self) -> Vec<String> {
        match self {
            Self::NoManifest { compose: true, .. } => {
                vec!["koan does not read compose files by itself: write a koan.yaml with `koan init`".to_owned()]
            }
            Self::NoManifest { .. } => vec!["write one with `koan init`, or name it with `-f FILE`".to_owned()],
            Self::TwoManifests { .. } => vec!["remove one, or name the one you mean with `-f FILE`".to_owned()],
            Self::ReadFile { .. } => vec!["check the path and its permissions".to_owned()],
            Self::WriteFile { .. } => vec!["check the path, its permissions and the free space of the disk".to_owned()],
            Self::Manifest { .. } => vec!["correct the line and run `koan validate`".to_owned()],
            Self::Violations { problems } | Self::Settings { problems } => {
                let mut hints: Vec<String> = problems.iter().filter_map(|p| p.hint.clone()).collect();
                hints.dedup();
                if hints.is_empty() {
                    hints.push("correct the fields above and run `koan validate`".to_owned());
                }
                hints
            }
            Self::Usage { hint, .. } | Self::Home { hint, .. } => vec![hint.clone()],
            Self::Unknown { nearest, kind, .. } if nearest.is_empty() => {
                vec![format!("{} shows what there is (no {kind} has a similar name)", lister(kind))]
            }
            Self::Unknown { nearest, .. } => vec![format!("did you mean {}?", nearest.join(", "))],
            Self::Ambiguous { names } => vec![format!("one of: {}", names.join(", "))],
            Self::ForeignProject { .. } => {
                vec![
                    "`--name NAME` gives this project's stack another name".to_owned(),
                    "`--isolated` uses a namespace of this folder's own".to_owned(),
                ]
            }
            Self::OtherVersion { .. } => vec!["stop the old server with `koan serve stop` and run the command again".to_owned()],
            Self::Api { source, .. } if disk_is_full(source) => vec![ROOM_HINT.to_owned()],
            Self::Api { .. } => vec!["`koan doctor` checks the home and its engines".to_owned()],
            Self::Arguments { hints, .. } | Self::Condition { hints, .. } | Self::Timeout { hints, .. } if !hints.is_empty() => {
                hints.clone()
            }
            Self::Arguments { .. } => vec!["`koan help` shows what there is".to_owned()],
            Self::Condition { .. } | Self::Timeout { .. } => vec!["`koan why` shows the chain of causes".to_owned()],
            Self::Interrupted { .. } => vec!["the stack goes on; `koan status` shows it, `koan down` ends it".to_owned()],
            Self::Bug { .. } | Self::Definitions(_) => vec![BUG_HINT.to_owned()],
        }
    }

    /// The place, where there is one.
    pub(crate) fn location(&self) -> Option<&Location> {
        match self {
            Self::Manifest { location, .. } => Some(location),
            Self::Violations { problems } | Self::Settings { problems } => problems.first().map(|p| &p.location),
            _ => None,
        }
    }

    /// Lines between the message and the place.
    pub(crate) fn details(&self) -> Vec<String> {
        match self {
            Self::NoManifest { looked, .. } => looked.iter().map(|path| format!("looked at {}", path.display())).collect(),
            Self::Manifest { snippet, .. } => snippet.iter().flat_map(|text| text.lines().map(str::to_owned)).collect(),
            Self::Condition { details, .. } => details.clone(),
            _ => Vec::new(),
        }
    }

    /// Numeric event id, where the failure has one.
    pub(crate) fn event(&self) -> Option<u32> {
        match self {
            Self::Condition { event, .. } => *event,
            _ => None,
        }
    }
}
