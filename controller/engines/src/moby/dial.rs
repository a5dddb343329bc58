//! `dial()`: the container's own address where this machine has the network's gateway, else its published port (PERF-82).

use std::net::{IpAddr, UdpSocket};

use koan_core::inventory::WorkloadState;
use koan_core::probe::{Address, Vantage};
use koan_core::step::ObjectRef;

use super::engine::Moby;
use super::inventory::address_of;
use super::network::is_owned;
use super::wire::Inspected;
use crate::{DialRequest, EngineError, Tunnel};

impl Moby {
    /// See [`crate::Engine::dial`].
    pub(crate) async fn address_of(&self, object: &ObjectRef, request: &DialRequest) -> Result<Tunnel, EngineError> {
        let (_, found) = self.owned_for_read("dial", object).await?;
        let missing = |what: String| EngineError::NotFound { engine: self.title(), object: what };
        if found.state.status.known != WorkloadState::Running {
            return Err(missing(format!("running container {}", object.name)));
        }
        let (host, port) = match request.vantage {
            Vantage::Host => from_host(&found, request.container_port)
                .ok_or_else(|| missing(format!("way from the host to port {} of {}", request.container_port, object.name)))?,
            Vantage::Stack => (alias_of(&found).unwrap_or_else(|| object.name.clone()), request.container_port),
            Vantage::Cluster => return Err(missing(format!("way from a pod to container {}", object.name))),
        };
        Ok(Tunnel { address: Address::Tcp { host, port }, guard: None })
    }

    /// A container that a read means.
    pub(crate) async fn owned_for_read(
        &self,
        verb: &'static str,
        object: &ObjectRef,
    ) -> Result<(String, Inspected), EngineError> {
        self.session_or_error().await?;
        let key = object.id.as_ref().map_or(object.name.as_str(), |id| id.0.as_str());
        let found = self.transport.inspect_container(key).await;
        let found = found.map_err(|error| self.read_error(verb, &object.name, error))?;
        if !is_owned(Some(&found.config.labels), &object.owner) {
            return Err(EngineError::NotFound { engine: self.title(), object: format!("container {} of ours", object.name) });
        }
        Ok((found.id.clone(), found))
    }
}

fn from_host(found: &Inspected, port: u16) -> Option<(String, u16)> {
    let settings = &found.network_settings;
    let mut networks: Vec<_> = settings.networks.iter().collect();
    networks.sort_by(|a, b| a.0.cmp(b.0));
    let direct = networks.into_iter().find_map(|(_, endpoint)| {
        let (address, gateway) = address_of(endpoint)?;
        gateway.is_some_and(is_local).then(|| (address.to_string(), port))
    });
    direct.or_else(|| {
        let bindings = settings.ports.get(&format!("{port}/tcp"))?.as_ref()?;
        let published = bindings.iter().find_map(|binding| binding.host_port.parse::<u16>().ok())?;
        Some(("127.0.0.1".to_owned(), published))
    })
}

/// The address belongs to this machine: only then does it route into the engine's network. Nothing is sent.
fn is_local(address: IpAddr) -> bool {
    UdpSocket::bind((address, 0)).is_ok()
}

/// The name under which the stack's containers reach it; engines add the short id as a further alias.
fn alias_of(found: &Inspected) -> Option<String> {
    let networks = &found.network_settings.networks;
    let mut aliases: Vec<&String> =
        networks.values().flat_map(|endpoint| &endpoint.aliases).filter(|alias| !found.id.starts_with(alias.as_str())).collect();
    aliases.sort();
    aliases.first().map(|alias| (*alias).clone())
}
