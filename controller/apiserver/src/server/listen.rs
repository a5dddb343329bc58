//! The loopback socket: port, certificate, token and the kubeconfig of this run.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::ServerError;
use super::core::Core;
use super::service::Service;
use crate::auth::{Guard, Token};
use crate::handlers::mirror;
use crate::http;
use crate::kubeconfig::{self, KubeconfigError, private};
use crate::tls;

/// The file that keeps the port between starts.
const PORT_FILE: &str = "port";
/// The file that holds the token of this run, for the merged context.
const TOKEN_FILE: &str = "token";
/// The file that holds the token of this run that only reads, for a viewer's context (API-31).
const VIEWER_TOKEN_FILE: &str = "viewer-token";
/// The kubeconfig of this run.
const KUBECONFIG_FILE: &str = "kubeconfig";

/// Where and how to listen.
#[derive(Debug, Clone)]
pub struct ListenOptions {
    /// The state directory; private to its owner.
    pub state_dir: PathBuf,
    /// A port to insist on; by default the one of the last start while it is free, else any.
    pub port: Option<u16>,
    /// Exact foreign `Origin` values that may call, from the user-level file only.
    pub origins: Vec<String>,
}

/// A server that answers on its socket. Dropping it closes the socket and removes the kubeconfig of this run.
#[derive(Debug)]
pub struct Listening {
    address: SocketAddr,
    kubeconfig: PathBuf,
    written: String,
    ca_pem: String,
    tasks: JoinSet<()>,
}

impl Listening {
    /// Stops accepting and waits until the socket is closed, so that its port is free.
    pub async fn close(mut self) {
        self.tasks.shutdown().await;
    }

    /// The IPv4 address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `https://127.0.0.1:<port>`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The kubeconfig of this run, which carries its token.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The certificate of the authority that signed the server's, in PEM.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        // Only our own file goes; whatever a later run put there stays.
        if std::fs::read_to_string(&self.kubeconfig).is_ok_and(|found| found == self.written) {
            let _ = std::fs::remove_file(&self.kubeconfig);
        }
    }
}

/// Makes what [`Server::listen`](super::Server::listen) needs and has not found in `directory` yet: the certificate
/// authority. It may be made while the server starts; the journal's lock is held by then.
///
/// # Errors
/// The directory is not private, or the authority cannot be made.
pub fn prepare(directory: &Path) -> Result<(), ServerError> {
    private::directory(directory)?;
    tls::Authority::open(directory)?;
    Ok(())
}

pub(super) async fn listen(core: &Arc<Core>, options: ListenOptions) -> Result<Listening, ServerError> {
    let directory = &options.state_dir;
    private::directory(directory)?;
    let (first, second) = bind(directory, options.port).await?;
    let address = first.local_addr().map_err(ServerError::Bind)?;
    let authority = tls::Authority::open(directory)?;
    let acceptor = authority.acceptor()?;
    let token = Token::random(core.random.as_ref()).map_err(ServerError::Random)?;
    let viewer = Token::random(core.random.as_ref()).map_err(ServerError::Random)?;
    private::write(&directory.join(VIEWER_TOKEN_FILE), viewer.reveal().as_bytes())?;
    let guard = Arc::new(Guard::new(&token, address.port(), options.origins).with_viewer(&viewer));
    core.set_guard(&guard);
    let service = Service::guarded(Arc::clone(core), guard);
    let door = mirror::door(core, address);
    door.await.map_err(|failure| ServerError::Store(failure.to_string()))?;
    let mut tasks = JoinSet::new();
    for listener in std::iter::once(first).chain(second) {
        tasks.spawn(http::serve(listener, acceptor.clone(), service.clone(), core.stopping()));
    }
    let path = directory.join(KUBECONFIG_FILE);
    let written = kubeconfig::of_run(&format!("https://{address}"), authority.pem(), token.reveal());
    let port = address.port().to_string();
    // Together, so that their syncs are one wait.
    together([
        &|| private::write(&directory.join(TOKEN_FILE), token.reveal().as_bytes()),
        &|| private::write(&directory.join(PORT_FILE), port.as_bytes()),
        &|| kubeconfig::replace_own(&path, &written),
    ])?;
    Ok(Listening { address, kubeconfig: path, written, ca_pem: authority.pem().to_owned(), tasks })
}

/// Does all of it at once; the first failure counts.
fn together<const N: usize>(work: [&(dyn Fn() -> Result<(), KubeconfigError> + Sync); N]) -> Result<(), KubeconfigError> {
    std::thread::scope(|scope| {
        let threads = work.map(|each| scope.spawn(each));
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

/// Binds 127.0.0.1 and, on the same port, ::1 where that is usable.
async fn bind(directory: &Path, wanted: Option<u16>) -> Result<(TcpListener, Option<TcpListener>), ServerError> {
    let kept = std::fs::read_to_string(directory.join(PORT_FILE)).ok().and_then(|text| text.trim().parse::<u16>().ok());
    let first = match (wanted, kept) {
        (Some(port), _) => TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await,
        (None, Some(port)) => match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
            Ok(listener) => Ok(listener),
            Err(_) => TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await,
        },
        (None, None) => TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await,
    }
    .map_err(ServerError::Bind)?;
    let port = first.local_addr().map_err(ServerError::Bind)?.port();
    // A machine without IPv6 is served on IPv4 alone.
    let second = TcpListener::bind((Ipv6Addr::LOCALHOST, port)).await.ok();
    Ok((first, second))
}
