//! `Create`: a whole workload becomes one container; one of the same name, owner and hash is adopted.

use std::collections::HashMap;
use std::path::PathBuf;

use bollard::models::{
    ContainerCreateBody, DeviceRequest, EndpointSettings, HealthConfig, HostConfig, HostConfigLogConfig, Mount as ApiMount,
    MountTmpfsOptions, MountType, NetworkConnectRequest, NetworkingConfig, PortBinding, RestartPolicy as ApiRestart,
    RestartPolicyNameEnum,
};
use bollard::query_parameters::CreateContainerOptionsBuilder;
use koan_core::outcome::{Failure, Outcome};
use koan_core::text::Values;
use koan_core::workload::{ContainerRun, Mount, MountSource, PortEntry, WorkloadSpec};
use koan_crds::labels;
use koan_crds::v1alpha1::{FailureClass, Protocol};
use koan_crds::vocabulary::Reason;

use super::engine::{Moby, busy, changed, unchanged};
use super::failure::{is_absent, status_of, words_of};
use super::files::{FilesError, container_of, render};
use super::network::{KnownNetwork, is_owned};
use super::session::Session;
use super::wire::Inspected;
use crate::declared;
use crate::refusals::{foreign, invalid, transient};

/// Nanoseconds between health checks of the image while it starts, where the API knows that field (PERF-83).
const START_INTERVAL_NANOS: i64 = 100_000_000;
/// First API with that field.
const START_INTERVAL_SINCE: (u64, u64) = (1, 44);
/// Podman's words, with 500, where the name of a container is reserved, also by a creator whose container cannot be read yet.
const NAME_TAKEN: &str = "is already in use by";

/// Everything that was looked up before the container's body can be written.
struct Surroundings<'a> {
    session: &'a Session,
    networks: Vec<KnownNetwork>,
    files: Vec<PathBuf>,
    env: Vec<String>,
    mounts: Vec<Mount>,
    ipv6_loopback: bool,
}

impl Surroundings<'_> {
    /// What the container is attached by, in the order of the specification.
    fn keys(&self) -> impl Iterator<Item = &str> {
        self.networks.iter().map(|network| network.key(self.session.dialect))
    }
}

impl Moby {
    /// Creates the container without starting it.
    pub(crate) async fn create(&self, spec: &WorkloadSpec, values: &Values, session: &Session) -> Result<Outcome, Failure> {
        let Some(run) = container_of(spec) else {
            return Err(invalid(
                Reason::ModeUnsupported,
                format!("{} runs containers, {} is a program of the host", self.title(), spec.object),
                "run it with the process engine",
            ));
        };
        if spec.limits.gpus.is_some_and(|gpus| gpus > 0) && !session.dialect.device_requests {
            return Err(invalid(
                Reason::ModeUnsupported,
                format!("{} cannot give GPUs to {} through its API", self.title(), spec.object),
                "use Docker for it, or take resources.gpu away",
            ));
        }
        let surroundings = self.surroundings(spec, run, values, session).await?;
        let body = body_of(spec, run, &surroundings);
        let options = CreateContainerOptionsBuilder::default().name(&spec.object).build();
        let id = match self.transport.docker.create_container(Some(options), body).await {
            Ok(made) => made.id,
            Err(error) if status_of(&error) == Some(409) => return self.adopt(spec, &surroundings).await,
            Err(error) => {
                if is_absent(&error) {
                    self.forget_networks(&spec.networks).await;
                }
                // Podman answers 500 where the name is taken: ask who has it.
                return match self.adopt(spec, &surroundings).await {
                    Ok(adopted @ Outcome::Done(_)) => Ok(adopted),
                    Err(taken) if taken.reason == Reason::ForeignResource => Err(taken),
                    Ok(waiting) if words_of(&error).contains(NAME_TAKEN) => Ok(waiting),
                    Ok(_) | Err(_) => Err(self.failed("create", &format!("container {}", spec.object), &error)),
                };
            }
        };
        let keys: Vec<&str> = surroundings.keys().skip(1).collect();
        self.join_networks(spec, &id, &keys).await?;
        Ok(changed(Some(id)))
    }

