//! What the simulated engine holds, and how time moves it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use koan_core::identity::{ObjectId, Owner, SpecHash};
use koan_core::inventory::{
    Capabilities, Inventory, LivePort, NetworkAddress, NetworkRecord, VolumeRecord, WorkloadRecord, WorkloadState,
};
use koan_core::step::Step;
use koan_core::text::Values;
use koan_core::workload::WorkloadSpec;
use koan_crds::v1alpha1::EngineName;
use tokio::sync::broadcast;
use tokio::time::Instant;

use super::fault::{CallRecord, Effect, Fault};
use super::program::{Answer, Program};
use crate::{LogLine, Scope, Stream};

/// Second at which every world begins: 2026-01-01T00:00:00Z.
const EPOCH_SECOND: i64 = 1_767_225_600;
/// Hints that a slow reader may lag behind; beyond that it is told to list.
const HINTS_MAX: usize = 1024;

/// A workload of the world.
#[derive(Clone, Debug)]
pub struct SimWorkload {
    /// What it was created from.
    pub spec: WorkloadSpec,
    /// Its name now; drift may have renamed it.
    pub name: String,
    /// Owner by its labels now; drift may have edited them.
    pub owner: Option<Owner>,
    /// Hash by its label.
    pub hash: SpecHash,
    /// State.
    pub state: WorkloadState,
    /// Environment as the program sees it.
    pub env: BTreeMap<String, String>,
    /// Mounted files as the program sees them.
    pub files: BTreeMap<String, String>,
    /// Names of mounted volumes.
    pub volumes: Vec<String>,
    /// Starts so far.
    pub starts: u32,
    pub(super) address: IpAddr,
    pub(super) started: Option<Instant>,
    pub(super) finished: Option<Instant>,
    pub(super) exit_code: Option<i64>,
    pub(super) oom_killed: bool,
    pub(super) lines: Vec<(u32, LogLine)>,
    pub(super) printed: usize,
}

/// A network of the world.
#[derive(Clone, Debug)]
pub struct SimNetwork {
    /// Name; not unique (P13).
    pub name: String,
    /// Owner by its labels; `None` is foreign.
    pub owner: Option<Owner>,
    pub(super) created: Duration,
}

/// A volume of the world.
#[derive(Clone, Debug)]
pub struct SimVolume {
    /// Owner by its labels; `None` is foreign.
    pub owner: Option<Owner>,
    /// Path that it serves.
    pub path: String,
    /// Secret files with which its first program initialised it: a later one must bring the same (S-9).
    pub initialised_with: Option<BTreeMap<String, String>>,
    pub(super) created: Duration,
}

/// What the watchers of the world are told.
#[derive(Clone, Debug)]
pub(super) enum Signal {
    Object(ObjectId),
    Lost,
}

/// A call that lands later than its sender believes.
pub(super) struct Late {
    pub(super) due: Instant,
    pub(super) step: Step,
    pub(super) values: Values,
}

/// Everything, behind one lock that is never held across an await.
pub(super) struct State {
    pub(super) engine: EngineName,
    pub(super) capabilities: Capabilities,
    pub(super) born: Instant,
    pub(super) up: bool,
    pub(super) losing_events: bool,
    pub(super) latency: Duration,
    pub(super) next_id: u64,
    pub(super) workloads: BTreeMap<ObjectId, SimWorkload>,
    pub(super) networks: BTreeMap<ObjectId, SimNetwork>,
    pub(super) volumes: BTreeMap<String, SimVolume>,
    pub(super) pulled: BTreeSet<String>,
    pub(super) unknown_images: BTreeSet<String>,
    pub(super) declared: BTreeMap<String, Vec<String>>,
    /// Address of the host in every network.
    pub(super) gateway: IpAddr,
    pub(super) taken_ports: BTreeMap<u16, String>,
    pub(super) programs: BTreeMap<String, Program>,
    pub(super) late: Vec<Late>,
    pub(super) faults: BTreeMap<usize, Fault>,
    pub(super) calls: Vec<CallRecord>,
    pub(super) effects: Vec<Effect>,
    pub(super) reads: u64,
    pub(super) signals: broadcast::Sender<Signal>,
}

impl State {
    pub(super) fn new(engine: EngineName) -> Self {
        let containers = engine != EngineName::Process;
        Self {
            engine,
            capabilities: Capabilities {
                containers,
                processes: !containers,
                build: containers,
                networks: containers,
                gpu: false,
                exec: true,
            },
            born: Instant::now(),
            up: true,
            losing_events: false,
            latency: Duration::ZERO,
            next_id: 0,
            workloads: BTreeMap::new(),
            networks: BTreeMap::new(),
            volumes: BTreeMap::new(),
            pulled: BTreeSet::new(),
            unknown_images: BTreeSet::new(),
            declared: BTreeMap::new(),
            gateway: IpAddr::V4(Ipv4Addr::new(10, 99, 0, 1)),
            taken_ports: BTreeMap::new(),
            programs: BTreeMap::new(),
            late: Vec::new(),
            faults: BTreeMap::new(),
            calls: Vec::new(),
            effects: Vec::new(),
            reads: 0,
            signals: broadcast::channel(HINTS_MAX).0,
        }
    }

