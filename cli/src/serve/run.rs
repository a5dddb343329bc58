use std::sync::Arc;
use std::time::Duration;

use koan_adapters::{LiveProber, catalogue};
use koan_apiserver::{ListenOptions, Server, ServerError, Sqlite, prepare};
use koan_controller::{Controllers, StoreReader};
use koan_crds::events::Event;
use koan_crds::vocabulary::ExitCode;
use koan_engines::exchange::tells_bodies;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::{JoinError, spawn, spawn_blocking};
use tower::Layer as _;
use tracing::{error, info};

use super::reader::HomeSnapshot;
use super::{memory, pods};
use crate::engines::{Engines, addresses};
use crate::failure::Failure;
use crate::home::{Home, ServerRecord, Told};
use crate::settings::Settings;

/// Worker threads at most.
const MAX_WORKERS: usize = 4;
/// Pause between two looks for idleness.
const IDLE_LOOK: Duration = Duration::from_secs(5);

/// What `koan serve` was asked for.
pub(crate) struct Options {
    pub(crate) idle_exit: Option<Duration>,
    pub(crate) controllers: bool,
    pub(crate) extended_kinds: bool,
    pub(crate) port: Option<u16>,
}

/// Serves until a signal, idleness, or a controller task that ended (exit 70, REL-2).
///
/// # Errors
/// [`Failure::Home`] where the store or the socket cannot be had.
pub(crate) fn serve(home: &Home, settings: &Settings, options: &Options) -> Result<u8, Failure> {
    memory::one_heap();
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(MAX_WORKERS);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .thread_keep_alive(memory::THREAD_LIFE)
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| Failure::Bug { message: format!("no runtime: {error}") })?;
    runtime.block_on(run(home, settings, options, workers))
}

async fn run(home: &Home, settings: &Settings, options: &Options, workers: usize) -> Result<u8, Failure> {
    let engines = Engines::of_home(home, settings)?;
    let (server, unclean) = start(home, options.extended_kinds).await?;
    let listen = ListenOptions { state_dir: home.root.clone(), port: options.port, origins: settings.allowed_origins.clone() };
    if unclean {
        let revision = server.snapshot_reader().revision();
        info!(event_id = Event::StoreRecovered.id(), revision, "the store was recovered: the last server did not end by itself");
    }
    let ended = end()?;
    let listening = server.listen(listen).await.map_err(|error| refused(&error))?;
    // Last: who sees the record finds the kubeconfig of this process, not the one of a process that was killed.
    ServerRecord::of_this_process(engines.instance().0.clone(), addresses(settings)?).write(home)?;
    info!(event_id = Event::ServerStarted.id(), url = listening.url(), "server started");
    let controllers = options.controllers.then(|| controllers(&server, &engines));
    if let Some(controllers) = &controllers {
        server.answer_for_pods(Arc::new(pods::Answers(controllers.mirror())));
    }
    let code = tokio::select! {
        () = ended => 0,
        () = idle(&server, options.idle_exit) => 0,
        () = memory::give_back(server.snapshot_reader(), workers) => 0,
        () = show_pods(&server, controllers.as_ref()) => 0,
        () = server.broken() => {
            error!(event_id = Event::ReconcilePanic.id(), "a part of the API server ended");
            ExitCode::Bug as u8
        }
        failure = run_controllers(controllers.as_ref()) => {
            error!(event_id = Event::ReconcilePanic.id(), %failure, "a controller task ended");
            ExitCode::Bug as u8
        }
    };
    info!(event_id = Event::ServerStopped.id(), "server stopped");
    server.shutdown();
    drop(listening);
    // The record of a process that is gone proves nothing; a leftover is harmless.
    let _ = std::fs::remove_file(home.record());
    Ok(code)
}

