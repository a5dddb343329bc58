//! Volumes: named and labelled, never anonymous (P16); deleted only by full name and creation time after an uncached read (S-2).

use std::collections::HashMap;

use bollard::models::{Volume, VolumeCreateRequest};
use bollard::query_parameters::RemoveVolumeOptions;
use koan_core::identity::Owner;
use koan_core::outcome::{Failure, Outcome};
use koan_core::step::{ObjectRef, VolumeSpec};
use koan_crds::labels;

use super::engine::{Moby, busy, changed, unchanged};
use super::failure::{is_absent, status_of};
use crate::declared::same_place;
use crate::refusals::foreign;

impl Moby {
    /// Makes the volume unless it is there; a foreign one of that name is left alone.
    pub(crate) async fn ensure_volume(&self, spec: &VolumeSpec) -> Result<Outcome, Failure> {
        if let Some(found) = self.volume(&spec.name).await? {
            return if serves(&found, spec) {
                Ok(unchanged(Some(spec.name.clone())))
            } else {
                Err(foreign(self.title(), "volume", &spec.name))
            };
        }
        let mut wanted: HashMap<String, String> = spec.owner.labels().into_iter().collect();
        wanted.insert(labels::VOLUME_PATH.to_owned(), spec.path.clone());
        let request =
            VolumeCreateRequest { name: Some(spec.name.clone()), labels: Some(wanted), ..VolumeCreateRequest::default() };
        match self.transport.docker.create_volume(request).await {
            // Creating an existing volume answers with the existing one, so the labels tell whose it is.
            Ok(made) if serves(&made, spec) => Ok(changed(Some(spec.name.clone()))),
            Ok(_) => Err(foreign(self.title(), "volume", &spec.name)),
            Err(error) if status_of(&error) == Some(409) => Ok(busy(format!("volume {} is being made", spec.name))),
            Err(error) => Err(self.failed("create", &format!("volume {}", spec.name), &error)),
        }
    }

    /// Removes a volume whose name, owner and creation time are those that the caller saw.
    pub(crate) async fn remove_volume(&self, object: &ObjectRef, created_at: &str) -> Result<Outcome, Failure> {
        let Some(found) = self.volume(&object.name).await? else { return Ok(unchanged(None)) };
        let same = found.name == object.name && belongs(&found.labels, &object.owner) && created(&found) == created_at;
        if !same {
            return Err(foreign(self.title(), "volume", &object.name));
        }
        let subject = format!("volume {}", object.name);
        match self.transport.docker.remove_volume(&object.name, None::<RemoveVolumeOptions>).await {
            Ok(()) => Ok(changed(None)),
            Err(error) if is_absent(&error) => Ok(unchanged(None)),
            Err(error) if status_of(&error) == Some(409) => Ok(busy(format!("{subject} is still mounted"))),
            Err(error) => Err(self.failed("remove", &subject, &error)),
        }
    }

    async fn volume(&self, name: &str) -> Result<Option<Volume>, Failure> {
        match self.transport.docker.inspect_volume(name).await {
            Ok(found) => Ok(Some(found)),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(self.failed("read", &format!("volume {name}"), &error)),
        }
    }
}

/// Creation time as the engine prints it.
pub(crate) fn created(volume: &Volume) -> String {
    volume.created_at.clone().unwrap_or_default()
}

fn serves(found: &Volume, spec: &VolumeSpec) -> bool {
    belongs(&found.labels, &spec.owner) && found.labels.get(labels::VOLUME_PATH) == Some(&spec.path)
}

fn belongs(found: &HashMap<String, String>, owner: &Owner) -> bool {
    Owner::from_labels(|key| found.get(key).map(String::as_str)).is_some_and(|found| same_place(&found, owner))
}
