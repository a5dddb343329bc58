//! The dialect table: what Docker and Podman do differently, each row with the version and the test that showed it.
//!
//! The rest of the room asks the table and never the engine's name.

use koan_crds::v1alpha1::EngineName;

/// A version that switches a behaviour on.
pub(crate) type Since = (u64, u64);

/// What an engine does, beyond what both do alike.
#[derive(Debug)]
pub struct Dialect {
    /// The engine.
    pub engine: EngineName,
    /// Name for people and errors.
    pub title: &'static str,
    /// How to start it, for remedies.
    pub start_hint: &'static str,
    /// `true` where the events endpoint may be filtered by label. Podman 4.3 loses `died` events under a label filter
    /// (REL-5); shown by `events_arrive_as_hints`.
    pub event_filters: bool,
    /// `true` where two networks may carry one name, so that only ids are safe (P13): Docker 20.10. Podman 4.3 refuses the second
    /// one, and forgets that a network is in use by containers that were attached by its id; shown by
    /// `a_container_joins_every_network_of_its_specification`.
    pub duplicate_networks: bool,
    /// `true` where a port published on `::1` connects. Podman 4.3 and 5.8 accept it and never answer.
    pub ipv6_loopback: bool,
    /// `true` where Koan asks for the `json-file` log driver with rotation; Podman knows no such option for its own driver.
    pub rotated_logs: bool,
    /// From which version on `host-gateway` is resolved by the engine. Podman 4.3.1 writes the word itself into the hosts file, so
    /// below it the gateway of the network is written.
    pub host_gateway_since: Since,
    /// `true` where GPUs are asked for by device requests.
    pub device_requests: bool,
    /// Texts by which a start says that a host port is taken; neither API has a code for it.
    pub port_taken: &'static [&'static str],
    /// Texts by which a pull says that there is no such image.
    pub image_unknown: &'static [&'static str],
}

impl Dialect {
    /// Docker.
    pub const DOCKER: Self = Self {
        engine: EngineName::Docker,
        title: "Docker",
        start_hint: "start it (systemctl start docker, or Docker Desktop)",
        event_filters: true,
        duplicate_networks: true,
        ipv6_loopback: true,
        rotated_logs: true,
        host_gateway_since: (20, 10),
        device_requests: true,
        port_taken: PORT_TAKEN,
        image_unknown: IMAGE_UNKNOWN,
    };

    /// Podman.
    pub const PODMAN: Self = Self {
        engine: EngineName::Podman,
        title: "Podman",
        start_hint: "start its service (systemctl start podman.socket, with --user for rootless)",
        event_filters: false,
        duplicate_networks: false,
        ipv6_loopback: false,
        rotated_logs: false,
        host_gateway_since: (5, 0),
        device_requests: false,
        port_taken: PORT_TAKEN,
        image_unknown: IMAGE_UNKNOWN,
    };

    /// The dialect of an engine; `None` for engines that are not containers'.
    pub fn of(engine: EngineName) -> Option<&'static Self> {
        match engine {
            EngineName::Docker => Some(&Self::DOCKER),
            EngineName::Podman => Some(&Self::PODMAN),
            EngineName::Auto | EngineName::Process | EngineName::Kubernetes => None,
        }
    }
}

const PORT_TAKEN: &[&str] = &["port is already allocated", "address already in use"];
const IMAGE_UNKNOWN: &[&str] = &["manifest unknown", "not found", "does not exist", "name unknown"];
