//! Names and owners of the engine's objects (SEC-21): they need no valid manifest, so that deletion always works.

use std::time::Duration;

use koan_crds::labels;
use koan_crds::names::engine_object;
use koan_crds::v1alpha1::{ServiceSpec, VolumeReclaim};

use crate::facts::Facts;
use crate::identity::{InstanceId, Owner, Uid};
use crate::inventory::VolumeRecord;
use crate::validate::ValidService;

/// Who owns a service's objects, and what becomes of them; from metadata and `volumeReclaim` alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ownership {
    /// Owner of workloads, and creator of volumes.
    pub owner: Owner,
    /// Owner of the network: the stack, or the `ServiceSpec` that stands alone.
    pub network_owner: Owner,
    /// Volumes go with the object: its own `volumeReclaim: Delete`, or `--volumes` (S-2).
    pub deletes_volumes: bool,
    /// Time between TERM and KILL.
    pub grace: Duration,
}

/// Grace where the manifest cannot be read.
const GRACE: Duration = Duration::from_secs(10);

impl Ownership {
    /// Ownership of an object that may be invalid.
    pub fn of_object(object: &ServiceSpec, instance: &InstanceId) -> Self {
        let metadata = &object.metadata;
        let owners = metadata.owner_references.iter().flatten();
        let stack = owners.into_iter().find(|owner| owner.kind == "DevStack" && owner.controller == Some(true));
        let label = metadata.labels.as_ref().and_then(|map| map.get(labels::SERVICE)).cloned();
        let name = metadata.name.clone().unwrap_or_default();
        let asked = metadata.annotations.as_ref().is_some_and(|map| map.contains_key(labels::DELETE_VOLUMES));
        let owner = Owner {
            instance: instance.clone(),
            namespace: metadata.namespace.clone().unwrap_or_else(|| "default".to_owned()),
            stack: stack.map(|owner| owner.name.clone()),
            service: label.filter(|_| stack.is_some()).unwrap_or(name),
            uid: Uid(metadata.uid.clone().unwrap_or_default()),
        };
        let network = Uid(stack.map_or_else(|| owner.uid.0.clone(), |owner| owner.uid.clone()));
        let grace = object.spec.service.stop_grace_period.as_ref().and_then(koan_crds::v1alpha1::GoDuration::parse);
        Self {
            network_owner: Owner { service: String::new(), uid: network, ..owner.clone() },
            owner,
            deletes_volumes: asked || object.spec.volume_reclaim == Some(VolumeReclaim::Delete),
            grace: grace.unwrap_or(GRACE),
        }
    }

    /// Ownership of a valid service.
    pub fn of_service(service: &ValidService, instance: &InstanceId) -> Self {
        let owner = Owner {
            instance: instance.clone(),
            namespace: service.key.namespace.clone(),
            stack: service.stack.as_ref().map(|stack| stack.name.clone()),
            service: service.service.clone(),
            uid: service.uid.clone(),
        };
        let network = service.stack.as_ref().map_or_else(|| service.uid.clone(), |stack| stack.uid.clone());
        Self {
            network_owner: Owner { service: String::new(), uid: network, ..owner.clone() },
            owner,
            deletes_volumes: service.reclaim == VolumeReclaim::Delete,
            grace: service.stop_grace,
        }
    }
}

/// Name of a workload.
pub fn object_name(owner: &Owner, replica: u32) -> String {
    let stack = owner.stack.as_deref().unwrap_or_default();
    let number = replica.to_string();
    let mut parts = vec![owner.namespace.as_str()];
    parts.extend((!stack.is_empty()).then_some(stack));
    parts.push(&owner.service);
    parts.extend((replica > 0).then_some(number.as_str()));
    engine_object(&parts, &format!("{}/{}", owner.instance, owner.uid))
}

/// Name of a network of a stack; `network` is empty for its one private network.
pub(super) fn network_name(owner: &Owner, network: &str) -> String {
    let base = owner.stack.as_deref().unwrap_or("alone");
    let mut parts = vec![owner.namespace.as_str(), base];
    parts.extend((!network.is_empty()).then_some(network));
    engine_object(&parts, &format!("{}/{}/network", owner.instance, owner.uid))
}

/// Volumes that hold data of this product for this service; another product's are somebody else's (K-11).
pub fn own_volumes<'a>(service: &'a ValidService, facts: &'a Facts) -> impl Iterator<Item = &'a VolumeRecord> {
    let owner = Ownership::of_service(service, &facts.instance).owner;
    let product = service.adapter.as_deref().unwrap_or(NO_PRODUCT);
    facts.retained.iter().filter(move |volume| volume.name == volume_name(&owner, product, &volume.path))
}

/// Product of a service without adapter.
pub(super) const NO_PRODUCT: &str = "none";

/// Name of a data volume: (instance, namespace, stack, service, path) and the product, so that another product never meets the data (K-11).
///
/// Without any UID: the volume outlives its creator.
pub fn volume_name(owner: &Owner, product: &str, path: &str) -> String {
    let stack = owner.stack.as_deref().unwrap_or_default();
    let mut parts = vec![owner.namespace.as_str()];
    parts.extend((!stack.is_empty()).then_some(stack));
    parts.extend([owner.service.as_str(), path.trim_matches('/')]);
    engine_object(&parts, &format!("{}/{stack}/{product}/volume", owner.instance))
}
