//! Promises engines and host ports, one arbiter per instance, so that no two services are given the same.
//!
//! It writes nothing: each promise stands in the service's first status write before its create step, and a new process
//! rebuilds the promises from those statuses.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use koan_core::decide::{AllocatedPort, BusyPort, PortAllocation, PortFailure, PortPromise, allocate_ports};
use koan_core::desired::Ownership;
use koan_core::facts::PortFacts;
use koan_core::identity::{InstanceId, ServiceKey};
use koan_core::validate::{ValidService, Workload};
use koan_crds::v1alpha1::{ConflictPolicy, EngineName, PortSource, ServiceSpec};
use koan_crds::vocabulary::Reason;
use kube::ResourceExt;

use crate::ports::Host;

/// A choice that turns out busy is made anew this often at most: once per port that `probeMax` allows, and some.
const CHOICES: usize = 1024;

/// An engine that refuses a port is given another one this often at most (CLI-31).
const REPICKS: usize = 3;
/// After this time without a refusal the ports are tried anew: whoever held them may be gone.
const FORGET: SignedDuration = SignedDuration::from_secs(30);

/// Ports that an engine refused to a service although this host said that they were free.
struct Refusals {
    ports: Vec<u16>,
    count: usize,
    last: Timestamp,
}

#[derive(Default)]
struct Promises {
    ports: BTreeMap<ServiceKey, Vec<u16>>,
    refusals: BTreeMap<ServiceKey, Refusals>,
    engines: BTreeMap<String, EngineName>,
}

/// What a choice of ports looks at.
pub(crate) struct World<'a> {
    pub(crate) host: &'a dyn Host,
    pub(crate) now: Timestamp,
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
    /// No port can be had within the bounds, the engine refused too many, or the policy says `Fail`.
    pub(crate) fn ports(
        &self,
        service: &ValidService,
        facts: &mut PortFacts,
        holding: bool,
        world: &World,
    ) -> Result<PortAllocation, PortFailure> {
        let mut promises = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let host = world.host;
        avoid_refusals(&mut promises, service, facts, world.now)?;
        let allocation = allocate(&promises, service, facts, holding, host)?;
        check(&promises, service, facts, &allocation);
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
        let mut promises = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        promises.ports.remove(key);
        promises.refusals.remove(key);
    }

    /// An engine refused a port of this allocation: the next one avoids it. It is one that somebody holds by now; where this
    /// host sees nobody, none of them is tried again. True where another port may follow.
    pub(crate) fn refused(&self, service: &ValidService, allocation: &PortAllocation, world: &World) -> bool {
        let mut promises = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        promises.ports.remove(&service.key);
        let seen: Vec<u16> = hosts(allocation).filter(|port| !is_free(*port, world.host)).collect();
        let refused: Vec<u16> = if seen.is_empty() { hosts(allocation).collect() } else { seen };
        let fixed =
            |port: &&AllocatedPort| port.host.is_some_and(|(host, source)| source == PortSource::Flag && refused.contains(&host));
        let is_fixed = allocation.ports.iter().any(|port| fixed(&port));
        let entry =
            promises.refusals.entry(service.key.clone()).or_insert(Refusals { ports: Vec::new(), count: 0, last: world.now });
        entry.ports.extend(refused);
        entry.count += 1;
        entry.last = world.now;
        !is_fixed && service.port_policy.conflicts != ConflictPolicy::Fail && entry.count <= REPICKS
    }

    /// The engine published what was promised: a later refusal counts from one.
    pub(crate) fn published(&self, key: &ServiceKey) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).refusals.remove(key);
    }

    /// Takes back what was promised to a stack.
    pub(crate) fn release_engine(&self, owner: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).engines.remove(owner);
    }
}

/// True where somebody holds a port that the service was promised before.
pub(crate) fn is_contested(facts: &PortFacts, host: &dyn Host) -> bool {
    facts.current.iter().any(|port| !is_free(port.host, host))
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
        let holder = host.port_holder(at(busy)).unwrap_or_else(|| "another program".to_owned());
        facts.busy.push(BusyPort { port: busy, holder });
        allocation = allocate_ports(service, facts)?;
    }
    Ok(allocation)
}

/// What Koan publishes, it publishes once, and never where somebody else was met.
fn check(promises: &Promises, service: &ValidService, facts: &PortFacts, allocation: &PortAllocation) {
    if matches!(service.workload, Workload::Process(_)) {
        // A program of the host binds what its manifest says.
        return;
    }
    let chosen: Vec<u16> = hosts(allocation).collect();
    let distinct: BTreeSet<u16> = chosen.iter().copied().collect();
    assert!(distinct.len() == chosen.len(), "{}: one port for two of its own: {chosen:?}", service.key);
    let other =
        promises.ports.iter().find(|(key, ports)| **key != service.key && ports.iter().any(|port| distinct.contains(port)));
    assert!(other.is_none(), "{}: {chosen:?} was promised to {:?} already", service.key, other.map(|(key, _)| key));
    let current = |port: u16| facts.current.iter().any(|current| current.host == port);
    let met = facts.busy.iter().find(|busy| distinct.contains(&busy.port) && !current(busy.port));
    assert!(met.is_none(), "{}: {chosen:?} holds {:?} (B-3)", service.key, met);
}

/// Marks what an engine refused as taken, whatever the service was promised before.
fn avoid_refusals(
    promises: &mut Promises,
    service: &ValidService,
    facts: &mut PortFacts,
    now: Timestamp,
) -> Result<(), PortFailure> {
    let Some(known) = promises.refusals.get(&service.key) else { return Ok(()) };
    if now.duration_since(known.last) >= FORGET {
        promises.refusals.remove(&service.key);
        return Ok(());
    }
    if known.count > REPICKS {
        let ports = known.ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
        return Err(PortFailure {
            reason: Reason::Exhausted,
            message: format!("the engine refused {} choices of a port in turn: {ports}", known.count),
            remedy: "free one of them, or name a free one with `koan up --port`; it is tried again by itself".to_owned(),
        });
    }
    facts.current.retain(|port| !known.ports.contains(&port.host));
    let busy =
        known.ports.iter().map(|port| BusyPort { port: *port, holder: "a program or container that the engine met".to_owned() });
    facts.busy.extend(busy);
    Ok(())
}

fn hosts(allocation: &PortAllocation) -> impl Iterator<Item = u16> {
    allocation.ports.iter().filter_map(|port| port.host.map(|(host, _)| host))
}

fn is_free(port: u16, host: &dyn Host) -> bool {
    host.port_is_free(at(port))
}

/// The very address at which a port is published.
fn at(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}
