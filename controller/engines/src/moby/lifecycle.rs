//! Start, stop and remove: each reads the container first, uncached, and compares id, name and owner (S-3, S-8).

use std::path::Path;
use std::time::Duration;

use bollard::query_parameters::{RemoveContainerOptionsBuilder, StartContainerOptions, StopContainerOptionsBuilder};
use koan_core::inventory::WorkloadState as State;
use koan_core::outcome::{Failure, Outcome};
use koan_core::step::ObjectRef;
use koan_core::text::Values;
use koan_crds::v1alpha1::FailureClass;
use koan_crds::vocabulary::Reason;

use super::container::seconds;
use super::engine::{Moby, busy, changed, unchanged};
use super::failure::{is_absent, status_of, words_of};
use super::network::is_owned;
use super::session::Session;
use super::wire::Inspected;
use crate::refusals::{foreign, transient};

/// What a stop may take beyond its grace.
const STOP_MARGIN: Duration = Duration::from_secs(30);

impl Moby {
    /// Starts a created or stopped container.
    pub(crate) async fn start(&self, object: &ObjectRef, values: &Values, session: &Session) -> Result<Outcome, Failure> {
        let Some((id, found)) = self.owned_container(object).await? else {
            return Err(transient(Reason::ProvisionFailed, format!("container {} is gone", object.name)));
        };
        let subject = format!("container {}", object.name);
        if found.state.status.changing {
            return Ok(busy(format!("{subject} is changing")));
        }
        match found.state.status.known {
            State::Running => return Ok(unchanged(Some(id))),
            State::Paused => {
                let result = self.transport.docker.unpause_container(&id).await;
                return result.map(|()| changed(Some(id))).map_err(|error| self.failed("unpause", &subject, &error));
            }
            State::Created | State::Exited | State::Dead | State::Removing | State::Restarting => {}
        }
        self.templates.refresh(&object.name, values).map_err(|error| {
            transient(Reason::ProvisionFailed, format!("the mounted files of {} cannot be written: {error}", object.name))
        })?;
        if self.lacks_files(&found) {
            return Err(Failure {
                class: FailureClass::Transient,
                reason: Reason::ProvisionFailed,
                message: format!("the mounted files of {} are gone; it has to be made anew", object.name),
                remedy: Some("Koan makes it anew; its volumes stay".to_owned()),
            });
        }
        let started = self.starts.run(self.transport.docker.start_container(&id, None::<StartContainerOptions>)).await;
        match started {
            Ok(()) => Ok(changed(Some(id))),
            Err(error) if status_of(&error) == Some(304) => Ok(unchanged(Some(id))),
            Err(error) => Err(self.start_failure(&subject, session, &error)),
        }
    }

    fn start_failure(&self, subject: &str, session: &Session, error: &bollard::errors::Error) -> Failure {
        let words = words_of(error);
        if status_of(error).is_some() && session.dialect.port_taken.iter().any(|text| words.contains(text)) {
            return Failure {
                class: FailureClass::Transient,
                reason: Reason::Conflict,
                message: format!("{} could not publish a port of {subject}: {words}", self.title()),
                remedy: Some("free the port, or let Koan pick another one".to_owned()),
            };
        }
        self.failed("start", subject, error)
    }

    /// TERM, then KILL after the grace.
    pub(crate) async fn stop(&self, object: &ObjectRef, grace: Duration) -> Result<Outcome, Failure> {
        let Some((id, found)) = self.owned_container(object).await? else { return Ok(unchanged(None)) };
        let subject = format!("container {}", object.name);
        match found.state.status.known {
            State::Created | State::Exited | State::Dead => return Ok(unchanged(Some(id))),
            State::Removing => return Ok(busy(format!("{subject} is being removed"))),
            // A frozen program cannot handle TERM.
            State::Paused => {
                self.transport.docker.unpause_container(&id).await.map_err(|error| self.failed("unpause", &subject, &error))?;
            }
            State::Running | State::Restarting => {}
        }
        let _turn = self.removals.acquire().await;
        let options = StopContainerOptionsBuilder::default().t(i32::try_from(seconds(grace)).unwrap_or(i32::MAX)).build();
        match self.transport.with_deadline(grace + STOP_MARGIN).stop_container(&id, Some(options)).await {
            Ok(()) => Ok(changed(Some(id))),
            Err(error) if matches!(status_of(&error), Some(304 | 404)) => Ok(unchanged(Some(id))),
            Err(error) => Err(self.failed("stop", &subject, &error)),
        }
    }

    /// Removes a stopped container; its volumes stay.
    pub(crate) async fn remove(&self, object: &ObjectRef) -> Result<Outcome, Failure> {
        let subject = format!("container {}", object.name);
        let Some((id, found)) = self.owned_container(object).await? else {
            self.templates.remove(&object.name);
            return Ok(unchanged(None));
        };
        match found.state.status.known {
            State::Running | State::Paused | State::Restarting => {
                return Err(transient(Reason::ProvisionFailed, format!("{subject} runs; it is stopped before it is removed")));
            }
            State::Removing => return Ok(busy(format!("{subject} is being removed"))),
            State::Created | State::Exited | State::Dead => {}
        }
        let _turn = self.removals.acquire().await;
        let options = RemoveContainerOptionsBuilder::default().v(false).force(false).build();
        match self.transport.docker.remove_container(&id, Some(options)).await {
            Ok(()) => {}
            Err(error) if is_absent(&error) => {}
            Err(error) if status_of(&error) == Some(409) => return Ok(busy(format!("{subject} is being removed"))),
            Err(error) => return Err(self.failed("remove", &subject, &error)),
        }
        self.templates.remove(&object.name);
        Ok(changed(None))
    }

    /// The container that a step means, read uncached; `None` where it is gone.
    ///
    /// # Errors
    /// `ForeignResource` where the object of that id or name carries other labels.
    pub(crate) async fn owned_container(&self, object: &ObjectRef) -> Result<Option<(String, Inspected)>, Failure> {
        let key = object.id.as_ref().map_or(object.name.as_str(), |id| id.0.as_str());
        let found = match self.transport.inspect_container(key).await {
            Ok(found) => found,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(self.failed("read", &format!("container {}", object.name), &error)),
        };
        let id = found.id.clone();
        // The API resolves prefixes of ids and names alike: what was found must be what was asked for.
        let asked = match &object.id {
            Some(wanted) => id == wanted.0,
            None => found.name.trim_start_matches('/') == object.name,
        };
        if !asked {
            return Ok(None);
        }
        if !is_owned(Some(&found.config.labels), &object.owner) {
            return Err(foreign(self.title(), "container", &object.name));
        }
        Ok(Some((id, found)))
    }

    /// A file that the container mounts from the secrets folder is gone, for instance after the machine was restarted.
    pub(crate) fn lacks_files(&self, found: &Inspected) -> bool {
        found.mounts.iter().any(|mount| {
            let source = Path::new(&mount.source);
            self.templates.holds(source) && !source.exists()
        })
    }
}
