//! What the engines hold of a stack, by ID: `down` names it before anything goes (SEC-3).

use koan_core::identity::Owner;
use koan_crds::labels;
use koan_crds::v1alpha1::{ServiceSpec, VolumeReclaim};
use koan_engines::Scope;
use kube::ResourceExt;

use super::Run;
use crate::engines::Engines;
use crate::failure::Failure;
use crate::follow;
use crate::home::Session;
use crate::output::HeldObject;

/// Objects of one stack that go and stay with it; an engine that does not answer is left out, and the clean-up says so later.
///
/// # Errors
/// [`Failure::Api`], or an engine whose address cannot be read.
pub(super) async fn of_stack(
    run: &Run,
    session: &Session,
    stack: &str,
    volumes: bool,
) -> Result<(Vec<HeldObject>, Vec<HeldObject>), Failure> {
    let (mut goes, mut stays) = (Vec::new(), Vec::new());
    let (Some(home), Some((_, specs))) = (&session.home, follow::load(session, &session.namespace, stack).await?) else {
        return Ok((goes, stays));
    };
    let engines = Engines::of_home(home, &run.settings)?;
    let scope = Scope { instance: engines.instance().clone() };
    let ours = |owner: &Owner| owner.namespace == session.namespace && owner.stack.as_deref() == Some(stack);
    for engine in engines.all() {
        let Ok(held) = engine.inventory(&scope).await else { continue };
        let object = |kind: &str, name: &str, id: &str| HeldObject {
            kind: kind.to_owned(),
            engine: format!("{:?}", held.engine),
            name: name.to_owned(),
            id: id.to_owned(),
        };
        goes.extend(held.workloads.iter().filter(|w| ours(&w.owner)).map(|w| object("Workload", &w.name, &w.id.0)));
        goes.extend(held.networks.iter().filter(|n| ours(&n.owner)).map(|n| object("Network", &n.name, &n.id.0)));
        for volume in held.volumes.iter().filter(|volume| ours(&volume.owner)) {
            let place = if volumes || deletes(&specs, &volume.owner.service) { &mut goes } else { &mut stays };
            place.push(object("Volume", &volume.name, &volume.name));
        }
    }
    Ok((goes, stays))
}

/// True where the service's own `volumeReclaim` lets its volumes go.
fn deletes(specs: &[ServiceSpec], service: &str) -> bool {
    let own = specs.iter().find(|spec| spec.labels().get(labels::SERVICE).is_some_and(|name| name == service));
    own.is_some_and(|spec| spec.spec.volume_reclaim == Some(VolumeReclaim::Delete))
}
