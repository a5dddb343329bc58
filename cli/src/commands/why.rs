use clap::Args;
use koan_crds::v1alpha1::{DependencyCondition, DevStack, ServiceSpec};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Run, target};
use crate::failure::{Failure, suggest};
use crate::follow;
use crate::output::{Document, Header, ServiceView, emit, evidence};
use crate::redact::redact;

/// Explain a service: the chain from not Ready to its cause, or the proof of the decision
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Service; the first that is not Ready
    service: Option<String>,
    /// Name of the stack; the manifest's, or the only one
    #[arg(long)]
    stack: Option<String>,
}

/// `koan why`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WhyReport {
    #[serde(flatten)]
    header: Header,
    stack: String,
    /// Empty where the stack has no service.
    service: String,
    ready: bool,
    /// From the service to its cause, one sentence each.
    chain: Vec<String>,
    /// The proof of the decision, in order.
    evidence: Vec<String>,
    /// Last lines of the log, where the workload failed.
    log: Vec<String>,
    /// What to do next.
    next: String,
}

impl Document for WhyReport {
    fn human(&self, _: bool) -> String {
        let mut lines: Vec<String> =
            self.chain.iter().enumerate().map(|(depth, text)| format!("{}{text}", "  ".repeat(depth))).collect();
        if !self.evidence.is_empty() {
            lines.push("evidence:".to_owned());
            lines.extend(self.evidence.iter().map(|e| format!("  {e}")));
        }
        lines.extend(self.log.iter().map(|line| format!("| {line}")));
        lines.push(format!("next: {}", self.next));
        lines.join("\n") + "\n"
    }

    fn names(&self) -> Vec<String> {
        vec![self.service.clone()]
    }
}

pub(crate) async fn run(run: &Run, arguments: &Arguments) -> Result<u8, Failure> {
    let missing = || Failure::Unknown { kind: "stack", name: arguments.stack.clone().unwrap_or_default(), nearest: Vec::new() };
    let session = target::session(run).await?.ok_or_else(missing)?;
    let target = target::resolve(run, &session, arguments.stack.as_deref()).await?;
    let (stack, specs) = follow::load(&session, &target.namespace, &target.name).await?.ok_or_else(missing)?;
    let report = explain(&stack, &specs, &target.name, arguments.service.as_deref())?;
    emit(&report, run.globals.format());
    Ok(0)
}

fn explain(stack: &DevStack, specs: &[ServiceSpec], name: &str, wanted: Option<&str>) -> Result<WhyReport, Failure> {
    let views: Vec<ServiceView> = specs.iter().map(ServiceView::of).collect();
    let position = match wanted {
        Some(service) => views.iter().position(|v| v.name == service).ok_or_else(|| Failure::Unknown {
            kind: "service",
            name: service.to_owned(),
            nearest: suggest(service, views.iter().map(|v| v.name.clone())),
        })?,
        None => match views.iter().position(|v| !v.is_ready() && v.state != "Disabled").or(if views.is_empty() {
            None
        } else {
            Some(0)
        }) {
            Some(position) => position,
            None => return Ok(stack_only(stack, name)),
        },
    };
    let (chain, last) = chain(&views, specs, position);
    let spec = &specs[last];
    let status = spec.status.clone().unwrap_or_default();
    let proof = specs[position].status.iter().flat_map(|s| &s.decision).flat_map(|d| &d.evidence).map(evidence);
    let ready = views[position].is_ready();
    Ok(WhyReport {
        header: Header::of("WhyReport"),
        stack: name.to_owned(),
        service: views[position].name.clone(),
        ready,
        chain,
        evidence: proof.collect(),
        log: if ready {
            Vec::new()
        } else {
            status.last_failure.iter().flat_map(|failure| &failure.log_tail).map(|line| redact(line)).collect()
        },
        next: next(&views[last], name),
    })
}

