//! `apply --redetect`: marks the request, and tells a decision that answers it from one of before.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use koan_crds::labels;
use koan_crds::v1alpha1::ServiceSpec;
use koan_crds::vocabulary::{ConditionType, Reason};
use kube::api::ListParams;
use kube::{Api, ResourceExt};

use crate::failure::Failure;
use crate::home::{Session, api};
use crate::output::ServiceView;

/// Decisions are dated by the second, so the request falls in a later one than the last decision.
const SECOND: Duration = Duration::from_secs(1);

/// A request to look for host services again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Redetection {
    at: Timestamp,
}

impl Redetection {
    /// A request of now, for these namespaces. Decisions of this very second are waited out: their answer could not be told from the new one.
    ///
    /// # Errors
    /// [`Failure::Api`].
    pub(crate) async fn ask(session: &Session, namespaces: &BTreeSet<String>) -> Result<Self, Failure> {
        let mut last = None;
        for namespace in namespaces {
            let specs: Api<ServiceSpec> = Api::namespaced(session.client.clone(), namespace);
            let list = specs.list(&ListParams::default()).await.map_err(|error| api("list", "servicespecs", error))?;
            last = last.max(list.items.iter().filter_map(decided).max());
        }
        if last.is_some_and(|second| second >= Timestamp::now().as_second()) {
            tokio::time::sleep(SECOND).await;
        }
        Ok(Self { at: Timestamp::now() })
    }

    /// The value of the annotation.
    pub(crate) fn mark(&self) -> String {
        self.at.to_string()
    }

    /// True while a service shows a decision of before. One that is not accepted, or is suspended, decides nothing.
    pub(crate) fn awaits(&self, spec: &ServiceSpec) -> bool {
        if spec.annotations().get(labels::REDETECT) != Some(&self.mark()) {
            return true;
        }
        let refused = spec.status.iter().flat_map(|status| &status.conditions);
        let refused = refused.into_iter().any(|c| c.type_ == ConditionType::Accepted.as_str() && c.status == "False");
        let idle = refused || spec.spec.suspend == Some(true);
        !idle && decided(spec).is_none_or(|second| second < self.at.as_second())
    }

    /// True where every service shows a decision of this request, and what it needs is ready by it. The stack's own summary may
    /// still be that of before.
    pub(crate) fn stands(&self, specs: &[ServiceSpec]) -> bool {
        let disabled = |view: &ServiceView| view.state == Reason::Disabled.as_str();
        specs.iter().all(|spec| {
            let view = ServiceView::of(spec);
            !self.awaits(spec) && (view.is_ready() || disabled(&view))
        })
    }
}

/// The second in which the decision of a service was made.
fn decided(spec: &ServiceSpec) -> Option<i64> {
    Some(spec.status.as_ref()?.decision.as_ref()?.observed_at.as_ref()?.0.as_second())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spec(mark: &str, observed: &str, accepted: &str) -> ServiceSpec {
        serde_json::from_value(json!({
            "apiVersion": "koan.dev/v1alpha1", "kind": "ServiceSpec",
            "metadata": {"name": "shop-db", "annotations": {"koan.dev/redetect": mark}},
            "spec": {"service": {"adapter": "postgres"}},
            "status": {
                "decision": {"action": "UseHostService", "reason": "HostValidated", "observedAt": observed, "generation": 1},
                "conditions": [{
                    "type": "Accepted", "status": accepted, "reason": "Accepted", "message": "m",
                    "lastTransitionTime": "2026-01-01T00:00:00Z",
                }],
            },
        }))
        .expect("a ServiceSpec")
    }

    /// DET-26: only a decision that was made for this request ends the wait for it; what decides nothing is not waited for.
    #[test]
    fn a_decision_of_before_is_no_answer() {
        let asked = Redetection { at: "2026-01-01T10:00:00.5Z".parse().expect("a time") };
        let mark = asked.mark();
        assert!(asked.awaits(&spec(&mark, "2026-01-01T09:59:59Z", "True")), "the decision is older");
        assert!(asked.awaits(&spec("2025-01-01T00:00:00Z", "2026-01-01T10:00:01Z", "True")), "the request has not arrived");
        assert!(!asked.awaits(&spec(&mark, "2026-01-01T10:00:00Z", "True")));
        assert!(!asked.awaits(&spec(&mark, "2026-01-01T09:00:00Z", "False")), "what is refused decides nothing");
    }
}
