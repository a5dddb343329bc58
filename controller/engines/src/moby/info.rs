//! `info()`: what the engine says of itself, within 2 s and never an error; each way to be unavailable has reason and remedy.

use std::io::ErrorKind;

use bollard::models::SystemInfo;
use jiff::Timestamp;
use koan_core::inventory::{Capabilities, EngineInfo, EngineMachine};

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
            machine: EngineMachine::default(),
        };
        let deadline = tokio::time::Instant::now() + HELLO_TIMEOUT;
        match tokio::time::timeout_at(deadline, self.hello()).await {
            Ok(Ok(session)) => {
                let said = self.said(deadline).await;
                EngineInfo {
                    available: true,
                    version: Some(session.version.clone()),
                    api_version: Some(format!("{}.{}", session.api.0, session.api.1)),
                    rootless: said.security_options.iter().flatten().any(|option| option.contains("rootless")),
                    machine: machine(&said, Timestamp::now()),
                    ..blank
                }
            }
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
                reason: Some(format!("what listens at {} accepts connections but does not answer", self.options.endpoint)),
                remedy: Some(format!("restart {}", dialect.title)),
                ..blank
            },
        }
    }

    /// An engine that is slow at `/info` (Podman under load) is still usable; only the marks are lost then.
    async fn said(&self, deadline: tokio::time::Instant) -> SystemInfo {
        let info = tokio::time::timeout_at(deadline, self.transport.docker.info()).await;
        info.ok().and_then(Result::ok).unwrap_or_default()
    }

    fn unavailable(&self, blank: EngineInfo, error: &HelloError) -> EngineInfo {
        let (title, endpoint, start) = (self.options.dialect.title, &self.options.endpoint, self.options.dialect.start_hint);
        let others: String = self.options.looked_at.iter().map(|place| format!(", {place}")).collect();
        let (reason, remedy, version) = match error {
            HelloError::TooOld { found, version } => (
                format!("version {version} speaks API {found}; Koan needs {}.{} or newer", API_MINIMUM.0, API_MINIMUM.1),
                format!("update {title}"),
                Some(version.clone()),
            ),
            HelloError::Silent(source) => {
                let (reason, remedy) = match io_kind_of(source) {
                    Some(ErrorKind::NotFound) => {
                        (format!("no socket at {endpoint}{others}"), format!("install {title}, or {start}"))
                    }
                    Some(ErrorKind::ConnectionRefused) => (format!("nothing listens at the socket {endpoint}"), start.to_owned()),
                    Some(ErrorKind::PermissionDenied) => (
                        format!("this user may not open the socket {endpoint}"),
                        format!("add this user to the group that owns the socket, or use a rootless {title}"),
                    ),
                    _ => (format!("what listens at {endpoint} does not answer: {}", words_of(source)), start.to_owned()),
                };
                (reason, remedy, None)
            }
        };
        EngineInfo { reason: Some(reason), remedy: Some(remedy), version, ..blank }
    }
}

/// The machine behind an answer of `/info` that came at `now`.
fn machine(said: &SystemInfo, now: Timestamp) -> EngineMachine {
    let text = |word: String| Some(word).filter(|word| !word.is_empty());
    let manager = said.cgroup_driver.map(|driver| driver.to_string()).and_then(text);
    let manager = manager.map(|manager| format!(" ({manager})")).unwrap_or_default();
    let version = said.cgroup_version.map(|version| version.to_string()).and_then(text);
    let clock = said.system_time.as_deref().and_then(|time| time.parse::<Timestamp>().ok());
    let ahead = clock.map(|clock| clock.as_second() - now.as_second());
    EngineMachine {
        cgroup: version.map(|version| format!("v{version}{manager}")),
        storage: said.driver.clone().and_then(text),
        gpu_runtime: said.runtimes.iter().flatten().any(|(name, _)| name.contains("nvidia")),
        clock_ahead: ahead.filter(|seconds| seconds.abs() > EngineMachine::CLOCK_SECONDS),
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
            looked_at: vec![Endpoint::Unix("/other.sock".into())],
            dialect: &Dialect::DOCKER,
            secrets_dir: "/nonexistent".into(),
            cores: 1,
            logins: crate::moby::RegistryLogins::default(),
        };
        let moby = Moby::new(options).unwrap();
        let blank = moby.info().await;
        let reason = blank.reason.clone().unwrap();
        assert_eq!(reason, "no socket at unix:///nonexistent.sock, unix:///other.sock", "every place that was looked at");
        let error = Error::IOError { err: ErrorKind::PermissionDenied.into() };
        let info = moby.unavailable(blank, &HelloError::Silent(error));
        assert!(!info.available && info.reason.unwrap().contains("may not open"));
        assert!(info.remedy.unwrap().contains("group"));
    }

    /// CLI-33: control groups, storage, GPU runtime, and a clock that is more than 2 s away; what is not said is left out.
    #[test]
    fn the_machine_of_an_engine_is_told() {
        let now: Timestamp = "2026-01-01T00:00:10Z".parse().unwrap();
        let said = serde_json::json!({
            "Driver": "overlay2", "CgroupDriver": "systemd", "CgroupVersion": "2", "SystemTime": "2026-01-01T00:00:05.5Z",
            "Runtimes": {"nvidia": {"path": "nvidia-container-runtime"}},
        });
        let mut said: SystemInfo = serde_json::from_value(said).unwrap();
        let told = machine(&said, now);
        assert_eq!((told.cgroup.as_deref(), told.storage.as_deref()), (Some("v2 (systemd)"), Some("overlay2")));
        assert_eq!((told.gpu_runtime, told.clock_ahead), (true, Some(-5)));
        said.system_time = Some("2026-01-01T01:00:12+01:00".to_owned());
        assert_eq!(machine(&said, now).clock_ahead, None);
        assert_eq!(machine(&SystemInfo::default(), now), EngineMachine::default());
    }
}
