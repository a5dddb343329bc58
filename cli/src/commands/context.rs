use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use koan_apiserver::{ContextEntry, KubeconfigError, KubeconfigFile};
use koan_crds::vocabulary::ExitCode;
use kube::config::Kubeconfig;

use super::{Run, apply};
use crate::failure::Failure;
use crate::home::{Home, Start};
use crate::output::{Format, say, write_out};

/// The home as a context of kubectl
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
    /// Name of the context; koan
    #[arg(long, global = true, default_value = "koan", value_parser = NonEmptyStringValueParser::new())]
    name: String,
    /// Kubeconfig to change; KUBECONFIG, else ~/.kube/config
    #[arg(long, global = true, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum Action {
    /// Print a kubeconfig with this context alone
    Print,
    /// Add the context to the kubeconfig; it stays valid over restarts of koan
    Merge {
        /// Make it the current context
        #[arg(long)]
        set_current: bool,
    },
    /// Take the context out again
    Remove,
    /// Print a kubeconfig that only reads: stacks, services and logs, no Secrets
    Viewer,
}

/// File of the state directory that holds the token of the running server.
const TOKEN_FILE: &str = "token";
/// The same for the token that only reads.
const VIEWER_TOKEN_FILE: &str = "viewer-token";

pub(crate) async fn run(run: &Run, arguments: &Arguments) -> Result<u8, Failure> {
    if run.settings.context.is_some() {
        return Err(Failure::Usage {
            message: "a cluster has a context already".to_owned(),
            hint: "leave --context out to work on this machine".to_owned(),
        });
    }
    match arguments.action.unwrap_or(Action::Print) {
        Action::Print => print(run, &served(run, arguments).await?),
        Action::Merge { set_current } => merge(run, arguments, set_current).await?,
        Action::Viewer => {
            let entry = served(run, arguments).await?;
            let token_file = run.settings.home.join(VIEWER_TOKEN_FILE);
            print(run, &ContextEntry { name: format!("{}-viewer", entry.name), token_file, ..entry });
        }
        Action::Remove => remove(run, arguments)?,
    }
    Ok(0)
}

/// The context of this home, whose server is started if none runs.
async fn served(run: &Run, arguments: &Arguments) -> Result<ContextEntry, Failure> {
    let home = apply::open(run, Start::IfNeeded).await?.home;
    let home = home.ok_or_else(|| Failure::Bug { message: "this machine has no home".to_owned() })?;
    entry(&home, &arguments.name)
}

async fn merge(run: &Run, arguments: &Arguments, set_current: bool) -> Result<(), Failure> {
    let entry = served(run, arguments).await?;
    let file = file(run, arguments)?;
    file.update(|text| entry.merge(text, set_current)).map_err(|error| refused(&error))?;
    let (path, name) = (file.path().display(), &entry.name);
    say(run.globals.quiet, &format!("{path}: context `{name}`; try: kubectl --context {name} get devstacks"));
    Ok(())
}

/// Takes the context of this home out again. Which one is ours shows by its token's file, so no server is asked or started.
fn remove(run: &Run, arguments: &Arguments) -> Result<(), Failure> {
    let (name, token_file) = (&arguments.name, run.settings.home.join(TOKEN_FILE));
    let entry = ContextEntry { name: name.clone(), server: String::new(), ca_pem: String::new(), token_file };
    let file = file(run, arguments)?;
    file.update(|text| entry.remove(text)).map_err(|error| refused(&error))?;
    say(run.globals.quiet, &format!("{}: no context `{name}`", file.path().display()));
    Ok(())
}

/// A kubeconfig is YAML; its readers take JSON as well.
fn print(run: &Run, entry: &ContextEntry) {
    let text = entry.print();
    let json = (run.globals.format() == Format::Json).then(|| serde_saphyr::from_str::<serde_json::Value>(&text).ok()).flatten();
    write_out(&json.map_or(text, |value| format!("{value:#}\n")));
}

fn file(run: &Run, arguments: &Arguments) -> Result<KubeconfigFile, Failure> {
    let environment = &run.settings.environment;
    let folder = PathBuf::from(environment.get("HOME")?.unwrap_or("/"));
    Ok(KubeconfigFile::locate(arguments.kubeconfig.as_deref(), environment.get("KUBECONFIG")?, &folder))
}

/// The stable context of a home: its server and CA as the kubeconfig of this run has them, its token by file.
fn entry(home: &Home, name: &str) -> Result<ContextEntry, Failure> {
    let unreadable = |message: String| Failure::Home {
        message: format!("cannot use {}: {message}", home.kubeconfig().display()),
        hint: "`koan serve stop`, then run the command again".to_owned(),
        exit: ExitCode::Usage,
    };
    let kubeconfig = Kubeconfig::read_from(home.kubeconfig()).map_err(|error| unreadable(error.to_string()))?;
    let cluster = kubeconfig
        .clusters
        .into_iter()
        .next()
        .and_then(|named| named.cluster)
        .ok_or_else(|| unreadable("no cluster".to_owned()))?;
    let ca = cluster
        .certificate_authority_data
        .and_then(|data| STANDARD.decode(data).ok())
        .and_then(|pem| String::from_utf8(pem).ok());
    Ok(ContextEntry {
        name: name.to_owned(),
        server: cluster.server.ok_or_else(|| unreadable("no server".to_owned()))?,
        ca_pem: ca.ok_or_else(|| unreadable("no certificate authority".to_owned()))?,
        token_file: home.root.join(TOKEN_FILE),
    })
}

fn refused(error: &KubeconfigError) -> Failure {
    Failure::Home {
        message: error.to_string(),
        hint: "nothing was changed; --kubeconfig names another file".to_owned(),
        exit: ExitCode::Usage,
    }
}
