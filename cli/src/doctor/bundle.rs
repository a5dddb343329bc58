//! `koan doctor --bundle`: one private archive with what a report needs, every value hidden that is known or looks secret.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use futures::StreamExt;
use koan_crds::v1alpha1::DevStack;
use koan_engines::{LogOptions, Scope};
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use super::DoctorReport;
use crate::commands::planning::{self, Manner};
use crate::commands::{Run, known};
use crate::engines::Engines;
use crate::failure::Failure;
use crate::follow;
use crate::home::{Home, Session, Start, api, connect};
use crate::manifest::Document;
use crate::output::{ServiceView, StackStatus};
use crate::redact;

/// Last lines of each log.
const LINES: usize = 200;

/// A file of the archive.
pub(crate) struct Entry {
    pub(crate) name: String,
    text: String,
}

/// Collects what the archive will hold; a part that cannot be had says so in its own file.
///
/// # Errors
/// [`Failure`] where the home cannot be read.
pub(crate) async fn collect(run: &Run, report: &DoctorReport) -> Result<Vec<Entry>, Failure> {
    let home = crate::home::prepare(&run.settings.home)?;
    learn_tokens(&home);
    let mut entries = Vec::new();
    let session = connect(&run.settings, Start::Never).await?;
    let mut logs = Vec::new();
    let (mut stacks, mut plans) = (json!([]), json!([]));
    if let Some(session) = &session {
        plans = self::plans(run, session).await?;
        (stacks, logs) = state(run, session).await?;
    }
    let version = json!({"version": env!("CARGO_PKG_VERSION"), "os": std::env::consts::OS, "arch": std::env::consts::ARCH});
    entries.push(document("version.json", &version));
    entries.push(document("doctor.json", &serde_json::to_value(report).unwrap_or_default()));
    entries.push(document("stacks.json", &stacks));
    entries.push(document("plans.json", &plans));
    entries.push(lines("server.log", crate::home::tail(&home.log(), LINES).iter().map(String::as_str)));
    entries.extend(logs);
    Ok(entries)
}

/// The tokens of the home are values like any other.
fn learn_tokens(home: &Home) {
    for name in ["token", "viewer-token", "ca.key"] {
        if let Ok(text) = std::fs::read_to_string(home.root.join(name)) {
            redact::learn(text.trim());
        }
    }
}

/// What each stored stack still lacks by its plan; one that cannot be planned says why.
async fn plans(run: &Run, session: &Session) -> Result<Value, Failure> {
    let stacks: Api<DevStack> = Api::all(session.client.clone());
    let list = stacks.list(&ListParams::default()).await.map_err(|e| api("list", "devstacks", e))?;
    let mut plans = Vec::new();
    for stack in &list.items {
        known::learn_of_namespace(session, &stack.namespace().unwrap_or_default()).await;
        let stored = Document::stored(serde_json::to_value(stack).unwrap_or_default());
        let manner = Manner { explained: true, ..Manner::default() };
        plans.push(match planning::plan(run, Some(session), &[], &stored, manner).await {
            Ok(outlook) => serde_json::to_value(outlook.report).unwrap_or_default(),
            Err(failure) => json!({"stack": stack.name_any(), "error": failure.to_string()}),
        });
    }
    Ok(Value::Array(plans))
}

/// Statuses of every stack, and the last lines of every service.
async fn state(run: &Run, session: &Session) -> Result<(Value, Vec<Entry>), Failure> {
    let stacks: Api<DevStack> = Api::all(session.client.clone());
    let list = stacks.list(&ListParams::default()).await.map_err(|e| api("list", "devstacks", e))?;
    let mut statuses = Vec::new();
    let mut logs = Vec::new();
    let engines = session.home.as_ref().map(|home| Engines::of_home(home, &run.settings)).transpose()?;
    for stack in &list.items {
        let (namespace, name) = (stack.namespace().unwrap_or_default(), stack.name_any());
        known::learn_of_namespace(session, &namespace).await;
        let Some((stack, specs)) = follow::load(session, &namespace, &name).await? else { continue };
        statuses.push(serde_json::to_value(StackStatus::of(&stack, &specs)).unwrap_or_default());
        for engine in engines.iter().flat_map(Engines::all) {
            let scope = Scope { instance: engines.as_ref().map(|engines| engines.instance().clone()).unwrap_or_default() };
            let Ok(held) = engine.inventory(&scope).await else { continue };
            for spec in &specs {
                let own = held.workloads.iter().filter(|record| Some(&record.owner.uid.0) == spec.metadata.uid.as_ref());
                for record in own {
                    let object = koan_core::step::ObjectRef {
                        name: record.name.clone(),
                        id: Some(record.id.clone()),
                        owner: record.owner.clone(),
                    };
                    let options = LogOptions { tail: u32::try_from(LINES).ok(), ..LogOptions::default() };
                    let Ok(stream) = engine.logs(&object, &options).await else { continue };
                    let found: Vec<String> = stream.take(LINES).filter_map(async |line| Some(line.ok()?.text)).collect().await;
                    logs.push(lines(
                        &format!("logs/{name}/{}.log", ServiceView::of(spec).name),
                        found.iter().map(String::as_str),
                    ));
                }
            }
        }
    }
    Ok((Value::Array(statuses), logs))
}

fn document(name: &str, value: &Value) -> Entry {
    let text = serde_json::to_string_pretty(value).unwrap_or_default() + "\n";
    Entry { name: name.to_owned(), text: redact::talk(&text) }
}

fn lines<'a>(name: &str, lines: impl Iterator<Item = &'a str>) -> Entry {
    Entry { name: name.to_owned(), text: lines.map(|line| redact::redact(line) + "\n").collect() }
}

/// Writes the archive, 0600; a file that is there is not touched.
///
/// # Errors
/// [`Failure::Usage`] for a file that is there, [`Failure::WriteFile`].
pub(crate) fn write(path: &Path, entries: &[Entry]) -> Result<(), Failure> {
    let fail = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::AlreadyExists => Failure::Usage {
            message: format!("{} exists already", path.display()),
            hint: "remove it or name another file".to_owned(),
        },
        _ => Failure::WriteFile { path: path.to_path_buf(), source },
    };
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(fail)?;
    let mut archive = tar::Builder::new(std::io::BufWriter::new(file));
    for entry in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(entry.text.len() as u64);
        header.set_mode(0o600);
        archive.append_data(&mut header, format!("koan-bundle/{}", entry.name), entry.text.as_bytes()).map_err(fail)?;
    }
    archive.into_inner().and_then(|mut file| file.flush()).map_err(fail)
}
