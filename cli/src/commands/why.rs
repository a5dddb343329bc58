use clap::Args;
use koan_crds::v1alpha1::{DependencyCondition, DevStack, ServiceSpec};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Run, target};
use crate::failure::{Failure, suggest};
use crate::follow;
use crate::output::{Document, Header, ServiceView, emit, evidence};

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
            None => return Err(stack_only(stack, name)),
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
        log: if ready { Vec::new() } else { status.last_failure.map(|f| f.log_tail).unwrap_or_default() },
        next: next(&views[last], name),
    })
}

/// A stack without a service of its own: its conditions are the answer.
fn stack_only(stack: &DevStack, name: &str) -> Failure {
    let conditions = stack.status.iter().flat_map(|s| &s.conditions).filter(|c| c.status != "True");
    let details = conditions.map(|c| format!("{}: {} {}", c.type_, c.reason, c.message)).collect::<Vec<_>>().join("; ");
    Failure::Usage {
        message: format!("stack `{name}` has no service to explain: {details}"),
        hint: format!("`koan status {name}` shows the stack"),
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
