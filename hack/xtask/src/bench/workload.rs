//! Pure: the standard graphs of sleepers (performance.md section 2), as data, as DevStack, and with their lower bound.

use serde_json::{Value, json};

/// One sleeper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sleeper {
    /// Name in the stack.
    pub(crate) name: String,
    /// Milliseconds from its start until its port is bound, or until it ends.
    pub(crate) boot: u32,
    /// Ends after its boot; others wait for that.
    pub(crate) is_once: bool,
    /// What must be Ready, or Completed, before its start.
    pub(crate) needs: Vec<String>,
}

/// A graph of sleepers; each stands after everything that it needs.
#[derive(Clone, Debug)]
pub(crate) struct Workload {
    /// Name in the table.
    pub(crate) name: &'static str,
    /// Target of T ÷ L (PERF-20 to PERF-22).
    pub(crate) target: f64,
    /// Row of the target.
    pub(crate) id: &'static str,
    /// The services.
    pub(crate) sleepers: Vec<Sleeper>,
}

/// Floors of one run, in seconds (performance.md section 3).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Floors {
    /// Network and first calls (P).
    pub(crate) prelude: f64,
    /// One create and start alone (S).
    pub(crate) start: f64,
    /// Wall time per container at width 4 (w).
    pub(crate) work: f64,
}

/// Services of `micro12`: name, boot, needs; the migration runs to its end.
const MICRO: [(&str, u32, &[&str]); 12] = [
    ("db", 1500, &[]),
    ("broker", 2500, &[]),
    ("cache", 300, &[]),
    ("migrate", 200, &["db"]),
    ("auth", 400, &["migrate"]),
    ("catalog", 400, &["migrate"]),
    ("cart", 200, &["cache"]),
    ("payment", 300, &["broker"]),
    ("notify", 200, &["broker"]),
    ("order", 600, &["migrate", "broker", "auth"]),
    ("gateway", 400, &["auth", "catalog", "cart", "order", "payment"]),
    ("web", 200, &["gateway"]),
];
const ONCE: &str = "migrate";
/// Port of a sleeper.
const PORT: u16 = 8080;
/// Boot of the sleepers in `fan10` and `chain10`.
const BOOT: u32 = 200;

fn sleeper(name: &str, boot: u32, needs: &[&str]) -> Sleeper {
    Sleeper { name: name.to_owned(), boot, is_once: name == ONCE, needs: needs.iter().map(|need| (*need).to_owned()).collect() }
}

/// A root and nine leaves.
pub(crate) fn fan10() -> Workload {
    let leaves = (1..10).map(|number| sleeper(&format!("leaf{number}"), BOOT, &["root"]));
    let sleepers = std::iter::once(sleeper("root", BOOT, &[])).chain(leaves).collect();
    Workload { name: "fan10", target: 1.10, id: "PERF-21", sleepers }
}

/// Ten in a row.
pub(crate) fn chain10() -> Workload {
    let name = |number: u32| format!("s{number}");
    let link = |number| match number {
        1 => sleeper(&name(1), BOOT, &[]),
        _ => sleeper(&name(number), BOOT, &[&name(number - 1)]),
    };
    Workload { name: "chain10", target: 1.06, id: "PERF-20", sleepers: (1..=10).map(link).collect() }
}

/// Twelve services of a shop.
pub(crate) fn micro12() -> Workload {
    let sleepers = MICRO.iter().map(|(name, boot, needs)| sleeper(name, *boot, needs)).collect();
    Workload { name: "micro12", target: 1.08, id: "PERF-22", sleepers }
}

/// One sleeper alone, for the bench `ready`.
pub(crate) fn alone(boot: u32) -> Workload {
    Workload { name: "alone", target: 1.0, id: "PERF-30", sleepers: vec![sleeper("sleeper", boot, &[])] }
}

impl Workload {
    /// `L = max(L_path, L_work)` in seconds.
    pub(crate) fn bound(&self, floors: Floors) -> f64 {
        self.path(floors).max(self.work(floors))
    }

    /// `L_path = P + max over paths Σ(S + b)`.
    pub(crate) fn path(&self, floors: Floors) -> f64 {
        let mut ready: Vec<(&str, f64)> = Vec::with_capacity(self.sleepers.len());
        for one in &self.sleepers {
            let gate = ready.iter().filter(|(name, _)| one.needs.iter().any(|need| need == name)).map(|(_, at)| *at);
            ready.push((&one.name, gate.fold(0.0, f64::max) + floors.start + seconds(one.boot)));
        }
        floors.prelude + ready.iter().map(|(_, at)| *at).fold(0.0, f64::max)
    }

