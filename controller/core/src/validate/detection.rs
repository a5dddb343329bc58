//! Mode, candidates, budgets and credentials (detection.md sections 1, 2, 4).

use std::time::Duration;

use koan_crds::v1alpha1::{OnLoss, Profile, ProvisioningMode, ServiceFields};

use super::findings::{Findings, short};
use super::parts::{CredentialPolicy, DetectionPolicy, Workload};
use super::service::Context;
use crate::candidate;
use crate::questions::MAX_CANDIDATES;
use crate::recipe::Recipe;

/// Budgets of DET-12.
const TOTAL: Duration = Duration::from_secs(5);
const TOTAL_CI: Duration = Duration::from_secs(2);
const ATTEMPT: Duration = Duration::from_secs(1);
const RANGE: (Duration, Duration) = (Duration::from_millis(1), Duration::from_secs(60));

/// The mode in force (DET-1); forms without detection know `Disabled` alone (DET-45).
pub(super) fn mode(fields: &ServiceFields, workload: &Workload, findings: &mut Findings) -> ProvisioningMode {
    let mode = fields.provisioning.as_ref().and_then(|provisioning| provisioning.mode).unwrap_or_default();
    let form = match workload {
        Workload::Recipe { .. } => return mode,
        Workload::Container(_) => "container",
        Workload::Process(_) => "process",
        Workload::External(_) => "external",
    };
    if mode == ProvisioningMode::Never {
        findings.refuse_with(
            "provisioning.mode",
            format!("`Never` demands a host service, and a `{form}` is never looked for"),
            "name the adapter alone, or leave the mode out",
        );
    }
    match mode {
        ProvisioningMode::Disabled => mode,
        ProvisioningMode::Auto | ProvisioningMode::Always | ProvisioningMode::Never => ProvisioningMode::Auto,
    }
}

/// Where to look for a host service.
pub(super) fn detection(
    context: &Context,
    fields: &ServiceFields,
    recipe: Option<&Recipe>,
    findings: &mut Findings,
) -> DetectionPolicy {
    let (total, attempt) = budgets(context, fields, findings);
    let written = fields.detection.clone().unwrap_or_default();
    if fields.detection.is_some() && (fields.adapter.is_none() || fields.container.is_some() || fields.external.is_some()) {
        findings.refuse_with(
            "detection",
            "only an adapter that stands alone is looked for",
            "leave detection out, or name the adapter alone",
        );
    }
    let ports = written.ports.unwrap_or_default();
    for (index, port) in ports.iter().enumerate() {
        if *port == 0 {
            findings.refuse_with(&format!("detection.ports[{index}]"), "0 is no port", "write a port from 1 to 65535");
        }
    }
    let mut candidates = Vec::new();
    for (index, text) in written.candidates.iter().flatten().enumerate() {
        candidates.extend(self::candidate(index, text, recipe, findings));
    }
    if candidates.len() > MAX_CANDIDATES {
        findings.refuse("detection.candidates", format!("lists more than {MAX_CANDIDATES} candidates"));
    }
    let gentle = context.settings.profile == Profile::Ci || recipe.is_none_or(|recipe| !recipe.keeps_data);
    DetectionPolicy {
        ports,
        candidates,
        env: written.env.unwrap_or_default(),
        on_loss: written.on_loss.unwrap_or(if gentle { OnLoss::Reprovision } else { OnLoss::Hold }),
        total,
        attempt,
    }
}

fn budgets(context: &Context, fields: &ServiceFields, findings: &mut Findings) -> (Duration, Duration) {
    let written = fields.provisioning.clone().unwrap_or_default();
    let default = match context.settings.profile {
        Profile::Ci => TOTAL_CI,
        Profile::Local | Profile::Staging | Profile::Prod => TOTAL,
    };
    let total = findings.duration("provisioning.detectionTimeout", written.detection_timeout.as_ref(), default, RANGE);
    let attempt = match &written.attempt_timeout {
        None => ATTEMPT.min(total),
        Some(_) => findings.duration("provisioning.attemptTimeout", written.attempt_timeout.as_ref(), ATTEMPT, RANGE),
    };
    if total < attempt {
        findings.refuse_with(
            "provisioning.detectionTimeout",
            format!("{} is shorter than one attempt of {}", short(total), short(attempt)),
            format!("write at least attemptTimeout and at most {}", short(RANGE.1)),
        );
    }
    (total, attempt)
}

fn candidate(index: usize, text: &str, recipe: Option<&Recipe>, findings: &mut Findings) -> Option<candidate::ParsedCandidate> {
    let field = format!("detection.candidates[{index}]");
    let port = recipe.and_then(|recipe| recipe.ports.first()).map(|port| port.port);
    let parsed = match candidate::parse(text, port) {
        Ok(parsed) => parsed,
        Err(error) => {
            findings.refuse_with(&field, format!("the candidate {error}"), format!("write {}", candidate::FORMS));
            return None;
        }
    };
    if let (Some(recipe), Some(scheme)) = (recipe, &parsed.scheme)
        && !recipe.schemes.contains(&scheme.as_str())
    {
        findings.refuse_with(
            &field,
            format!("`{scheme}` is no scheme of {}", recipe.title),
            format!(
                "write one of {}, such as {}://127.0.0.1:{}",
                recipe.schemes.join(", "),
                recipe.schemes.first().unwrap_or(&"tcp"),
                port.unwrap_or(1)
            ),
        );
    }
    Some(parsed)
}

/// Keys that a credential may have (DET-19).
const KEYS: [&str; 5] = ["username", "password", "token", "url", "uri"];

/// Which credentials may be used.
pub(super) fn credentials(context: &Context, fields: &ServiceFields, findings: &mut Findings) -> CredentialPolicy {
    let written = fields.credentials.clone().unwrap_or_default();
    let literals: Vec<String> = written.literals.iter().flatten().map(|(key, _)| key.clone()).collect();
    if written.secret_ref.is_some() && !literals.is_empty() {
        findings.refuse_with("credentials", "names secretRef and literals at once", "keep secretRef");
    }
    for key in &literals {
        if !KEYS.contains(&key.as_str()) {
            let hint = crate::nearest::suggestion(key, KEYS).unwrap_or_default();
            findings.refuse_with(&format!("credentials.literals.{key}"), format!("`{key}` is no part of a login"), hint);
        }
    }
    if !literals.is_empty() {
        let hint = "keep them in a Secret and name it in credentials.secretRef";
        match context.settings.profile {
            Profile::Local | Profile::Ci => findings.warn("credentials.literals", "hold a login in clear text", hint),
            Profile::Staging | Profile::Prod => {
                findings.refuse_with("credentials.literals", "hold a login in clear text", hint);
            }
        }
    }
    CredentialPolicy {
        secret: written.secret_ref.map(|reference| reference.name),
        literals,
        defaults: written.defaults.unwrap_or(true),
    }
}
