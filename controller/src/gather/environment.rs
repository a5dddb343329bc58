//! Candidates from the person's environment and from a container's gateway (slots 1, 3 and 4 of DET-9).

use koan_core::candidate::ParsedCandidate;
use koan_core::probe::{Address, Candidate};
use koan_core::validate::ValidService;
use koan_crds::names;
use koan_crds::v1alpha1::DetectionMethod;

use crate::context::Context;
use crate::reader::{ReadError, value_of};

/// What the command line stored of the person's environment, as candidates in the order of the names; a text that is no
/// candidate is passed over, since a shell may hold anything.
pub(super) async fn candidates(context: &Context, service: &ValidService) -> Result<Vec<Candidate>, ReadError> {
    let mut found: Vec<Candidate> = hits(context, service)
        .await?
        .into_iter()
        .map(|(name, parsed)| {
            let named = service.detection.env.contains(&name);
            parsed.question(DetectionMethod::Environment, Some(name), named)
        })
        .collect();
    let recipe = service.adapter.as_deref().and_then(|id| context.recipes.recipe(id));
    let main = recipe.and_then(|recipe| recipe.ports.first()).map(|port| port.port);
    let ports: Vec<u16> = match service.detection.ports.as_slice() {
        [] => main.into_iter().collect(),
        declared => declared.to_vec(),
    };
    for (method, host) in context.host.gateways() {
        found.extend(ports.iter().map(|port| Candidate {
            method,
            source: None,
            address: Address::Tcp { host: host.clone(), port: *port },
            named_by_manifest: false,
            tls: None,
            database: None,
        }));
    }
    Ok(found)
}

/// Environment names with what they say; the logins inside stay bound to their candidate (DET-11).
pub(crate) async fn hits(context: &Context, service: &ValidService) -> Result<Vec<(String, ParsedCandidate)>, ReadError> {
    let Some(stack) = &service.stack else { return Ok(Vec::new()) };
    let Some(recipe) = service.adapter.as_deref().and_then(|id| context.recipes.recipe(id)) else { return Ok(Vec::new()) };
    let secret = context.reader.secret(&service.key.namespace, &names::environment_secret(&stack.name)).await?;
    let Some(secret) = secret else { return Ok(Vec::new()) };
    let names = secret.data.iter().flatten().map(|(name, _)| name);
    let variables = names.filter_map(|name| Some((name.clone(), value_of(&secret, name)?.expose().clone()))).collect();
    Ok(koan_adapters::environment_candidates(recipe.id, &service.detection.env, &variables))
}
