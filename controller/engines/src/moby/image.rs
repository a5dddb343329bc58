//! Images: pulled once for all who wait, by pull policy; digest and platform are facts that later steps need (ENG-8).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bollard::auth::DockerCredentials;
use bollard::errors::Error;
use bollard::models::{CreateImageInfo, ImageInspect};
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures::future::{BoxFuture, Shared};
use futures::{FutureExt, StreamExt};
use koan_core::outcome::{Done, Failure, Outcome};
use koan_core::workload::ImageSpec;
use koan_crds::v1alpha1::{FailureClass, PullPolicy};
use koan_crds::vocabulary::Reason;
use tokio::time::Instant;

use super::engine::Moby;
use super::failure::{is_absent, status_of, words_of};
use super::logins::LoginError;
use super::session::{Session, architecture_name};
use super::transport::Transport;

/// Longest silence of a pull.
const PULL_SILENCE: Duration = Duration::from_secs(120);
/// Longest pull.
const PULL_LIMIT: Duration = Duration::from_secs(3600);
/// Images whose facts are remembered.
const KNOWN_MAX: usize = 1024;
/// An image that was there is there for this long: services of one stack ask for it together (PERF-85).
const FRESH: Duration = Duration::from_secs(2);

/// What steps need of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ImageFacts {
    /// The engine's id of the image.
    pub(crate) id: String,
    /// Digest in its registry; the id of an image that never was in one.
    pub(crate) digest: String,
    /// Such as `linux/amd64`.
    pub(crate) platform: String,
    /// Paths that the image declares as volumes, sorted.
    pub(crate) volumes: Vec<String>,
}

type Pull = Shared<BoxFuture<'static, Result<(), Failure>>>;

/// Facts of images by reference and by id, and pulls that run.
#[derive(Default)]
pub(crate) struct Images {
    known: Mutex<HashMap<String, (Arc<ImageFacts>, Instant)>>,
    /// Who looks for an image; the others wait, and find what it found.
    looking: tokio::sync::Mutex<()>,
    pulls: Arc<Mutex<HashMap<String, Pull>>>,
}

impl Images {
    /// Facts that were read before.
    pub(crate) fn known(&self, key: &str) -> Option<Arc<ImageFacts>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(key).map(|(facts, _)| Arc::clone(facts))
    }

    /// Facts that were read a moment ago.
    fn fresh(&self, key: &str) -> Option<Arc<ImageFacts>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(key).filter(|(_, read)| read.elapsed() < FRESH).map(|(facts, _)| Arc::clone(facts))
    }

    /// Remembers facts under a reference or an id.
    pub(crate) fn remember(&self, key: &str, facts: ImageFacts) -> Arc<ImageFacts> {
        let facts = Arc::new(facts);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(key.to_owned(), (Arc::clone(&facts), Instant::now()));
        facts
    }
}

impl Moby {
    /// Pulls or builds the image unless it is there.
    pub(crate) async fn ensure_image(&self, spec: &ImageSpec, session: &Session) -> Result<Outcome, Failure> {
        let present = self.present(&spec.reference).await?;
        let (facts, changed) = match (&spec.build, present, spec.pull) {
            (Some(build), Some(facts), _) if !build.always => (facts, false),
            (Some(build), _, _) => {
                self.build(&spec.reference, build).await?;
                (self.image_after(&spec.reference, "built").await?, true)
            }
            (None, Some(facts), PullPolicy::IfNotPresent | PullPolicy::Never) => (facts, false),
            (None, None, PullPolicy::Never) => return Err(self.absent(&spec.reference)),
            (None, before, PullPolicy::Always | PullPolicy::IfNotPresent) => {
                self.pull(&spec.reference, session).await?;
                let after = self.image_after(&spec.reference, "pulled").await?;
                let changed = before.is_none_or(|before| before.id != after.id);
                (after, changed)
            }
        };
        if facts.platform != session.platform {
            return Err(Failure {
                class: FailureClass::Invalid,
                reason: Reason::ImagePullFailed,
                message: format!(
                    "image {} is for {}, {} runs {}",
                    spec.reference,
                    facts.platform,
                    self.title(),
                    session.platform
                ),
                remedy: Some(format!("name an image that is built for {}", session.platform)),
            });
        }
        if changed {
            self.images.remember(&spec.reference, facts.clone());
        }
        Ok(Outcome::Done(Done {
            changed,
            id: None,
            image_digest: Some(facts.digest.clone()),
            platform: Some(facts.platform.clone()),
        }))
    }

    /// Facts of an image that a container needs, read once per reference.
    pub(crate) async fn image_facts(&self, reference: &str) -> Result<Arc<ImageFacts>, Failure> {
        if let Some(known) = self.images.known(reference) {
            return Ok(known);
        }
        let facts = self.inspect_image(reference).await?.ok_or_else(|| self.absent(reference))?;
        Ok(self.images.remember(reference, facts))
    }

