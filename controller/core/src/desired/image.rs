//! The image of a workload: pulled or built, named by Koan where the manifest does not.

use koan_crds::names::hex;
use sha2::{Digest, Sha256};

use crate::recipe::Recipe;
use crate::validate::{ValidBuild, ValidContainer, ValidService, Workload};
use crate::workload::{BuildSpec, ImageSpec};

/// Hex digits of the hash in a built image's tag.
const TAG_DIGITS: usize = 12;

/// The image that a service needs; `None` for a process.
pub(super) fn image(service: &ValidService, recipe: Option<&Recipe>) -> Option<ImageSpec> {
    match &service.workload {
        Workload::Container(container) => Some(container_image(service, container)),
        Workload::Recipe { image, pull } => {
            let reference = image.clone().or_else(|| recipe.map(|recipe| recipe.image.to_string()))?;
            Some(ImageSpec { reference, pull: *pull, build: None })
        }
        Workload::Process(_) | Workload::External(_) => None,
    }
}

/// The rebuild that was asked for last, where the service builds its image.
pub(super) fn rebuild(service: &ValidService) -> Option<&str> {
    match &service.workload {
        Workload::Container(container) => container.build.as_ref()?.requested.as_deref(),
        Workload::Recipe { .. } | Workload::Process(_) | Workload::External(_) => None,
    }
}

fn container_image(service: &ValidService, container: &ValidContainer) -> ImageSpec {
    let build = container.build.as_ref().map(|build| BuildSpec {
        context: build.context.clone(),
        dockerfile: build.dockerfile.clone(),
        target: build.target.clone(),
        args: build.args.clone(),
        always: build.requested.is_some(),
    });
    let named = container.image.clone();
    let reference = named.or_else(|| container.build.as_ref().map(|build| built_name(service, build)));
    ImageSpec { reference: reference.unwrap_or_default(), pull: container.pull, build }
}

/// Name of a built image, after namespace, stack, service and build inputs (K-11).
fn built_name(service: &ValidService, build: &ValidBuild) -> String {
    let inputs = serde_json::json!([build.context, build.dockerfile, build.target, build.args]).to_string();
    let stack = service.stack.as_ref().map_or("alone", |stack| stack.name.as_str());
    let digest = hex(&Sha256::digest(inputs.as_bytes()));
    format!("koan.local/{}/{stack}/{}:{}", service.key.namespace, service.service, &digest[..TAG_DIGITS])
}

/// Tag of an image reference; empty where it names a digest or nothing.
pub(super) fn tag(reference: &str) -> &str {
    let name = reference.split('@').next().unwrap_or_default();
    match name.rsplit_once(':') {
        Some((_, tag)) if !tag.contains('/') => tag,
        Some(_) | None => "",
    }
}