/// A stack without a service of its own: its conditions are the answer.
fn stack_only(stack: &DevStack, name: &str) -> WhyReport {
    let conditions = || stack.status.iter().flat_map(|status| &status.conditions);
    let ready = conditions().any(|c| c.type_ == "Ready" && c.status == "True");
    let open = conditions().filter(|c| c.status != "True");
    let open = open.map(|c| format!("{} is {}/{}: {}", c.type_, c.status, c.reason, c.message));
    let next = if ready { "name a service in the manifest, then koan up" } else { "koan status" };
    WhyReport {
        header: Header::of("WhyReport"),
        stack: name.to_owned(),
        service: String::new(),
        ready,
        chain: std::iter::once(format!("stack `{name}` has no service")).chain(open).collect(),
        evidence: Vec::new(),
        log: Vec::new(),
        next: next.to_owned(),
    }
}

/// Follows closed gates to the service that is the cause.
fn chain(views: &[ServiceView], specs: &[ServiceSpec], start: usize) -> (Vec<String>, usize) {
    let mut chain = Vec::new();
    let mut current = start;
    let mut visited = vec![start];
    loop {
        chain.push(sentence(&views[current]));
        let gates = specs[current].spec.service.depends_on.iter().flatten();
        let closed = gates.filter_map(|gate| {
            specs.iter().position(|s| s.metadata.name.as_deref() == Some(gate.name.as_str())).map(|i| (gate, i))
        });
        let next = closed
            .filter(|(gate, i)| gate.condition != Some(DependencyCondition::Started) && !views[*i].is_ready())
            .map(|(_, i)| i)
            .find(|i| !visited.contains(i));
        match next {
            Some(position) if !views[current].is_ready() => {
                visited.push(position);
                current = position;
            }
            _ => return (chain, current),
        }
    }
}

fn sentence(view: &ServiceView) -> String {
    let decision =
        view.decision.as_ref().map(|d| format!("{:?} {}", d.action, d.reason)).unwrap_or_else(|| "not decided yet".to_owned());
    let blamed = ["Accepted", "EngineSelected", "Provisioned", "PortsAllocated", "DependenciesReady", "Healthy", "Ready"];
    let condition = blamed.iter().filter_map(|type_| view.condition(type_)).find(|c| c.status == "False");
    match condition {
        Some(c) if !view.is_ready() => format!("{}: {} is False/{}: {}", view.name, c.type_, c.reason, c.message),
        _ => format!("{}: {} ({decision})", view.name, view.state),
    }
}

fn next(view: &ServiceView, stack: &str) -> String {
    match view.state.as_str() {
        _ if view.is_ready() => "nothing to do".to_owned(),
        "Suspended" => format!("koan up {stack} --set spec.suspend=false"),
        _ => format!("koan logs {stack} {}", view.name),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::follow::{Verdict, judge};

    /// CLI-34, CLI-18: the log lines that an error and `why` quote are redacted like those of `logs`.
    #[test]
    fn quoted_log_lines_hide_secrets() {
        let condition = |kind: &str, reason: &str| {
            json!({"type": kind, "status": "False", "reason": reason, "message": "it ends again and again",
                "lastTransitionTime": "2026-01-01T00:00:00Z"})
        };
        let spec: ServiceSpec = serde_json::from_value(json!({
            "apiVersion": "koan.dev/v1alpha1", "kind": "ServiceSpec",
            "metadata": {"name": "shop-web", "generation": 1, "labels": {"koan.dev/service": "web"}},
            "spec": {"process": {"command": ["web"]}},
            "status": {
                "observedGeneration": 1,
                "lastFailure": {"probe": "workload", "class": "Transient", "message": "password=hunter2", "logTail": ["token=s3cr3t-x up"]},
                "conditions": [condition("Healthy", "CrashLooping"), condition("Ready", "NotReady")],
            },
        }))
        .expect("a ServiceSpec");
        let stack: DevStack = serde_json::from_value(json!({
            "apiVersion": "koan.dev/v1alpha1", "kind": "DevStack", "metadata": {"name": "shop"},
            "spec": {"services": [{"name": "web", "process": {"command": ["web"]}}]},
        }))
        .expect("a DevStack");
        let report = explain(&stack, std::slice::from_ref(&spec), "shop", None).expect("a report");
        assert_eq!(report.log, ["token=*** up"]);
        let Verdict::Failed(failure) = judge(&stack, &[spec]) else { panic!("it failed for good") };
        assert_eq!(failure.details(), ["password=***", "| token=*** up"]);
    }
}
