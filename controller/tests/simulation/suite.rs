//! Plans, oracles between runs, coverage and rate.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::plan::{Fault, PAIRS, Phase, Plan};
use crate::run::{Report, run};
use crate::scenario::{self, Scenario};

/// Changes of no meaning to each of the six objects at the end of the first scenario: over 100 reconciles (L-3).
const TOUCHES: u32 = 17;
/// Violations of one run that are printed.
const SHOWN: usize = 4;

/// Every scenario with its run without a fault.
pub(crate) struct Suite {
    seed: u64,
    scenarios: Vec<(Scenario, Report)>,
}

/// What a set of plans came to.
#[derive(Default)]
pub(crate) struct Tally {
    /// Runs.
    pub(crate) runs: usize,
    /// Failures: the plan's line and what was violated.
    pub(crate) failures: Vec<(String, Vec<String>)>,
    /// Runs whose effect came, by fault and phase.
    pub(crate) covered: BTreeMap<(Fault, Phase), usize>,
    /// Processor time of all threads.
    pub(crate) spent: Duration,
}

impl Suite {
    /// Runs every scenario without a fault; for a replay, its own alone.
    pub(crate) fn new(seed: u64, only: Option<&Plan>) -> Self {
        let wanted = |scenario: &Scenario| only.is_none_or(|plan| plan.scenario == scenario.name);
        let scenarios: Vec<Scenario> = scenario::all().into_iter().filter(wanted).collect();
        let clean = |scenario: Scenario| {
            let touches = if scenario.name == "create" { TOUCHES } else { 0 };
            let report = run(&scenario, &Plan::clean(scenario.name, seed), touches);
            (scenario, report)
        };
        Self { seed, scenarios: spread(scenarios, clean, None) }
    }

    /// What is wrong with the runs without a fault, and between them (L-4).
    pub(crate) fn clean_failures(&self) -> Vec<(String, Vec<String>)> {
        let mut failures = Vec::new();
        for (scenario, report) in &self.scenarios {
            let mut violations = report.violations.clone();
            if let Some(other) = scenario.ends_like {
                // A replay runs its scenario alone.
                let other = self.scenarios.iter().find(|(known, _)| known.name == other);
                violations.extend(other.into_iter().flat_map(|(_, other)| differences("L-4", &other.end, &report.end)));
            }
            if !violations.is_empty() {
                failures.push((Plan::clean(scenario.name, self.seed).to_string(), violations));
            }
        }
        failures
    }

    /// Every plan: each effect of each scenario, with each fault that means something there.
    pub(crate) fn plans(&self) -> Vec<Plan> {
        let mut plans = Vec::new();
        for (scenario, report) in &self.scenarios {
            for (number, engine) in (0..).zip(&report.engine) {
                let useful = PAIRS.iter().filter(|(_, phase)| *engine || *phase != Phase::Late);
                plans.extend(useful.map(|(fault, phase)| Plan {
                    scenario: scenario.name.to_owned(),
                    hit: Some((number, *fault, *phase)),
                    seed: self.seed,
                }));
            }
        }
        plans
    }

    /// Effects of the runs without a fault, by scenario.
    pub(crate) fn effects(&self) -> BTreeMap<&'static str, usize> {
        self.scenarios.iter().map(|(scenario, report)| (scenario.name, report.trace.len())).collect()
    }

    /// Runs one plan and compares it with the run without a fault (L-1, REL-14).
    pub(crate) fn judge(&self, plan: &Plan) -> (Report, Vec<String>) {
        let Some((scenario, clean)) = self.scenarios.iter().find(|(known, _)| known.name == plan.scenario) else {
            return (Report::default(), vec![format!("there is no scenario {}", plan.scenario)]);
        };
        let report = run(scenario, plan, 0);
        let mut violations = report.violations.clone();
        violations.extend(differences("L-1", &clean.end, &report.end));
        if !scenario.racy && clean.counts != report.counts {
            // A zombie makes a second network, which has to go again: two changes more.
            let zombie = plan.hit.is_some_and(|(_, _, phase)| phase == Phase::Late);
            let counted = |what: &&String| !(zombie && what.contains("Network"));
            let lines = |counts: &BTreeMap<String, usize>| {
                let counts = counts.iter().filter(|(what, _)| counted(what));
                counts.map(|(what, count)| format!("{what} x{count}")).collect()
            };
            violations.extend(differences("REL-14", &lines(&clean.counts), &lines(&report.counts)));
        }
        (report, violations)
    }

    /// Runs plans on every core until they or the time are over.
    pub(crate) fn run(&self, plans: Vec<Plan>, until: Option<Instant>) -> Tally {
        let started = cpu_time();
        let judged = spread(plans, |plan| (self.judge(&plan), plan), until);
        let mut tally = Tally { runs: judged.len(), spent: cpu_time().saturating_sub(started), ..Tally::default() };
        for ((report, violations), plan) in judged {
            if let Some((_, fault, phase)) = plan.hit.filter(|_| report.reached) {
                *tally.covered.entry((fault, phase)).or_default() += 1;
            }
            if !violations.is_empty() {
                tally.failures.push((plan.to_string(), violations));
            }
        }
        tally
    }
}

impl Tally {
    /// Prints rate, coverage and failures.
    pub(crate) fn print(&self, title: &str, planned: usize) {
        println!("{title}: {} of {planned} plans, {} failed", self.runs, self.failures.len());
        if self.runs > 0 && !self.spent.is_zero() {
            let rate = f64::from(u32::try_from(self.runs).unwrap()) / self.spent.as_secs_f64();
            println!("  {rate:.2} runs/s per core");
        }
        for ((fault, phase), count) in &self.covered {
            println!("  {fault:?} {phase:?}: {count} effects");
        }
        for (plan, violations) in &self.failures {
            println!("KOAN_SIM_REPLAY={plan}");
            violations.iter().take(SHOWN).for_each(|violation| println!("  {violation}"));
        }
    }
}

fn differences(
    row: &str,
    wanted: &std::collections::BTreeSet<String>,
    found: &std::collections::BTreeSet<String>,
) -> Vec<String> {
    let missing = wanted.difference(found).map(|line| format!("{row}: missing {line}"));
    missing.chain(found.difference(wanted).map(|line| format!("{row}: unexpected {line}"))).collect()
}

fn threads() -> u32 {
    std::thread::available_parallelism().map_or(1, |count| u32::try_from(count.get()).unwrap())
}

/// Processor time of this process, so that a busy machine does not count.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap(), u32::try_from(time.tv_nsec).unwrap())
}

/// Does work on every core, each item in a world of its own; the answers come in the order of the items.
fn spread<T: Sync + Clone, R: Send>(items: Vec<T>, work: impl Fn(T) -> R + Sync, until: Option<Instant>) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..threads() {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(number).filter(|_| until.is_none_or(|until| Instant::now() < until)) else {
                        break;
                    };
                    let result = work(item.clone());
                    done.lock().unwrap().insert(number, result);
                }
            });
        }
    });
    done.into_inner().unwrap().into_values().collect()
}
