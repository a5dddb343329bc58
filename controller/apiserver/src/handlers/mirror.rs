//! Mirrors of what the embedding process knows: shown as it says, and kept in memory alone.
//!
//! Nothing about them is written at rest, and a restart of the process shows them anew.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::kinds::{PODS, Resource, SERVICES, encode};
use crate::server::Core;
use crate::status::Failure;
use crate::store::{CommitError, Expected, Key, Object, Scope, Write};

/// What the server keeps of the mirror that it shows, as long as the UID is the same.
const KEPT: [&str; 3] = ["creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"];
/// How long the name of a deleted mirror stays free. Clients up to kubectl 1.34 wait for a deletion by a get, a list and a
/// watch of the name, and wait for ever where the next object of that name comes between the first two.
const FREE_TIME: Duration = Duration::from_secs(1);

/// Names whose deleted mirror went a moment ago.
#[derive(Debug, Default)]
pub(crate) struct Departed(Mutex<BTreeMap<Key, Instant>>);

impl Departed {
    fn note(&self, key: &Key) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone(), Instant::now());
    }

    fn holds(&self, key: &Key) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, gone| gone.elapsed() < FREE_TIME);
        all.contains_key(key)
    }
}

/// Makes the mirrors of `resource` exactly `wanted`; whole objects without a resourceVersion.
///
/// # Errors
/// One cannot be shown yet, or the store refused it; the others were tried.
pub(crate) async fn show(
    core: &Arc<Core>,
    resource: &Arc<Resource>,
    departed: &Departed,
    wanted: Vec<Value>,
) -> Result<(), Failure> {
    let (_, shown) = core.store.list(&resource.storage, &Scope::All, &|_| true);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let wanted: BTreeMap<Key, Value> = wanted
        .into_iter()
        .map(|value| {
            let metadata = &value["metadata"];
            (Key::new(&resource.storage, &text(&metadata["namespace"]), &text(&metadata["name"])), value)
        })
        .collect();
    let shown: BTreeMap<Key, Arc<Object>> =
        shown.into_iter().map(|object| (Key { kind: Arc::clone(&resource.storage), path: object.path() }, object)).collect();
    let mut outcome = Ok(());
    for (key, object) in &shown {
        if wanted.get(key).is_none_or(|value| value["metadata"]["uid"] != object.meta.uid.as_str()) {
            if object.deleting() {
                departed.note(key);
            }
            outcome = outcome.and(take_away(core, resource, key, object).await);
        }
    }
    for (key, mut value) in wanted {
        let before = shown.get(&key).filter(|object| value["metadata"]["uid"] == object.meta.uid.as_str());
        let result = match before {
            None if departed.holds(&key) => Err(Failure::unavailable("the name of a deleted object stays free for a moment")),
            None => {
                if value["metadata"]["creationTimestamp"].is_null() {
                    value["metadata"]["creationTimestamp"] = json!(super::admit::timestamp(core.clock.now()));
                }
                put(core, resource, &key, None, &value).await
            }
            Some(before) => {
                keep(&mut value, &before.value());
                put(core, resource, &key, Some(before), &value).await
            }
        };
        outcome = outcome.and(result);
    }
    outcome
}

/// Shows one version; an unchanged one is left alone.
///
/// # Errors
/// It is not based on the latest one, or the store refused it.
pub(super) async fn put(
    core: &Core,
    resource: &Resource,
    key: &Key,
    before: Option<&Arc<Object>>,
    value: &Value,
) -> Result<(), Failure> {
    let draft = encode(resource, value);
    if before.is_some_and(|before| draft.finish(before.revision) == before.bytes) {
        return Ok(());
    }
    let expected = before.map_or(Expected::Absent, |before| Expected::Revision(before.revision));
    commit(core, Write { key: key.clone(), expected, draft, delete: false, proven: None, through: None }).await
}

async fn take_away(core: &Core, resource: &Resource, key: &Key, object: &Object) -> Result<(), Failure> {
    let (draft, expected) = (encode(resource, &object.value()), Expected::Revision(object.revision));
    commit(core, Write { key: key.clone(), expected, draft, delete: true, proven: None, through: None }).await
}

async fn commit(core: &Core, write: Write) -> Result<(), Failure> {
    match core.store.commit(write).await {
        Ok(_) => Ok(()),
        // A deletion was asked for meanwhile: the next look sees it.
        Err(error @ (CommitError::Stale | CommitError::Exists)) => Err(Failure::unavailable(error.to_string())),
        Err(error) => Err(Failure::internal(error.to_string())),
    }
}

fn keep(value: &mut Value, before: &Value) {
    if let Some(metadata) = value["metadata"].as_object_mut() {
        metadata.remove("resourceVersion");
        for field in KEPT {
            match before["metadata"].get(field) {
                Some(kept) => metadata.insert(field.to_owned(), kept.clone()),
                None if field == "creationTimestamp" => None,
                None => metadata.remove(field),
            };
        }
    }
}

/// Shows the Service `default/kubernetes`, which leads to this server.
///
/// # Errors
/// The store refused it.
pub(crate) async fn door(core: &Arc<Core>, address: SocketAddr) -> Result<(), Failure> {
    let Some(resource) = core.registry().by_storage().get(SERVICES).map(|resource| Arc::clone(resource)) else { return Ok(()) };
    let (ip, port) = (address.ip().to_string(), address.port());
    let service = json!({
        "kind": "Service", "apiVersion": "v1",
        "metadata": {
            "name": "kubernetes", "namespace": "default", "uid": core.instance,
            "labels": {"component": "apiserver", "provider": "kubernetes"},
        },
        "spec": {
            "ports": [{"name": "https", "protocol": "TCP", "port": port, "targetPort": port}],
            "clusterIP": ip, "clusterIPs": [ip], "type": "ClusterIP", "sessionAffinity": "None",
            "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack", "internalTrafficPolicy": "Cluster",
        },
        "status": {"loadBalancer": {}},
    });
    show(core, &resource, &Departed::default(), vec![service]).await
}

/// The resource of Pods.
pub(crate) fn pods(core: &Core) -> Option<Arc<Resource>> {
    core.registry().by_storage().get(PODS).map(|resource| Arc::clone(resource))
}
