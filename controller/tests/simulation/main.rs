//! The simulation (REL-12): the controllers over the in-process API and the simulated engine, on one thread with paused time.
//!
//! Every scenario runs without a fault, and the plans of `regressions.txt`; `KOAN_SIM_BUDGET=<seconds>` adds the sweep over every
//! effect, fault and phase for so long, `KOAN_SIM_BUDGET=all` to its end. A failing run prints one line, which
//! `KOAN_SIM_REPLAY=<line>` runs alone.

#![allow(clippy::unwrap_used, clippy::unwrap_in_result, reason = "helpers of tests")]

mod home;
mod invariants;
mod overseer;
mod plan;
mod run;
mod scenario;
mod seeded;
mod suite;
mod witness;

use std::time::Duration;

use plan::Plan;
use suite::{Suite, Tally};

/// Time for the sweep where nobody gave any.
const BUDGET: Duration = Duration::ZERO;
/// Plans that once failed; they run first, every time.
const REGRESSIONS: &str = include_str!("regressions.txt");

fn replay() -> Option<Plan> {
    std::env::var("KOAN_SIM_REPLAY").ok().map(|line| line.parse().unwrap())
}

/// `None` is no limit.
fn budget() -> Option<Duration> {
    match std::env::var("KOAN_SIM_BUDGET") {
        Ok(word) if word == "all" => None,
        Ok(seconds) => Some(Duration::from_secs(seconds.parse().unwrap())),
        Err(_) => Some(BUDGET),
    }
}

fn assert_clean(tally: &Tally) {
    assert!(tally.failures.is_empty(), "{} runs failed; each is replayed by its line above", tally.failures.len());
}

/// L-1 to L-6, S-1 to S-13, REL-13 to REL-15: every scenario keeps every invariant without a fault, and, within the budget, with a
/// crash or a fault at each of its effects; end state and counts are those of the run without a fault.
#[test]
fn every_scenario_keeps_the_invariants() {
    let replayed = replay();
    let suite = Suite::new(replayed.as_ref().map_or(0, |plan| plan.seed), replayed.as_ref());
    let clean = Tally { runs: suite.effects().len(), failures: suite.clean_failures(), ..Tally::default() };
    println!("effects without a fault: {:?}", suite.effects());
    clean.print("without a fault", clean.runs);
    if let Some(plan) = replayed {
        let (report, violations) = suite.judge(&plan);
        report.trace.iter().enumerate().for_each(|(number, effect)| println!("{number:4} {effect}"));
        println!("reached: {}", report.reached);
        assert!(violations.is_empty(), "{plan}:\n{}", violations.join("\n"));
        return;
    }
    assert_clean(&clean);
    let known: Vec<Plan> = REGRESSIONS.lines().filter(|line| !line.trim().is_empty()).map(|line| line.parse().unwrap()).collect();
    let count = known.len();
    let regressions = suite.run(known, None);
    regressions.print("regressions", count);
    let mut plans = suite.plans();
    // A budget too small for all plans takes an even share of each scenario, effect and fault.
    plans.sort_by_key(Plan::spread);
    let planned = plans.len();
    let tally = suite.run(plans, budget());
    tally.print("crash and fault", planned);
    if tally.runs < planned {
        println!("the budget was too small: {} plans were left out", planned - tally.runs);
    }
    assert_clean(&regressions);
    assert_clean(&tally);
}

/// REL-8: a plan determines its run, effect by effect.
#[test]
fn the_same_plan_is_the_same_run() {
    let scenario = scenario::all().into_iter().find(|scenario| scenario.name == "create").unwrap();
    let plan: Plan = "create:20:crash:lost".parse().unwrap();
    let (first, second) = (run::run(&scenario, &plan, 0), run::run(&scenario, &plan, 0));
    assert_eq!(first.trace, second.trace);
    assert_eq!(plan.to_string(), "create:20:crash:lost");
}
