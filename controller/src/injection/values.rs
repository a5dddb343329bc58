//! Resolves the references of a workload into values, just before a step needs them.

use std::collections::BTreeSet;

use koan_core::identity::ServiceKey;
use koan_core::probe::Vantage;
use koan_core::secret::Secret;
use koan_core::text::{ValueRef, Values};
use koan_core::workload::{Run, WorkloadSpec};
use koan_crds::v1alpha1::ServiceSpec;

use super::login::part_of;
use super::peer::peer;
use crate::context::Context;
use crate::reader::{ReadError, value_of};

/// Every reference of a workload.
pub(crate) fn of_workload(spec: &WorkloadSpec) -> BTreeSet<ValueRef> {
    let env = spec.env.iter().map(|entry| &entry.value);
    let files = spec.files.iter().map(|file| &file.content);
    let mut found: BTreeSet<ValueRef> = env.chain(files).flat_map(|text| text.references().cloned()).collect();
    if let Run::Process(process) = &spec.run {
        let prepare = process.prepare.iter().flat_map(|step| step.command.iter().chain([&step.done_when]));
        found.extend(process.command.iter().chain(prepare).flat_map(|text| text.references().cloned()));
    }
    found
}

/// The vantage of a workload: a container stands in the stack, a program on the host.
pub(crate) fn vantage(run: &Run) -> Vantage {
    match run {
        Run::Container(_) => Vantage::Stack,
        Run::Process(_) => Vantage::Host,
    }
}

/// Resolves references; one that is absent stays out, and the engine names it.
pub(crate) async fn resolve(
    context: &Context,
    object: &ServiceSpec,
    references: impl IntoIterator<Item = ValueRef>,
    vantage: Vantage,
) -> Result<Values, ReadError> {
    let namespace = object.metadata.namespace.clone().unwrap_or_default();
    let credentials = object.spec.service.credentials.as_ref();
    let mut values = Values::default();
    for reference in references {
        let value = match &reference {
            ValueRef::SecretKey { name, key } => {
                let secret = context.reader.secret(&namespace, name).await?;
                secret.and_then(|secret| {
                    let own = credentials.and_then(|credentials| credentials.secret_ref.as_ref());
                    let own = own.is_some_and(|own| own.name == *name);
                    let get = |key: &str| value_of(&secret, key);
                    get(key).or_else(|| own.then(|| part_of(context, object, key, get)).flatten())
                })
            }
            ValueRef::ConfigKey { name, key } => {
                let map = context.reader.config_map(&namespace, name).await?;
                map.and_then(|map| map.data.as_ref()?.get(key).cloned()).map(Secret::new)
            }
            ValueRef::Literal { key } => {
                let literals = credentials.and_then(|credentials| credentials.literals.as_ref());
                let get = |key: &str| literals?.get(key).cloned().map(Secret::new);
                get(key).or_else(|| part_of(context, object, key, get))
            }
            ValueRef::Output { service, output } => {
                let key = ServiceKey { namespace: namespace.clone(), name: service.clone() };
                let peer = peer(context, &key).await?;
                peer.and_then(|peer| peer.outputs(vantage, context)?.get(output).cloned())
            }
        };
        if let Some(value) = value {
            values.insert(reference, value);
        }
    }
    Ok(values)
}
