//! The person's environment: the names that detection may read, stored where the controllers find them (DET-11).

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use koan_core::recipe::Recipes;
use koan_crds::names;
use koan_crds::v1alpha1::DevStack;
use kube::Api;
use kube::api::{Patch, PatchParams};
use kube::core::ObjectMeta;
use serde_json::json;

use super::Run;
use crate::failure::Failure;
use crate::home::{Session, api};
use crate::manifest::Document;

/// Stores the variables that the stack's services may be found by; without any, nothing is written.
///
/// Called before the stack is applied, so that its first detection sees them; then again with the stack as owner.
///
/// # Errors
/// [`Failure::Api`].
pub(crate) async fn store(run: &Run, session: &Session, stack: &Document, owner: Option<&DevStack>) -> Result<(), Failure> {
    let hits = hits(run, stack);
    if hits.is_empty() {
        return Ok(());
    }
    let namespace = stack.value.pointer("/metadata/namespace").and_then(|v| v.as_str()).unwrap_or("default");
    let name = names::environment_secret(stack.name());
    let references = owner.and_then(|o| kube::Resource::controller_owner_ref(o, &())).map(|r| json!([r])).unwrap_or(json!([]));
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": {"name": name, "namespace": namespace, "ownerReferences": references},
        "stringData": hits,
    });
    let secrets: Api<Secret> = Api::namespaced(session.client.clone(), namespace);
    let parameters = PatchParams::apply(koan_crds::labels::MANAGER_CLI).force();
    secrets.patch(&name, &parameters, &Patch::Apply(&secret)).await.map_err(|e| api("apply", &format!("secret {name}"), e))?;
    Ok(())
}

/// Makes the stored stack the owner of its environment Secret, so that it goes with the stack.
///
/// # Errors
/// [`Failure::Api`].
pub(crate) async fn adopt(run: &Run, session: &Session, stack: &Document) -> Result<(), Failure> {
    let namespace = stack.value.pointer("/metadata/namespace").and_then(|v| v.as_str()).unwrap_or("default");
    let stacks: Api<DevStack> = Api::namespaced(session.client.clone(), namespace);
    let stored = stacks.get_opt(stack.name()).await.map_err(|e| api("get", &format!("devstack {}", stack.name()), e))?;
    match stored {
        Some(owner) => store(run, session, stack, Some(&owner)).await,
        None => Ok(()),
    }
}

/// The Secret that [`store`] would write, for a plan that is made before.
pub(crate) fn secret_of(run: &Run, stack: &Document) -> Option<Secret> {
    let hits = hits(run, stack);
    let namespace = stack.value.pointer("/metadata/namespace").and_then(|v| v.as_str()).unwrap_or("default");
    let metadata = ObjectMeta {
        name: Some(names::environment_secret(stack.name())),
        namespace: Some(namespace.to_owned()),
        ..ObjectMeta::default()
    };
    let data = hits.into_iter().map(|(name, value)| (name, ByteString(value.into_bytes()))).collect();
    Some(Secret { metadata, data: Some(data), ..Secret::default() })
        .filter(|secret| secret.data.as_ref().is_some_and(|d| !d.is_empty()))
}

fn hits(run: &Run, stack: &Document) -> std::collections::BTreeMap<String, String> {
    let Ok(stack) = serde_json::from_value::<DevStack>(stack.value.clone()) else { return Default::default() };
    let recipes = koan_adapters::catalogue();
    let mut wanted: Vec<String> = Vec::new();
    for service in &stack.spec.services {
        let recipe = service.service.adapter.as_deref().and_then(|adapter| recipes.recipe(adapter));
        wanted.extend(recipe.iter().flat_map(|recipe| koan_adapters::environment_names(recipe.id)).map(str::to_owned));
        wanted.extend(service.service.detection.iter().flat_map(|d| d.env.iter().flatten()).cloned());
    }
    let all = run.settings.environment.all();
    wanted.into_iter().filter_map(|name| all.get(&name).filter(|v| !v.is_empty()).map(|v| (name, v.clone()))).collect()
}
