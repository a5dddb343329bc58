//! What a service refers to: which of it is there, in which version, and what is missing at which path.

use std::collections::{BTreeMap, BTreeSet};

use koan_core::facts::MissingReference;
use koan_core::identity::ServiceKey;
use koan_core::probe::Vantage;
use koan_core::text::ValueRef;
use koan_core::validate::{ValidService, Workload};
use koan_crds::names;
use koan_crds::v1alpha1::{EngineName, KeyReference, ServiceSpec};
use kube::ResourceExt;

use crate::context::Context;
use crate::injection::{CREDENTIAL_KEYS, part_of, peer};
use crate::reader::{ReadError, value_of};
use crate::runtime::{Key, Target, WatchedKind};

type Versions = BTreeMap<ValueRef, String>;

/// Registers the service for changes of what it refers to, then reads every reference: a change that comes while it is read
/// wakes the service again.
pub(super) async fn read(
    context: &Context,
    object: &ServiceSpec,
    service: &ValidService,
) -> Result<(Versions, Vec<MissingReference>), ReadError> {
    context.interests.set(&Key::service(&service.key.namespace, &service.key.name), targets(object, service));
    let vantage = vantage(context, service);
    let namespace = &service.key.namespace;
    let mut reading = Reading { context, vantage, namespace, versions: BTreeMap::new(), missing: Vec::new() };
    for (index, variable) in object.spec.service.env.iter().flatten().enumerate() {
        let Some(source) = &variable.value_from else { continue };
        let path = format!("spec.env[{index}].valueFrom");
        if let Some(reference) = &source.secret_key_ref {
            reading.secret_key(&format!("{path}.secretKeyRef"), reference).await?;
        }
        if let Some(reference) = &source.config_map_key_ref {
            reading.config_key(&format!("{path}.configMapKeyRef"), reference).await?;
        }
        if let Some(reference) = &source.service_ref {
            reading.output(&reference.name, &reference.output).await?;
        }
    }
    for (index, file) in object.spec.service.files.iter().flatten().enumerate() {
        let Some(source) = &file.value_from else { continue };
        let path = format!("spec.files[{index}].valueFrom");
        if let Some(reference) = &source.secret_key_ref {
            reading.secret_key(&format!("{path}.secretKeyRef"), reference).await?;
        }
        if let Some(reference) = &source.config_map_key_ref {
            reading.config_key(&format!("{path}.configMapKeyRef"), reference).await?;
        }
    }
    reading.credentials(object, service).await?;
    Ok((reading.versions, reading.missing))
}

/// Everything whose change may change what is read of a service's surroundings.
fn targets(object: &ServiceSpec, service: &ValidService) -> BTreeSet<Target> {
    let namespace = &service.key.namespace;
    let of = |kind, name: &str| Target::new(kind, namespace, name);
    let own = &object.spec.service;
    let variables = own.env.iter().flatten().filter_map(|variable| variable.value_from.as_ref()).flat_map(|source| {
        let secret = source.secret_key_ref.as_ref().map(|reference| of(WatchedKind::Secret, &reference.name));
        let map = source.config_map_key_ref.as_ref().map(|reference| of(WatchedKind::ConfigMap, &reference.name));
        let peer = source.service_ref.as_ref().map(|reference| of(WatchedKind::Service, &reference.name));
        [secret, map, peer]
    });
    let files = own.files.iter().flatten().filter_map(|file| file.value_from.as_ref()).flat_map(|source| {
        let secret = source.secret_key_ref.as_ref().map(|reference| of(WatchedKind::Secret, &reference.name));
        let map = source.config_map_key_ref.as_ref().map(|reference| of(WatchedKind::ConfigMap, &reference.name));
        [secret, map]
    });
    let gates = service.gates.iter().map(|gate| of(WatchedKind::Service, &gate.object));
    let environment = service.stack.as_ref().map(|stack| of(WatchedKind::Secret, &names::environment_secret(&stack.name)));
    let credentials = secrets(service).map(|name| of(WatchedKind::Secret, &name));
    variables.chain(files).flatten().chain(gates).chain(environment).chain(credentials).collect()
}

/// The Secrets of a service's own credential: the named one, and the generated one.
fn secrets(service: &ValidService) -> impl Iterator<Item = String> {
    service.credentials.secret.clone().into_iter().chain([names::credentials_secret(&service.key.name)])
}

