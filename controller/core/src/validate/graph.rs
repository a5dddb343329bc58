//! What the services of a stack say of one another: duplicate names, gates, outputs, cycles.

use std::collections::{BTreeMap, BTreeSet};

use koan_crds::v1alpha1::{
    DependencyCondition, DevStack, DevStackSpec, ProvisioningMode, RestartPolicy, ServiceFields, StackService,
};
use koan_crds::vocabulary::Reason;

use super::findings::Findings;
use crate::nearest::suggestion;
use crate::order::{self, Edges};
use crate::recipe::Recipes;
use crate::violation::{Violation, Violations};

/// Outputs of every service with a port, and of every adapter.
const NETWORK_OUTPUTS: [&str; 3] = ["url", "host", "port"];
const LOGIN_OUTPUTS: [&str; 3] = ["user", "password", "database"];

/// Checks the references between the services of a stack.
pub(super) fn check(spec: &DevStackSpec, recipes: &dyn Recipes, findings: &mut Findings) {
    let mut known: BTreeMap<&str, (usize, &StackService)> = BTreeMap::new();
    for (index, entry) in spec.services.iter().enumerate() {
        if let Some((first, _)) = known.get(entry.name.as_str()) {
            findings.refuse_because(
                Reason::DuplicateName,
                &format!("services[{index}].name"),
                format!("`{}` is also the name of spec.services[{first}]", entry.name),
                Some("give each service a name of its own".to_owned()),
            );
        } else {
            known.insert(&entry.name, (index, entry));
        }
    }
    for (index, entry) in spec.services.iter().enumerate() {
        gates(index, entry, &known, findings);
        outputs(index, entry, &known, recipes, findings);
    }
    cycles(spec, &known, findings);
}

/// Names of `ServiceSpec`s that an older stack of the namespace has too (`a-b` + `c` against `a` + `b-c`).
///
/// `others` are the other stacks of the namespace, in any order; the younger stack is refused and names the older one.
pub fn shared_names(stack: &DevStack, others: &[DevStack]) -> Option<Violations> {
    let age = |stack: &DevStack| {
        let created = stack.metadata.creation_timestamp.as_ref().map(|time| time.0);
        (created.is_none(), created, stack.metadata.uid.clone())
    };
    let names = |stack: &DevStack| -> BTreeMap<String, usize> {
        let name = stack.metadata.name.clone().unwrap_or_default();
        let inline = stack.spec.services.iter().enumerate().filter(|(_, entry)| entry.service_ref.is_none());
        inline.map(|(index, entry)| (koan_crds::names::service_spec(&name, &entry.name), index)).collect()
    };
    let own = names(stack);
    let older = others.iter().filter(|other| other.metadata.name != stack.metadata.name && age(other) < age(stack));
    let found = older.flat_map(|other| {
        let taken = names(other);
        let first = other.metadata.name.clone().unwrap_or_default();
        own.iter()
            .filter(|(name, _)| taken.contains_key(*name))
            .map(|(name, index)| {
                Violation::invalid(format!("spec.services[{index}].name"), format!("`{name}` belongs to stack `{first}` already"))
                    .because(Reason::DuplicateName)
                    .hint("rename the service or the stack")
            })
            .collect::<Vec<_>>()
    });
    Violations::new(found.collect())
}

fn unknown(name: &str, known: &BTreeMap<&str, (usize, &StackService)>) -> Option<String> {
    suggestion(name, known.keys().copied())
}

