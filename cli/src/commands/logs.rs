use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::PathBuf;

use clap::Args;
use futures::StreamExt;
use futures::stream::SelectAll;
use jiff::Timestamp;
use koan_core::step::ObjectRef;
use koan_crds::v1alpha1::{GoDuration, ServiceSpec};
use koan_crds::vocabulary::ExitCode;
use koan_engines::{EngineError, LogLine, LogOptions, Scope, Stream};

use super::{Run, known, target};
use crate::arguments::Globals;
use crate::engines::Engines;
use crate::failure::{Failure, suggest};
use crate::follow;
use crate::home::Session;
use crate::output::{Format, LogEntry, SERVICE_COLOURS, ServiceView, colour, paint, say, write_out};
use crate::redact::redact;

/// Print what the services print
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Name of the stack, then services; without any, every service of the manifest's stack
    names: Vec<String>,
    /// Go on with new lines
    #[arg(short = 'f', long)]
    follow: bool,
    /// Manifest file, folder, or - for standard input; may be repeated
    // The same argument as the global one, without its short form, which means --follow here (CLI-7).
    #[arg(id = "files", long = "file", value_name = "FILE")]
    _files: Vec<PathBuf>,
    /// Only the last lines of each service
    #[arg(long, value_name = "N")]
    tail: Option<u32>,
    /// Only lines of this last time, such as 5m
    #[arg(long, value_name = "DURATION")]
    since: Option<String>,
    /// Show when each line was written
    #[arg(long)]
    timestamps: bool,
    /// The previous run instead of the current one
    #[arg(long, conflicts_with = "follow")]
    previous: bool,
    /// Leave the service's name out
    #[arg(long)]
    no_prefix: bool,
}

/// What stands before a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) prefix: bool,
    pub(super) timestamps: bool,
}

/// How lines are printed.
pub(super) struct Style {
    parts: Parts,
    json: bool,
    colour: bool,
}

impl Style {
    /// The style that the flags ask for.
    pub(super) fn of(globals: &Globals, parts: Parts) -> Self {
        let json = matches!(globals.format(), Format::Json | Format::Yaml);
        Self { parts, json, colour: !json && colour(globals, std::io::stdout().is_terminal()) }
    }
}

/// Every line from now on.
pub(super) fn following() -> LogOptions {
    LogOptions { follow: true, ..LogOptions::default() }
}

pub(crate) async fn run(run: &Run, arguments: &Arguments) -> Result<u8, Failure> {
    let missing =
        || Failure::Unknown { kind: "stack", name: arguments.names.first().cloned().unwrap_or_default(), nearest: Vec::new() };
    let session = target::session(run).await?.ok_or_else(missing)?;
    let (stack, services) = split(run, &session, &arguments.names).await?;
    let options =
        LogOptions { follow: arguments.follow, tail: arguments.tail, since: since(arguments)?, previous: arguments.previous };
    let style = Style::of(&run.globals, Parts { prefix: !arguments.no_prefix, timestamps: arguments.timestamps });
    stream(run, &session, (&session.namespace, &stack), &services, &options, &style).await
}

/// Prints the lines of services, all of a stack's where none is named, until they end or a signal comes.
///
/// # Errors
/// [`Failure::Unknown`] for a stack or service that is not there; [`Failure::Home`] for an engine that does not answer.
pub(super) async fn stream(
    run: &Run,
    session: &Session,
    place: (&str, &str),
    services: &[String],
    options: &LogOptions,
    style: &Style,
) -> Result<u8, Failure> {
    let (namespace, stack) = place;
    let missing = || Failure::Unknown { kind: "stack", name: stack.to_owned(), nearest: Vec::new() };
    let (_, specs) = follow::load(session, namespace, stack).await?.ok_or_else(missing)?;
    let chosen = choose(&specs, services)?;
    let home = session.home.as_ref().ok_or_else(|| Failure::Usage {
        message: "logs of a cluster come from kubectl".to_owned(),
        hint: "kubectl logs -l koan.dev/stack=NAME".to_owned(),
    })?;
    known::learn_of_namespace(session, namespace).await;
    let engines = Engines::of_home(home, &run.settings)?;
    let mut streams = SelectAll::new();
    for (index, spec) in chosen.into_iter().enumerate() {
        if let Some(lines) = open(&engines, spec, options).await? {
            let name = ServiceView::of(spec).name;
            streams.push(lines.map(move |line| ((index, name.clone()), line)).boxed());
        }
    }
    let print = async {
        while let Some(((index, service), line)) = streams.next().await {
            match line {
                Ok(line) => write_out(&render(style, index, &service, &line)),
                Err(error) => say(run.globals.quiet, &format!("warning: {service}: {error}")),
            }
        }
        Ok(0)
    };
    follow::bounded(run.settings.timeout, print).await.unwrap_or(Ok(0))
}

