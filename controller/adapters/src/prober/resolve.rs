//! Names to address literals, once (DET-10, DET-32).

use std::net::{IpAddr, SocketAddr};

use koan_core::probe::Address;
use koan_crds::v1alpha1::EvidenceCode;
use tokio::time::{Instant, timeout_at};

use crate::wire::{CONNECT_ELSEWHERE, Fault, Target};

/// The literal that is judged and then connected to; IPv4 before IPv6, whatever the resolver says first.
pub(crate) async fn resolve(address: &Address, deadline: Instant) -> Result<Target, Fault> {
    let (host, port) = match address {
        Address::Unix { path } => return Ok(Target::Unix(path.into())),
        Address::Tcp { host, port } => (host, *port),
    };
    if let Ok(literal) = host.parse::<IpAddr>() {
        return Ok(Target::Tcp(SocketAddr::new(literal, port)));
    }
    let limit = deadline.min(Instant::now() + CONNECT_ELSEWHERE);
    let unknown = || Fault::absent(EvidenceCode::Unreachable, "its name has no address");
    let found = timeout_at(limit, tokio::net::lookup_host((host.as_str(), port))).await;
    let mut addresses: Vec<SocketAddr> = found.map_err(|_| unknown())?.map_err(|_| unknown())?.collect();
    addresses.sort_by_key(|address| address.is_ipv6());
    addresses.first().copied().map(Target::Tcp).ok_or_else(unknown)
}

/// The literal as an address.
pub(super) fn literal(target: &Target) -> Address {
    match target {
        Target::Tcp(address) => Address::Tcp { host: address.ip().to_string(), port: address.port() },
        Target::Unix(path) => Address::Unix { path: path.to_string_lossy().into_owned() },
    }
}
