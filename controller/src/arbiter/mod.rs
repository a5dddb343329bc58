//! Promises engines and host ports, one arbiter per instance, so that no two services are given the same.
//!
//! It writes nothing: each promise stands in the service's first status write before its create step, and a new process
//! rebuilds the promises from those statuses.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};

use koan_core::decide::{BusyPort, PortAllocation, PortFailure, PortPromise, allocate_ports};
use koan_core::desired::Ownership;
use koan_core::facts::PortFacts;
use koan_core::identity::{InstanceId, ServiceKey};
use koan_core::validate::ValidService;
use koan_crds::v1alpha1::{EngineName, ServiceSpec};
use kube::ResourceExt;

use crate::ports::Host;

/// A choice that turns out busy is made anew this often at most: once per port that `probeMax` allows, and some.
const CHOICES: usize = 1024;

#[derive(Default)]
struct Promises {
    ports: BTreeMap<ServiceKey, Vec<u16>>,
    engines: BTreeMap<String, EngineName>,
}

/// The arbiter.
#[derive(Default)]
pub(crate) struct Arbiter(Mutex<Promises>);

impl Arbiter {
    /// Takes over what statuses promised before this process started.
    pub(crate) fn rebuild<'a>(&self, services: impl Iterator<Item = &'a ServiceSpec>) {
        let mut promises = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for service in services {
            let Some(status) = &service.status else { continue };
            let key = ServiceKey { namespace: service.namespace().unwrap_or_default(), name: service.name_any() };
            let ports: Vec<u16> = status.ports.iter().map(|port| port.host).collect();
            if !ports.is_empty() {
                promises.ports.insert(key, ports);
            }
        }
    }

    /// Takes over the engines that statuses promised to stacks; a program of the host binds nobody else to its engine.
    pub(crate) fn rebuild_engines<'a>(&self, services: impl Iterator<Item = &'a ServiceSpec> + Clone, instance: &InstanceId) {
        for programs in [false, true] {
            for service in services.clone().filter(|service| service.spec.service.process.is_some() == programs) {
                let Some(workload) = service.status.as_ref().and_then(|status| status.workload.as_ref()) else { continue };
                let owner = Ownership::of_object(service, instance).network_owner.uid;
                self.promise_engine(&owner.0, workload.engine);
            }
        }
    }

    /// Allocates the ports of a service and keeps them for it. A port that turns out taken is passed over (CLI-31), unless the
    /// service's own workload is `holding` it.
    ///
    /// # Errors
    /// No port can be had within the bounds, or the policy says `Fail`.
    pub(crate) fn ports(
        &self,
        service: &ValidService,
        facts: &mut PortFacts,
        holding: bool,
        host: &dyn Host,
    ) -> Result<PortAllocation, PortFailure> {
        let mut promises = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let allocation = allocate(&promises, service, facts, holding, host)?;
        promises.ports.insert(service.key.clone(), hosts(&allocation).collect());
        Ok(allocation)
    }

    /// The engine that was promised to a stack, by the owner's UID.
    pub(crate) fn engine(&self, owner: &str) -> Option<EngineName> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).engines.get(owner).copied()
    }

    /// Promises an engine to a stack, by the owner's UID; the first promise stays.
    pub(crate) fn promise_engine(&self, owner: &str, engine: EngineName) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).engines.entry(owner.to_owned()).or_insert(engine);
    }

    /// Takes back what was promised to a service.
    pub(crate) fn release(&self, key: &ServiceKey) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).ports.remove(key);
    }

    /// Takes back what was promised to a stack.
    pub(crate) fn release_engine(&self, owner: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).engines.remove(owner);
    }
}

fn allocate(
    promises: &Promises,
    service: &ValidService,
    facts: &mut PortFacts,
    holding: bool,
    host: &dyn Host,
) -> Result<PortAllocation, PortFailure> {
    facts.promised = promises
        .ports
        .iter()
        .filter(|(key, _)| **key != service.key)
        .flat_map(|(key, ports)| ports.iter().map(|port| PortPromise { port: *port, service: key.to_string() }))
        .collect();
    let own: Vec<u16> = if holding { facts.current.iter().map(|port| port.host).collect() } else { Vec::new() };
    let mut allocation = allocate_ports(service, facts)?;
    for _ in 0..CHOICES {
        let known = |port: &u16| own.contains(port) || facts.busy.iter().any(|busy| busy.port == *port);
        let Some(busy) = hosts(&allocation).find(|port| !known(port) && !is_free(*port, host)) else { break };
        facts.current.retain(|port| port.host != busy);
        facts.busy.push(BusyPort { port: busy, holder: "another program".to_owned() });
        allocation = allocate_ports(service, facts)?;
    }
    Ok(allocation)
}

fn hosts(allocation: &PortAllocation) -> impl Iterator<Item = u16> {
    allocation.ports.iter().filter_map(|port| port.host.map(|(host, _)| host))
}

fn is_free(port: u16, host: &dyn Host) -> bool {
    host.port_is_free(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port))
}
