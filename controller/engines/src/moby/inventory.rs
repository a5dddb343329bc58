//! `inventory()`: one list of containers, networks and volumes each; details are read only of ours that may have changed.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};

use bollard::errors::Error;
use bollard::models::{Network, Volume};
use bollard::query_parameters::{ListNetworksOptionsBuilder, ListVolumesOptionsBuilder};
use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use koan_core::identity::{ObjectId, Owner, SpecHash};
use koan_core::inventory::{Inventory, LivePort, NetworkAddress, NetworkRecord, VolumeRecord, WorkloadRecord, WorkloadState};
use koan_crds::labels;
use koan_crds::v1alpha1::Protocol;

use super::engine::Moby;
use super::failure::is_absent;
use super::network::gateway_of;
use super::wire::{Endpoint, Inspected, Listed, Port};
use super::{image, volume};
use crate::{EngineError, Scope};

/// Details that are read at once.
const DETAILS_AT_ONCE: usize = 8;
/// Networks that the engines bring along: they carry no labels and cannot be removed.
const STANDING_NETWORKS: [&str; 5] = ["bridge", "podman", "host", "none", "default"];
/// Mark of a container that was made and not started yet.
const NEVER_RAN: &str = "never ran";
/// Containers whose details are remembered.
const REMEMBERED_MAX: usize = 4096;

/// Details by id: of running containers while the list shows the same endpoints, since each start makes new ones, and of
/// those that never ran, which an engine answers for only after it has started them.
#[derive(Default)]
pub(crate) struct Details(Mutex<HashMap<String, (String, Arc<Inspected>)>>);

impl Details {
    fn get(&self, id: &str, mark: &str) -> Option<Arc<Inspected>> {
        let map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        map.get(id).filter(|(known, _)| known == mark).map(|(_, found)| Arc::clone(found))
    }

    fn put(&self, id: &str, mark: String, found: Arc<Inspected>) {
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if map.len() >= REMEMBERED_MAX {
            map.clear();
        }
        map.insert(id.to_owned(), (mark, found));
    }

    /// Something happened to a container: what it was is read again.
    pub(crate) fn forget(&self, id: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }
}

impl Moby {
    /// Everything of the instance, and every published port.
    pub(crate) async fn list_everything(&self, scope: &Scope) -> Result<Inventory, EngineError> {
        self.session_or_error().await?;
        let docker = &self.transport.docker;
        let ours = HashMap::from([("label".to_owned(), vec![format!("{}={}", labels::INSTANCE, scope.instance)])]);
        // A network that a listed container stands in was made before: read after, it is in the list unless it is gone.
        let containers = self.transport.list_containers().await.map_err(|error| self.read_error("list", "containers", error))?;
        let (networks, volumes) = tokio::join!(
            docker.list_networks(Some(ListNetworksOptionsBuilder::default().filters(&ours).build())),
            docker.list_volumes(Some(ListVolumesOptionsBuilder::default().filters(&ours).build())),
        );
        let networks = networks.map_err(|error| self.read_error("list", "networks", error))?;
        let volumes = volumes.map_err(|error| self.read_error("list", "volumes", error))?.volumes.unwrap_or_default();

        let mut ports: Vec<LivePort> = containers.iter().flat_map(ports_of).collect();
        ports.sort_by(|a, b| (a.host, a.address, &a.service).cmp(&(b.host, b.address, &b.service)));
        ports.dedup();
        let owned = containers.into_iter().filter_map(|container| {
            let owner = owner_of(Some(&container.labels)).filter(|owner| owner.instance == scope.instance)?;
            Some((owner, container))
        });
        let held = names_of(&networks);
        let mut workloads: Vec<WorkloadRecord> = futures::stream::iter(owned)
            .map(|(owner, container)| self.record(owner, container, &held))
            .buffer_unordered(DETAILS_AT_ONCE)
            .try_filter_map(|record| async move { Ok(record) })
            .try_collect()
            .await?;
        workloads.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        let mut networks: Vec<NetworkRecord> = networks.into_iter().filter_map(network_record).collect();
        networks.sort_by(|a, b| (&a.created_at, &a.id).cmp(&(&b.created_at, &b.id)));
        let mut volumes: Vec<VolumeRecord> = volumes.into_iter().filter_map(volume_record).collect();
        volumes.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Inventory { engine: self.options.dialect.engine, workloads, networks, volumes, ports })
    }

    /// One of ours; `None` where it vanished after the list.
    async fn record(
        &self,
        owner: Owner,
        summary: Listed,
        networks: &HashSet<String>,
    ) -> Result<Option<WorkloadRecord>, EngineError> {
        let id = summary.id.clone();
        let mark = mark_of(&summary);
        let known = mark.as_deref().and_then(|mark| self.details.get(&id, mark));
        let details = match known {
            Some(details) => details,
            None => match self.transport.inspect_container(&id).await {
                Ok(found) => {
                    let found = Arc::new(found);
                    if let Some(mark) = mark {
                        self.details.put(&id, mark, Arc::clone(&found));
                    }
                    found
                }
                Err(error) if is_absent(&error) => return Ok(None),
                Err(error) => return Err(self.read_error("read", &id, error)),
            },
        };
        let image = self.image_of(&summary).await?;
        let mut record = record_of(owner, &summary, &details);
        if let Some(image) = image {
            record.image_digest = Some(image.digest.clone());
            record.platform = Some(image.platform.clone());
        }
        let lost = lost_network(&summary, networks);
        match record.state {
            WorkloadState::Created | WorkloadState::Exited if lost || self.lacks_files(&details) => {
                record.state = WorkloadState::Dead
            }
            WorkloadState::Running | WorkloadState::Paused => {
                record.cut_off = lost || summary.network_settings.networks.is_empty();
            }
            WorkloadState::Created
            | WorkloadState::Exited
            | WorkloadState::Restarting
            | WorkloadState::Removing
            | WorkloadState::Dead => {}
        }
        Ok(Some(record))
    }

    /// Facts of the image that a container runs, read once per image.
    async fn image_of(&self, summary: &Listed) -> Result<Option<Arc<image::ImageFacts>>, EngineError> {
        let id = summary.image_id.as_str();
        if let Some(known) = self.images.known(id) {
            return Ok(Some(known));
        }
        match self.transport.docker.inspect_image(id).await {
            Ok(found) => Ok(Some(self.images.remember(id, image::facts_of(&summary.image, found)))),
            // The image was removed below a container that still runs.
            Err(Error::DockerResponseServerError { status_code: 404 | 409 | 500, .. }) => Ok(None),
            Err(error) => Err(self.read_error("read", id, error)),
        }
    }
}

