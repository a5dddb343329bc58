//! Environment variables: names, sources, secret-like literals (K-4), loader variables (SEC-20).

use std::collections::BTreeSet;

use koan_crds::secret_like;
use koan_crds::v1alpha1::{EnvSource, EnvVar, FieldReference, Profile, ServiceFields};

use super::findings::Findings;
use super::parts::Workload;
use super::service::Context;
use crate::text::{Text, ValueRef};
use crate::workload::EnvEntry;

/// Names and prefixes that make a program of the host load foreign code.
const LOADER_PREFIXES: [&str; 2] = ["LD_", "DYLD_"];
const LOADER_NAMES: [&str; 8] =
    ["GCONV_PATH", "LOCPATH", "BASH_ENV", "ENV", "IFS", "GLIBC_TUNABLES", "MALLOC_TRACE", "SHELLOPTS"];

/// Environment of a service, in order.
pub(super) fn env(context: &Context, fields: &ServiceFields, workload: &Workload, findings: &mut Findings) -> Vec<EnvEntry> {
    let mut names = BTreeSet::new();
    let mut found = Vec::new();
    for (index, variable) in fields.env.iter().flatten().enumerate() {
        let field = format!("env[{index}]");
        if !plausible(&variable.name) {
            findings.refuse_with(
                &format!("{field}.name"),
                format!("`{}` is no name of a variable", variable.name),
                "write letters, digits, -, _ and ., no digit first",
            );
        }
        if !names.insert(&variable.name) {
            findings.refuse(&format!("{field}.name"), format!("`{}` is set twice", variable.name));
        }
        if let Workload::Process(_) = workload {
            loader(&field, &variable.name, findings);
        }
        literal(context, &field, variable, findings);
        found.push(EnvEntry { name: variable.name.clone(), value: value(context, &field, variable, findings) });
    }
    found
}

fn plausible(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !name.is_empty() && name.len() <= 128 && name.chars().all(allowed) && !name.starts_with(|c: char| c.is_ascii_digit())
}

fn loader(field: &str, name: &str, findings: &mut Findings) {
    let loads = LOADER_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || LOADER_NAMES.contains(&name);
    if loads {
        findings.refuse_with(
            &format!("{field}.name"),
            format!("`{name}` changes what a program of the host loads"),
            "leave it out, or run the program as a container",
        );
    }
}

/// K-4: a secret-like literal is warned of in `local` and `ci`, refused in `staging` and `prod`.
fn literal(context: &Context, field: &str, variable: &EnvVar, findings: &mut Findings) {
    let Some(text) = variable.value.as_deref().filter(|text| !text.is_empty()) else { return };
    if !secret_like::key(&variable.name) && !secret_like::value(text) {
        return;
    }
    let message = format!("`{}` looks like a secret in clear text", variable.name);
    let hint = "keep it in a Secret and name it in valueFrom.secretKeyRef";
    match context.settings.profile {
        Profile::Local | Profile::Ci => findings.warn(&format!("{field}.value"), message, hint),
        Profile::Staging | Profile::Prod => findings.refuse_with(&format!("{field}.value"), message, hint),
    }
}

fn value(context: &Context, field: &str, variable: &EnvVar, findings: &mut Findings) -> Text {
    match (&variable.value, &variable.value_from) {
        (Some(_), Some(_)) => {
            findings.refuse(field, "names value and valueFrom at once");
            Text::default()
        }
        (Some(text), None) => Text::plain(text.clone()),
        (None, None) => Text::plain(""),
        (None, Some(source)) => from(context, &format!("{field}.valueFrom"), source, findings),
    }
}

fn from(context: &Context, field: &str, source: &EnvSource, findings: &mut Findings) -> Text {
    match (&source.secret_key_ref, &source.config_map_key_ref, &source.service_ref, &source.field_ref) {
        (Some(key), None, None, None) => Text::value(ValueRef::SecretKey { name: key.name.clone(), key: key.key.clone() }),
        (None, Some(key), None, None) => Text::value(ValueRef::ConfigKey { name: key.name.clone(), key: key.key.clone() }),
        (None, None, Some(output), None) => {
            Text::value(ValueRef::Output { service: output.name.clone(), output: output.output.clone() })
        }
        (None, None, None, Some(reference)) => own_field(context, field, reference, findings),
        (_, _, _, _) => {
            findings.refuse(field, "names not exactly one of secretKeyRef, configMapKeyRef, serviceRef, fieldRef");
            Text::default()
        }
    }
}

fn own_field(context: &Context, field: &str, reference: &FieldReference, findings: &mut Findings) -> Text {
    let metadata = &context.object.metadata;
    let value = match reference.field_path.as_str() {
        "metadata.name" => &metadata.name,
        "metadata.namespace" => &metadata.namespace,
        "metadata.uid" => &metadata.uid,
        other => {
            findings.refuse_with(
                &format!("{field}.fieldRef.fieldPath"),
                format!("`{other}` is no field that can be read"),
                "write metadata.name, metadata.namespace or metadata.uid",
            );
            return Text::default();
        }
    };
    Text::plain(value.clone().unwrap_or_default())
}