    /// The image as it stands, read once for all who ask at the same time.
    async fn present(&self, reference: &str) -> Result<Option<ImageFacts>, Failure> {
        let _turn = self.images.looking.lock().await;
        if let Some(facts) = self.images.fresh(reference) {
            return Ok(Some(ImageFacts::clone(&facts)));
        }
        let found = self.inspect_image(reference).await?;
        if let Some(facts) = &found {
            self.images.remember(reference, facts.clone());
        }
        Ok(found)
    }

    async fn image_after(&self, reference: &str, verb: &str) -> Result<ImageFacts, Failure> {
        self.inspect_image(reference).await?.ok_or_else(|| Failure {
            class: FailureClass::Transient,
            reason: Reason::ImagePullFailed,
            message: format!("{} {verb} image {reference} but does not have it", self.title()),
            remedy: None,
        })
    }

    async fn inspect_image(&self, reference: &str) -> Result<Option<ImageFacts>, Failure> {
        match self.transport.docker.inspect_image(reference).await {
            Ok(found) => Ok(Some(facts_of(reference, found))),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(self.failed("read", &format!("image {reference}"), &error)),
        }
    }

    fn absent(&self, reference: &str) -> Failure {
        Failure {
            class: FailureClass::Invalid,
            reason: Reason::ImagePullFailed,
            message: format!("{} does not have image {reference}, and its pull policy forbids to pull it", self.title()),
            remedy: Some(format!("pull or load {reference}, or set pullPolicy: IfNotPresent")),
        }
    }

    /// One pull per reference; everybody else waits for it. It goes on when a waiter is gone.
    async fn pull(&self, reference: &str, session: &Session) -> Result<(), Failure> {
        let pull = {
            let mut pulls = self.images.pulls.lock().unwrap_or_else(PoisonError::into_inner);
            match pulls.get(reference) {
                Some(pull) => pull.clone(),
                None => {
                    let pull = self.begin_pull(reference.to_owned(), session);
                    pulls.insert(reference.to_owned(), pull.clone());
                    pull
                }
            }
        };
        pull.await
    }

    fn begin_pull(&self, reference: String, session: &Session) -> Pull {
        let (transport, title, unknown) = (self.transport.clone(), self.title(), session.dialect.image_unknown);
        let pulls = Arc::clone(&self.images.pulls);
        let logins = self.options.logins.clone();
        let task = tokio::spawn(async move {
            let login = logins.of_image(&reference).await;
            if let Err(error) = &login {
                tracing::warn!(image = reference, "pulled without a login: {error}");
            }
            let (login, doubt) = login.map_or_else(|error| (None, Some(error)), |login| (login, None));
            let result = tokio::time::timeout(PULL_LIMIT, pull(&transport, &reference, login)).await;
            pulls.lock().unwrap_or_else(PoisonError::into_inner).remove(&reference);
            let failed = |error: &Error| with_doubt(pull_failure(title, &reference, unknown, error), doubt.as_ref());
            match result {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) => Err(failed(&error)),
                Err(_) => Err(failed(&Error::RequestTimeoutError)),
            }
        });
        async move {
            task.await.unwrap_or_else(|ended| {
                Err(Failure {
                    class: FailureClass::Bug,
                    reason: Reason::ImagePullFailed,
                    message: format!("the pull ended without an answer: {ended}"),
                    remedy: None,
                })
            })
        }
        .boxed()
        .shared()
    }
}

async fn pull(transport: &Transport, reference: &str, login: Option<DockerCredentials>) -> Result<(), Error> {
    let options = CreateImageOptionsBuilder::default().from_image(&with_tag(reference)).build();
    let mut progress = Box::pin(transport.docker.create_image(Some(options), None, login));
    loop {
        match tokio::time::timeout(PULL_SILENCE, progress.next()).await {
            Err(_) => return Err(Error::RequestTimeoutError),
            Ok(None) => return Ok(()),
            Ok(Some(Err(error))) => return Err(error),
            Ok(Some(Ok(CreateImageInfo { error_detail: Some(detail), .. }))) => {
                return Err(Error::DockerStreamError { error: detail.message.unwrap_or_default() });
            }
            Ok(Some(Ok(info))) => {
                tracing::debug!(image = reference, layer = info.id, status = info.status, "pull");
            }
        }
    }
}

/// A reference without tag and digest means `latest`; the API would pull every tag.
fn with_tag(reference: &str) -> String {
    let last = reference.rsplit('/').next().unwrap_or(reference);
    if last.contains(':') || last.contains('@') { reference.to_owned() } else { format!("{reference}:latest") }
}

