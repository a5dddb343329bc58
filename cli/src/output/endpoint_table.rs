//! The human form of `koan status` (CLI-16): fixed order, blocks without content left out.

use koan_crds::v1alpha1::PortSource;

use super::{ServiceView, StackStatus};

/// Renders the status.
pub(crate) fn render_status(status: &StackStatus, wide: bool) -> String {
    let mut lines = vec![head(status)];
    if let Some(engine) = &status.engine {
        let version = engine.version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
        let endpoint = engine.endpoint.as_ref().map(|e| format!(" ({e})")).unwrap_or_default();
        lines.push(format!("engine: {:?}{version}{endpoint}", engine.name));
    }
    lines.extend(status.services.iter().map(|service| service_line(status, service)));
    if wide {
        lines.extend(status.services.iter().flat_map(vantages));
    }
    if !status.inactive.is_empty() {
        lines.push(format!("not active: {}", status.inactive.join(", ")));
    }
    if !status.conflicts.is_empty() {
        lines.push(format!("conflicts: {}", status.conflicts.join("; ")));
    }
    if let Some(service) = status.services.iter().find(|s| !s.is_ready() && s.state != "Disabled") {
        lines.push(format!("next: koan why {}", service.name));
    }
    lines.join("\n") + "\n"
}

fn head(status: &StackStatus) -> String {
    let project = status.project.as_ref().map(|path| format!("   project: {path}")).unwrap_or_default();
    format!(
        "stack: {}   profile: {} ({})   ready: {} {}{project}",
        status.name, status.profile, status.profile_source, status.ready, status.reason
    )
}

fn service_line(status: &StackStatus, service: &ServiceView) -> String {
    let decision = service.decision.as_ref().map(|d| format!("{:?} {}", d.action, d.reason));
    if !service.is_ready() {
        let why = service.condition("Ready").map(|c| c.message.clone()).filter(|m| !m.is_empty());
        let text = [Some(service.state.clone()), decision, why].into_iter().flatten().collect::<Vec<_>>().join(", ");
        return format!("- {}: {text}", service.name);
    }
    let words = [decision, Some(service.health.clone())].into_iter().flatten().collect::<Vec<_>>().join(", ");
    let endpoint = service.endpoints.as_ref().and_then(|e| e.host.clone().or_else(|| e.stack.clone()));
    let endpoint = endpoint.map(|e| format!("   => {e}")).unwrap_or_default();
    let ports = status.ports.iter().filter(|p| p.service == service.name && p.host != p.container);
    let ports: String = ports.map(|p| format!(" -> {} ({}){}", p.container, p.name, repicked(p.source))).collect();
    format!("- {}: {words}{endpoint}{ports}", service.name)
}

fn repicked(source: PortSource) -> &'static str {
    match source {
        PortSource::Repicked => "  Repicked",
        PortSource::Flag | PortSource::Declared | PortSource::Launch | PortSource::Default | PortSource::Deterministic => "",
    }
}

fn vantages(service: &ServiceView) -> Vec<String> {
    let Some(endpoints) = &service.endpoints else { return Vec::new() };
    [("host", &endpoints.host), ("stack", &endpoints.stack), ("cluster", &endpoints.cluster)]
        .into_iter()
        .filter_map(|(vantage, url)| Some(format!("  {} from {vantage}: {}", service.name, url.as_ref()?)))
        .collect()
}
