//! Settings that a stack writes down for its services: profile, engine, port policy, life cycle.

use std::time::Duration;

use koan_crds::v1alpha1::{
    ConflictPolicy, DevStackSpec, EngineChoice, EngineName, PortPolicy, Profile, ServiceSpecSpec, VolumeReclaim,
};
use koan_crds::vocabulary::Reason;

use super::findings::Findings;
use super::parts::{EngineWish, ValidPortPolicy};
use super::valid::{ProfileSource, StackOptions};
use crate::decide::CONTAINER_ENGINES;

/// Longest budget of readiness.
pub(super) const MAX_READINESS: Duration = Duration::from_secs(24 * 3600);
/// Bounds of `ttl`.
pub(super) const TTL_RANGE: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(365 * 24 * 3600));
/// `ttl` in `ci` where it is unset (cli.md section 4).
pub(super) const CI_TTL: Duration = Duration::from_secs(2 * 3600);

/// What holds for every service of a stack, or for one that stands alone.
pub(super) struct Settings {
    pub(super) profile: Profile,
    pub(super) engine: EngineWish,
    pub(super) port_policy: ValidPortPolicy,
    pub(super) expose_internals: bool,
    pub(super) reclaim: VolumeReclaim,
    pub(super) suspend: bool,
}

/// Profile in force, with its source (CLI-23).
pub(super) fn profile(spec: Option<Profile>, options: &StackOptions) -> (Profile, ProfileSource) {
    match (options.profile, spec) {
        (Some(chosen), _) => chosen,
        (None, Some(profile)) => (profile, ProfileSource::File),
        (None, None) => (Profile::Local, ProfileSource::Default),
    }
}

/// Settings of a stack.
pub(super) fn of_stack(spec: &DevStackSpec, options: &StackOptions, findings: &mut Findings) -> Settings {
    let (profile, _) = profile(spec.profile, options);
    if !options.export {
        export_only(profile, findings);
    }
    Settings {
        profile,
        engine: engine(&spec.engine, findings),
        port_policy: port_policy(spec.ports.as_ref(), "ports", findings),
        expose_internals: spec.expose_internals,
        reclaim: spec.volume_reclaim,
        suspend: spec.suspend,
    }
}

/// Settings of a service that stands alone, or that a stack wrote.
pub(super) fn of_service(spec: &ServiceSpecSpec, findings: &mut Findings) -> Settings {
    let profile = spec.profile.unwrap_or_default();
    export_only(profile, findings);
    Settings {
        profile,
        engine: engine(&spec.engine.clone().unwrap_or_default(), findings),
        port_policy: port_policy(spec.port_policy.as_ref(), "portPolicy", findings),
        expose_internals: spec.expose_internals.unwrap_or_default(),
        reclaim: spec.volume_reclaim.unwrap_or_default(),
        suspend: spec.suspend.unwrap_or_default(),
    }
}

fn export_only(profile: Profile, findings: &mut Findings) {
    match profile {
        Profile::Local | Profile::Ci => {}
        Profile::Staging | Profile::Prod => findings.refuse_because(
            Reason::ProfileExportOnly,
            "profile",
            format!("profile `{}` can only be exported, never run here", word(profile)),
            Some("use profile local or ci here".to_owned()),
        ),
    }
}

fn word(profile: Profile) -> &'static str {
    match profile {
        Profile::Local => "local",
        Profile::Ci => "ci",
        Profile::Staging => "staging",
        Profile::Prod => "prod",
    }
}

fn engine(choice: &EngineChoice, findings: &mut Findings) -> EngineWish {
    if choice.name == EngineName::Kubernetes {
        findings.refuse_because(
            Reason::ModeUnsupported,
            "engine.name",
            "this version has no engine `Kubernetes`",
            Some("use Auto, Docker, Podman or Process".to_owned()),
        );
    }
    let mut preferred: Vec<EngineName> = Vec::new();
    for (index, engine) in choice.preferred.iter().flatten().enumerate() {
        let field = format!("engine.preferred[{index}]");
        match engine {
            EngineName::Docker | EngineName::Podman if preferred.contains(engine) => {
                findings.refuse(&field, format!("`{engine:?}` is listed twice"));
            }
            EngineName::Docker | EngineName::Podman => preferred.push(*engine),
            EngineName::Auto | EngineName::Process | EngineName::Kubernetes => findings.refuse_with(
                &field,
                format!("`{engine:?}` cannot be preferred"),
                "list Docker and Podman in the order in which Auto asks them",
            ),
        }
    }
    if preferred.is_empty() {
        preferred = CONTAINER_ENGINES.to_vec();
    }
    EngineWish { name: choice.name, preferred }
}

/// Most ports after a busy one that are tried; the schema's bound.
const MAX_PROBES: u32 = 20_000;

fn port_policy(policy: Option<&PortPolicy>, field: &str, findings: &mut Findings) -> ValidPortPolicy {
    let default = ValidPortPolicy::default();
    let Some(policy) = policy else { return default };
    let (low, high) = match policy.range.as_deref().map(range) {
        None => (default.low, default.high),
        Some(Some(bounds)) => bounds,
        Some(None) => {
            findings.refuse_with(
                &format!("{field}.range"),
                format!("`{}` is no port range", policy.range.as_deref().unwrap_or_default()),
                "write low-high, from 1024 to 65535, such as 30000-50000",
            );
            (default.low, default.high)
        }
    };
    let probe_max = policy.probe_max.unwrap_or(default.probe_max);
    if probe_max > MAX_PROBES {
        findings.refuse(&format!("{field}.probeMax"), format!("{probe_max} is above {MAX_PROBES}"));
    }
    let conflicts = policy.conflicts.unwrap_or(ConflictPolicy::Repick);
    ValidPortPolicy { offset: policy.offset.unwrap_or_default(), low, high, probe_max, conflicts }
}

fn range(text: &str) -> Option<(u16, u16)> {
    let (low, high) = text.split_once('-')?;
    let (low, high): (u16, u16) = (low.parse().ok()?, high.parse().ok()?);
    (low >= 1_024 && low <= high).then_some((low, high))
}