    /// Time since the world began.
    pub(super) fn age(&self) -> Duration {
        Instant::now().duration_since(self.born)
    }

    /// The next number; ids, addresses and creation times derive from it.
    pub(super) fn fresh(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    pub(super) fn fresh_id(&mut self, kind: &str) -> ObjectId {
        ObjectId(format!("{kind}-{:04}", self.fresh()))
    }

    pub(super) fn hint(&self, id: &ObjectId) {
        if !self.losing_events {
            // Nobody may be listening; hints are only hints.
            let _ = self.signals.send(Signal::Object(id.clone()));
        }
    }

    /// The script of a workload: by the name of its object, else of its image or program, else one that is ready at once.
    pub(super) fn program(&self, workload: &SimWorkload) -> Program {
        let by_object = self.programs.get(&workload.spec.object);
        let found = by_object.or_else(|| self.programs.get(program_key(&workload.spec)));
        found.cloned().unwrap_or_else(|| Program::boots_in(Duration::ZERO))
    }

    /// Moves the world up to now: late calls land, programs print and end, each at its own time and in order.
    pub(super) fn settle(&mut self) {
        let now = Instant::now();
        loop {
            let ends = self.next_end();
            let lands = self
                .late
                .iter()
                .enumerate()
                .min_by_key(|(index, late)| (late.due, *index))
                .map(|(index, late)| (late.due, index));
            match (ends, lands) {
                (Some((end, id)), None) if end <= now => self.end(&id, end),
                (Some((end, id)), Some((due, _))) if end <= now && end <= due => self.end(&id, end),
                (_, Some((due, index))) if due <= now => {
                    let late = self.late.remove(index);
                    if self.up {
                        // Nobody hears the answer.
                        let _ = super::steps::land(self, &late.step, &late.values);
                    }
                }
                (Some(_) | None, Some(_) | None) => break,
            }
        }
        let ids: Vec<ObjectId> = self.workloads.keys().cloned().collect();
        ids.iter().for_each(|id| self.print(id, now));
    }

    /// When the world next changes by itself.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let end = self.next_end().map(|(end, _)| end);
        let lines = self.workloads.values().filter_map(|workload| {
            let (after, _, _) = self.program(workload).lines.get(workload.printed).cloned()?;
            (workload.state == WorkloadState::Running).then(|| workload.started.map(|start| start + after)).flatten()
        });
        self.late.iter().map(|late| late.due).chain(end).chain(lines).min()
    }

    fn next_end(&self) -> Option<(Instant, ObjectId)> {
        let running = self.workloads.iter().filter(|(_, workload)| workload.state == WorkloadState::Running);
        running.filter_map(|(id, workload)| Some((workload.started? + self.program(workload).end?.after, id.clone()))).min()
    }

    fn end(&mut self, id: &ObjectId, at: Instant) {
        let Some(end) = self.workloads.get(id).and_then(|workload| self.program(workload).end) else { return };
        self.print(id, at);
        self.exit(id, end.code, end.oom_killed, at);
    }

    /// Ends a run.
    pub(super) fn exit(&mut self, id: &ObjectId, code: i64, oom_killed: bool, at: Instant) {
        if let Some(workload) = self.workloads.get_mut(id) {
            workload.state = WorkloadState::Exited;
            workload.exit_code = Some(code);
            workload.oom_killed = oom_killed;
            workload.finished = Some(at);
        }
        self.hint(id);
    }

    fn print(&mut self, id: &ObjectId, until: Instant) {
        let Some((workload, program)) = self.workloads.get(id).map(|workload| (workload, self.program(workload))) else { return };
        let Some(start) = workload.started.filter(|_| workload.state == WorkloadState::Running) else { return };
        let (run, printed) = (workload.starts, workload.printed);
        let due: Vec<_> = program.lines.into_iter().skip(printed).take_while(|(after, _, _)| start + *after <= until).collect();
        let lines: Vec<_> = due
            .into_iter()
            .map(|(after, stream, text): (Duration, Stream, String)| {
                (run, LogLine { at: Some(self.timestamp(start + after)), stream, text })
            })
            .collect();
        if let Some(workload) = self.workloads.get_mut(id) {
            workload.printed += lines.len();
            workload.lines.extend(lines);
        }
    }

    /// What a client meets at a port of this machine or of a workload's own address.
    pub(super) fn answer(&self, host: IpAddr, port: u16) -> Answer {
        let meets = |workload: &&SimWorkload| {
            let published = workload.spec.ports.iter().any(|entry| entry.host == Some(port));
            let direct = workload.address == host && workload.spec.ports.iter().any(|entry| entry.container == port);
            workload.state == WorkloadState::Running && ((host.is_loopback() && published) || direct)
        };
        let Some(workload) = self.workloads.values().find(meets) else { return Answer::Refused };
        let since = workload.started.map_or(Duration::ZERO, |start| Instant::now().duration_since(start));
        self.program(workload).answer(since)
    }

