//! Networks: addressed by id, found by label; of two with one name the oldest is kept (P13).

use std::collections::HashMap;
use std::net::IpAddr;

use bollard::models::{Network, NetworkCreateRequest};
use bollard::query_parameters::ListNetworksOptionsBuilder;
use koan_core::identity::Owner;
use koan_core::outcome::{Failure, Outcome};
use koan_core::step::{NetworkSpec, ObjectRef};
use koan_crds::labels;
use koan_crds::vocabulary::Reason;

use super::dialect::Dialect;
use super::engine::{Moby, busy, changed, unchanged};
use super::failure::{is_absent, status_of};
use crate::refusals::{foreign, transient};

/// Networks whose ids are remembered.
const KNOWN_MAX: usize = 1024;

/// What `Create` needs of a network.
#[derive(Clone, Debug)]
pub(crate) struct KnownNetwork {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) gateway: Option<IpAddr>,
}

impl KnownNetwork {
    /// What a container is attached by: the id where names are not unique (P13), else the name.
    pub(crate) fn key(&self, dialect: &Dialect) -> &str {
        if dialect.duplicate_networks { &self.id } else { &self.name }
    }
}

impl Moby {
    /// Makes the network unless it is there; of several of one name, the oldest stays.
    pub(crate) async fn ensure_network(&self, spec: &NetworkSpec) -> Result<Outcome, Failure> {
        let (mut ours, others) = self.networks_named(&spec.name, &spec.owner).await?;
        if ours.is_empty() && others {
            return Err(foreign(self.title(), "network", &spec.name));
        }
        let absent = ours.is_empty();
        if absent {
            let mut refused = None;
            match self.transport.docker.create_network(request_of(spec)).await {
                Ok(_) => {}
                // Another creator was quicker (Docker 409, Podman 500) unless the list below says otherwise.
                Err(error) if status_of(&error).is_some() => refused = Some(error),
                Err(error) => return Err(self.failed("create", &format!("network {}", spec.name), &error)),
            }
            // Read again: two creators may have raced, and both must come to the same network.
            let (raced, others) = self.networks_named(&spec.name, &spec.owner).await?;
            match refused {
                _ if !raced.is_empty() => ours = raced,
                _ if others => return Err(foreign(self.title(), "network", &spec.name)),
                Some(error) => return Err(self.failed("create", &format!("network {}", spec.name), &error)),
                None => {}
            }
        }
        let Some(kept) = ours.first() else {
            return Err(transient(Reason::ProvisionFailed, format!("network {} vanished while it was made", spec.name)));
        };
        let id = kept.id.clone().unwrap_or_default();
        self.remember(&spec.name, kept).await;
        let mut dropped = false;
        for younger in ours.iter().skip(1).filter_map(|network| network.id.as_deref()) {
            // One that is in use stays until its workloads are gone; the next visit removes it.
            dropped |= self.transport.docker.remove_network(younger).await.is_ok();
        }
        Ok(if absent || dropped { changed(Some(id)) } else { unchanged(Some(id)) })
    }

    /// Removes a network without endpoints; all of ours of that name where no id is given.
    pub(crate) async fn remove_network(&self, object: &ObjectRef, dialect: &Dialect) -> Result<Outcome, Failure> {
        let (mut ours, others) = self.networks_named(&object.name, &object.owner).await?;
        if let Some(id) = &object.id {
            let listed = ours.len();
            ours.retain(|network| network.id.as_deref() == Some(&id.0));
            if ours.is_empty() && (listed > 0 || others) {
                return Ok(unchanged(None));
            }
        } else if ours.is_empty() && others {
            return Err(foreign(self.title(), "network", &object.name));
        }
        let mut removed = false;
        for id in ours.iter().filter_map(|network| network.id.as_deref()) {
            // Podman sees that a network is in use only by its name, which is unique there.
            let key = if dialect.duplicate_networks { id } else { object.name.as_str() };
            match self.transport.docker.remove_network(key).await {
                Ok(()) => removed = true,
                Err(error) if is_absent(&error) => {}
                // Docker says 403, Podman 409 or 500, while an endpoint is left.
                Err(error) if matches!(status_of(&error), Some(403 | 409 | 500)) => {
                    return Ok(busy(format!("network {} still has endpoints", object.name)));
                }
                Err(error) => return Err(self.failed("remove", &format!("network {}", object.name), &error)),
            }
        }
        self.networks.lock().await.remove(&object.name);
        Ok(if removed { changed(None) } else { unchanged(None) })
    }

