//! `render`: the `ServiceSpec`s that a stack applies for its inline services, every inherited setting written down.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use koan_crds::v1alpha1::{
    DependsOn, DevStack, EngineChoice, PersistenceMode, Port, Profile, Provisioning, ProvisioningMode, ServiceFields,
    ServiceSpec, ServiceSpecSpec, StackService, VolumeReclaim,
};
use koan_crds::{API_VERSION, labels, names};

use crate::recipe::Recipes;
use crate::validate::ValidStack;

/// The children of a stack, in the manifest's order; references to somebody else's objects have none.
pub fn render(stack: &ValidStack) -> Vec<ServiceSpec> {
    stack.members().map(|member| member.object.clone()).collect()
}

/// What the graph of a stack decides for its children.
pub(crate) struct Siblings<'a> {
    stack: &'a DevStack,
    profile: Profile,
    /// Names in the stack, each with the name of its object.
    objects: BTreeMap<&'a str, String>,
    /// Names that a program of the host refers to, or that nothing refers to.
    used_from_host: BTreeSet<&'a str>,
}

impl<'a> Siblings<'a> {
    pub(crate) fn of(stack: &'a DevStack, profile: Profile) -> Self {
        let name = stack.metadata.name.as_deref().unwrap_or_default();
        let services = &stack.spec.services;
        let object = |entry: &StackService| match &entry.service_ref {
            Some(reference) => reference.name.clone(),
            None => names::service_spec(name, &entry.name),
        };
        let objects = services.iter().map(|entry| (entry.name.as_str(), object(entry))).collect();
        let mut referred = BTreeSet::new();
        let mut by_process = BTreeSet::new();
        for entry in services.iter().filter(|entry| !disabled(entry)) {
            let others = references(&entry.service);
            if entry.service.process.is_some() {
                by_process.extend(others.iter().copied());
            }
            referred.extend(others);
        }
        let all = services.iter().map(|entry| entry.name.as_str());
        let used_from_host = all.filter(|name| by_process.contains(name) || !referred.contains(name)).collect();
        Self { stack, profile, objects, used_from_host }
    }

    /// Name of the object that a name in the stack stands for; the name itself where there is none.
    fn object(&self, name: &str) -> String {
        self.objects.get(name).cloned().unwrap_or_else(|| name.to_owned())
    }

