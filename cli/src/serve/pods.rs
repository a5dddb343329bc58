//! Containers and processes as Pods of the embedded server (API-3): shown while they are there, and asked for their logs,
//! for commands inside them and for a restart.

use std::error::Error;
use std::io;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use futures::future::BoxFuture;
use koan_apiserver::{
    Class, Command, Connection, LogLine, LogLines, LogRequest, Mirrors, Output, PodKey, Running, SnapshotReader, TerminalSize,
    WorkloadError, Workloads,
};
use koan_controller::{Held, Mirror};
use koan_core::probe::{Address, Vantage};
use koan_crds::v1alpha1::{EngineName, FailureClass};
use koan_engines::{DialRequest, EngineError, LogOptions, OpenRequest, Size, Stream};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::mpsc;
use tracing::debug;

use crate::redact::redact;

/// Changes within this time are shown together.
const GATHERED: Duration = Duration::from_millis(100);
/// When Pods that could not be shown are tried again.
const AGAIN: Duration = Duration::from_secs(1);
/// Sizes of a terminal that wait to be told.
const SIZES_AHEAD: usize = 4;
/// How long a connection to a forwarded port may take to open.
const CONNECT_TIME: Duration = Duration::from_secs(10);
/// Where programs of the host listen.
const LOOPBACK: &str = "127.0.0.1";
/// What a line begins with that is none of the program's.
const GAP: &str = "-- ";

/// Shows every workload of a service as a Pod, now and whenever something changed; never ends while the server lives.
pub(super) async fn show(mirror: &Mirror, mirrors: &Mirrors, reader: &SnapshotReader) {
    let services = reader.changes_of((koan_crds::GROUP, koan_crds::VERSION, "servicespecs"));
    let Some(mut services) = services else { return std::future::pending().await };
    let mut engines = mirror.changes();
    loop {
        services.mark_unchanged();
        engines.mark_unchanged();
        let shown = once(mirror, mirrors).await;
        if let Err(error) = &shown {
            debug!("some pods are not shown yet: {error}");
        }
        tokio::select! {
            changed = services.changed() => if changed.is_err() { return std::future::pending().await },
            changed = engines.changed() => if changed.is_err() { return std::future::pending().await },
            () = tokio::time::sleep(AGAIN), if shown.is_err() => {}
        }
        tokio::time::sleep(GATHERED).await;
    }
}

async fn once(mirror: &Mirror, mirrors: &Mirrors) -> Result<(), Box<dyn Error + Send + Sync>> {
    let pods = mirror.pods().await?;
    let values = pods.iter().map(serde_json::to_value).collect::<Result<Vec<_>, _>>()?;
    Ok(mirrors.show_pods(values).await?)
}

/// Answers about the Pods from the engines that run them.
pub(super) struct Answers(pub(super) Mirror);

impl Answers {
    fn held(&self, pod: &PodKey) -> Result<Held, WorkloadError> {
        self.0.held(&pod.namespace, &pod.uid).ok_or_else(|| WorkloadError {
            class: Class::Transient,
            message: format!("pod {}/{} is being replaced", pod.namespace, pod.name),
        })
    }
}

/// The whole chain as one sentence.
fn told(error: &EngineError) -> WorkloadError {
    let class = match error {
        EngineError::Unreachable { .. } => Class::Transient,
        EngineError::NotFound { .. } => Class::Invalid,
        EngineError::Refused { .. } => Class::Bug,
    };
    let chain = std::iter::successors(Some(error as &dyn Error), |&error| error.source());
    WorkloadError { class, message: chain.map(ToString::to_string).collect::<Vec<_>>().join(": ") }
}

