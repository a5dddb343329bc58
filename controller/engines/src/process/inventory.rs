//! What this engine holds, read anew from its folders and the process table.

use std::net::{IpAddr, Ipv4Addr};

use koan_core::inventory::{Inventory, LivePort, WorkloadRecord, WorkloadState};
use koan_core::workload::WorkloadSpec;
use koan_crds::v1alpha1::EngineName;

use super::engine::Inner;
use super::error::ProcessError;
use super::layout::Places;
use super::record::{End, RunRecord, Situation};
use super::volumes;
use super::workloads::{self, Stored};
use crate::contract::Scope;

/// Where programs are asked to listen.
pub(crate) const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Everything of the scope's instance.
pub(crate) fn inventory(inner: &Inner, scope: &Scope) -> Result<Inventory, ProcessError> {
    let mut workloads = Vec::new();
    for (stored, places) in workloads::list(&inner.layout)? {
        if stored.spec.owner.instance == scope.instance {
            workloads.push(record(&stored, &places)?);
        }
    }
    let mut volumes = volumes::list(&inner.layout)?;
    volumes.retain(|volume| volume.owner.instance == scope.instance);
    let ports = workloads.iter().flat_map(|workload| workload.ports.clone()).collect();
    Ok(Inventory { engine: EngineName::Process, workloads, networks: Vec::new(), volumes, ports })
}

fn record(stored: &Stored, places: &Places) -> Result<WorkloadRecord, ProcessError> {
    let run = workloads::situation(places)?;
    let (state, pid, end) = state(run.as_ref());
    let spec = &stored.spec;
    Ok(WorkloadRecord {
        id: stored.id.clone(),
        name: spec.object.clone(),
        owner: spec.owner.clone(),
        hash: spec.hash.clone(),
        state,
        image: None,
        image_digest: None,
        platform: None,
        started_at: run.as_ref().and_then(|(record, _situation)| record.started_at),
        finished_at: run.as_ref().and_then(|(record, _situation)| record.finished_at),
        exit_code: end.as_ref().and_then(End::exit_code),
        oom_killed: false,
        restarts: 0,
        cut_off: false,
        addresses: Vec::new(),
        ports: pid.map_or_else(Vec::new, |pid| ports(spec, pid)),
        pid,
        volumes: workloads::volumes(spec),
    })
}

/// State, process id and end. A program whose supervisor was killed still runs; the exit code of one that nobody saw end is unknown.
fn state(run: Option<&(RunRecord, Situation)>) -> (WorkloadState, Option<u32>, Option<End>) {
    match run.map(|(_record, situation)| situation) {
        None => (WorkloadState::Created, None, None),
        Some(Situation::Preparing) => (WorkloadState::Restarting, None, None),
        Some(Situation::Supervised(program) | Situation::Orphaned(program)) => (WorkloadState::Running, Some(program.pid), None),
        // A start ends what is left of the step, and begins anew.
        Some(Situation::OrphanedStep(_step)) => (WorkloadState::Exited, None, None),
        Some(Situation::Over(end)) => (WorkloadState::Exited, None, end.clone()),
    }
}

/// Host port of each port: the allocated one, else the one that the program is known to use.
fn ports(spec: &WorkloadSpec, pid: u32) -> Vec<LivePort> {
    spec.ports
        .iter()
        .map(|port| LivePort {
            service: spec.object.clone(),
            host: port.host.unwrap_or(port.container),
            container: port.container,
            protocol: port.protocol,
            address: LOOPBACK,
            owner: Some(spec.owner.clone()),
            pid: Some(pid),
        })
        .collect()
}