/// What changes with each start of a container; `None` where nothing does.
fn mark_of(summary: &Listed) -> Option<String> {
    match summary.state.known {
        WorkloadState::Running => {}
        // A container is in this state once in its life.
        WorkloadState::Created => return Some(format!("{} {}", name_of(summary), NEVER_RAN)),
        WorkloadState::Paused
        | WorkloadState::Restarting
        | WorkloadState::Removing
        | WorkloadState::Exited
        | WorkloadState::Dead => return None,
    }
    let networks = &summary.network_settings.networks;
    let mut endpoints: Vec<&str> = networks.values().map(|endpoint| endpoint.endpoint_id.as_str()).collect();
    endpoints.sort_unstable();
    let named = !endpoints.is_empty() && endpoints.iter().all(|endpoint| !endpoint.is_empty());
    named.then(|| format!("{} {}", name_of(summary), endpoints.join(",")))
}

fn record_of(owner: Owner, summary: &Listed, details: &Inspected) -> WorkloadRecord {
    let state = &details.state;
    let workload_state = latest(summary.state.known, state.status.known);
    let runs = matches!(workload_state, WorkloadState::Running | WorkloadState::Paused);
    let ended = matches!(workload_state, WorkloadState::Exited | WorkloadState::Dead | WorkloadState::Restarting);
    let hash = summary.labels.get(labels::SPEC_HASH).cloned().unwrap_or_default();
    let mut volumes: Vec<String> =
        details.mounts.iter().map(|mount| mount.name.clone()).filter(|name| !name.is_empty()).collect();
    volumes.sort();
    WorkloadRecord {
        id: ObjectId(summary.id.clone()),
        name: name_of(summary),
        hash: SpecHash(hash),
        state: workload_state,
        image: details.config.image.clone().or_else(|| Some(summary.image.clone())),
        image_digest: None,
        platform: None,
        started_at: instant(&state.started_at),
        finished_at: instant(&state.finished_at),
        exit_code: if ended { state.exit_code } else { None },
        oom_killed: state.oom_killed,
        restarts: details.restart_count,
        cut_off: false,
        addresses: if runs { addresses_of(summary) } else { Vec::new() },
        ports: ports_of(summary).map(|port| LivePort { owner: Some(owner.clone()), ..port }).collect(),
        pid: state.pid.filter(|pid| runs && *pid > 0),
        volumes,
        owner,
    }
}

/// Docker lists a container that ended as running until its network is taken down, some 90 ms later; its details, which are
/// read after the list, wait for that and know better.
fn latest(listed: WorkloadState, detailed: WorkloadState) -> WorkloadState {
    match (listed, detailed) {
        (WorkloadState::Running | WorkloadState::Paused, WorkloadState::Exited | WorkloadState::Dead) => detailed,
        _ => listed,
    }
}

/// Ids and names of networks: an engine names an endpoint's network by either.
fn names_of(networks: &[Network]) -> HashSet<String> {
    networks.iter().flat_map(|network| [network.id.clone(), network.name.clone()]).flatten().collect()
}

/// True where a network that the container was made in is gone: the engine cannot start it any more.
fn lost_network(summary: &Listed, networks: &HashSet<String>) -> bool {
    let mut ends = summary.network_settings.networks.iter();
    ends.any(|(name, end)| {
        let own = !STANDING_NETWORKS.contains(&name.as_str());
        own && !networks.contains(&end.network_id) && !networks.contains(name)
    })
}