#[async_trait]
impl Workloads for Answers {
    async fn log(&self, pod: &PodKey, request: &LogRequest) -> Result<LogLines, WorkloadError> {
        let Held { engine, object } = self.held(pod)?;
        let LogRequest { follow, tail, since, previous } = request.clone();
        let lines = engine.logs(&object, &LogOptions { follow, tail, since, previous }).await.map_err(|error| told(&error))?;
        Ok(Box::pin(lines.map(|line| {
            let line = line.map_err(|error| told(&error))?;
            let gap = if line.stream == Stream::Gap { GAP } else { "" };
            // The same lines as `koan logs` prints, also for whoever may only read.
            Ok(LogLine { at: line.at, error: line.stream == Stream::Stderr, text: format!("{gap}{}", redact(&line.text)) })
        })))
    }

    async fn run(&self, pod: &PodKey, command: &Command) -> Result<Running, WorkloadError> {
        let Held { engine, object } = self.held(pod)?;
        let Command { command, input, terminal } = command.clone();
        let opened = engine.open(&object, &OpenRequest { command, input, terminal }).await.map_err(|error| told(&error))?;
        let output = opened.output.map(|chunk| match chunk.stream {
            Stream::Stdout | Stream::Gap => Output::Standard(chunk.bytes),
            Stream::Stderr => Output::Error(chunk.bytes),
        });
        let exit = opened.exit;
        Ok(Running {
            input: opened.input,
            output: output.boxed(),
            sizes: opened.sizes.map(passed_on),
            exit: Box::pin(async move { exit.await.map_err(|error| told(&error)) }),
        })
    }

    async fn connect(&self, pod: &PodKey, port: u16) -> Result<Connection, WorkloadError> {
        let Held { engine, object } = self.held(pod)?;
        let dialled = engine.dial(&object, &DialRequest { container_port: port, vantage: Vantage::Host }).await;
        match dialled {
            Ok(tunnel) => open(&tunnel.address).await,
            // A program of the host shares its network, as a Pod on its node's network does: what it opened beside its declared
            // ports is there under its own number.
            Err(EngineError::NotFound { .. }) if engine.id() == EngineName::Process => {
                open(&Address::Tcp { host: LOOPBACK.to_owned(), port }).await
            }
            Err(error) => Err(told(&error)),
        }
    }

    async fn restart(&self, pod: &PodKey, grace: Option<Duration>) -> Result<(), WorkloadError> {
        self.0.restart(&pod.namespace, &pod.uid, grace).await.map_err(|error| WorkloadError {
            class: match error.class() {
                FailureClass::Invalid => Class::Invalid,
                FailureClass::Transient => Class::Transient,
                FailureClass::Denied => Class::Denied,
                FailureClass::Bug => Class::Bug,
            },
            message: error.to_string(),
        })
    }
}

/// Connects to an address; a failure names it as Kubernetes' runtimes do.
async fn open(address: &Address) -> Result<Connection, WorkloadError> {
    let (what, opening): (String, BoxFuture<'_, io::Result<Connection>>) = match address {
        Address::Tcp { host, port } => (
            format!("dial tcp {address}: connect"),
            Box::pin(async move {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                Ok(Box::pin(stream) as Connection)
            }),
        ),
        Address::Unix { path } => (
            format!("dial unix {path}: connect"),
            Box::pin(async move { Ok(Box::pin(UnixStream::connect(path).await?) as Connection) }),
        ),
    };
    let refused = |why: &str| WorkloadError { class: Class::Transient, message: format!("{what}: {why}") };
    match tokio::time::timeout(CONNECT_TIME, opening).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => Err(refused("connection refused")),
        Ok(Err(error)) => Err(refused(&error.to_string())),
        Err(_) => Err(refused("connection timed out")),
    }
}

/// A sender of the server's sizes whose receiver is the engine.
fn passed_on(sizes: mpsc::Sender<Size>) -> mpsc::Sender<TerminalSize> {
    let (sender, mut receiver) = mpsc::channel::<TerminalSize>(SIZES_AHEAD);
    tokio::spawn(async move {
        while let Some(TerminalSize { width, height }) = receiver.recv().await {
            if sizes.send(Size { width, height }).await.is_err() {
                break;
            }
        }
    });
    sender
}
