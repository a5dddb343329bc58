//! One workload as a Pod: pure, from the service and the engine's record of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{
    Container, ContainerPort, ContainerState, ContainerStateRunning, ContainerStateTerminated, ContainerStateWaiting,
    ContainerStatus, EnvVar, Pod, PodCondition, PodIP, PodSpec, PodStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta, OwnerReference, Time};
use koan_core::desired::{Ownership, object_name};
use koan_core::identity::InstanceId;
use koan_core::inventory::{Inventory, WorkloadRecord, WorkloadState};
use koan_crds::API_VERSION;
use koan_crds::v1alpha1::{EngineName, Protocol, RestartPolicy, ServiceSpec};
use koan_crds::vocabulary::{ConditionType, Reason};
use kube::ResourceExt;

/// Replicas whose names are tried.
const REPLICAS_MAX: u32 = 100;
/// What clients show for a program whose end nobody saw.
const UNKNOWN_END: (&str, i32) = ("ContainerStatusUnknown", 137);
/// Where published ports and programs of the host are reached.
const LOOPBACK: &str = "127.0.0.1";

/// The Pods of one service, in the order of their names.
pub(super) fn pods(service: &ServiceSpec, instance: &InstanceId, engines: &[Arc<Inventory>]) -> Vec<Pod> {
    let uid = service.uid().unwrap_or_default();
    let own = Ownership::of_object(service, instance);
    let mut pods: Vec<Pod> = engines
        .iter()
        .flat_map(|inventory| inventory.workloads.iter().map(|record| (inventory.engine, record)))
        .filter(|(_, record)| record.owner.uid.0 == uid && record.owner.instance == *instance)
        .map(|(engine, record)| View { service, own: &own, engine, record }.pod())
        .collect();
    pods.sort_by(|left, right| left.metadata.name.cmp(&right.metadata.name));
    // An object that is being replaced may be listed beside its successor for a moment.
    pods.dedup_by(|later, earlier| later.metadata.name == earlier.metadata.name);
    pods
}

struct View<'a> {
    service: &'a ServiceSpec,
    own: &'a Ownership,
    engine: EngineName,
    record: &'a WorkloadRecord,
}

