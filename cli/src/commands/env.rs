use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Args;
use k8s_openapi::api::core::v1::Secret;
use koan_crds::vocabulary::{ExitCode, Reason};
use koan_crds::{names, secret_like};
use kube::Api;

use super::Run;
use super::target::{self, Target};
use crate::dialects::{Dialect, LeftOut, render};
use crate::failure::Failure;
use crate::home::api;
use crate::output::{EnvReport, Format, say, write_exactly};

/// Print the variables that connect a program to the stack
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Name of the stack; the manifest's, or the only one
    name: Option<String>,
    /// Syntax; sh where nothing is said
    #[arg(long, value_enum)]
    format: Option<Dialect>,
    /// Only the variables of this service
    #[arg(long, value_name = "SERVICE")]
    service: Option<String>,
    /// Write to a new file, 0600
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Show values on a terminal
    #[arg(long)]
    reveal: bool,
}

/// What stands for a hidden value.
const MASK: &str = "***";

pub(crate) async fn run(run: &Run, arguments: &Arguments) -> Result<u8, Failure> {
    let missing = || Failure::Unknown { kind: "stack", name: arguments.name.clone().unwrap_or_default(), nearest: Vec::new() };
    let session = target::session(run).await?.ok_or_else(missing)?;
    let target = target::resolve(run, &session, arguments.name.as_deref()).await?;
    let secrets: Api<Secret> = Api::namespaced(session.client.clone(), &target.namespace);
    let name = names::env_secret(&target.name);
    let secret = secrets.get_opt(&name).await.map_err(|e| api("get", &format!("secret {name}"), e))?;
    let secret = secret.ok_or_else(|| Failure::Condition {
        reason: Reason::ServicesNotReady,
        message: format!("stack `{}` has no variables yet: its decisions do not stand", target.name),
        details: Vec::new(),
        hints: vec![format!("koan wait {}", target.name)],
        event: None,
    })?;
    let mut variables = decode(secret);
    if let Some(service) = &arguments.service {
        let prefix = format!("KOAN_{}_", service.to_ascii_uppercase().replace('-', "_"));
        variables.retain(|name, _| name.starts_with(&prefix));
    }
    if arguments.out.is_none() && !arguments.reveal && std::io::stdout().is_terminal() {
        mask(&mut variables);
    }
    let text = text(run, arguments, target, variables)?;
    match &arguments.out {
        Some(path) => write_private(path, &text)?,
        None => write_exactly(&text),
    }
    Ok(0)
}

/// The variables as one document, their names, or in the syntax that was asked for.
fn text(run: &Run, arguments: &Arguments, target: Target, variables: BTreeMap<String, String>) -> Result<String, Failure> {
    let format = run.globals.format();
    if format != Format::Human && arguments.format.is_some() {
        return Err(Failure::Usage {
            message: "--output and --format both name a form".to_owned(),
            hint: "leave one out: -o json is a document with a kind, --format json the variables alone".to_owned(),
        });
    }
    let failed = |error: &dyn std::fmt::Display| Failure::Bug { message: format!("the variables cannot be written: {error}") };
    let rendered = match format {
        Format::Human | Format::Wide => render(arguments.format.unwrap_or(Dialect::Sh), &variables),
        Format::Name => return Ok(variables.into_keys().map(|name| name + "\n").collect()),
        Format::Json | Format::Yaml => {
            let report = EnvReport::of(target.name, target.namespace, variables);
            return if format == Format::Json {
                serde_json::to_string_pretty(&report).map(|text| text + "\n").map_err(|error| failed(&error))
            } else {
                serde_saphyr::to_string(&report).map_err(|error| failed(&error))
            };
        }
    };
    for LeftOut { name, why } in &rendered.left_out {
        say(run.globals.quiet, &format!("warning: {name} is left out: {why}; `koan env --format json` has it"));
    }
    Ok(rendered.text)
}

fn decode(secret: Secret) -> BTreeMap<String, String> {
    secret
        .data
        .unwrap_or_default()
        .into_iter()
        .filter_map(|(name, bytes)| Some((name, String::from_utf8(bytes.0).ok()?)))
        .collect()
}

fn mask(variables: &mut BTreeMap<String, String>) {
    for (name, value) in variables.iter_mut() {
        if secret_like::hidden(name) || secret_like::value(value) {
            MASK.clone_into(value);
        }
    }
}

fn write_private(path: &Path, text: &str) -> Result<(), Failure> {
    let opened = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = opened.map_err(|source| match source.kind() {
        std::io::ErrorKind::AlreadyExists => Failure::Home {
            message: format!("{} exists already", path.display()),
            hint: "remove it or name another file".to_owned(),
            exit: ExitCode::Usage,
        },
        _ => Failure::WriteFile { path: path.to_path_buf(), source },
    })?;
    file.write_all(text.as_bytes()).map_err(|source| Failure::WriteFile { path: path.to_path_buf(), source })
}
