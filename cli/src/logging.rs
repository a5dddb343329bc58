//! Log records of one run: to stderr or a private file, as text or JSON lines, never with a secret (CLI-3, CLI-34).

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use clap::ValueEnum;
use koan_crds::secret_like;
use koan_engines::exchange::WIRE;
use serde_json::Value;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::arguments::Globals;
use crate::failure::Failure;
use crate::redact;
use crate::settings::Settings;

/// How much is told, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Verbosity {
    /// What failed.
    Error,
    /// What happened.
    Info,
    /// Koan's own steps, too.
    Verbose,
    /// The libraries' steps, and one line for each request to an API server.
    Debug,
    /// Everything.
    Trace,
}

/// Form of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

/// Names of Koan's crates begin with this.
const OWN: &str = "koan";
/// Bits that give a file to others.
const OTHERS: u32 = 0o077;

impl Verbosity {
    /// What the flags ask for; `None` where they ask for nothing.
    pub(crate) fn of(globals: &Globals) -> Option<Self> {
        match (globals.quiet, globals.trace, globals.verbose) {
            (true, _, _) => Some(Self::Error),
            (_, true, _) => Some(Self::Trace),
            (_, _, 0) => None,
            (_, _, 1) => Some(Self::Verbose),
            _ => Some(Self::Debug),
        }
    }

    /// Which records are told. A command says what it does by itself: of its records only warnings are.
    fn filter(self, serves: bool) -> Targets {
        let all = Targets::new();
        match self {
            Self::Error => all.with_default(LevelFilter::ERROR),
            Self::Info => all.with_default(if serves { LevelFilter::INFO } else { LevelFilter::WARN }),
            Self::Verbose => {
                all.with_default(LevelFilter::INFO).with_target(OWN, LevelFilter::DEBUG).with_target(WIRE, LevelFilter::INFO)
            }
            Self::Debug => all.with_default(LevelFilter::DEBUG),
            Self::Trace => all.with_default(LevelFilter::TRACE),
        }
    }
}

/// Starts the log of this process; `serves` is true where records are what it prints.
///
/// # Errors
/// [`Failure::Usage`] for a file that others can read, [`Failure::WriteFile`] for one that cannot be opened.
pub(crate) fn start(globals: &Globals, settings: &Settings, serves: bool) -> Result<(), Failure> {
    let level = Verbosity::of(globals).or(settings.verbosity).unwrap_or(Verbosity::Info);
    let sink = match &globals.log_file {
        Some(path) => Sink::File(Arc::new(Mutex::new(private(path)?))),
        None => Sink::Stderr,
    };
    let json = globals.log_format == LogFormat::Json;
    let lines = Lines { sink, json };
    let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(lines);
    let layer = if json { layer.json().flatten_event(true).boxed() } else { layer.boxed() };
    // A second log of one process would be a bug; the first one goes on.
    let _ = tracing_subscriber::registry().with(layer.with_filter(level.filter(serves))).try_init();
    Ok(())
}

/// Opens a file for more records: made 0600, refused where others can read it or a link leads elsewhere.
fn private(path: &Path) -> Result<File, Failure> {
    let fail = |source| Failure::WriteFile { path: path.to_path_buf(), source };
    let flags = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    let file = OpenOptions::new().create(true).append(true).mode(0o600).custom_flags(flags).open(path).map_err(fail)?;
    let found = file.metadata().map_err(fail)?;
    if found.mode() & OTHERS != 0 && found.is_file() {
        return Err(Failure::Usage {
            message: format!("--log-file: others can read {}", path.display()),
            hint: format!("chmod 600 {}, or name another file", path.display()),
        });
    }
    Ok(file)
}

/// Where records go, each without its secrets.
#[derive(Clone)]
struct Lines {
    sink: Sink,
    json: bool,
}

#[derive(Clone)]
enum Sink {
    Stderr,
    File(Arc<Mutex<File>>),
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Write for Lines {
    /// One call is one record: the layer formats it as a whole.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let text = if self.json { hide_in_json(&text) } else { redact::redact(&text) };
        match &self.sink {
            Sink::Stderr => io::stderr().lock().write_all(text.as_bytes())?,
            Sink::File(file) => file.lock().unwrap_or_else(PoisonError::into_inner).write_all(text.as_bytes())?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A JSON line with the values hidden, and still JSON.
fn hide_in_json(line: &str) -> String {
    let Ok(mut record) = serde_json::from_str::<Value>(line) else { return redact::redact(line) };
    hide(&mut record);
    format!("{record}\n")
}

fn hide(value: &mut Value) {
    match value {
        Value::String(text) => *text = redact::redact(text),
        Value::Array(items) => items.iter_mut().for_each(hide),
        Value::Object(fields) => {
            for (key, value) in fields.iter_mut() {
                if secret_like::hidden(key) { *value = Value::from(redact::MASK) } else { hide(value) }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    /// CLI-3: each level tells strictly more than the one before; `-vv` is not `-v`.
    #[test]
    fn each_level_tells_more() {
        let places = ["koan::commands", "koan_controller::service", WIRE, "hyper::client"];
        let levels = [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE];
        for serves in [false, true] {
            let counts = Verbosity::value_variants().iter().map(|verbosity| {
                let filter = verbosity.filter(serves);
                places
                    .iter()
                    .flat_map(|place| levels.iter().map(move |level| (place, level)))
                    .filter(|(p, l)| filter.would_enable(p, l))
                    .count()
            });
            let counts: Vec<usize> = counts.collect();
            assert!(counts.windows(2).all(|pair| pair[0] < pair[1]), "{counts:?}");
        }
    }

    /// CLI-34: a record hides what looks like a secret, and a JSON record stays JSON.
    #[test]
    fn records_hide_secrets() {
        let line = r#"{"level":"INFO","message":"redis://:hunter2@h/0 password=hunter2","token":7,"event_id":48090}"#;
        let record: Value = serde_json::from_str(&hide_in_json(line)).expect("JSON");
        assert_eq!(record["message"], "redis://***@h/0 password=***");
        assert_eq!((&record["token"], &record["event_id"]), (&Value::from("***"), &Value::from(48_090)));
    }
}
