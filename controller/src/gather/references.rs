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

/// Reads every reference, and registers the service for changes of what it refers to.
pub(super) async fn read(
    context: &Context,
    object: &ServiceSpec,
    service: &ValidService,
) -> Result<(Versions, Vec<MissingReference>), ReadError> {
    let vantage = vantage(context, service);
    let mut reading = Reading {
        context,
        vantage,
        namespace: &service.key.namespace,
        versions: BTreeMap::new(),
        missing: Vec::new(),
        targets: BTreeSet::new(),
    };
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
    for gate in &service.gates {
        reading.targets.insert(Target::new(WatchedKind::Service, &service.key.namespace, &gate.object));
    }
    if let Some(stack) = &service.stack {
        reading.targets.insert(Target::new(WatchedKind::Secret, &service.key.namespace, &names::environment_secret(&stack.name)));
    }
    context.interests.set(&Key::service(&service.key.namespace, &service.key.name), reading.targets);
    Ok((reading.versions, reading.missing))
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
    targets: BTreeSet<Target>,
}

impl Reading<'_> {
    async fn secret_key(&mut self, path: &str, reference: &KeyReference) -> Result<(), ReadError> {
        let KeyReference { name, key } = reference;
        self.targets.insert(Target::new(WatchedKind::Secret, self.namespace, name));
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
        self.targets.insert(Target::new(WatchedKind::ConfigMap, self.namespace, name));
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
        self.targets.insert(Target::new(WatchedKind::Service, self.namespace, service));
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
        let generated = names::credentials_secret(&service.key.name);
        let named = service.credentials.secret.clone();
        for name in named.iter().chain([&generated]) {
            self.targets.insert(Target::new(WatchedKind::Secret, self.namespace, name));
            let secret = self.context.reader.secret(self.namespace, name).await?;
            let Some(secret) = secret else {
                if Some(name) == named.as_ref() {
                    self.miss("spec.credentials.secretRef", "Secret", name, None);
                }
                continue;
            };
            let version = version(secret.as_ref());
            let own = Some(name) == named.as_ref();
            let get = |key: &str| value_of(&secret, key);
            let has = |key: &str| get(key).is_some() || (own && part_of(self.context, object, key, get).is_some());
            if own && !has("password") && !has("token") && matches!(service.workload, Workload::Recipe { .. }) {
                self.miss("spec.credentials.secretRef", "Secret", name, Some(&"password".to_owned()));
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
