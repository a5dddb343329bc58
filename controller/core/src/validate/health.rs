//! Health checks with their defaults (K-7).

use std::time::Duration;

use koan_crds::v1alpha1::{HealthCheck, PortRef, RestartPolicy, ServiceFields};

use super::findings::Findings;
use super::parts::{HealthForm, ValidHealth, ValidPort, Workload};
use super::service::starts;

/// Defaults of K-7.
const INTERVAL: Duration = Duration::from_secs(5);
const TIMEOUT: Duration = Duration::from_secs(2);
const RETRIES: u32 = 2;
/// Bounds of an interval and of a budget.
const RANGE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(3600));
/// Bounds of the start period.
const START_RANGE: (Duration, Duration) = (Duration::ZERO, Duration::from_secs(24 * 3600));

/// The check of a service; `None` where a service that ends says nothing.
pub(super) fn health(
    fields: &ServiceFields,
    workload: &Workload,
    ports: &[ValidPort],
    restart: RestartPolicy,
    findings: &mut Findings,
) -> Option<ValidHealth> {
    let Some(health) = &fields.health else {
        if fields.adapter.is_some() {
            return Some(with_defaults(HealthForm::Adapter));
        }
        return match workload {
            Workload::External(external) => external_default(external.scheme.as_deref(), &external.address),
            Workload::Container(_) | Workload::Process(_) | Workload::Recipe { .. } => {
                if restart != RestartPolicy::Never && starts(workload) && fields.inference.is_none() {
                    findings.refuse_with(
                        "health",
                        "a service that stays needs a check that says when it is ready",
                        "name one of http, tcp, exec or log, or an adapter; a service that ends says restart: Never",
                    );
                }
                None
            }
        };
    };
    let check = form(health, fields, ports, findings)?;
    Some(ValidHealth {
        check,
        interval: findings.duration("health.interval", health.interval.as_ref(), INTERVAL, RANGE),
        timeout: findings.duration("health.timeout", health.timeout.as_ref(), TIMEOUT, RANGE),
        retries: retries(health, findings),
        start_period: findings.duration("health.startPeriod", health.start_period.as_ref(), Duration::ZERO, START_RANGE),
    })
}

fn with_defaults(check: HealthForm) -> ValidHealth {
    ValidHealth { check, interval: INTERVAL, timeout: TIMEOUT, retries: RETRIES, start_period: Duration::ZERO }
}

/// An `external` is judged by its URL's scheme: an adapter's protocol, or an HTTP answer.
fn external_default(scheme: Option<&str>, address: &crate::probe::Address) -> Option<ValidHealth> {
    let crate::probe::Address::Tcp { port, .. } = address else { return Some(with_defaults(HealthForm::Adapter)) };
    Some(with_defaults(match scheme {
        Some("http" | "https") => HealthForm::Http { path: "/".to_owned(), port: *port },
        _ => HealthForm::Adapter,
    }))
}

fn retries(health: &HealthCheck, findings: &mut Findings) -> u32 {
    match health.retries {
        None => RETRIES,
        Some(retries @ 1..=100) => retries,
        Some(other) => {
            findings.refuse_with("health.retries", format!("{other} is outside the range"), "write 1 to 100");
            RETRIES
        }
    }
}

fn form(health: &HealthCheck, fields: &ServiceFields, ports: &[ValidPort], findings: &mut Findings) -> Option<HealthForm> {
    let named =
        [health.http.is_some(), health.tcp.is_some(), health.exec.is_some(), health.adapter.is_some(), health.log.is_some()];
    if named.into_iter().filter(|named| *named).count() != 1 {
        findings.refuse("health", "names not exactly one of http, tcp, exec, adapter, log");
        return None;
    }
    if let Some(http) = &health.http {
        if !http.path.starts_with('/') {
            findings.refuse_with("health.http.path", format!("`{}` is no path", http.path), "start it with /");
        }
        return Some(HealthForm::Http { path: http.path.clone(), port: port("health.http.port", &http.port, ports, findings) });
    }
    if let Some(tcp) = &health.tcp {
        return Some(HealthForm::Tcp { port: port("health.tcp.port", &tcp.port, ports, findings) });
    }
    if let Some(exec) = &health.exec {
        if exec.command.first().is_none_or(String::is_empty) {
            findings.refuse("health.exec.command", "names no program");
        }
        return Some(HealthForm::Exec { command: exec.command.clone() });
    }
    if let Some(log) = &health.log {
        if log.pattern.is_empty() {
            findings.refuse("health.log.pattern", "is empty");
        }
        return Some(HealthForm::Log { pattern: log.pattern.clone() });
    }
    if fields.adapter.is_none() && fields.external.is_none() {
        findings.refuse_with("health.adapter", "the service has no adapter", "name the adapter, or use http, tcp, exec or log");
    }
    Some(HealthForm::Adapter)
}

/// Container port that a reference names.
fn port(field: &str, reference: &PortRef, ports: &[ValidPort], findings: &mut Findings) -> u16 {
    match reference {
        PortRef::Int(number) => match u16::try_from(*number) {
            Ok(number) if number > 0 => return number,
            Ok(_) | Err(_) => findings.refuse_with(field, format!("{number} is no port"), "write a port from 1 to 65535"),
        },
        PortRef::String(name) => {
            if let Some(port) = ports.iter().find(|port| port.name == *name) {
                return port.container;
            }
            let near = crate::nearest::suggestion(name, ports.iter().map(|port| port.name.as_str()));
            let hint = near.unwrap_or_else(|| "add it to ports, or write its number".to_owned());
            findings.refuse_with(field, format!("there is no port `{name}`"), hint);
        }
    }
    0
}
