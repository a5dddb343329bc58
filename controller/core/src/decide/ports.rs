//! Port allocation (cli.md section 7): one host port per published port, unique over everything that this instance promised.

use std::collections::{BTreeMap, BTreeSet};

use koan_crds::v1alpha1::{ConflictPolicy, EvidenceCode, PortSource, Profile, Protocol};
use koan_crds::vocabulary::Reason;
use serde::{Deserialize, Serialize};

use super::table::Decision;
use crate::candidate;
use crate::facts::PortFacts;
use crate::probe::Address;
use crate::validate::{ValidPort, ValidPortPolicy, ValidService, Workload};

/// Lowest port that a re-pick takes.
const LOWEST: u16 = 1_024;

/// A port that cannot be had, and who holds it (CLI-31).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusyPort {
    /// Port of the host.
    pub port: u16,
    /// Who holds it: process, container, or "reserved by Windows".
    pub holder: String,
}

/// A port that was promised to another service of this instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortPromise {
    /// Port of the host.
    pub port: u16,
    /// `<namespace>/<ServiceSpec>` that it was promised to.
    pub service: String,
}

/// Host ports of one service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortAllocation {
    /// Every port of the service in the manifest's order; unpublished ones have no host port.
    pub ports: Vec<AllocatedPort>,
    /// Ports that moved because another holder was there.
    pub moved: Vec<MovedPort>,
}

/// One port of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllocatedPort {
    /// Name.
    pub name: String,
    /// Port inside.
    pub container: u16,
    /// Transport.
    pub protocol: Protocol,
    /// Host port with its source; `None` is unpublished.
    pub host: Option<(u16, PortSource)>,
}

/// A port that moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MovedPort {
    /// Name.
    pub name: String,
    /// Port that was wanted.
    pub wanted: u16,
    /// Who holds it.
    pub holder: String,
    /// Port that was taken instead.
    pub taken: u16,
}

impl PortAllocation {
    /// Host port of the container port, where it is published.
    pub fn host_port(&self, container: u16) -> Option<u16> {
        self.ports.iter().find(|port| port.container == container).and_then(|port| port.host).map(|(host, _)| host)
    }
}

/// No port could be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortFailure {
    /// `Conflict`, `Exhausted`, or `Invalid` where the offset leads above 65535.
    pub reason: Reason,
    /// One sentence that names the holder.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

/// Marks the ports of refused host services as taken: none of them is ever bound, even once it is free again (DET-25, B-3).
///
/// To be called between the decision and [`allocate_ports`].
pub fn avoid_refused(decision: &Decision, facts: &mut PortFacts) {
    if !matches!(decision.reason, Reason::HostRejected | Reason::HostImpostor) {
        return;
    }
    for line in decision.evidence.iter().filter(|line| !absent(line.code)) {
        let address = line.endpoint.as_deref().and_then(|text| candidate::parse(text, None).ok()).map(|parsed| parsed.address);
        let Some(Address::Tcp { host, port }) = address else { continue };
        let loopback = host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        if loopback && !facts.busy.iter().any(|busy| busy.port == port) {
            facts.busy.push(BusyPort { port, holder: "the host service that was refused".to_owned() });
        }
    }
}

/// Evidence that nothing answers there, or nothing foreign.
fn absent(code: EvidenceCode) -> bool {
    matches!(
        code,
        EvidenceCode::Refused
            | EvidenceCode::Unreachable
            | EvidenceCode::KoanOwned
            | EvidenceCode::RetainedData
            | EvidenceCode::HostLost
    )
}

/// Allocates the host ports of one service.
///
/// Deterministic: the same service, policy and facts give the same ports. Ports that the service already has are kept.
///
/// # Errors
/// [`PortFailure`] where a port is busy under `Fail`, or none is free within the bounds.
pub fn allocate_ports(service: &ValidService, facts: &PortFacts) -> Result<PortAllocation, PortFailure> {
    let own: BTreeSet<u16> = facts.current.iter().map(|port| port.host).collect();
    let mut taken: BTreeMap<u16, String> = facts.busy.iter().map(|busy| (busy.port, busy.holder.clone())).collect();
    taken.retain(|port, _| !own.contains(port));
    for promise in &facts.promised {
        taken.insert(promise.port, format!("service {}", promise.service));
    }
    let mut allocation = PortAllocation::default();
    for port in &service.ports {
        let host = match &service.workload {
            Workload::Process(_) => Some((port.declared.unwrap_or(port.container), PortSource::Declared)),
            Workload::External(_) => None,
            Workload::Container(_) | Workload::Recipe { .. } if !port.publish => None,
            Workload::Container(_) | Workload::Recipe { .. } => {
                Some(published(service, port, facts, &taken, &mut allocation.moved)?)
            }
        };
        if let Some((number, _)) = host {
            taken.insert(number, format!("port `{}` of this service", port.name));
        }
        allocation.ports.push(AllocatedPort {
            name: port.name.clone(),
            container: port.container,
            protocol: port.protocol,
            host,
        });
    }
    Ok(allocation)
}

