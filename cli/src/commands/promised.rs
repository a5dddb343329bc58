//! A plan that was shown against what came of it: a difference is a bug of Koan, and is told as one (CLI-14).

use std::collections::BTreeMap;

use koan_core::step::{Plan, StepAction};

use crate::failure::Failure;
use crate::follow;
use crate::home::Session;
use crate::output::{PlanReport, ServiceView, StackStatus};

/// What a plan does to the workload of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Nothing.
    Kept,
    /// It is made, or made anew.
    Made,
    /// It is taken away.
    Gone,
    /// The same one is started or stopped.
    Moved,
}

impl Fate {
    /// The fate under a plan of one service.
    pub(crate) fn of(plan: &Plan) -> Self {
        let has = |is: fn(&StepAction) -> bool| plan.steps.iter().any(|step| is(&step.action));
        if plan.steps.is_empty() {
            Self::Kept
        } else if has(|action| matches!(action, StepAction::Create(_))) {
            Self::Made
        } else if has(|action| matches!(action, StepAction::Remove(_))) {
            Self::Gone
        } else {
            Self::Moved
        }
    }
}

/// Id of the workload of each service that has one.
pub(crate) type Workloads = BTreeMap<String, String>;

/// The workloads of a stack by its services' names.
///
/// # Errors
/// [`Failure::Api`].
pub(crate) async fn workloads(session: &Session, namespace: &str, name: &str) -> Result<Workloads, Failure> {
    let loaded = follow::load(session, namespace, name).await?;
    let specs = loaded.iter().flat_map(|(_, specs)| specs);
    let id = |spec: &koan_crds::v1alpha1::ServiceSpec| spec.status.as_ref()?.workload.as_ref()?.id.clone();
    Ok(specs.filter_map(|spec| Some((ServiceView::of(spec).name, id(spec)?))).collect())
}

/// A plan that somebody has seen.
pub(crate) struct Shown {
    pub(crate) report: PlanReport,
    pub(crate) fates: BTreeMap<String, Fate>,
    /// The workloads that stood then.
    pub(crate) before: Workloads,
}

impl Shown {
    /// Compares decisions, ports and workloads with those that came.
    ///
    /// # Errors
    /// [`Failure::Bug`] naming each difference.
    pub(crate) fn compare(&self, status: &StackStatus, after: &Workloads) -> Result<(), Failure> {
        let differences = [self.decisions(status), self.ports(status), self.workloads(after)].concat();
        if differences.is_empty() {
            return Ok(());
        }
        Err(Failure::Bug { message: format!("what came differs from the plan that was shown: {}", differences.join("; ")) })
    }

    fn decisions(&self, status: &StackStatus) -> Vec<String> {
        let differs = |shown: &crate::output::DecisionLine| {
            let came = status.services.iter().find(|service| service.name == shown.service).and_then(|s| s.decision.as_ref());
            let came = came.map_or_else(|| "no decision".to_owned(), |came| format!("{:?} {}", came.action, came.reason));
            let planned = format!("{} {}", shown.action, shown.reason);
            (came != planned).then(|| format!("{}: {planned} was shown, {came} came", shown.service))
        };
        self.report.decisions.iter().filter_map(differs).collect()
    }

    fn ports(&self, status: &StackStatus) -> Vec<String> {
        let differs = |shown: &crate::output::PortLine| {
            let came = status.ports.iter().find(|other| other.service == shown.service && other.name == shown.name)?.host;
            (came != shown.host).then(|| format!("{}/{}: port {} was shown, {came} came", shown.service, shown.name, shown.host))
        };
        self.report.ports.iter().filter_map(differs).collect()
    }

    fn workloads(&self, after: &Workloads) -> Vec<String> {
        let differs = |(service, fate): (&String, &Fate)| {
            let (before, after) = (self.before.get(service), after.get(service));
            match fate {
                Fate::Kept if before != after => {
                    Some(format!("{service}: nothing to do was shown, and its workload is another one"))
                }
                Fate::Made if after.is_none() || before == after => {
                    Some(format!("{service}: a new workload was shown, and none came"))
                }
                Fate::Gone if after.is_some() => Some(format!("{service}: its end was shown, and it still has a workload")),
                Fate::Kept | Fate::Made | Fate::Gone | Fate::Moved => None,
            }
        };
        self.fates.iter().filter_map(differs).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn status(reason: &str, port: u16) -> StackStatus {
        serde_json::from_value(json!({
            "apiVersion": "koan.dev/v1alpha1", "kind": "StackStatus", "name": "shop", "namespace": "default", "profile": "local",
            "profileSource": "default", "ready": "1/1", "reason": "AllReady", "inactive": [], "conflicts": [], "conditions": [],
            "services": [{
                "name": "db", "state": "AllReady", "health": "healthy", "conditions": [],
                "decision": {"action": "ProvisionContainer", "reason": reason},
            }],
            "ports": [{"service": "db", "name": "main", "container": 5432, "host": port, "source": "Default"}],
        }))
        .expect("a status")
    }

    fn shown(fate: Fate) -> Shown {
        let report = serde_json::from_value(json!({
            "apiVersion": "koan.dev/v1alpha1", "kind": "PlanReport", "stack": "shop", "profile": "local",
            "profileSource": "default", "changes": [], "steps": [], "unchanged": [], "obstacles": [], "summary": "1 step",
            "decisions": [{
                "service": "db", "activated": "ExplicitConfig", "action": "ProvisionContainer", "reason": "NoHostService",
                "evidence": [], "gates": [],
            }],
            "ports": [{"service": "db", "name": "main", "container": 5432, "host": 5432, "source": "Default"}],
        }));
        let fates = BTreeMap::from([("db".to_owned(), fate)]);
        Shown { report: report.expect("a report"), fates, before: held("one") }
    }

    fn held(id: &str) -> Workloads {
        BTreeMap::from([("db".to_owned(), id.to_owned())])
    }

    /// CLI-14, CLI-17: what was shown and came is no word; every kind of difference is a bug, exit 70, and is named.
    #[test]
    fn a_difference_from_what_was_shown_is_a_bug() {
        let fine = status("NoHostService", 5432);
        assert!(shown(Fate::Kept).compare(&fine, &held("one")).is_ok());
        assert!(shown(Fate::Made).compare(&fine, &held("two")).is_ok());
        assert!(shown(Fate::Gone).compare(&fine, &Workloads::new()).is_ok());
        assert!(shown(Fate::Moved).compare(&fine, &held("one")).is_ok());
        let rows = [
            (
                Fate::Kept,
                status("HostRejected", 5432),
                held("one"),
                "NoHostService was shown, ProvisionContainer HostRejected came",
            ),
            (Fate::Kept, status("NoHostService", 5433), held("one"), "port 5432 was shown, 5433 came"),
            (Fate::Kept, fine.clone(), held("two"), "nothing to do was shown"),
            (Fate::Made, fine.clone(), held("one"), "a new workload was shown"),
            (Fate::Gone, fine, held("one"), "its end was shown"),
        ];
        for (fate, status, after, text) in rows {
            let failure = shown(fate).compare(&status, &after).expect_err(text);
            assert_eq!(failure.exit(), 70);
            assert!(failure.to_string().contains(text), "{failure}");
        }
    }
}