/// The first name is a stack where a stack has that name, else all are services of the one stack.
async fn split(run: &Run, session: &Session, names: &[String]) -> Result<(String, Vec<String>), Failure> {
    if let Some((first, rest)) = names.split_first()
        && follow::load(session, &session.namespace, first).await?.is_some()
    {
        return Ok((first.clone(), rest.to_vec()));
    }
    Ok((target::resolve(run, session, None).await?.name, names.to_vec()))
}

fn choose<'a>(specs: &'a [ServiceSpec], services: &[String]) -> Result<Vec<&'a ServiceSpec>, Failure> {
    if services.is_empty() {
        return Ok(specs.iter().collect());
    }
    let by_name: BTreeMap<String, &ServiceSpec> = specs.iter().map(|spec| (ServiceView::of(spec).name, spec)).collect();
    services
        .iter()
        .map(|name| {
            by_name.get(name).copied().ok_or_else(|| Failure::Unknown {
                kind: "service",
                name: name.clone(),
                nearest: suggest(name, by_name.keys().cloned()),
            })
        })
        .collect()
}

fn since(arguments: &Arguments) -> Result<Option<Timestamp>, Failure> {
    let Some(text) = &arguments.since else { return Ok(None) };
    let span = GoDuration(text.clone()).parse().ok_or_else(|| Failure::Usage {
        message: format!("--since: `{text}` is no duration"),
        hint: "write it like 30s, 5m or 1h".to_owned(),
    })?;
    Ok(Timestamp::now().checked_sub(span).ok())
}

/// The lines of one service; `None` where it has no workload of ours.
async fn open(engines: &Engines, spec: &ServiceSpec, options: &LogOptions) -> Result<Option<koan_engines::LogStream>, Failure> {
    let Some(workload) = spec.status.as_ref().and_then(|s| s.workload.as_ref()) else { return Ok(None) };
    let (Some(engine), Some(id)) = (engines.get(workload.engine), &workload.id) else { return Ok(None) };
    let failed = |error: EngineError| Failure::Home {
        message: format!("{}: {error}", ServiceView::of(spec).name),
        hint: "`koan doctor` checks the engines".to_owned(),
        exit: ExitCode::of(error.reason()),
    };
    let held = engine.inventory(&Scope { instance: engines.instance().clone() }).await.map_err(failed)?;
    let Some(record) = held.workloads.iter().find(|record| record.id.0 == *id) else { return Ok(None) };
    let object = ObjectRef { name: record.name.clone(), id: Some(record.id.clone()), owner: record.owner.clone() };
    engine.logs(&object, options).await.map(Some).map_err(failed)
}

fn render(style: &Style, index: usize, service: &str, line: &LogLine) -> String {
    let text = redact(&line.text);
    if style.json {
        let stream = format!("{:?}", line.stream).to_ascii_lowercase();
        let entry = LogEntry::of(service, line.at.map(|at| at.to_string()), stream, text);
        return serde_json::to_string(&entry).unwrap_or_default() + "\n";
    }
    let at = line.at.filter(|_| style.parts.timestamps).map(|at| format!("{at} ")).unwrap_or_default();
    let prefix = match (style.parts.prefix, style.colour) {
        (false, _) => String::new(),
        (true, false) => format!("{service} | "),
        (true, true) => format!("{} | ", paint(SERVICE_COLOURS[index % SERVICE_COLOURS.len()], service)),
    };
    let gap = if line.stream == Stream::Gap { "-- " } else { "" };
    format!("{prefix}{at}{gap}{text}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> LogLine {
        LogLine { at: Some(Timestamp::UNIX_EPOCH), stream: Stream::Stdout, text: text.to_owned() }
    }

    fn style(prefix: bool, timestamps: bool, json: bool, colour: bool) -> Style {
        Style { parts: Parts { prefix, timestamps }, json, colour }
    }

    /// CLI-4, CLI-34: lines read the same with and without colour, a service keeps its colour, and secrets are hidden in each form.
    #[test]
    fn lines_are_prefixed_and_redacted() {
        let secret = line("password=hunter2 ready");
        assert_eq!(render(&style(true, false, false, false), 0, "db", &secret), "db | password=*** ready\n");
        assert_eq!(render(&style(false, true, false, false), 0, "db", &line("x")), "1970-01-01T00:00:00Z x\n");
        let coloured = render(&style(true, false, false, true), 1, "db", &line("x"));
        assert_eq!(coloured, render(&style(true, false, false, true), 1 + SERVICE_COLOURS.len(), "db", &line("x")));
        assert_eq!(anstream_strip(&coloured), "db | x\n");
        let document: serde_json::Value =
            serde_json::from_str(&render(&style(true, false, true, false), 0, "db", &secret)).unwrap();
        assert_eq!((document["kind"].as_str(), document["text"].as_str()), (Some("LogLine"), Some("password=*** ready")));
    }

    /// The text without escape sequences.
    fn anstream_strip(text: &str) -> String {
        let mut plain = String::new();
        let mut rest = text;
        while let Some((head, tail)) = rest.split_once('\u{1b}') {
            plain.push_str(head);
            rest = tail.split_once('m').map_or("", |(_, tail)| tail);
        }
        plain + rest
    }
}