fn published(
    service: &ValidService,
    port: &ValidPort,
    facts: &PortFacts,
    taken: &BTreeMap<u16, String>,
    moved: &mut Vec<MovedPort>,
) -> Result<(u16, PortSource), PortFailure> {
    let policy = &service.port_policy;
    let (wanted, source) = first_choice(service, port, facts, taken)?;
    if let Some(kept) = kept(facts, port, wanted, source, taken) {
        return Ok(kept);
    }
    let Some(holder) = taken.get(&wanted) else { return Ok((wanted, source)) };
    if source == PortSource::Flag || policy.conflicts == ConflictPolicy::Fail {
        return Err(PortFailure {
            reason: Reason::Conflict,
            message: format!("port {wanted} for `{}` is held by {holder}", port.name),
            remedy: format!("end {holder}, choose another port, or set spec.ports.conflicts: Repick"),
        });
    }
    let (low, high) = if source == PortSource::Deterministic { (policy.low, policy.high) } else { (LOWEST, u16::MAX) };
    let found = repick(wanted, policy.probe_max, (low, high), taken).ok_or_else(|| PortFailure {
        reason: Reason::Exhausted,
        message: format!(
            "no port is free for `{}` within {} after {wanted}, which is held by {holder}",
            port.name, policy.probe_max
        ),
        remedy: "free a port, or raise spec.ports.probeMax".to_owned(),
    })?;
    moved.push(MovedPort { name: port.name.clone(), wanted, holder: holder.clone(), taken: found });
    Ok((found, PortSource::Repicked))
}

/// The port that the service already has, unless a stronger wish names another one or it was taken meanwhile.
fn kept(
    facts: &PortFacts,
    port: &ValidPort,
    wanted: u16,
    source: PortSource,
    taken: &BTreeMap<u16, String>,
) -> Option<(u16, PortSource)> {
    let current = facts.current.iter().find(|current| current.name == port.name && current.container == port.container)?;
    if taken.contains_key(&current.host) {
        return None;
    }
    let firm = matches!(source, PortSource::Flag | PortSource::Declared);
    if !firm || current.host == wanted || (source == PortSource::Declared && taken.contains_key(&wanted)) {
        // The launch state of this start repeats what was chosen; it is no choice of its own.
        let chosen = current.host == wanted && source != PortSource::Launch;
        let source = if chosen { source } else { current.source };
        return Some((current.host, source));
    }
    None
}

/// The first port that the order of cli.md section 7 names.
fn first_choice(
    service: &ValidService,
    port: &ValidPort,
    facts: &PortFacts,
    taken: &BTreeMap<u16, String>,
) -> Result<(u16, PortSource), PortFailure> {
    let policy = &service.port_policy;
    if let Some(flag) = facts.flags.get(&port.name) {
        return Ok((*flag, PortSource::Flag));
    }
    if let Some(declared) = port.declared {
        return Ok((offset(port, declared, policy)?, PortSource::Declared));
    }
    if let Some(launch) = facts.launch.get(&port.name).filter(|launch| !taken.contains_key(launch)) {
        return Ok((*launch, PortSource::Launch));
    }
    match (port.default, service.profile) {
        (Some(default), Profile::Local | Profile::Staging | Profile::Prod) => {
            Ok((offset(port, default, policy)?, PortSource::Default))
        }
        (Some(_), Profile::Ci) | (None, _) => {
            Ok((deterministic(&port_key(service, port), policy.low, policy.high), PortSource::Deterministic))
        }
    }
}

fn offset(port: &ValidPort, number: u16, policy: &ValidPortPolicy) -> Result<u16, PortFailure> {
    number.checked_add(policy.offset).ok_or_else(|| PortFailure {
        reason: Reason::Invalid,
        message: format!("port {number} for `{}` plus offset {} is above 65535", port.name, policy.offset),
        remedy: "choose a smaller spec.ports.offset".to_owned(),
    })
}

/// `<ns>/<stack>/<service>/<port>`; a service that stands alone counts as its own stack.
pub fn port_key(service: &ValidService, port: &ValidPort) -> String {
    let stack = service.stack.as_ref().map_or(service.service.as_str(), |stack| stack.name.as_str());
    format!("{}/{stack}/{}/{}", service.key.namespace, service.service, port.name)
}

/// low + FNV-1a32(key) mod (high − low + 1).
pub fn deterministic(key: &str, low: u16, high: u16) -> u16 {
    let span = u32::from(high.saturating_sub(low)) + 1;
    let steps = fnv1a32(key.as_bytes()) % span;
    low.saturating_add(u16::try_from(steps).unwrap_or_default())
}

/// FNV-1a, 32 bits.
fn fnv1a32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// The first free port after `wanted`, at most `probe_max` steps away, wrapping from `high` to `low`.
fn repick(wanted: u16, probe_max: u32, (low, high): (u16, u16), taken: &BTreeMap<u16, String>) -> Option<u16> {
    let low = low.max(LOWEST);
    let mut candidate = wanted;
    for _ in 0..probe_max {
        candidate = if candidate >= high { low } else { (candidate + 1).max(low) };
        if !taken.contains_key(&candidate) {
            return Some(candidate);
        }
        if candidate == wanted {
            return None;
        }
    }
    None
}