    /// The object of an inline service.
    pub(crate) fn child(&self, entry: &StackService, recipes: &dyn Recipes) -> ServiceSpec {
        let mut object = ServiceSpec::new(&self.object(&entry.name), self.spec(entry, recipes));
        let parent = &self.stack.metadata;
        let metadata = &mut object.metadata;
        metadata.namespace = Some(parent.namespace.clone().unwrap_or_else(|| "default".to_owned()));
        metadata.labels = Some(BTreeMap::from([
            (labels::STACK.to_owned(), parent.name.clone().unwrap_or_default()),
            (labels::SERVICE.to_owned(), entry.name.clone()),
        ]));
        let inherited = [
            labels::PROJECT,
            labels::RESTART,
            labels::REDETECT,
            labels::DELETE_VOLUMES,
            labels::PORTS,
            labels::PULL,
            labels::REBUILD,
            labels::LAUNCH_STATE,
        ];
        let annotations: BTreeMap<String, String> = inherited
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), parent.annotations.as_ref()?.get(name)?.clone())))
            .collect();
        metadata.annotations = (!annotations.is_empty()).then_some(annotations);
        metadata.finalizers = Some(vec![labels::FINALIZER.to_owned()]);
        metadata.owner_references = Some(vec![OwnerReference {
            api_version: API_VERSION.to_owned(),
            kind: "DevStack".to_owned(),
            name: parent.name.clone().unwrap_or_default(),
            uid: parent.uid.clone().unwrap_or_default(),
            controller: Some(true),
            block_owner_deletion: Some(true),
        }]);
        object
    }

    fn spec(&self, entry: &StackService, recipes: &dyn Recipes) -> ServiceSpecSpec {
        let stack = &self.stack.spec;
        let mut service = entry.service.clone();
        service.ports = self.ports(entry, recipes);
        service.provisioning = Some(self.provisioning(entry));
        service.readiness_timeout = service.readiness_timeout.or_else(|| stack.readiness_timeout.clone());
        for on in service.depends_on.iter_mut().flatten() {
            *on = DependsOn { name: self.object(&on.name), condition: on.condition };
        }
        let sources = service.env.iter_mut().flatten().filter_map(|variable| variable.value_from.as_mut());
        for output in sources.filter_map(|source| source.service_ref.as_mut()) {
            output.name = self.object(&output.name);
        }
        let ephemeral = service.persistence.as_ref().and_then(|persistence| persistence.mode).unwrap_or(match self.profile {
            Profile::Ci => PersistenceMode::Ephemeral,
            Profile::Local | Profile::Staging | Profile::Prod => PersistenceMode::Named,
        }) == PersistenceMode::Ephemeral;
        ServiceSpecSpec {
            service,
            profile: Some(self.profile),
            engine: Some(EngineChoice { name: stack.engine.name, preferred: stack.engine.preferred.clone() }),
            port_policy: stack.ports.clone(),
            expose_internals: Some(stack.expose_internals),
            volume_reclaim: Some(if ephemeral { VolumeReclaim::Delete } else { stack.volume_reclaim }),
            suspend: Some(stack.suspend),
        }
    }

    /// Mode and budgets, the stack's where the service says nothing (DET-1); a stack's mode concerns only what is looked for (DET-45).
    fn provisioning(&self, entry: &StackService) -> Provisioning {
        let own = entry.service.provisioning.clone().unwrap_or_default();
        let stack = self.stack.spec.provisioning.clone().unwrap_or_default();
        let alone = entry.service.adapter.is_some() && entry.service.container.is_none() && entry.service.external.is_none();
        Provisioning {
            mode: own.mode.or(stack.mode.filter(|_| alone)).or(Some(ProvisioningMode::Auto)),
            detection_timeout: own.detection_timeout.or(stack.detection_timeout),
            attempt_timeout: own.attempt_timeout.or(stack.attempt_timeout),
        }
    }

    /// Ports with `publish` decided (CLI-29); a recipe's ports are written down where the adapter stands alone.
    fn ports(&self, entry: &StackService, recipes: &dyn Recipes) -> Option<Vec<Port>> {
        let service = &entry.service;
        let host = self.stack.spec.expose_internals || self.used_from_host.contains(entry.name.as_str());
        let mut ports: Vec<Port> = service.ports.clone().unwrap_or_default();
        let alone = service.container.is_none() && service.process.is_none() && service.external.is_none();
        let recipe = service.adapter.as_deref().filter(|_| alone).and_then(|id| recipes.recipe(id));
        for own in recipe.map_or(&[][..], |recipe| recipe.ports) {
            if !ports.iter().any(|port| port.name == own.name || port.container_port == own.port) {
                ports.push(Port {
                    name: own.name.to_owned(),
                    container_port: own.port,
                    host_port: None,
                    protocol: None,
                    publish: None,
                });
            }
        }
        for port in &mut ports {
            port.publish = Some(port.publish == Some(true) || host);
        }
        (!ports.is_empty()).then_some(ports)
    }
}

fn disabled(entry: &StackService) -> bool {
    let mode = entry.service.provisioning.as_ref().and_then(|provisioning| provisioning.mode);
    mode == Some(ProvisioningMode::Disabled)
}

/// Names that a service refers to: gates and outputs.
fn references(fields: &ServiceFields) -> Vec<&str> {
    let gates = fields.depends_on.iter().flatten().map(|on| on.name.as_str());
    let sources = fields.env.iter().flatten().filter_map(|variable| variable.value_from.as_ref());
    let outputs = sources.filter_map(|source| source.service_ref.as_ref()).map(|output| output.name.as_str());
    gates.chain(outputs).collect()
}