    pub(super) fn timestamp(&self, instant: Instant) -> Timestamp {
        let since = SignedDuration::try_from(instant.duration_since(self.born)).unwrap_or_default();
        let begin = Timestamp::from_second(EPOCH_SECOND).unwrap_or(Timestamp::UNIX_EPOCH);
        begin.checked_add(since).unwrap_or(begin)
    }

    /// A creation time as this engine prints it.
    pub(super) fn printed_age(&self, age: Duration) -> String {
        self.timestamp(self.born + age).to_string()
    }

    pub(super) fn inventory(&self, scope: &Scope) -> Inventory {
        let ours = |owner: &Option<Owner>| owner.clone().filter(|owner| owner.instance == scope.instance);
        let mut workloads: Vec<WorkloadRecord> = self
            .workloads
            .iter()
            .filter_map(|(id, workload)| Some(self.workload_record(id, workload, ours(&workload.owner)?)))
            .collect();
        workloads.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        let mut networks: Vec<NetworkRecord> = self
            .networks
            .iter()
            .filter_map(|(id, network)| {
                Some(NetworkRecord {
                    id: id.clone(),
                    name: network.name.clone(),
                    owner: ours(&network.owner)?,
                    created_at: self.printed_age(network.created),
                    gateway: Some(self.gateway),
                    endpoints: u32::try_from(self.attached(id)).ok(),
                })
            })
            .collect();
        networks.sort_by(|a, b| (&a.created_at, &a.id).cmp(&(&b.created_at, &b.id)));
        let volumes = self.volumes.iter().filter_map(|(name, volume)| {
            Some(VolumeRecord {
                name: name.clone(),
                owner: ours(&volume.owner)?,
                path: volume.path.clone(),
                created_at: self.printed_age(volume.created),
            })
        });
        let mut ports: Vec<LivePort> = self.workloads.values().flat_map(live_ports).collect();
        ports.sort_by(|a, b| (a.host, &a.service).cmp(&(b.host, &b.service)));
        Inventory { engine: self.engine, workloads, networks, volumes: volumes.collect(), ports }
    }

    /// Workloads attached to exactly this network: of one name, the oldest has them all.
    pub(super) fn attached(&self, id: &ObjectId) -> usize {
        let Some(network) = self.networks.get(id) else { return 0 };
        let same = self.networks.iter().filter(|(_, other)| other.name == network.name);
        let oldest = same.min_by_key(|(id, other)| (other.created, (*id).clone())).map(|(id, _)| id);
        if oldest == Some(id) { self.endpoints(&network.name).count() } else { 0 }
    }

    /// Workloads attached to a network.
    pub(super) fn endpoints<'a>(&'a self, network: &'a str) -> impl Iterator<Item = &'a SimWorkload> {
        self.workloads.values().filter(move |workload| workload.spec.networks.iter().any(|name| name == network))
    }

    fn workload_record(&self, id: &ObjectId, workload: &SimWorkload, owner: Owner) -> WorkloadRecord {
        let runs = matches!(workload.state, WorkloadState::Running | WorkloadState::Paused);
        let address = |network: &String| NetworkAddress { network: network.clone(), address: workload.address, gateway: None };
        let image = super::steps::image_of(&workload.spec).map(str::to_owned);
        WorkloadRecord {
            id: id.clone(),
            name: workload.name.clone(),
            owner,
            hash: workload.hash.clone(),
            state: workload.state,
            image_digest: image.as_deref().map(super::steps::digest_of),
            platform: image.as_ref().map(|_| super::steps::PLATFORM.to_owned()),
            image,
            started_at: workload.started.map(|start| self.timestamp(start)),
            finished_at: workload.finished.map(|end| self.timestamp(end)),
            exit_code: workload.exit_code.filter(|_| !runs),
            oom_killed: workload.oom_killed,
            restarts: 0,
            cut_off: runs && workload.spec.networks.iter().any(|name| !self.networks.values().any(|known| known.name == *name)),
            addresses: if runs { workload.spec.networks.iter().map(address).collect() } else { Vec::new() },
            ports: live_ports(workload).collect(),
            pid: None,
            volumes: workload.volumes.clone(),
        }
    }
}

/// Published ports of a running workload.
pub(super) fn live_ports(workload: &SimWorkload) -> impl Iterator<Item = LivePort> + '_ {
    let runs = matches!(workload.state, WorkloadState::Running | WorkloadState::Paused);
    workload.spec.ports.iter().filter(move |_| runs).filter_map(|port| {
        Some(LivePort {
            service: workload.name.clone(),
            host: port.host?,
            container: port.container,
            protocol: port.protocol,
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            owner: workload.owner.clone(),
            pid: None,
        })
    })
}

/// Image, or the first word of the program.
fn program_key(spec: &WorkloadSpec) -> &str {
    use koan_core::text::Part;
    use koan_core::workload::Run;
    match &spec.run {
        Run::Container(run) => &run.image,
        Run::Process(run) => match run.command.first().and_then(|text| text.0.first()) {
            Some(Part::Plain(word)) => word,
            Some(_) | None => "",
        },
    }
}
