use std::collections::BTreeMap;

use clap::Args;
use futures::StreamExt;
use futures::stream::SelectAll;
use jiff::Timestamp;
use koan_core::step::ObjectRef;
use koan_crds::labels;
use koan_crds::v1alpha1::{GoDuration, ServiceSpec};
use koan_crds::vocabulary::{ExitCode, Reason};
use koan_engines::{LogLine, LogOptions, Stream};
use kube::ResourceExt;
use serde_json::json;

use super::{Run, target};
use crate::engines::Engines;
use crate::failure::{Failure, suggest};
use crate::follow;
use crate::output::{Format, ServiceView, write_out};
use crate::redact::redact;

/// Print what the services print
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Name of the stack, then services; without any, every service of the manifest's stack
    names: Vec<String>,
    /// Go on with new lines
    #[arg(long)]
    follow: bool,
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
    #[arg(long)]
    previous: bool,
    /// Leave the service's name out
    #[arg(long)]
    no_prefix: bool,
}

pub(crate) async fn run(run: &Run, arguments: &Arguments) -> Result<u8, Failure> {
    let missing =
        || Failure::Unknown { kind: "stack", name: arguments.names.first().cloned().unwrap_or_default(), nearest: Vec::new() };
    let session = target::session(run).await?.ok_or_else(missing)?;
    let (stack, services) = split(run, &session, &arguments.names).await?;
    let (_, specs) = follow::load(&session, &session.namespace.clone(), &stack).await?.ok_or_else(missing)?;
    let chosen = choose(&specs, &services)?;
    let home = session.home.as_ref().ok_or_else(|| Failure::Usage {
        message: "logs of a cluster come from kubectl".to_owned(),
        hint: "kubectl logs -l koan.dev/stack=NAME".to_owned(),
    })?;
    let engines = Engines::of_home(home, &run.settings)?;
    let options =
        LogOptions { follow: arguments.follow, tail: arguments.tail, since: since(arguments)?, previous: arguments.previous };
    let mut streams = SelectAll::new();
    for spec in chosen {
        if let Some(lines) = open(&engines, spec, &options).await? {
            let name = ServiceView::of(spec).name;
            streams.push(lines.map(move |line| (name.clone(), line)).boxed());
        }
    }
    let print = async {
        while let Some((service, line)) = streams.next().await {
            match line {
                Ok(line) => write_out(&render(run, arguments, &service, &line)),
                Err(error) => write_out(&format!("{service} | ({error})\n")),
            }
        }
        Ok(0)
    };
    follow::bounded(run.settings.timeout, print).await.unwrap_or(Ok(0))
}

/// The first name is a stack where a stack has that name, else all are services of the one stack.
async fn split(run: &Run, session: &crate::home::Session, names: &[String]) -> Result<(String, Vec<String>), Failure> {
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
    let Some(engine) = engines.get(workload.engine) else { return Ok(None) };
    let Some(id) = &workload.id else { return Ok(None) };
    let object = ObjectRef { name: id.clone(), id: Some(id.as_str().into()), owner: engines.owner(spec) };
    match engine.logs(&object, options).await {
        Ok(lines) => Ok(Some(lines)),
        Err(error) if error.reason() == Reason::EngineUnreachable => Err(Failure::Home {
            message: format!("{}: {error}", spec.labels().get(labels::SERVICE).cloned().unwrap_or_else(|| spec.name_any())),
            hint: "`koan doctor` checks the engines".to_owned(),
            exit: ExitCode::Engine,
        }),
        Err(_) => Ok(None),
    }
}

fn render(run: &Run, arguments: &Arguments, service: &str, line: &LogLine) -> String {
    let text = redact(&line.text);
    if matches!(run.globals.format(), Format::Json | Format::Yaml) {
        let document = json!({
            "apiVersion": koan_crds::API_VERSION, "kind": "LogLine", "service": service,
            "at": line.at.map(|at| at.to_string()), "stream": format!("{:?}", line.stream).to_ascii_lowercase(), "text": text,
        });
        return format!("{document}\n");
    }
    let at = line.at.filter(|_| arguments.timestamps).map(|at| format!("{at} ")).unwrap_or_default();
    let prefix = if arguments.no_prefix { String::new() } else { format!("{service} | ") };
    let gap = if line.stream == Stream::Gap { "-- " } else { "" };
    format!("{prefix}{at}{gap}{text}\n")
}
