//! What one engine process said of itself when it was first asked: version, platform, dialect. Asked again after it was lost.

use std::time::Duration;

use bollard::errors::Error;
use bollard::models::SystemVersion;
use koan_crds::v1alpha1::EngineName;

use super::dialect::Dialect;

/// Oldest API that Koan speaks (ENG-5).
pub(crate) const API_MINIMUM: (u64, u64) = (1, 41);
/// Newest API whose answers were tried.
const API_TRIED: (u64, u64) = (1, 51);
/// Budget of the first question.
pub(crate) const HELLO_TIMEOUT: Duration = Duration::from_millis(1500);
/// Budget of a ping where the first question is not answered in time; both together stay below 2 s.
pub(crate) const PING_TIMEOUT: Duration = Duration::from_millis(400);

/// Facts of a running engine.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    /// Version of the engine.
    pub(crate) version: String,
    /// API version that is spoken.
    pub(crate) api: (u64, u64),
    /// Operating system and architecture, as in `linux/amd64`.
    pub(crate) platform: String,
    /// Dialect of the engine that answered, which may not be the one that was expected.
    pub(crate) dialect: &'static Dialect,
}

/// Why an engine that answers cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HelloError {
    /// It does not answer.
    #[error("it does not answer")]
    Silent(#[source] Error),
    /// Its API is too old.
    #[error("its API {found} is older than {}.{}, the oldest that Koan speaks", API_MINIMUM.0, API_MINIMUM.1)]
    TooOld {
        /// What it speaks.
        found: String,
        /// The engine's own version.
        version: String,
    },
}

impl Session {
    /// Judges an answer of `/version`.
    pub(crate) fn judge(answer: SystemVersion, expected: &'static Dialect) -> Result<Self, HelloError> {
        let version = answer.version.unwrap_or_default();
        let found = answer.api_version.unwrap_or_default();
        let newest = parse(&found).filter(|api| *api >= API_MINIMUM);
        let Some(newest) = newest else { return Err(HelloError::TooOld { found, version }) };
        let oldest = answer.min_api_version.as_deref().and_then(parse).unwrap_or(API_MINIMUM);
        let podman = answer.components.unwrap_or_default().iter().any(|component| component.name.starts_with("Podman"));
        let name = if podman { EngineName::Podman } else { EngineName::Docker };
        let architecture = answer.arch.unwrap_or_default();
        Ok(Self {
            version,
            api: newest.min(API_TRIED).max(oldest),
            platform: format!("{}/{}", answer.os.unwrap_or_else(|| "linux".to_owned()), architecture_name(&architecture)),
            dialect: Dialect::of(name).unwrap_or(expected),
        })
    }

    /// The engine's version as two numbers, for rows of the dialect table.
    pub(crate) fn engine_version(&self) -> (u64, u64) {
        parse(&self.version).unwrap_or_default()
    }
}

/// OCI's name of an architecture; engines also print the kernel's.
pub(crate) fn architecture_name(text: &str) -> &str {
    match text {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// First two numbers of a version.
fn parse(text: &str) -> Option<(u64, u64)> {
    let mut numbers = text.split(['.', '-', '+']).map(str::parse::<u64>);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(api: &str, oldest: &str) -> SystemVersion {
        SystemVersion {
            api_version: Some(api.to_owned()),
            min_api_version: Some(oldest.to_owned()),
            version: Some("20.10.24+dfsg1".to_owned()),
            arch: Some("x86_64".to_owned()),
            ..SystemVersion::default()
        }
    }

    /// ENG-5: the newest version that both sides speak; 1.41 is the floor, 1.9 is older than 1.41.
    #[test]
    fn the_api_version_is_negotiated() {
        let docker = Dialect::of(EngineName::Docker).unwrap();
        let api = |api, oldest| Session::judge(answer(api, oldest), docker).map(|session| session.api);
        assert_eq!(api("1.41", "1.12").unwrap(), (1, 41));
        assert_eq!(api("1.44", "1.24").unwrap(), (1, 44));
        assert_eq!(api("1.99", "1.44").unwrap(), (1, 51));
        assert_eq!(api("1.99", "1.60").unwrap(), (1, 60));
        assert!(matches!(api("1.9", "1.1"), Err(HelloError::TooOld { found, .. }) if found == "1.9"));
        let session = Session::judge(answer("1.41", "1.12"), docker).unwrap();
        assert_eq!((session.engine_version(), session.platform.as_str()), ((20, 10), "linux/amd64"));
    }
}
