//! What `koan plan`, `up --explain` and `up --dry-run` print (CLI-13, CLI-14).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Document, Header};

/// One step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct StepView {
    pub(crate) id: u32,
    pub(crate) verb: String,
    pub(crate) object: String,
    pub(crate) cause: String,
    pub(crate) evidence: Vec<String>,
    pub(crate) downtime: String,
    pub(crate) data_effect: String,
    pub(crate) depends_on: Vec<u32>,
}

/// One decision with its proof.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct DecisionLine {
    pub(crate) service: String,
    /// Listed in the manifest, or why it takes no part.
    pub(crate) activated: String,
    pub(crate) action: String,
    pub(crate) reason: String,
    pub(crate) evidence: Vec<String>,
    /// Services that it waits for, in order, each with the state that opens the gate.
    pub(crate) gates: Vec<String>,
}

/// A host port.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PortLine {
    pub(crate) service: String,
    pub(crate) name: String,
    pub(crate) container: u16,
    pub(crate) host: u16,
    pub(crate) source: String,
}

/// The engine and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct EngineLine {
    pub(crate) name: String,
    pub(crate) why: Vec<String>,
}

/// `koan plan`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PlanReport {
    #[serde(flatten)]
    pub(crate) header: Header,
    pub(crate) stack: String,
    pub(crate) profile: String,
    pub(crate) profile_source: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) engine: Option<EngineLine>,
    pub(crate) decisions: Vec<DecisionLine>,
    pub(crate) ports: Vec<PortLine>,
    /// Fields of the manifest that differ from the stack that is there, values masked.
    pub(crate) changes: Vec<String>,
    pub(crate) steps: Vec<StepView>,
    /// Services that nothing is done to.
    pub(crate) unchanged: Vec<String>,
    /// What stands in the way.
    pub(crate) obstacles: Vec<String>,
    pub(crate) summary: String,
    /// Evidence, ports and gates are shown to people, too.
    #[serde(skip)]
    pub(crate) explained: bool,
    /// Changed fields are shown to people, too.
    #[serde(skip)]
    pub(crate) diff: bool,
}

impl PlanReport {
    fn decision(&self, decision: &DecisionLine, wide: bool) -> Vec<String> {
        let taken = match decision.activated.as_str() {
            "ExplicitConfig" => String::new(),
            other => format!(" (not active: {other})"),
        };
        let mut lines = vec![format!("- {}: {} {}{taken}", decision.service, decision.action, decision.reason)];
        if wide || self.explained {
            lines.extend(decision.evidence.iter().map(|evidence| format!("    {evidence}")));
        }
        if self.explained && !decision.gates.is_empty() {
            lines.push(format!("    after {}", decision.gates.join(", ")));
        }
        lines
    }
}

fn step(step: &StepView) -> String {
    let price = if step.downtime == "None" { String::new() } else { format!("  downtime: {}", step.downtime) };
    let data = if step.data_effect == "None" { String::new() } else { format!("  data: {}", step.data_effect) };
    format!("{:>3} {} {}: {}{price}{data}", step.id, step.verb, step.object, step.cause)
}

impl Document for PlanReport {
    fn human(&self, wide: bool) -> String {
        let mut lines = vec![format!("stack: {}   profile: {} ({})", self.stack, self.profile, self.profile_source)];
        if let Some(engine) = &self.engine {
            let why = if engine.why.is_empty() { String::new() } else { format!(": {}", engine.why.join("; ")) };
            lines.push(format!("engine: {}{why}", engine.name));
        }
        lines.extend(self.decisions.iter().flat_map(|decision| self.decision(decision, wide)));
        if wide || self.explained {
            lines.extend(
                self.ports.iter().map(|p| format!("port: {}/{} {} -> {} ({})", p.service, p.name, p.host, p.container, p.source)),
            );
        }
        if self.diff {
            lines.extend(self.changes.iter().map(|change| format!("~ {change}")));
        }
        lines.extend(self.steps.iter().map(step));
        if !self.unchanged.is_empty() {
            lines.push(format!("unchanged: {}", self.unchanged.join(", ")));
        }
        lines.extend(self.obstacles.iter().map(|obstacle| format!("in the way: {obstacle}")));
        lines.push(self.summary.clone());
        lines.join("\n") + "\n"
    }