fn pull_failure(title: &str, reference: &str, unknown: &[&str], error: &Error) -> Failure {
    let words = words_of(error);
    let lower = words.to_lowercase();
    let denied =
        matches!(status_of(error), Some(401 | 403)) || ["denied", "unauthorized"].iter().any(|word| lower.contains(word));
    let absent = status_of(error) == Some(404) || unknown.iter().any(|word| lower.contains(word));
    let (class, remedy) = if denied {
        (
            FailureClass::Denied,
            format!(
                "log in to the registry of {reference} (docker login, podman login), or correct its name; then koan up again"
            ),
        )
    } else if absent {
        (FailureClass::Invalid, format!("correct the image {reference}, or build or load it"))
    } else {
        (FailureClass::Transient, format!("see whether the registry of {reference} can be reached; Koan tries again"))
    };
    Failure {
        class,
        reason: Reason::ImagePullFailed,
        message: format!("{title} could not pull {reference}: {words}"),
        remedy: Some(remedy),
    }
}

/// A refusal says why no login was sent, where one may have been meant.
fn with_doubt(failure: Failure, doubt: Option<&LoginError>) -> Failure {
    match doubt.filter(|_| failure.class == FailureClass::Denied) {
        Some(doubt) => Failure { message: format!("{}; {doubt}", failure.message), ..failure },
        None => failure,
    }
}

/// The facts of an inspected image.
pub(crate) fn facts_of(reference: &str, image: ImageInspect) -> ImageFacts {
    let id = image.id.unwrap_or_default();
    let repository = repository_of(reference);
    let digests = image.repo_digests.unwrap_or_default();
    let of = |entry: &String| {
        let (name, digest) = entry.split_once('@')?;
        (name == repository || name.ends_with(&format!("/{repository}"))).then(|| digest.to_owned())
    };
    let digest = digests.iter().find_map(of).or_else(|| digests.first()?.split_once('@').map(|(_, digest)| digest.to_owned()));
    let mut volumes = image.config.and_then(|config| config.volumes).unwrap_or_default();
    volumes.sort();
    ImageFacts {
        digest: digest.unwrap_or_else(|| id.clone()),
        id,
        platform: format!(
            "{}/{}",
            image.os.unwrap_or_else(|| "linux".to_owned()),
            architecture_name(&image.architecture.unwrap_or_default())
        ),
        volumes,
    }
}

pub(super) fn repository_of(reference: &str) -> &str {
    let reference = reference.split('@').next().unwrap_or(reference);
    match reference.rfind(':') {
        Some(colon) if !reference[colon..].contains('/') => &reference[..colon],
        _ => reference,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ENG-8: a reference without a tag asks for `latest`, a port of a registry is no tag.
    #[test]
    fn references_get_their_tag() {
        for (given, asked) in [
            ("redis", "redis:latest"),
            ("redis:7", "redis:7"),
            ("localhost:5000/redis", "localhost:5000/redis:latest"),
            ("redis@sha256:00", "redis@sha256:00"),
        ] {
            assert_eq!(with_tag(given), asked);
        }
        assert_eq!(repository_of("localhost:5000/redis:7"), "localhost:5000/redis");
    }

    /// ENG-8: the digest is the one of the asked repository; an image that was never in a registry has its id.
    #[test]
    fn the_digest_belongs_to_the_repository() {
        let image = ImageInspect {
            id: Some("sha256:id".into()),
            repo_digests: Some(vec!["quay.io/other@sha256:a".into(), "docker.io/library/redis@sha256:b".into()]),
            os: Some("linux".into()),
            architecture: Some("amd64".into()),
            ..ImageInspect::default()
        };
        assert_eq!(facts_of("redis:7", image.clone()).digest, "sha256:b");
        let local = ImageInspect { repo_digests: None, ..image };
        assert_eq!(facts_of("redis:7", local).digest, "sha256:id");
    }

    /// ENG-8: each way to fail has its class and a remedy that names the image.
    #[test]
    fn pull_errors_are_classed() {
        let class = |status_code, message: &str| {
            let error = Error::DockerResponseServerError { status_code, message: message.to_owned() };
            let failure = pull_failure("Docker", "a/b:1", &["manifest unknown"], &error);
            assert!(failure.remedy.is_some_and(|remedy| remedy.contains("a/b:1")));
            assert_eq!(failure.reason, Reason::ImagePullFailed);
            failure.class
        };
        assert_eq!(class(404, "no such image"), FailureClass::Invalid);
        assert_eq!(class(500, "manifest unknown: x"), FailureClass::Invalid);
        assert_eq!(class(500, "pull access denied"), FailureClass::Denied);
        assert_eq!(class(500, "toomanyrequests"), FailureClass::Transient);
    }
}
