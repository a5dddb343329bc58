//! Lets containers of a stack reach a host service that listens on loopback only (DET-31).
//!
//! A relay is a TCP forwarder bound to the gateway address of one stack network and to nothing else; it lives as long as
//! its handle. It carries bytes, opens no connection unasked, and knows no protocol.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use koan_core::identity::ServiceKey;
use koan_core::probe::Address;
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

#[cfg(test)]
mod tests;

/// Connections through one relay at once; more wait in the listener's queue.
const CONNECTIONS: usize = 256;
/// Time to reach the host service.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// Pause after a failed accept, such as one for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

struct Relay {
    gateway: IpAddr,
    target: Address,
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Relays by service.
#[derive(Default)]
pub(crate) struct Relays(Mutex<BTreeMap<ServiceKey, Relay>>);

/// An open relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Opened {
    /// Where containers of the stack connect to.
    pub(crate) address: SocketAddr,
    /// It was opened by this call.
    pub(crate) new: bool,
}

impl Relays {
    /// Opens a relay on the gateway of the stack's network, or keeps the one that leads there already. The `preferred` port
    /// is taken if it is free, so that consumers survive a restart of Koan unchanged.
    ///
    /// # Errors
    /// The gateway address cannot be bound: it belongs to no interface of this host.
    pub(crate) async fn open(
        &self,
        service: &ServiceKey,
        gateway: IpAddr,
        target: &Address,
        preferred: Option<u16>,
    ) -> io::Result<Opened> {
        if let Some(address) = self.existing(service, gateway, target) {
            return Ok(Opened { address, new: false });
        }
        let before = match preferred {
            Some(port) => TcpListener::bind(SocketAddr::new(gateway, port)).await.ok(),
            None => None,
        };
        let listener = match before {
            Some(listener) => listener,
            None => TcpListener::bind(SocketAddr::new(gateway, 0)).await?,
        };
        let address = listener.local_addr()?;
        let task = tokio::spawn(serve(listener, target.clone()));
        let relay = Relay { gateway, target: target.clone(), address, task };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(service.clone(), relay);
        Ok(Opened { address, new: true })
    }

    /// Closes the relay of a service, where there is one.
    pub(crate) fn close(&self, service: &ServiceKey) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(service);
    }

    fn existing(&self, service: &ServiceKey, gateway: IpAddr, target: &Address) -> Option<SocketAddr> {
        let relays = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        relays.get(service).filter(|relay| relay.gateway == gateway && relay.target == *target).map(|relay| relay.address)
    }
}

async fn serve(listener: TcpListener, target: Address) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let target = target.clone();
                connections.spawn(async move {
                    if let Err(error) = carry(stream, &target).await {
                        tracing::debug!(%target, "relayed connection ended: {error}");
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::debug!("relay could not accept: {error}");
                sleep(ACCEPT_PAUSE).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn carry(mut inbound: TcpStream, target: &Address) -> io::Result<()> {
    inbound.set_nodelay(true)?;
    match target {
        Address::Tcp { host, port } => {
            let mut outbound = timeout(CONNECT_LIMIT, TcpStream::connect((host.as_str(), *port))).await??;
            outbound.set_nodelay(true)?;
            tokio::io::copy_bidirectional(&mut inbound, &mut outbound).await?;
        }
        Address::Unix { path } => {
            let mut outbound = timeout(CONNECT_LIMIT, UnixStream::connect(path)).await??;
            tokio::io::copy_bidirectional(&mut inbound, &mut outbound).await?;
        }
    }
    Ok(())
}
