use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Args;
use k8s_openapi::api::core::v1::Secret;
use koan_crds::vocabulary::{ExitCode, Reason};
use koan_crds::{names, secret_like};
use kube::Api;

use super::{Run, target};
use crate::dialects::{Dialect, render};
use crate::failure::Failure;
use crate::home::api;
use crate::output::{Format, say, write_exactly};

/// Print the variables that connect a program to the stack
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Name of the stack; the manifest's, or the only one
    name: Option<String>,
    /// Syntax
    #[arg(long, value_enum, default_value = "sh")]
    format: Dialect,
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
    let dialect = if matches!(run.globals.format(), Format::Json) { Dialect::Json } else { arguments.format };
    let rendered = render(dialect, &variables);
    for name in &rendered.left_out {
        say(run.globals.quiet, &format!("warning: {name} is left out: no identifier in this syntax"));
    }
    match &arguments.out {
        Some(path) => write_private(path, &rendered.text)?,
        None => write_exactly(&rendered.text),
    }
    Ok(0)
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
