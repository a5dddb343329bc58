//! `info()`: what the engine says of itself, within 2 s and never an error; each way to be unavailable has reason and remedy.

use std::io::ErrorKind;

use koan_core::inventory::{Capabilities, EngineInfo};

use super::engine::Moby;
use super::failure::{io_kind_of, words_of};
use super::session::{API_MINIMUM, HELLO_TIMEOUT, HelloError, PING_TIMEOUT};

impl Moby {
    /// See [`crate::Engine::info`].
    pub(crate) async fn describe(&self) -> EngineInfo {
        let dialect = self.options.dialect;
        let blank = EngineInfo {
            engine: dialect.engine,
            available: false,
            reason: None,
            remedy: None,
            version: None,
            endpoint: Some(self.options.endpoint.to_string()),
            api_version: None,
            rootless: false,
            capabilities: Capabilities {
                containers: true,
                processes: false,
                build: true,
                networks: true,
                gpu: dialect.device_requests,
                exec: true,
            },
        };
        let deadline = tokio::time::Instant::now() + HELLO_TIMEOUT;
        match tokio::time::timeout_at(deadline, self.hello()).await {
            Ok(Ok(session)) => EngineInfo {
                available: true,
                version: Some(session.version.clone()),
                api_version: Some(format!("{}.{}", session.api.0, session.api.1)),
                rootless: self.is_rootless(deadline).await,
                ..blank
            },
            Ok(Err(error)) => self.unavailable(blank, &error),
            Err(_) => self.slow(blank).await,
        }
    }

    /// Podman starts programs of its own to tell its version, which takes seconds on a busy machine: one that answers a
    /// ping is usable, only its version is not known yet.
    async fn slow(&self, blank: EngineInfo) -> EngineInfo {
        let dialect = self.options.dialect;
        match tokio::time::timeout(PING_TIMEOUT, self.transport.get("/_ping")).await {
            Ok(Ok(answer)) if answer.status().is_success() => EngineInfo { available: true, ..blank },
            Ok(Ok(_) | Err(_)) | Err(_) => EngineInfo {
                reason: Some(format!("{} accepts connections at {} but does not answer", dialect.title, self.options.endpoint)),
                remedy: Some(format!("restart {}", dialect.title)),
                ..blank
            },
        }
    }

    /// An engine that is slow at `/info` (Podman under load) is still usable; only the mark is lost then.
    async fn is_rootless(&self, deadline: tokio::time::Instant) -> bool {
        let info = tokio::time::timeout_at(deadline, self.transport.docker.info()).await;
        let options = info.ok().and_then(Result::ok).and_then(|info| info.security_options).unwrap_or_default();
        options.iter().any(|option| option.contains("rootless"))
    }

    fn unavailable(&self, blank: EngineInfo, error: &HelloError) -> EngineInfo {
        let (title, endpoint, start) = (self.options.dialect.title, &self.options.endpoint, self.options.dialect.start_hint);
        let (reason, remedy, version) = match error {
            HelloError::TooOld { found, version } => (
                format!("{title} {version} speaks API {found}; Koan needs {}.{} or newer", API_MINIMUM.0, API_MINIMUM.1),
                format!("update {title}"),
                Some(version.clone()),
            ),
            HelloError::Silent(source) => {
                let (reason, remedy) = match io_kind_of(source) {
                    Some(ErrorKind::NotFound) => {
                        (format!("{title} has no socket at {endpoint}"), format!("install {title} or {start}"))
                    }
                    Some(ErrorKind::ConnectionRefused) => {
                        (format!("nothing listens at {title}'s socket {endpoint}"), start.to_owned())
                    }
                    Some(ErrorKind::PermissionDenied) => (
                        format!("this user may not open {title}'s socket {endpoint}"),
                        format!("add this user to the group that owns the socket, or use a rootless {title}"),
                    ),
                    _ => (format!("{title} at {endpoint} does not answer: {}", words_of(source)), start.to_owned()),
                };
                (reason, remedy, None)
            }
        };
        EngineInfo { reason: Some(reason), remedy: Some(remedy), version, ..blank }
    }
}

#[cfg(test)]
mod tests {
    use bollard::errors::Error;

    use super::*;
    use crate::Engine;
    use crate::moby::{Dialect, Endpoint, MobyOptions};

    /// ENG-1: a socket that this user may not open says so, and names the group as the remedy (root may open every socket, so the
    /// operating system's word is given here).
    #[tokio::test]
    async fn a_forbidden_socket_says_so() {
        let options = MobyOptions {
            endpoint: Endpoint::Unix("/nonexistent.sock".into()),
            dialect: &Dialect::DOCKER,
            secrets_dir: "/nonexistent".into(),
            cores: 1,
            logins: crate::moby::RegistryLogins::default(),
        };
        let moby = Moby::new(options).unwrap();
        let blank = moby.info().await;
        let error = Error::IOError { err: ErrorKind::PermissionDenied.into() };
        let info = moby.unavailable(blank, &HelloError::Silent(error));
        assert!(!info.available && info.reason.unwrap().contains("may not open"));
        assert!(info.remedy.unwrap().contains("group"));
    }
}