    fn names(&self) -> Vec<String> {
        self.steps.iter().map(|step| step.object.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> PlanReport {
        let text = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<String>>();
        PlanReport {
            header: Header::of("PlanReport"),
            stack: "shop".to_owned(),
            profile: "local".to_owned(),
            profile_source: "default".to_owned(),
            engine: Some(EngineLine { name: "Docker 28.2.2".to_owned(), why: text(&["the first that answers"]) }),
            decisions: vec![
                DecisionLine {
                    service: "db".to_owned(),
                    activated: "ExplicitConfig".to_owned(),
                    action: "ProvisionContainer".to_owned(),
                    reason: "HostRejected".to_owned(),
                    evidence: text(&["127.0.0.1:5432  Authenticate: Rejected, credential `manifest`"]),
                    gates: Vec::new(),
                },
                DecisionLine {
                    service: "api".to_owned(),
                    activated: "ExplicitConfig".to_owned(),
                    action: "ProvisionContainer".to_owned(),
                    reason: "NoAdapter".to_owned(),
                    evidence: Vec::new(),
                    gates: text(&["db Ready"]),
                },
                DecisionLine {
                    service: "mail".to_owned(),
                    activated: "Disabled".to_owned(),
                    action: "NoAction".to_owned(),
                    reason: "Disabled".to_owned(),
                    evidence: Vec::new(),
                    gates: Vec::new(),
                },
            ],
            ports: vec![PortLine {
                service: "db".to_owned(),
                name: "postgres".to_owned(),
                container: 5432,
                host: 5433,
                source: "Repicked".to_owned(),
            }],
            changes: text(&["spec.services[api].container.image: a:1 → a:2"]),
            steps: vec![StepView {
                id: 0,
                verb: "Stop".to_owned(),
                object: "koan-shop-api".to_owned(),
                cause: "changed: image: a:1 → a:2".to_owned(),
                evidence: Vec::new(),
                downtime: "Recreate".to_owned(),
                data_effect: "None".to_owned(),
                depends_on: Vec::new(),
            }],
            unchanged: text(&["db"]),
            obstacles: Vec::new(),
            summary: "1 step".to_owned(),
            explained: false,
            diff: false,
        }
    }

    /// CLI-14: the short form: decisions, steps with their price, and what stays as it is.
    #[test]
    fn a_plan_reads_well() {
        insta::assert_snapshot!(report().human(false), @r"
        stack: shop   profile: local (default)
        engine: Docker 28.2.2: the first that answers
        - db: ProvisionContainer HostRejected
        - api: ProvisionContainer NoAdapter
        - mail: NoAction Disabled (not active: Disabled)
          0 Stop koan-shop-api: changed: image: a:1 → a:2  downtime: Recreate
        unchanged: db
        1 step
        ");
    }

    /// CLI-13, CLI-24: the explanation adds evidence, gates and ports with their source; the diff names changed fields.
    #[test]
    fn an_explanation_shows_evidence_gates_and_ports() {
        let report = PlanReport { explained: true, diff: true, ..report() };
        insta::assert_snapshot!(report.human(false), @r"
        stack: shop   profile: local (default)
        engine: Docker 28.2.2: the first that answers
        - db: ProvisionContainer HostRejected
            127.0.0.1:5432  Authenticate: Rejected, credential `manifest`
        - api: ProvisionContainer NoAdapter
            after db Ready
        - mail: NoAction Disabled (not active: Disabled)
        port: db/postgres 5433 -> 5432 (Repicked)
        ~ spec.services[api].container.image: a:1 → a:2
          0 Stop koan-shop-api: changed: image: a:1 → a:2  downtime: Recreate
        unchanged: db
        1 step
        ");
    }
}