/// Opens the store and starts the server; true where the last one did not end by itself.
///
/// What waits for the disk does so on other threads while this one computes (PERF-10); what it allocates for the start is
/// given back to the one heap that everything else uses (PERF-15).
async fn start(home: &Home, extended_kinds: bool) -> Result<(Server, bool), Failure> {
    let root = home.root.clone();
    let journal = spawn_blocking(move || Sqlite::open(&root));
    let crds = koan_crds::definitions()?.into_iter().map(|crd| crd.document).collect();
    let journal = ended_well(journal.await)?.map_err(|error| refused(&error.into()))?;
    // Whoever held the lock before us takes its record away when it ends; one that is still there was left by a server that could not.
    let unclean = home.record().exists();
    let root = home.root.clone();
    let prepared = spawn_blocking(move || prepare(&root));
    let builder = Server::builder().crds(crds).extended_kinds(extended_kinds).journal(journal);
    // On a worker, whose thread ends after the start and keeps none of its memory; this one lives as long as the server.
    let server = ended_well(spawn(builder.start()).await)?.map_err(|error| refused(&error))?;
    ended_well(prepared.await)?.map_err(|error| refused(&error))?;
    Ok((server, unclean))
}

/// The result of work on another thread.
fn ended_well<T>(result: Result<T, JoinError>) -> Result<T, Failure> {
    result.map_err(|error| Failure::Bug { message: format!("a part of the start ended: {error}") })
}

fn controllers(server: &Server, engines: &Engines) -> Controllers {
    let client = client(server);
    Controllers::builder(client, engines.instance().clone(), catalogue(), Arc::new(LiveProber::default()))
        .engines(engines.all().to_vec())
        .reader(Arc::new(StoreReader::new(HomeSnapshot(server.snapshot_reader()))))
        .build()
}

async fn show_pods(server: &Server, controllers: Option<&Controllers>) {
    match controllers {
        Some(controllers) => pods::show(&controllers.mirror(), &server.mirrors(), &server.snapshot_reader()).await,
        None => std::future::pending().await,
    }
}

/// The controllers' client; its requests are told where somebody listens, and cost nothing elsewhere.
fn client(server: &Server) -> kube::Client {
    if tells_bodies() {
        kube::Client::new(Told.layer(server.service()), "default")
    } else {
        kube::Client::new(server.service(), "default")
    }
}

async fn run_controllers(controllers: Option<&Controllers>) -> koan_controller::RunError {
    match controllers {
        Some(controllers) => controllers.run().await,
        None => std::future::pending().await,
    }
}

/// Resolves with the first TERM or INT from now on: it is caught before anybody can know that the server serves.
fn end() -> Result<impl Future<Output = ()>, Failure> {
    let caught = |kind| signal(kind).map_err(|error| Failure::Bug { message: format!("no signal can be caught: {error}") });
    let (mut terminate, mut interrupt) = (caught(SignalKind::terminate())?, caught(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Ends when the store held no object of Koan's kinds for the whole time.
async fn idle(server: &Server, after: Option<Duration>) {
    let Some(after) = after else { return std::future::pending().await };
    let reader = server.snapshot_reader();
    let mut since = tokio::time::Instant::now();
    loop {
        tokio::time::sleep(IDLE_LOOK.min(after)).await;
        let kinds = [(koan_crds::GROUP, koan_crds::VERSION, "devstacks"), (koan_crds::GROUP, koan_crds::VERSION, "servicespecs")];
        if kinds.iter().any(|kind| !reader.list(*kind, None).1.is_empty()) {
            since = tokio::time::Instant::now();
        }
        if since.elapsed() >= after {
            return;
        }
    }
}

fn refused(error: &ServerError) -> Failure {
    let chain = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    let text = std::iter::once(error.to_string()).chain(chain.map(ToString::to_string)).collect::<Vec<_>>().join(": ");
    Failure::Home {
        message: text,
        hint: "`koan serve status` shows who serves this home; KOAN_HOME names another one".to_owned(),
        exit: ExitCode::General,
    }
}