fn addresses_of(summary: &Listed) -> Vec<NetworkAddress> {
    let networks = &summary.network_settings.networks;
    let mut addresses: Vec<NetworkAddress> = networks
        .iter()
        .filter_map(|(network, endpoint)| {
            let (address, gateway) = address_of(endpoint)?;
            Some(NetworkAddress { network: network.clone(), address, gateway })
        })
        .collect();
    addresses.sort_by(|a, b| a.network.cmp(&b.network));
    addresses
}

/// Address and gateway of an endpoint, IPv4 first.
pub(crate) fn address_of(endpoint: &Endpoint) -> Option<(IpAddr, Option<IpAddr>)> {
    let parse = |text: &str| text.parse::<IpAddr>().ok();
    match parse(&endpoint.ip_address) {
        Some(address) => Some((address, parse(&endpoint.gateway))),
        None => parse(&endpoint.global_ipv6_address).map(|address| (address, parse(&endpoint.ipv6_gateway))),
    }
}

fn ports_of(summary: &Listed) -> impl Iterator<Item = LivePort> {
    let name = name_of(summary);
    let owner = owner_of(Some(&summary.labels));
    summary.ports.iter().filter_map(move |port| live_port(port, &name, owner.as_ref()))
}

fn live_port(port: &Port, service: &str, owner: Option<&Owner>) -> Option<LivePort> {
    let protocol = match port.kind.as_str() {
        "udp" => Protocol::Udp,
        "tcp" | "" => Protocol::Tcp,
        _ => return None,
    };
    Some(LivePort {
        service: service.to_owned(),
        host: port.public_port?,
        container: port.private_port,
        protocol,
        // Podman leaves the address empty where a port is published everywhere.
        address: port.ip.parse().ok().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        owner: owner.cloned(),
        pid: None,
    })
}

fn name_of(summary: &Listed) -> String {
    summary.names.first().map(|name| name.trim_start_matches('/').to_owned()).unwrap_or_default()
}

fn owner_of(found: Option<&HashMap<String, String>>) -> Option<Owner> {
    Owner::from_labels(|key| found.and_then(|map| map.get(key)).map(String::as_str))
}

fn network_record(network: Network) -> Option<NetworkRecord> {
    Some(NetworkRecord {
        owner: owner_of(network.labels.as_ref())?,
        gateway: gateway_of(&network),
        id: ObjectId(network.id?),
        name: network.name.unwrap_or_default(),
        created_at: network.created.unwrap_or_default(),
        endpoints: None,
    })
}

fn volume_record(found: Volume) -> Option<VolumeRecord> {
    Some(VolumeRecord {
        owner: owner_of(Some(&found.labels))?,
        path: found.labels.get(labels::VOLUME_PATH).cloned().unwrap_or_default(),
        created_at: volume::created(&found),
        name: found.name,
    })
}

/// An instant as the engine prints it; the year 1 means never.
fn instant(text: &str) -> Option<Timestamp> {
    text.parse().ok().filter(|instant: &Timestamp| *instant > Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CLI-39: published ports of everybody, SCTP and unpublished ones left out, an empty address means all.
    #[test]
    fn live_ports_come_from_every_container() {
        let port = |ip: &str, public_port, kind: &str| Port { ip: ip.into(), private_port: 80, public_port, kind: kind.into() };
        let summary = Listed {
            names: vec!["/foreign".into()],
            ports: vec![
                port("127.0.0.1", Some(8080), "tcp"),
                port("", Some(8081), "udp"),
                port("", None, "tcp"),
                port("", Some(1), "sctp"),
            ],
            ..Listed::default()
        };
        let ports: Vec<_> = ports_of(&summary).collect();
        assert_eq!(ports.len(), 2);
        assert_eq!(
            (ports[0].host, ports[0].address.to_string(), ports[0].service.as_str()),
            (8080, "127.0.0.1".into(), "foreign")
        );
        assert_eq!((ports[1].protocol, ports[1].address.to_string()), (Protocol::Udp, "0.0.0.0".into()));
    }

    /// P6: an inspect whose fields are all null still becomes a record.
    #[test]
    fn p6_null_fields_of_an_inspect_are_no_error() {
        let owner = Owner { instance: "i".into(), namespace: "n".into(), stack: None, service: "s".into(), uid: "u".into() };
        let record = record_of(owner, &Listed::default(), &Inspected::default());
        assert_eq!((record.state, record.exit_code, record.started_at), (WorkloadState::Created, None, None));
        assert_eq!(instant("0001-01-01T00:00:00Z"), None);
    }

    /// REL-5, PERF-32: a program that ended counts as ended although the list still calls its container running; nothing else
    /// of a list is overruled, since details may be older than it.
    #[test]
    fn an_end_is_believed_before_the_list_tells_it() {
        use WorkloadState::{Created, Dead, Exited, Running};
        assert_eq!(latest(Running, Exited), Exited);
        assert_eq!(latest(Running, Dead), Dead);
        assert_eq!(latest(Exited, Running), Exited);
        assert_eq!(latest(Running, Created), Running);
    }
}
