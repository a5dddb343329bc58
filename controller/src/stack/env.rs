//! `<stack>-env` and `<stack>-launch`: written once all decisions stand, and again only when their content differs.

use std::collections::BTreeMap;

use base64::Engine as _;
use k8s_openapi::ByteString;
use koan_core::identity::ServiceKey;
use koan_core::outputs::{StackEnv, stack_env};
use koan_core::probe::Vantage;
use koan_core::validate::{StackEntry, ValidStack};
use koan_crds::v1alpha1::{DevStack, ServiceSpec, VolumeReclaim};
use koan_crds::{API_VERSION, labels, names};
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::context::Context;
use crate::gateway::{ApiKind, Identity};
use crate::gather::LAUNCH_PORT;
use crate::injection::peer;
use crate::runtime::Key;
use crate::service::VisitError;

use super::children::Children;

/// True when each child has a decision for its present generation, or will not get one.
pub(super) fn all_decided(children: &Children) -> bool {
    children.objects.iter().all(|(_, object)| object.as_ref().is_some_and(|object| decided(object)))
}

fn decided(object: &ServiceSpec) -> bool {
    let Some(status) = &object.status else { return false };
    status.observed_generation.is_some()
        && status.observed_generation == object.metadata.generation
        && status.decision.as_ref().is_some_and(|decision| decision.generation == object.metadata.generation)
}

/// Every variable of the stack, as a program of the host sees it (DET-34).
pub(super) async fn variables(context: &Context, stack: &ValidStack) -> Result<StackEnv, VisitError> {
    let mut peers = Vec::new();
    for entry in &stack.entries {
        let (name, target) = match entry {
            StackEntry::Inline(member) => (member.name.clone(), member.object.name_any()),
            StackEntry::Reference { name, target } => (name.clone(), target.clone()),
        };
        let key = ServiceKey { namespace: stack.namespace.clone(), name: target };
        if let Some(mut peer) = peer(context, &key).await? {
            peer.service.service = name;
            peers.push(peer);
        }
    }
    let services: Vec<_> = peers
        .iter()
        .filter_map(|peer| {
            let recipe = peer.service.adapter.as_deref().and_then(|id| context.recipes.recipe(id));
            Some((&peer.service, recipe, peer.outputs(Vantage::Host, context)?))
        })
        .collect();
    Ok(stack_env(&services))
}

/// Writes `<stack>-env` if its content differs; its name.
pub(super) async fn write_env(context: &Context, stack: &DevStack, env: &StackEnv) -> Result<String, VisitError> {
    let name = names::env_secret(&stack.name_any());
    let namespace = stack.namespace().unwrap_or_default();
    let data: BTreeMap<String, ByteString> =
        env.variables.iter().map(|(name, value)| (name.clone(), ByteString(value.expose().clone().into_bytes()))).collect();
    let found = context.reader.secret(&namespace, &name).await?;
    let same =
        found.as_ref().is_some_and(|found| found.data.clone().unwrap_or_default() == data && is_owned(found.as_ref(), stack));
    if !same {
        let encode = |bytes: &ByteString| base64::engine::general_purpose::STANDARD.encode(&bytes.0);
        let data: BTreeMap<&String, String> = data.iter().map(|(name, value)| (name, encode(value))).collect();
        let body = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
            "metadata": metadata(context, stack, &name, true),
            "data": data,
        });
        context
            .gateway
            .apply(ApiKind::Secret, labels::MANAGER_STACK, body, Some(Key::stack(&namespace, &stack.name_any())))
            .await?;
    }
    Ok(name)
}

