//! A client for the home's server, started if need be, or for the cluster that was named.

use std::ffi::OsString;
use std::time::{Duration, Instant};

use koan_crds::vocabulary::ExitCode;
use koan_engines::exchange::tells_bodies;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use super::directory::{Home, prepare};
use super::process::{ServerRecord, spawn_server, tail};
use super::wire;
use crate::failure::Failure;
use crate::settings::Settings;

/// Longest wait for a fresh server to be ready.
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// Pause between two looks.
const POLL: Duration = Duration::from_millis(5);
/// Budget of one request to a server on this machine.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Lines of the server's log that an error quotes.
const LOG_LINES: usize = 5;

/// Whether a server is started where none runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    IfNeeded,
    Never,
}

/// A connection to a home or a cluster.
pub(crate) struct Session {
    pub(crate) client: Client,
    pub(crate) namespace: String,
    /// The home, where the target is this machine.
    pub(crate) home: Option<Home>,
}

/// Connects to the target of this run; `None` where no server runs and none may be started.
///
/// # Errors
/// [`Failure::Home`], [`Failure::OtherVersion`], [`Failure::Usage`] for an unknown context.
pub(crate) async fn connect(settings: &Settings, start: Start) -> Result<Option<Session>, Failure> {
    if let Some(context) = &settings.context {
        return cluster(settings, context).await.map(Some);
    }
    let home = prepare(&settings.home)?;
    if ServerRecord::living(&home).is_none() {
        if start == Start::Never {
            return Ok(None);
        }
        // The engines are asked by the server: who traces this run wants its calls, too (ENG-5).
        let words: &[OsString] = if tells_bodies() { &["--trace".into()] } else { &[] };
        start_server(&home, words).await?;
    }
    let client = client_of(&home).await?;
    check_version(&client).await?;
    Ok(Some(Session { client, namespace: settings.namespace.clone(), home: Some(home) }))
}

async fn cluster(settings: &Settings, context: &str) -> Result<Session, Failure> {
    let options = KubeConfigOptions { context: Some(context.to_owned()), ..KubeConfigOptions::default() };
    let config = Config::from_kubeconfig(&options).await.map_err(|error| Failure::Usage {
        message: format!("context `{context}`: {error}"),
        hint: "`kubectl config get-contexts` lists the contexts".to_owned(),
    })?;
    tracing::debug!(context, url = %config.cluster_url, "the target is a cluster");
    let client = wire::client(config).map_err(|error| api("connect to", context, error))?;
    Ok(Session { client, namespace: settings.namespace.clone(), home: None })
}

async fn client_of(home: &Home) -> Result<Client, Failure> {
    let unreadable = |error: &dyn std::fmt::Display| Failure::Home {
        message: format!("cannot use {}: {error}", home.kubeconfig().display()),
        hint: "`koan serve stop`, then run the command again".to_owned(),
        exit: ExitCode::General,
    };
    let kubeconfig = Kubeconfig::read_from(home.kubeconfig()).map_err(|error| unreadable(&error))?;
    let options = KubeConfigOptions::default();
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(|error| unreadable(&error))?;
    // Loopback never goes through a proxy, whatever the environment says (API-34).
    config.proxy_url = None;
    config.connect_timeout = Some(REQUEST_TIMEOUT);
    tracing::debug!(url = %config.cluster_url, "the target is this home's server");
    wire::home_client(config).map_err(|error| api("connect to", "the home's server", error))
}

/// Starts the server of a home in the background, with more words for `koan serve`, and waits until it serves.
///
/// # Errors
/// [`Failure::Home`] with its last words where it does not start in time.
pub(crate) async fn start_server(home: &Home, words: &[OsString]) -> Result<(), Failure> {
    let mut child = spawn_server(home, words)?;
    let deadline = Instant::now() + START_TIMEOUT;
    loop {
        if ServerRecord::living(home).is_some() {
            return Ok(());
        }
        let ended = child.try_wait().ok().flatten();
        // Another command may have started a server at the same time; then ours ends and theirs serves.
        if ended.is_some() && ServerRecord::living(home).is_none() || Instant::now() > deadline {
            let lines = tail(&home.log(), LOG_LINES).join("\n  ");
            return Err(Failure::Home {
                message: format!("the server did not start:\n  {lines}"),
                hint: "run `koan serve` in the foreground to see its output".to_owned(),
                exit: ExitCode::General,
            });
        }
        tokio::time::sleep(POLL).await;
    }
}

async fn check_version(client: &Client) -> Result<(), Failure> {
    let info = client.apiserver_version().await.map_err(|error| api("ask the version of", "the home's server", error))?;
    let server = info.git_version.split_once("+koan.").map(|(_, version)| version.to_owned()).unwrap_or(info.git_version);
    let client = env!("CARGO_PKG_VERSION");
    if server == client { Ok(()) } else { Err(Failure::OtherVersion { server, client: client.to_owned() }) }
}

/// An API error with its verb and object.
pub(crate) fn api(verb: &'static str, object: &str, source: kube::Error) -> Failure {
    Failure::Api { verb, object: object.to_owned(), source: Box::new(source) }
}