    async fn surroundings<'a>(
        &self,
        spec: &WorkloadSpec,
        run: &ContainerRun,
        values: &Values,
        session: &'a Session,
    ) -> Result<Surroundings<'a>, Failure> {
        let image = self.image_facts(&run.image).await?;
        let mut mounts = spec.mounts.clone();
        for volume in declared::volumes_for(spec, &image.volumes) {
            match self.ensure_volume(&volume).await? {
                Outcome::Done(_) => {}
                Outcome::Waiting { what, .. } => return Err(transient(Reason::ProvisionFailed, what)),
                Outcome::Failed(failure) => return Err(failure),
            }
            mounts.push(Mount { target: volume.path, source: MountSource::Volume(volume.name), read_only: false });
        }
        let mut networks = Vec::with_capacity(spec.networks.len());
        for name in &spec.networks {
            networks.push(self.known_network(name, &spec.owner).await?);
        }
        let files = self.templates.write(spec, values).map_err(|error| files_failure(&spec.object, &error))?;
        let env = spec
            .env
            .iter()
            .map(|entry| {
                let value = render(&entry.value, values, &spec.ports).map_err(|error| files_failure(&spec.object, &error))?;
                Ok(format!("{}={}", entry.name, value.expose()))
            })
            .collect::<Result<Vec<_>, Failure>>()?;
        Ok(Surroundings {
            session,
            networks,
            files,
            env,
            mounts,
            ipv6_loopback: session.dialect.ipv6_loopback && has_ipv6_loopback(),
        })
    }

    /// The name is taken: ours with the same hash is the one we wanted.
    async fn adopt(&self, spec: &WorkloadSpec, around: &Surroundings<'_>) -> Result<Outcome, Failure> {
        let subject = format!("container {}", spec.object);
        let found = match self.transport.inspect_container(&spec.object).await {
            Ok(found) => found,
            // The name is reserved before the container can be read, and for a moment after it is gone.
            Err(error) if is_absent(&error) => return Ok(busy(format!("{subject} is being made or removed by somebody else"))),
            Err(error) => return Err(self.failed("read", &subject, &error)),
        };
        if !is_owned(Some(&found.config.labels), &spec.owner) {
            return Err(foreign(self.title(), "container", &spec.object));
        }
        if found.config.labels.get(labels::SPEC_HASH) != Some(&spec.hash.0) {
            return Err(transient(
                Reason::ProvisionFailed,
                format!("{subject} exists with another specification; it is removed first"),
            ));
        }
        let id = found.id.clone();
        let absent = around.networks.iter().filter(|network| !attached(&found, network));
        let missing: Vec<&str> = absent.map(|network| network.key(around.session.dialect)).collect();
        self.join_networks(spec, &id, &missing).await?;
        Ok(unchanged(Some(id)))
    }

    /// Attaches a container to its further networks; APIs below 1.44 take one network at creation.
    async fn join_networks(&self, spec: &WorkloadSpec, id: &str, keys: &[&str]) -> Result<(), Failure> {
        for key in keys {
            let request = NetworkConnectRequest { container: id.to_owned(), endpoint_config: Some(endpoint(spec)) };
            match self.transport.docker.connect_network(key, request).await {
                Ok(()) => {}
                // 403 and 409: it is attached already.
                Err(error) if matches!(status_of(&error), Some(403 | 409)) => {}
                Err(error) => return Err(self.failed("attach", &format!("container {}", spec.object), &error)),
            }
        }
        Ok(())
    }
}

fn files_failure(object: &str, error: &FilesError) -> Failure {
    match error {
        FilesError::Missing(what) => Failure {
            class: FailureClass::Transient,
            reason: Reason::ProvisionFailed,
            message: format!("{object} needs a value that is not there: {what}"),
            remedy: Some("see whether the Secret, ConfigMap or service exists".to_owned()),
        },
        FilesError::Io { path, source } => Failure {
            class: FailureClass::Transient,
            reason: Reason::ProvisionFailed,
            message: format!("cannot write {}: {source}", path.display()),
            remedy: Some("make room in the state directory and see that it belongs to this user".to_owned()),
        },
    }
}

fn attached(found: &Inspected, network: &KnownNetwork) -> bool {
    let wanted = [&network.id, &network.name];
    // A container that never ran has no network id yet, only the key under which it was asked for. Podman's ids are names.
    found.network_settings.networks.iter().any(|(key, endpoint)| {
        let found = if endpoint.network_id.is_empty() { key } else { &endpoint.network_id };
        wanted.contains(&found)
    })
}

/// This machine has `::1`.
fn has_ipv6_loopback() -> bool {
    std::net::UdpSocket::bind(("::1", 0)).is_ok()
}

fn endpoint(spec: &WorkloadSpec) -> EndpointSettings {
    EndpointSettings { aliases: Some(vec![spec.alias.clone()]), ..EndpointSettings::default() }
}

fn body_of(spec: &WorkloadSpec, run: &ContainerRun, around: &Surroundings<'_>) -> ContainerCreateBody {
    let mut wanted: HashMap<String, String> = spec.owner.labels().into_iter().collect();
    wanted.insert(labels::SPEC_HASH.to_owned(), spec.hash.0.clone());
    let network = around.keys().next().map(str::to_owned);
    let networking =
        network.clone().map(|network| NetworkingConfig { endpoints_config: Some(HashMap::from([(network, endpoint(spec))])) });
    ContainerCreateBody {
        user: run.user.clone(),
        exposed_ports: Some(spec.ports.iter().map(port_key).collect()),
        env: Some(around.env.clone()),
        entrypoint: run.command.clone(),
        cmd: run.args.clone(),
        healthcheck: health_of(run, around.session),
        image: Some(run.image.clone()),
        working_dir: run.working_dir.clone(),
        labels: Some(wanted),
        stop_timeout: Some(seconds(spec.stop_grace)),
        host_config: Some(host_config(spec, run, around, network)),
        networking_config: networking,
        ..ContainerCreateBody::default()
    }
}