impl View<'_> {
    fn pod(&self) -> Pod {
        Pod { metadata: self.metadata(), spec: Some(self.spec()), status: Some(self.status()) }
    }

    /// The service's own name; a further replica has its number behind it.
    fn name(&self) -> String {
        let name = self.service.name_any();
        let replica = (0..REPLICAS_MAX).find(|replica| object_name(&self.own.owner, *replica) == self.record.name);
        match replica {
            Some(0) => name,
            Some(replica) => format!("{name}-{replica}"),
            None => self.record.name.clone(),
        }
    }

    fn metadata(&self) -> ObjectMeta {
        let owner = OwnerReference {
            api_version: API_VERSION.to_owned(),
            kind: "ServiceSpec".to_owned(),
            name: self.service.name_any(),
            uid: self.service.uid().unwrap_or_default(),
            controller: Some(true),
            block_owner_deletion: Some(false),
        };
        ObjectMeta {
            name: Some(self.name()),
            namespace: self.service.namespace(),
            uid: Some(self.record.id.0.clone()),
            creation_timestamp: self.record.started_at.map(seconds),
            labels: self.service.metadata.labels.clone(),
            owner_references: Some(vec![owner]),
            ..ObjectMeta::default()
        }
    }

    fn spec(&self) -> PodSpec {
        let fields = &self.service.spec.service;
        // Names only: a value may be a secret.
        let env = fields.env.iter().flatten().map(|variable| EnvVar { name: variable.name.clone(), ..EnvVar::default() });
        let container = Container {
            name: self.own.owner.service.clone(),
            image: self.record.image.clone(),
            ports: Some(self.ports()).filter(|ports| !ports.is_empty()),
            env: Some(env.collect::<Vec<_>>()).filter(|env| !env.is_empty()),
            ..Container::default()
        };
        PodSpec {
            containers: vec![container],
            node_name: Some(self.engine_word()),
            restart_policy: Some(self.policy().to_owned()),
            termination_grace_period_seconds: i64::try_from(self.own.grace.as_secs()).ok(),
            ..PodSpec::default()
        }
    }

    fn engine_word(&self) -> String {
        format!("{:?}", self.engine).to_lowercase()
    }

    fn policy(&self) -> &'static str {
        match self.service.spec.service.restart.unwrap_or_default() {
            RestartPolicy::Always => "Always",
            RestartPolicy::OnFailure => "OnFailure",
            RestartPolicy::Never => "Never",
        }
    }

    /// What the engine publishes, else what the service says.
    fn ports(&self) -> Vec<ContainerPort> {
        let fields = &self.service.spec.service;
        let declared = fields.ports.iter().flatten().map(|port| (port.container_port, port.name.clone()));
        let told = self.service.status.iter().flat_map(|status| &status.ports).map(|port| (port.container, port.name.clone()));
        let names: BTreeMap<u16, String> = declared.chain(told).collect();
        let mut ports: BTreeMap<(u16, &str), ContainerPort> = BTreeMap::new();
        for (number, name) in &names {
            ports.insert(
                (*number, "TCP"),
                ContainerPort {
                    container_port: i32::from(*number),
                    name: Some(name.clone()),
                    protocol: Some("TCP".to_owned()),
                    ..ContainerPort::default()
                },
            );
        }
        for live in &self.record.ports {
            let protocol = match live.protocol {
                Protocol::Tcp => "TCP",
                Protocol::Udp => "UDP",
            };
            ports.insert(
                (live.container, protocol),
                ContainerPort {
                    container_port: i32::from(live.container),
                    host_port: Some(i32::from(live.host)),
                    host_ip: Some(live.address.to_string()),
                    name: names.get(&live.container).cloned(),
                    protocol: Some(protocol.to_owned()),
                },
            );
        }
        ports.into_values().collect()
    }

    fn status(&self) -> PodStatus {
        let address = match self.engine {
            EngineName::Process => Some(LOOPBACK.to_owned()).filter(|_| self.runs()),
            EngineName::Docker | EngineName::Podman | EngineName::Kubernetes | EngineName::Auto => {
                self.record.addresses.first().map(|address| address.address.to_string())
            }
        };
        PodStatus {
            phase: Some(self.phase().to_owned()),
            conditions: Some(self.conditions()),
            container_statuses: Some(vec![self.container()]),
            host_ip: Some(LOOPBACK.to_owned()),
            pod_ips: address.clone().map(|ip| vec![PodIP { ip }]),
            pod_ip: address,
            start_time: self.record.started_at.map(seconds),
            qos_class: Some("BestEffort".to_owned()),
            ..PodStatus::default()
        }
    }

    fn runs(&self) -> bool {
        matches!(self.record.state, WorkloadState::Running | WorkloadState::Paused | WorkloadState::Removing)
    }

    /// Whether a workload that ended stays so.
    fn is_final(&self) -> bool {
        match self.service.spec.service.restart.unwrap_or_default() {
            RestartPolicy::Always => false,
            RestartPolicy::OnFailure => self.record.exit_code == Some(0),
            RestartPolicy::Never => true,
        }
    }

    fn phase(&self) -> &'static str {
        match self.record.state {
            WorkloadState::Created => "Pending",
            WorkloadState::Running | WorkloadState::Paused | WorkloadState::Restarting | WorkloadState::Removing => "Running",
            WorkloadState::Exited if !self.is_final() => "Running",
            WorkloadState::Exited if self.record.exit_code == Some(0) => "Succeeded",
            WorkloadState::Exited | WorkloadState::Dead => "Failed",
        }
    }

    fn ready_condition(&self) -> Option<&Condition> {
        let conditions = &self.service.status.as_ref()?.conditions;
        conditions.iter().find(|condition| condition.type_ == ConditionType::Ready.as_str())
    }

    /// The service is ready by this workload.
    fn is_ready(&self) -> bool {
        let proved = self.service.status.as_ref().and_then(|status| status.workload.as_ref()).and_then(|known| known.id.as_ref());
        let replicas = self.service.spec.service.replicas.unwrap_or(1);
        let own = replicas > 1 || proved == Some(&self.record.id.0);
        self.runs() && own && self.ready_condition().is_some_and(|ready| ready.status == "True")
    }

    fn conditions(&self) -> Vec<PodCondition> {
        let ready = self.is_ready();
        let done = self.phase() == "Succeeded";
        let since = self.ready_condition().map(|condition| condition.last_transition_time.clone());
        let began = self.record.started_at.map(seconds);
        let told = self.ready_condition().filter(|_| !ready);
        let condition = |kind: &str, truth: bool, since: Option<Time>| PodCondition {
            type_: kind.to_owned(),
            status: if truth { "True" } else { "False" }.to_owned(),
            last_transition_time: since,
            ..PodCondition::default()
        };
        let readiness = |kind: &str| {
            let reason = if done { Some("PodCompleted".to_owned()) } else { told.map(|told| told.reason.clone()) };
            let message = told.filter(|_| !done).map(|told| told.message.clone()).filter(|message| !message.is_empty());
            PodCondition { reason: reason.filter(|_| !ready), message, ..condition(kind, ready, since.clone()) }
        };
        vec![
            condition("PodScheduled", true, began.clone()),
            condition("Initialized", true, began),
            readiness("ContainersReady"),
            readiness("Ready"),
        ]
    }

    fn container(&self) -> ContainerStatus {
        let told = self.service.status.as_ref().and_then(|status| status.workload.as_ref());
        let told = told.filter(|known| known.id.as_ref() == Some(&self.record.id.0)).and_then(|known| known.restarts);
        let restarts = told.unwrap_or_default().max(i64::from(self.record.restarts));
        let (state, last) = self.states();
        ContainerStatus {
            name: self.own.owner.service.clone(),
            image: self.record.image.clone().unwrap_or_default(),
            image_id: self.record.image_digest.clone().unwrap_or_default(),
            container_id: Some(format!("{}://{}", self.engine_word(), self.record.id.0)),
            ready: self.is_ready(),
            started: Some(self.runs()),
            restart_count: i32::try_from(restarts).unwrap_or(i32::MAX),
            state: Some(state),
            last_state: last,
            ..ContainerStatus::default()
        }
    }

    /// What it does now, and how its last run ended where that is known.
    fn states(&self) -> (ContainerState, Option<ContainerState>) {
        let waiting = |reason: &str, message: Option<String>| ContainerState {
            waiting: Some(ContainerStateWaiting { reason: Some(reason.to_owned()), message }),
            ..ContainerState::default()
        };
        let ended = || ContainerState { terminated: Some(self.ended()), ..ContainerState::default() };
        let looping = self.ready_condition().filter(|ready| ready.reason == Reason::CrashLooping.as_str());
        match self.record.state {
            WorkloadState::Created => (waiting("ContainerCreating", None), None),
            WorkloadState::Running | WorkloadState::Paused | WorkloadState::Removing => {
                let running = ContainerStateRunning { started_at: self.record.started_at.map(seconds) };
                (ContainerState { running: Some(running), ..ContainerState::default() }, None)
            }
            WorkloadState::Restarting => (waiting("CrashLoopBackOff", None), Some(ended())),
            WorkloadState::Exited if !self.is_final() && looping.is_some() => {
                (waiting("CrashLoopBackOff", looping.map(|ready| ready.message.clone())), Some(ended()))
            }
            WorkloadState::Exited | WorkloadState::Dead => (ended(), None),
        }
    }

    fn ended(&self) -> ContainerStateTerminated {
        let (reason, code) = match self.record.exit_code {
            None => UNKNOWN_END,
            Some(code) if self.record.oom_killed => ("OOMKilled", exit_code(code)),
            Some(0) => ("Completed", 0),
            Some(code) => ("Error", exit_code(code)),
        };
        ContainerStateTerminated {
            exit_code: code,
            reason: Some(reason.to_owned()),
            started_at: self.record.started_at.map(seconds),
            finished_at: self.record.finished_at.map(seconds),
            container_id: Some(format!("{}://{}", self.engine_word(), self.record.id.0)),
            ..ContainerStateTerminated::default()
        }
    }
}

fn exit_code(code: i64) -> i32 {
    i32::try_from(code).unwrap_or(i32::MAX)
}

/// Kubernetes counts whole seconds here.
fn seconds(time: Timestamp) -> Time {
    Time(Timestamp::from_second(time.as_second()).unwrap_or(time))
}
