use std::sync::Arc;

use clap::Args;
use koan_adapters::{LiveProber, catalogue};
use koan_controller::{Controllers, PlanError};
use koan_core::step::{DataEffect, Downtime};
use koan_core::validate::StackOptions;
use koan_crds::v1alpha1::DevStack;
use koan_crds::vocabulary::Reason;
use kube::Api;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Run, apply, prepare};
use crate::engines::Engines;
use crate::failure::Failure;
use crate::home::{Session, Start, api};
use crate::manifest::Document as Manifest;
use crate::output::{Document, Header, emit, say};

/// Show what `up` would do, without doing it
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Exit with 1 if there is anything to do
    #[arg(long)]
    check: bool,
}

/// Exit code of `--check` where steps exist.
const STEPS_EXIST: u8 = koan_crds::vocabulary::ExitCode::General as u8;

/// One step as `koan plan` shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct StepView {
    id: u32,
    verb: String,
    object: String,
    cause: String,
    evidence: Vec<String>,
    downtime: String,
    data_effect: String,
    depends_on: Vec<u32>,
}

/// One decision as `koan plan` shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DecisionLine {
    service: String,
    action: String,
    reason: String,
    evidence: Vec<String>,
}

/// `koan plan`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PlanReport {
    #[serde(flatten)]
    header: Header,
    stack: String,
    decisions: Vec<DecisionLine>,
    steps: Vec<StepView>,
    summary: String,
}

impl Document for PlanReport {
    fn human(&self, wide: bool) -> String {
        let mut lines: Vec<String> = Vec::new();
        for decision in &self.decisions {
            lines.push(format!("- {}: {} {}", decision.service, decision.action, decision.reason));
            if wide {
                lines.extend(decision.evidence.iter().map(|evidence| format!("    {evidence}")));
            }
        }
        lines.extend(self.steps.iter().map(|step| {
            let price = if step.downtime == "None" { String::new() } else { format!("  downtime: {}", step.downtime) };
            let data = if step.data_effect == "None" { String::new() } else { format!("  data: {}", step.data_effect) };
            format!("{:>3} {} {}: {}{price}{data}", step.id, step.verb, step.object, step.cause)
        }));
        lines.push(self.summary.clone());
        lines.join("\n") + "\n"
    }

    fn names(&self) -> Vec<String> {
        self.steps.iter().map(|step| step.object.clone()).collect()
    }
}

pub(crate) async fn run(run: &Run, arguments: &Arguments) -> Result<u8, Failure> {
    let prepared = prepare::prepare(run, |_| Ok(()))?;
    for warning in &prepared.warnings {
        say(run.globals.quiet, &format!("warning: {warning}"));
    }
    let session = apply::open(run, Start::IfNeeded).await?;
    let mut steps = 0;
    for stack in prepared.stacks() {
        let report = plan(run, &session, stack).await?;
        steps += report.steps.len();
        emit(&report, run.globals.format());
    }
    Ok(if arguments.check && steps > 0 { STEPS_EXIST } else { 0 })
}

async fn plan(run: &Run, session: &Session, manifest: &Manifest) -> Result<PlanReport, Failure> {
    let home = session.home.as_ref().ok_or_else(|| Failure::Usage {
        message: "a cluster plans by itself".to_owned(),
        hint: "kubectl diff -f FILE shows what would change".to_owned(),
    })?;
    let stack = standing(session, manifest).await?;
    let engines = Engines::of_home(home, &run.settings)?;
    let controllers =
        Controllers::builder(session.client.clone(), engines.instance().clone(), catalogue(), Arc::new(LiveProber::default()))
            .engines(engines.all().to_vec())
            .build();
    let report = controllers.plan_stack(&stack, &StackOptions::default()).await.map_err(|error| refused(&error))?;
    let decisions = report.services.iter().map(|service| DecisionLine {
        service: service.service.clone(),
        action: format!("{:?}", service.decision.action),
        reason: service.decision.reason.to_string(),
        evidence: service
            .decision
            .evidence
            .iter()
            .map(|e| format!("{:?}: {:?} {}", e.step, e.code, e.detail.clone().unwrap_or_default()))
            .collect(),
    });
    let steps: Vec<StepView> = report.plan.steps.iter().map(view).collect();
    let summary = if steps.is_empty() { "nothing to do".to_owned() } else { format!("{} steps", steps.len()) };
    Ok(PlanReport {
        header: Header::of("PlanReport"),
        stack: manifest.name().to_owned(),
        decisions: decisions.collect(),
        steps,
        summary,
    })
}

/// The stack as it would stand after the apply: with the identity of the stored one.
async fn standing(session: &Session, manifest: &Manifest) -> Result<DevStack, Failure> {
    let mut stack: DevStack =
        serde_json::from_value(manifest.value.clone()).map_err(|error| Failure::Bug { message: error.to_string() })?;
    let namespace = stack.metadata.namespace.clone().unwrap_or_default();
    let stacks: Api<DevStack> = Api::namespaced(session.client.clone(), &namespace);
    let stored = stacks.get_opt(manifest.name()).await.map_err(|e| api("get", &format!("devstack {}", manifest.name()), e))?;
    if let Some(stored) = stored {
        stack.metadata.uid = stored.metadata.uid;
        stack.metadata.generation = stored.metadata.generation;
        stack.status = stored.status;
    }
    Ok(stack)
}

fn view(step: &koan_core::step::Step) -> StepView {
    StepView {
        id: step.id.0,
        verb: step.action.verb().to_owned(),
        object: step.object.clone(),
        cause: step.cause.clone(),
        evidence: step.evidence.clone(),
        downtime: match step.downtime {
            Downtime::None => "None",
            Downtime::Restart => "Restart",
            Downtime::Recreate => "Recreate",
        }
        .to_owned(),
        data_effect: match step.data_effect {
            DataEffect::None => "None",
            DataEffect::Deleted => "Deleted",
        }
        .to_owned(),
        depends_on: step.depends_on.iter().map(|id| id.0).collect(),
    }
}

fn refused(error: &PlanError) -> Failure {
    let reason = match error {
        PlanError::Invalid(violations) => violations.reason(),
        PlanError::Read(_) => Reason::PlanFailed,
    };
    Failure::Condition {
        reason,
        message: error.to_string(),
        details: Vec::new(),
        hints: vec!["`koan validate` shows every violation with its place".to_owned()],
        event: Some(koan_crds::events::Event::PlanBuildError.id()),
    }
}
