//! Ports: names and numbers unique, a recipe's own ports joined in where the adapter stands alone.

use std::collections::{BTreeMap, BTreeSet};

use koan_crds::v1alpha1::{Port, Protocol, ServiceFields};

use super::findings::Findings;
use super::parts::ValidPort;
use super::service::Context;
use crate::recipe::Recipe;

/// The word of `koan.dev/launch-state` that keeps a run from reading and writing it.
pub(super) const NO_LAUNCH_STATE: &str = "Off";

/// The ports that `up --port` named for this service; what is no `service.port=number` belongs to nobody.
pub(super) fn flags(annotation: Option<&str>, service: &str) -> BTreeMap<String, u16> {
    let entries = annotation.unwrap_or_default().split(',');
    let own = entries.filter_map(|entry| {
        let (place, number) = entry.split_once('=')?;
        let (owner, port) = place.split_once('.')?;
        (owner == service).then_some((port.to_owned(), number.parse().ok()?))
    });
    own.collect()
}

/// Ports of a service in order: the manifest's own, then those of the recipe that it does not name.
pub(super) fn ports(
    context: &Context,
    fields: &ServiceFields,
    recipe: Option<&Recipe>,
    findings: &mut Findings,
) -> Vec<ValidPort> {
    let mut found: Vec<ValidPort> = Vec::new();
    let mut hosts = BTreeSet::new();
    for (index, port) in fields.ports.iter().flatten().enumerate() {
        check(index, port, &found, &mut hosts, findings);
        found.push(ValidPort {
            name: port.name.clone(),
            container: port.container_port,
            protocol: port.protocol.unwrap_or_default(),
            declared: port.host_port,
            default: own_default(recipe, port),
            publish: publish(context, port.publish),
        });
    }
    let alone = fields.container.is_none() && fields.process.is_none() && fields.external.is_none();
    for own in recipe.filter(|_| alone).map_or(&[][..], |recipe| recipe.ports) {
        let named = |known: &ValidPort| known.name == own.name || known.container == own.port;
        if !found.iter().any(named) {
            found.push(ValidPort {
                name: own.name.to_owned(),
                container: own.port,
                protocol: Protocol::Tcp,
                declared: None,
                default: Some(own.port),
                publish: publish(context, None),
            });
        }
    }
    offset(context, &found, findings);
    found
}

/// CLI-30: the offset is added to declared and default ports, and may not lead above 65535.
fn offset(context: &Context, ports: &[ValidPort], findings: &mut Findings) {
    let offset = context.settings.port_policy.offset;
    for (index, port) in ports.iter().enumerate() {
        let above = port.declared.or(port.default).filter(|number| number.checked_add(offset).is_none());
        if let Some(number) = above {
            findings.refuse_with(
                &format!("ports[{index}]"),
                format!("port {number} of `{}` plus offset {offset} is above 65535", port.name),
                "choose a smaller offset",
            );
        }
    }
}

/// A stack writes `publish` down for each port (CLI-29); a service that stands alone is used from the host.
fn publish(context: &Context, written: Option<bool>) -> bool {
    written.unwrap_or(context.stack.is_none()) || context.settings.expose_internals
}

fn own_default(recipe: Option<&Recipe>, port: &Port) -> Option<u16> {
    recipe?.ports.iter().find(|own| own.port == port.container_port).map(|own| own.port)
}

fn check(index: usize, port: &Port, found: &[ValidPort], hosts: &mut BTreeSet<u16>, findings: &mut Findings) {
    let field = |name: &str| format!("ports[{index}].{name}");
    if !port_name(&port.name) {
        findings.refuse_with(
            &field("name"),
            format!("`{}` is no port name", port.name),
            "write 1 to 15 of a-z, 0-9 and -, such as http",
        );
    }
    if found.iter().any(|known| known.name == port.name) {
        findings.refuse(&field("name"), format!("`{}` is used twice", port.name));
    }
    if port.container_port == 0 {
        findings.refuse_with(&field("containerPort"), "0 is no port", "write a port from 1 to 65535");
    }
    let protocol = port.protocol.unwrap_or_default();
    if found.iter().any(|known| known.container == port.container_port && known.protocol == protocol) {
        findings.refuse(&field("containerPort"), format!("{} is listed twice", port.container_port));
    }
    match port.host_port {
        Some(0) => findings.refuse_with(&field("hostPort"), "0 is no port", "write a port from 1 to 65535"),
        Some(host) if !hosts.insert(host) => findings.refuse(&field("hostPort"), format!("{host} is used twice")),
        Some(_) | None => {}
    }
}

/// 1 to 15 characters of `a-z0-9-`, no `-` at either end.
fn port_name(name: &str) -> bool {
    let letters = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    (1..=15).contains(&name.len()) && letters && !name.starts_with('-') && !name.ends_with('-')
}
