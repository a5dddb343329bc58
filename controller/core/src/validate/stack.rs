//! `validate_stack`: the stack's own fields, each service in it, and what they say of one another.

use koan_crds::labels;
use koan_crds::v1alpha1::{DevStack, Profile, StackService};

use super::bounds;
use super::findings::Findings;
use super::graph;
use super::service::{self, Context};
use super::settings::{self, Settings};
use super::valid::{StackEntry, StackMember, StackOptions, ValidStack};
use crate::identity::Uid;
use crate::recipe::Recipes;
use crate::render::Siblings;
use crate::violation::{Violation, Violations};

/// Most services of a stack (K-10).
const MAX_SERVICES: usize = 1_000;
/// Longest `<stack>` and `<service>` together (K-1).
const MAX_TOGETHER: usize = 62;

/// Validates a stack, its services included.
///
/// # Errors
/// Every violation with its field path, sorted.
pub fn validate_stack(stack: &DevStack, options: &StackOptions, recipes: &dyn Recipes) -> Result<ValidStack, Violations> {
    let mut findings = Findings::new("spec");
    let settings = settings::of_stack(&stack.spec, options, &mut findings);
    let (profile, profile_source) = settings::profile(stack.spec.profile, options);
    names(stack, &mut findings);
    let ttl = ttl(stack, profile, &mut findings);
    graph::check(&stack.spec, recipes, &mut findings);
    let entries = entries(stack, &settings, recipes, &mut findings);
    let Findings { violations, mut warnings, .. } = findings;
    if let Some(violations) = Violations::new(violations) {
        return Err(violations);
    }
    warnings.sort();
    warnings.dedup();
    let metadata = &stack.metadata;
    Ok(ValidStack {
        namespace: metadata.namespace.clone().unwrap_or_else(|| "default".to_owned()),
        name: metadata.name.clone().unwrap_or_default(),
        uid: Uid(metadata.uid.clone().unwrap_or_default()),
        generation: metadata.generation.unwrap_or_default(),
        project: metadata.annotations.as_ref().and_then(|map| map.get(labels::PROJECT)).cloned(),
        profile,
        profile_source,
        engine: settings.engine,
        port_policy: settings.port_policy,
        suspend: settings.suspend,
        ttl,
        entries,
        warnings,
    })
}

fn names(stack: &DevStack, findings: &mut Findings) {
    let name = stack.metadata.name.as_deref().unwrap_or_default();
    let hint = "write 2 to 32 of a-z, 0-9 and -, a letter first";
    if !bounds::short_name(name) {
        findings.violations.push(Violation::invalid("metadata.name", format!("`{name}` is no name of a stack")).hint(hint));
    }
    if stack.spec.services.len() > MAX_SERVICES {
        findings.refuse("services", format!("has {} entries, more than {MAX_SERVICES}", stack.spec.services.len()));
    }
    for (index, entry) in stack.spec.services.iter().enumerate() {
        let field = format!("services[{index}].name");
        if !bounds::short_name(&entry.name) {
            findings.refuse_with(&field, format!("`{}` is no name of a service", entry.name), hint);
        }
        if name.len() + entry.name.len() > MAX_TOGETHER {
            findings.refuse(&field, format!("with the stack's name it is longer than {MAX_TOGETHER} characters"));
        }
    }
}

fn ttl(stack: &DevStack, profile: Profile, findings: &mut Findings) -> Option<std::time::Duration> {
    let default = match profile {
        Profile::Ci => settings::CI_TTL,
        Profile::Local | Profile::Staging | Profile::Prod => {
            return stack.spec.ttl.as_ref().map(|ttl| findings.duration("ttl", Some(ttl), settings::CI_TTL, settings::TTL_RANGE));
        }
    };
    Some(findings.duration("ttl", stack.spec.ttl.as_ref(), default, settings::TTL_RANGE))
}

fn entries(stack: &DevStack, settings: &Settings, recipes: &dyn Recipes, findings: &mut Findings) -> Vec<StackEntry> {
    let siblings = Siblings::of(stack, settings.profile);
    let mut found = Vec::new();
    for (index, entry) in stack.spec.services.iter().enumerate() {
        if let Some(reference) = &entry.service_ref {
            reference_alone(index, entry, findings);
            found.push(StackEntry::Reference { name: entry.name.clone(), target: reference.name.clone() });
            continue;
        }
        let object = siblings.child(entry, recipes);
        let mut own = Findings::new(format!("spec.services[{index}]"));
        let context = Context::of(&object, settings, recipes);
        let mut service = service::fields(&context, &object.spec.service, &mut own);
        findings.violations.append(&mut own.violations);
        service.warnings.clone_from(&own.warnings);
        findings.warnings.append(&mut own.warnings);
        service.reclaim = object.spec.volume_reclaim.unwrap_or_default();
        found.push(StackEntry::Inline(Box::new(StackMember { name: entry.name.clone(), index, object, service })));
    }
    found
}

fn reference_alone(index: usize, entry: &StackService, findings: &mut Findings) {
    if entry.service != koan_crds::v1alpha1::ServiceFields::default() {
        findings.refuse_with(
            &format!("services[{index}].serviceRef"),
            "stands beside other fields",
            "a reference has a name and serviceRef, nothing else",
        );
    }
}
