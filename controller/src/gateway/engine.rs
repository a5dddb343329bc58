//! Sends steps to engines.

use koan_core::outcome::{Failure, Outcome};
use koan_core::step::Step;
use koan_core::text::Values;
use koan_crds::v1alpha1::FailureClass;
use koan_crds::vocabulary::Reason;
use koan_engines::Engine;

use super::effect::Effect;
use super::hook::Ruling;
use super::{Fault, Gateway, demands};

impl Gateway {
    /// Runs one step on an engine.
    pub(crate) async fn step(&self, engine: &dyn Engine, step: &Step, values: &Values) -> Outcome {
        let effect = Effect::Engine { engine: engine.id(), step: Box::new(step.clone()) };
        let (number, ruling) = self.enter(&effect).await;
        let outcome = match ruling {
            Ruling::CutBefore => unreachable_after_cut(step),
            Ruling::Fail(fault) => failed(fault, step),
            Ruling::Proceed => engine.apply(step, values).await,
            Ruling::CutAfter => {
                let outcome = engine.apply(step, values).await;
                self.end(number).await;
                outcome
            }
            Ruling::LoseReply(fault) => {
                engine.apply(step, values).await;
                failed(fault, step)
            }
            Ruling::Twice => {
                engine.apply(step, values).await;
                engine.apply(step, values).await
            }
        };
        demands::check_outcome(step, &outcome);
        self.hook.after(number, &effect, !matches!(outcome, Outcome::Failed(_)));
        outcome
    }
}

fn failed(fault: Fault, step: &Step) -> Outcome {
    let cause = match fault {
        Fault::Connection => "the connection to the engine broke".to_owned(),
        Fault::Status(status) => format!("the engine answered {status}"),
    };
    Outcome::Failed(Failure {
        class: FailureClass::Transient,
        reason: Reason::ProvisionFailed,
        message: format!("{} {} failed: {cause}", step.action.verb(), step.object),
        remedy: None,
    })
}

/// `enter` does not return after a cut; should it ever, the step counts as failed and nothing was sent.
fn unreachable_after_cut(step: &Step) -> Outcome {
    failed(Fault::Connection, step)
}