    /// `L_work = P + N·w + min b of the sinks`.
    pub(crate) fn work(&self, floors: Floors) -> f64 {
        let is_sink = |one: &&Sleeper| !self.sleepers.iter().any(|other| other.needs.contains(&one.name));
        let last = self.sleepers.iter().filter(is_sink).map(|one| one.boot).min().unwrap_or_default();
        let count = f64::from(u32::try_from(self.sleepers.len()).unwrap_or(u32::MAX));
        floors.prelude + count * floors.work + seconds(last)
    }

    /// The DevStack; `bound` is a folder of the host where each sleeper writes its bind instant.
    pub(crate) fn stack(&self, stack: &str, image: &str, bound: Option<&str>) -> Value {
        let services: Vec<Value> = self.sleepers.iter().map(|one| self.service(one, image, bound)).collect();
        json!({
            "apiVersion": "koan.dev/v1alpha1", "kind": "DevStack", "metadata": {"name": stack},
            "spec": {"services": services},
        })
    }

    fn service(&self, one: &Sleeper, image: &str, bound: Option<&str>) -> Value {
        let mut env = vec![json!({"name": "BOOT_MS", "value": one.boot.to_string()})];
        let mut service = json!({"name": one.name, "container": {"image": image}});
        if one.is_once {
            env.push(json!({"name": "ONCE", "value": "1"}));
            service["restart"] = json!("Never");
        } else {
            // A declared port that nobody of the stack uses would be published for the person (CLI-29).
            service["health"] = json!({"http": {"path": "/", "port": PORT}});
        }
        if let Some(folder) = bound {
            env.push(json!({"name": "BOUND_FILE", "value": format!("/bound/{}", one.name)}));
            service["volumes"] = json!([{"target": "/bound", "hostPath": folder}]);
        }
        service["env"] = Value::Array(env);
        if !one.needs.is_empty() {
            service["dependsOn"] = one.needs.iter().map(|need| self.gate(need)).collect();
        }
        service
    }

    fn gate(&self, need: &str) -> Value {
        match self.sleepers.iter().any(|other| other.name == need && other.is_once) {
            true => json!({"name": need, "condition": "Completed"}),
            false => json!({"name": need}),
        }
    }
}

fn seconds(milliseconds: u32) -> f64 {
    f64::from(milliseconds) / 1000.0
}

#[cfg(test)]
mod tests {
    use super::{Floors, chain10, fan10, micro12};

    /// Docker 26.1 on two cores, as section 3 has it.
    const GUIDE: Floors = Floors { prelude: 0.1, start: 0.204, work: 0.131 };

    fn close(left: f64, right: f64) {
        assert!((left - right).abs() < 1e-9, "{left} is not {right}");
    }

    /// PERF-20: a chain is bound by its path: ten starts and two seconds of boots.
    #[test]
    fn a_chain_is_bound_by_its_path() {
        close(chain10().bound(GUIDE), 0.1 + 10.0 * 0.404);
        assert!(chain10().work(GUIDE) < chain10().path(GUIDE));
    }

    /// PERF-21: a fan is bound by the engine's work, then the boot of its last leaf.
    #[test]
    fn a_fan_is_bound_by_the_work() {
        close(fan10().path(GUIDE), 0.1 + 2.0 * 0.404);
        close(fan10().bound(GUIDE), 0.1 + 1.31 + 0.2);
    }

    /// PERF-22: the two longest paths of `micro12` are 3,700 ms over 4 starts and 3,300 ms over 6; the floor decides which.
    #[test]
    fn the_longest_path_depends_on_the_cost_of_a_start() {
        close(micro12().bound(Floors { start: 0.0, work: 0.0, prelude: 0.0 }), 3.7);
        close(micro12().bound(Floors { start: 0.1, work: 0.0, prelude: 0.0 }), 3.7 + 0.4);
        close(micro12().bound(Floors { start: 0.3, work: 0.0, prelude: 0.0 }), 3.3 + 1.8);
    }

    /// PERF-22: the manifest has twelve services, and waits for the migration's end rather than its readiness.
    #[test]
    fn the_manifest_waits_for_the_end_of_the_migration() {
        let stack = micro12().stack("micro12", "sleeper", None);
        let services = stack["spec"]["services"].as_array().unwrap();
        let named = |name: &str| services.iter().find(|service| service["name"] == name).unwrap();
        assert_eq!(services.len(), 12);
        assert_eq!(named("migrate")["restart"], "Never");
        assert!(named("migrate").get("health").is_none());
        assert!(services.iter().all(|service| service.get("ports").is_none()));
        assert_eq!(named("order")["dependsOn"][0]["condition"], "Completed");
        assert!(named("order")["dependsOn"][1].get("condition").is_none());
    }
}