fn gates(index: usize, entry: &StackService, known: &BTreeMap<&str, (usize, &StackService)>, findings: &mut Findings) {
    for (place, on) in entry.service.depends_on.iter().flatten().enumerate() {
        let field = format!("services[{index}].dependsOn[{place}]");
        let Some((_, other)) = known.get(on.name.as_str()) else {
            findings.refuse_because(
                Reason::Invalid,
                &format!("{field}.name"),
                format!("there is no service `{}`", on.name),
                unknown(&on.name, known),
            );
            continue;
        };
        if on.name == entry.name {
            findings.refuse_because(
                Reason::DependencyCycle,
                &format!("{field}.name"),
                format!("`{}` waits for itself", on.name),
                Some("remove the gate".to_owned()),
            );
        }
        let ends = matches!(other.service.restart, Some(RestartPolicy::Never | RestartPolicy::OnFailure));
        let completed = on.condition == Some(DependencyCondition::Completed);
        if completed && !ends && other.service_ref.is_none() && !disabled(other) {
            findings.refuse_with(
                &format!("{field}.condition"),
                format!("`{}` never completes: it stays", on.name),
                "set restart: Never on it, or wait for Ready",
            );
        }
    }
}

fn outputs(
    index: usize,
    entry: &StackService,
    known: &BTreeMap<&str, (usize, &StackService)>,
    recipes: &dyn Recipes,
    findings: &mut Findings,
) {
    for (place, variable) in entry.service.env.iter().flatten().enumerate() {
        let Some(wanted) = variable.value_from.as_ref().and_then(|source| source.service_ref.as_ref()) else { continue };
        let field = format!("services[{index}].env[{place}].valueFrom.serviceRef");
        let Some((_, other)) = known.get(wanted.name.as_str()) else {
            let message = format!("there is no service `{}`", wanted.name);
            findings.refuse_because(Reason::Invalid, &format!("{field}.name"), message, unknown(&wanted.name, known));
            continue;
        };
        if disabled(other) {
            findings.refuse_with(
                &format!("{field}.name"),
                format!("`{}` is disabled and has no outputs", wanted.name),
                "enable it, or write the value down",
            );
            continue;
        }
        if other.service_ref.is_some() {
            continue;
        }
        let offered = offered(&other.service, recipes);
        if !offered.contains(wanted.output.as_str()) {
            let near = suggestion(&wanted.output, offered.iter().copied());
            findings.refuse_with(
                &format!("{field}.output"),
                format!("`{}` has no output `{}`", wanted.name, wanted.output),
                near.unwrap_or_else(|| format!("give `{}` a port, so that it has url, host and port", wanted.name)),
            );
        }
    }
}

/// Outputs that a service offers.
fn offered<'a>(fields: &ServiceFields, recipes: &'a dyn Recipes) -> BTreeSet<&'a str> {
    let recipe = fields.adapter.as_deref().and_then(|id| recipes.recipe(id));
    let mut names = BTreeSet::new();
    if recipe.is_some() || fields.external.is_some() || fields.ports.as_ref().is_some_and(|ports| !ports.is_empty()) {
        names.extend(NETWORK_OUTPUTS);
    }
    if recipe.is_some() || fields.external.is_some() {
        names.extend(LOGIN_OUTPUTS);
    }
    if let Some(recipe) = recipe {
        names.extend(recipe.outputs.iter().map(|(name, _)| *name));
    }
    names
}

fn cycles(spec: &DevStackSpec, known: &BTreeMap<&str, (usize, &StackService)>, findings: &mut Findings) {
    let mut edges: Edges = BTreeMap::new();
    for entry in &spec.services {
        let waits = edges.entry(entry.name.clone()).or_default();
        let others = entry.service.depends_on.iter().flatten().map(|on| &on.name);
        waits.extend(others.filter(|name| **name != entry.name).cloned());
    }
    if let Some(cycle) = order::cycle(&edges) {
        let index = cycle.first().and_then(|name| known.get(name.as_str())).map_or(0, |(index, _)| *index);
        findings.refuse_because(
            Reason::DependencyCycle,
            &format!("services[{index}].dependsOn"),
            format!("the services wait for one another: {}", cycle.join(" → ")),
            Some("remove one of these gates".to_owned()),
        );
    }
}

fn disabled(entry: &StackService) -> bool {
    entry.service.provisioning.as_ref().and_then(|provisioning| provisioning.mode) == Some(ProvisioningMode::Disabled)
}