    /// The id under which `Create` attaches to a network.
    pub(crate) async fn known_network(&self, name: &str, owner: &Owner) -> Result<KnownNetwork, Failure> {
        if let Some(known) = self.networks.lock().await.get(name).cloned() {
            return Ok(known);
        }
        let filters = HashMap::from([
            ("name".to_owned(), vec![name.to_owned()]),
            ("label".to_owned(), vec![format!("{}={}", labels::INSTANCE, owner.instance)]),
        ]);
        let mut found = self.list_networks(filters).await?;
        // A network belongs to the stack, not to the service: instance and name decide here; deletion compares the owner.
        found.retain(|network| network.name.as_deref() == Some(name));
        found.sort_by(|a, b| (&a.created, &a.id).cmp(&(&b.created, &b.id)));
        let Some(network) = found.first() else {
            return Err(transient(Reason::ProvisionFailed, format!("{} has no network {name} yet", self.title())));
        };
        Ok(self.remember(name, network).await)
    }

    /// Forgets an id that the engine did not know any more.
    pub(crate) async fn forget_networks(&self, names: &[String]) {
        let mut known = self.networks.lock().await;
        names.iter().for_each(|name| {
            known.remove(name);
        });
    }

    async fn remember(&self, name: &str, network: &Network) -> KnownNetwork {
        let known =
            KnownNetwork { id: network.id.clone().unwrap_or_default(), name: name.to_owned(), gateway: gateway_of(network) };
        let mut map = self.networks.lock().await;
        if map.len() >= KNOWN_MAX {
            map.clear();
        }
        map.insert(name.to_owned(), known.clone());
        known
    }

    /// Ours of exactly that name, oldest first, and whether there are others.
    async fn networks_named(&self, name: &str, owner: &Owner) -> Result<(Vec<Network>, bool), Failure> {
        let all = self.list_networks(HashMap::from([("name".to_owned(), vec![name.to_owned()])])).await?;
        let (mut ours, others): (Vec<_>, Vec<_>) = all
            .into_iter()
            .filter(|network| network.name.as_deref() == Some(name))
            .partition(|network| is_owned(network.labels.as_ref(), owner));
        ours.sort_by(|a, b| (&a.created, &a.id).cmp(&(&b.created, &b.id)));
        Ok((ours, !others.is_empty()))
    }

    async fn list_networks(&self, filters: HashMap<String, Vec<String>>) -> Result<Vec<Network>, Failure> {
        let options = ListNetworksOptionsBuilder::default().filters(&filters).build();
        self.transport.docker.list_networks(Some(options)).await.map_err(|error| self.failed("list", "networks", &error))
    }
}

/// An object carries an owner's instance and UID.
pub(crate) fn is_owned(found: Option<&HashMap<String, String>>, owner: &Owner) -> bool {
    let of = |key: &str| found.and_then(|map| map.get(key)).map(String::as_str);
    Owner::from_labels(of).is_some_and(|found| found.instance == owner.instance && found.uid == owner.uid)
}

/// First gateway address of a network.
pub(crate) fn gateway_of(network: &Network) -> Option<IpAddr> {
    let ranges = network.ipam.as_ref()?.config.as_ref()?;
    ranges.iter().find_map(|range| range.gateway.as_ref()?.split('/').next()?.parse().ok())
}

fn request_of(spec: &NetworkSpec) -> NetworkCreateRequest {
    NetworkCreateRequest {
        name: spec.name.clone(),
        driver: Some("bridge".to_owned()),
        labels: Some(spec.owner.labels().into_iter().collect()),
        ..NetworkCreateRequest::default()
    }
}