/// Writes `<stack>-launch` if its content differs: profile, engine and ports of this start; kept at `down` (CLI-27).
pub(super) async fn write_launch(
    context: &Context,
    stack: &DevStack,
    valid: &ValidStack,
    children: &Children,
) -> Result<(), VisitError> {
    if valid.members().any(|member| !member.service.launch_state) {
        return Ok(());
    }
    let name = names::launch_config_map(&stack.name_any());
    let namespace = stack.namespace().unwrap_or_default();
    let mut data = BTreeMap::from([("profile".to_owned(), word(&valid.profile))]);
    let engine = context.arbiter.engine(&stack.uid().unwrap_or_default());
    data.extend(engine.map(|engine| ("engine".to_owned(), word(&engine))));
    for (service, object) in &children.objects {
        let Some(status) = object.as_ref().and_then(|object| object.status.as_ref()) else { continue };
        data.extend(status.ports.iter().map(|port| (format!("{LAUNCH_PORT}{service}.{}", port.name), port.host.to_string())));
    }
    let found = context.reader.config_map(&namespace, &name).await?;
    if found.is_some_and(|found| found.data.clone().unwrap_or_default() == data) {
        return Ok(());
    }
    let body = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": metadata(context, stack, &name, false),
        "data": data,
    });
    context
        .gateway
        .apply(ApiKind::ConfigMap, labels::MANAGER_STACK, body, Some(Key::stack(&namespace, &stack.name_any())))
        .await?;
    Ok(())
}

/// Deletes `<stack>-launch` where the data of the stack go with it (CLI-27): `down --volumes`, or the stack's own
/// `volumeReclaim: Delete`. Without that it stays: the next start gets the same ports.
pub(super) async fn drop_launch(context: &Context, stack: &DevStack) -> Result<(), VisitError> {
    let asked = stack.annotations().contains_key(labels::DELETE_VOLUMES);
    if !asked && stack.spec.volume_reclaim != VolumeReclaim::Delete {
        return Ok(());
    }
    let (namespace, name) = (stack.namespace().unwrap_or_default(), names::launch_config_map(&stack.name_any()));
    let Some(found) = context.gateway.read(ApiKind::ConfigMap, &namespace, &name).await? else { return Ok(()) };
    let marked = |label: &str, value: &str| found.labels().get(label).is_some_and(|found| found == value);
    if !marked(labels::INSTANCE, &context.instance.0) || !marked(labels::STACK, &stack.name_any()) {
        return Ok(());
    }
    let identity = Identity::of(&found);
    assert!(identity.namespace == namespace && identity.name == name, "another ConfigMap was read than {namespace}/{name}");
    context.gateway.delete(ApiKind::ConfigMap, labels::MANAGER_STACK, &identity).await?;
    Ok(())
}

/// The word of an enum on the wire.
fn word<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn is_owned<K: ResourceExt>(object: &K, stack: &DevStack) -> bool {
    object.owner_references().iter().any(|owner| Some(&owner.uid) == stack.metadata.uid.as_ref())
}

fn metadata(context: &Context, stack: &DevStack, name: &str, owned: bool) -> Value {
    let (namespace, stack_name) = (stack.namespace().unwrap_or_default(), stack.name_any());
    let mut metadata = json!({
        "name": name, "namespace": namespace,
        "labels": {
            labels::INSTANCE: context.instance.0, labels::NAMESPACE: namespace, labels::STACK: stack_name,
            labels::OWNER_UID: stack.uid().unwrap_or_default(),
        },
    });
    if owned {
        metadata["ownerReferences"] = json!([{
            "apiVersion": API_VERSION, "kind": "DevStack", "name": stack_name, "uid": stack.uid().unwrap_or_default(),
            "controller": true, "blockOwnerDeletion": true,
        }]);
    }
    metadata
}

/// The Secret that another stack would share by name: its owner (DuplicateName).
pub(super) async fn taken(context: &Context, stack: &DevStack) -> Result<Option<(String, String)>, VisitError> {
    let name = names::env_secret(&stack.name_any());
    let found = context.reader.secret(&stack.namespace().unwrap_or_default(), &name).await?;
    let Some(found) = found.filter(|found| !is_owned(found.as_ref(), stack)) else { return Ok(None) };
    let labels = found.labels();
    // A stack of the same name that is gone leaves its Secret to the garbage collector: it is applied over.
    let own = labels.get(labels::STACK) == Some(&stack.name_any()) && labels.get(labels::INSTANCE) == Some(&context.instance.0);
    Ok((!own).then(|| {
        (name, labels.get(labels::STACK).map_or_else(|| "somebody else".to_owned(), |stack| format!("DevStack {stack}")))
    }))
}