fn health_of(run: &ContainerRun, session: &Session) -> Option<HealthConfig> {
    if !run.image_health {
        return Some(HealthConfig { test: Some(vec!["NONE".to_owned()]), ..HealthConfig::default() });
    }
    (session.api >= START_INTERVAL_SINCE)
        .then(|| HealthConfig { start_interval: Some(START_INTERVAL_NANOS), ..HealthConfig::default() })
}

fn host_config(spec: &WorkloadSpec, run: &ContainerRun, around: &Surroundings<'_>, network: Option<String>) -> HostConfig {
    let limits = &spec.limits;
    let rotated = HashMap::from([("max-size".to_owned(), "10m".to_owned()), ("max-file".to_owned(), "2".to_owned())]);
    HostConfig {
        network_mode: network,
        port_bindings: Some(spec.ports.iter().filter_map(|port| bindings(port, around.ipv6_loopback)).collect()),
        mounts: Some(mounts_of(spec, around)),
        // Koan restarts workloads itself, with its own back-off; an engine that did so as well would hide exits.
        restart_policy: Some(ApiRestart { name: Some(RestartPolicyNameEnum::NO), maximum_retry_count: None }),
        init: Some(run.init),
        nano_cpus: limits.cpu_millis.map(|millis| whole(millis.saturating_mul(1_000_000))),
        memory: limits.memory_bytes.map(whole),
        device_requests: limits.gpus.filter(|gpus| *gpus > 0).map(|gpus| {
            vec![DeviceRequest {
                count: Some(i64::from(gpus)),
                capabilities: Some(vec![vec!["gpu".to_owned()]]),
                ..DeviceRequest::default()
            }]
        }),
        extra_hosts: host_aliases(around),
        log_config: around
            .session
            .dialect
            .rotated_logs
            .then(|| HostConfigLogConfig { typ: Some("json-file".to_owned()), config: Some(rotated) }),
        ..HostConfig::default()
    }
}

/// Names by which a container reaches the host: the engine's own word where it knows one, else the network's gateway.
fn host_aliases(around: &Surroundings<'_>) -> Option<Vec<String>> {
    let target = if around.session.engine_version() >= around.session.dialect.host_gateway_since {
        "host-gateway".to_owned()
    } else {
        around.networks.iter().find_map(|network| network.gateway)?.to_string()
    };
    Some(["host.docker.internal", "host.containers.internal"].iter().map(|name| format!("{name}:{target}")).collect())
}

fn mounts_of(spec: &WorkloadSpec, around: &Surroundings<'_>) -> Vec<ApiMount> {
    let files = spec.files.iter().zip(&around.files).map(|(file, source)| ApiMount {
        target: Some(file.path.clone()),
        source: Some(source.display().to_string()),
        typ: Some(MountType::BIND),
        read_only: Some(true),
        ..ApiMount::default()
    });
    around.mounts.iter().map(mount_of).chain(files).collect()
}

fn mount_of(mount: &Mount) -> ApiMount {
    let (typ, source, size) = match &mount.source {
        MountSource::Volume(name) => (MountType::VOLUME, Some(name.clone()), None),
        MountSource::Host(path) => (MountType::BIND, Some(path.clone()), None),
        MountSource::Tmpfs(size) => (MountType::TMPFS, None, *size),
    };
    ApiMount {
        target: Some(mount.target.clone()),
        source,
        typ: Some(typ),
        read_only: Some(mount.read_only),
        tmpfs_options: size.map(|size| MountTmpfsOptions { size_bytes: Some(whole(size)), ..MountTmpfsOptions::default() }),
        ..ApiMount::default()
    }
}

/// `5432/tcp`, as the API writes ports.
fn port_key(port: &PortEntry) -> String {
    let protocol = match port.protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
    };
    format!("{}/{protocol}", port.container)
}

/// Bindings of a published port: loopback only (CLI-29).
fn bindings(port: &PortEntry, ipv6: bool) -> Option<(String, Option<Vec<PortBinding>>)> {
    let host = port.host?.to_string();
    let addresses = if ipv6 { &["127.0.0.1", "::1"][..] } else { &["127.0.0.1"][..] };
    let list = addresses
        .iter()
        .map(|address| PortBinding { host_ip: Some((*address).to_owned()), host_port: Some(host.clone()) })
        .collect();
    Some((port_key(port), Some(list)))
}

/// Whole seconds, rounded up.
pub(crate) fn seconds(duration: std::time::Duration) -> i64 {
    whole(duration.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX))
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