/// Where the workload of a service stands: a program on the host, a container in the stack.
fn vantage(context: &Context, service: &ValidService) -> Vantage {
    let owner = service.stack.as_ref().map_or(&service.uid, |stack| &stack.uid);
    match &service.workload {
        Workload::Process(_) => Vantage::Host,
        Workload::Recipe { .. } if context.arbiter.engine(&owner.0) == Some(EngineName::Process) => Vantage::Host,
        Workload::Recipe { .. } | Workload::Container(_) | Workload::External(_) => Vantage::Stack,
    }
}

struct Reading<'a> {
    context: &'a Context,
    vantage: Vantage,
    namespace: &'a str,
    versions: Versions,
    missing: Vec<MissingReference>,
}

impl Reading<'_> {
    async fn secret_key(&mut self, path: &str, reference: &KeyReference) -> Result<(), ReadError> {
        let KeyReference { name, key } = reference;
        let secret = self.context.reader.secret(self.namespace, name).await?;
        let has = |data: &BTreeMap<String, _>| data.contains_key(key);
        match &secret {
            Some(secret) if secret.data.as_ref().is_some_and(has) => {
                let version = version(secret.as_ref());
                self.versions.insert(ValueRef::SecretKey { name: name.clone(), key: key.clone() }, version);
            }
            found => self.miss(path, "Secret", name, found.is_some().then_some(key)),
        }
        Ok(())
    }

    async fn config_key(&mut self, path: &str, reference: &KeyReference) -> Result<(), ReadError> {
        let KeyReference { name, key } = reference;
        let map = self.context.reader.config_map(self.namespace, name).await?;
        match &map {
            Some(map) if map.data.as_ref().is_some_and(|data| data.contains_key(key)) => {
                let version = version(map.as_ref());
                self.versions.insert(ValueRef::ConfigKey { name: name.clone(), key: key.clone() }, version);
            }
            found => self.miss(path, "ConfigMap", name, found.is_some().then_some(key)),
        }
        Ok(())
    }

    /// The output of another service; one that is not there yet keeps the gate closed and is no violation.
    async fn output(&mut self, service: &str, output: &str) -> Result<(), ReadError> {
        let key = ServiceKey { namespace: self.namespace.to_owned(), name: service.to_owned() };
        if let Some(peer) = peer(self.context, &key).await?
            && peer.outputs(self.vantage, self.context).is_some_and(|outputs| outputs.contains_key(output))
        {
            let reference = ValueRef::Output { service: service.to_owned(), output: output.to_owned() };
            self.versions.insert(reference, peer.version(self.vantage, self.context));
        }
        Ok(())
    }

    /// The Secret of the service's own credential, named or generated.
    async fn credentials(&mut self, object: &ServiceSpec, service: &ValidService) -> Result<(), ReadError> {
        for name in secrets(service) {
            let own = Some(&name) == service.credentials.secret.as_ref();
            let secret = self.context.reader.secret(self.namespace, &name).await?;
            let Some(secret) = secret else {
                if own {
                    self.miss("spec.credentials.secretRef", "Secret", &name, None);
                }
                continue;
            };
            let version = version(secret.as_ref());
            let get = |key: &str| value_of(&secret, key);
            let has = |key: &str| get(key).is_some() || (own && part_of(self.context, object, key, get).is_some());
            if own && !has("password") && !has("token") && matches!(service.workload, Workload::Recipe { .. }) {
                self.miss("spec.credentials.secretRef", "Secret", &name, Some(&"password".to_owned()));
            }
            for key in CREDENTIAL_KEYS {
                if has(key) {
                    self.versions.insert(ValueRef::SecretKey { name: name.clone(), key: key.to_owned() }, version.clone());
                }
            }
        }
        Ok(())
    }

    fn miss(&mut self, path: &str, kind: &'static str, name: &str, key: Option<&String>) {
        self.missing.push(MissingReference { path: path.to_owned(), kind, name: name.to_owned(), key: key.cloned() });
    }
}

/// Changes with each write of the object; says nothing of its values.
fn version<K: ResourceExt>(object: &K) -> String {
    version_of(&object.uid().unwrap_or_default(), &object.resource_version().unwrap_or_default())
}

/// The version of an object by UID and resourceVersion.
pub(super) fn version_of(uid: &str, version: &str) -> String {
    format!("{uid}/{version}")
}
