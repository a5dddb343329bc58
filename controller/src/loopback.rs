//! Whether an address is this host's own loopback, which containers reach by a relay alone (DET-31).

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use koan_core::probe::Address;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::context::Context;

/// Longest wait for the addresses of a name; one without any is not this host's.
const RESOLVE_LIMIT: Duration = Duration::from_secs(2);

/// True for sockets, for literals of loopback, and for names that lead there.
pub(crate) async fn is_loopback(context: &Context, address: &Address) -> bool {
    let host = match address {
        Address::Unix { .. } => return true,
        Address::Tcp { host, .. } => host,
    };
    match host.parse::<IpAddr>() {
        Ok(literal) => literal.is_loopback(),
        Err(_) if host == "localhost" => true,
        Err(_) => {
            let (this, name) = (Arc::clone(&context.host), host.clone());
            let found = timeout(RESOLVE_LIMIT, spawn_blocking(move || this.addresses(&name))).await;
            found.is_ok_and(|found| found.is_ok_and(|addresses| addresses.iter().any(IpAddr::is_loopback)))
        }
    }
}
