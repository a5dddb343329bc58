//! The simulation (REL-12, decision 0011): the controllers over the in-process API and the simulated engine, on one thread with paused time.
//!
//! Every scenario runs without a fault, then the plans of `regressions.txt`, then a slice of the sweep over every effect, fault and
//! phase, with seed 0 and with a fresh seed, which is printed; `KOAN_SIM_SEED=<number>` gives it, and with it where the slice
//! begins. `KOAN_SIM_BUDGET` is `<n>` plans, `<n>s` seconds or `all`; `cargo xtask sim` sweeps in an optimised build. A failing run
//! prints one line, which `KOAN_SIM_REPLAY=<line>` runs alone.

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

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use plan::Plan;
use suite::{Suite, Tally};

/// A third of a run is allocation; with this allocator a run takes two thirds of the time. Koan itself does
/// not use it (decision 0005).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Plans of the sweep where nobody gave a budget: what two cores do in half a minute without optimisation.
const PLANS: usize = 80;
/// One plan in so many is run with the fresh seed.
const FRESH_SHARE: usize = 4;
/// Plans that once failed; they run first, every time.
const REGRESSIONS: &str = include_str!("regressions.txt");

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn replay() -> Option<Plan> {
    variable("KOAN_SIM_REPLAY").map(|line| line.parse().unwrap())
}

/// How much of the sweep is run.
#[derive(Clone, Copy)]
enum Budget {
    Plans(usize),
    Time(Duration),
}

impl Budget {
    fn given() -> Self {
        match variable("KOAN_SIM_BUDGET").as_deref() {
            None => Self::Plans(PLANS),
            Some("all") => Self::Plans(usize::MAX),
            Some(text) => match text.strip_suffix('s') {
                Some(seconds) => Self::Time(Duration::from_secs(seconds.parse().unwrap())),
                None => Self::Plans(text.parse().unwrap()),
            },
        }
    }

    /// One part of so many.
    fn part(self, of: usize) -> Self {
        match self {
            Self::Plans(count) => Self::Plans(count / of),
            Self::Time(time) => Self::Time(time / u32::try_from(of).unwrap()),
        }
    }

    /// A slice of the plans that begins at a place, an even share of each scenario, effect and fault; and its end.
    fn slice(self, suite: &Suite, place: u64) -> (Vec<Plan>, Option<Instant>) {
        let mut plans = suite.plans();
        plans.sort_by_key(Plan::spread);
        if !plans.is_empty() {
            let place = place % u64::try_from(plans.len()).unwrap();
            plans.rotate_left(usize::try_from(place).unwrap());
        }
        match self {
            Self::Plans(count) => {
                plans.truncate(count);
                (plans, None)
            }
            Self::Time(time) => (plans, Some(Instant::now() + time)),
        }
    }
}

/// The fresh seed, never 0.
fn seed() -> u64 {
    let fresh = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| u64::from(since.subsec_nanos()));
    let seed = variable("KOAN_SIM_SEED").map_or_else(fresh, |text| text.parse().unwrap());
    seed.max(1)
}

fn assert_clean(tally: &Tally) {
    assert!(tally.failures.is_empty(), "{} runs failed; each is replayed by its line above", tally.failures.len());
}

/// Sweeps within a budget, and says what was left out (REL-15).
fn sweep(title: &str, suite: &Suite, budget: Budget, place: u64) -> Tally {
    let all = suite.plans().len();
    let (plans, until) = budget.slice(suite, place);
    let tally = suite.run(plans, until);
    tally.print(title, all);
    if tally.runs < all {
        println!("the budget was too small: {} plans were left out", all - tally.runs);
    }
    tally
}

fn clean(suite: &Suite) -> Tally {
    let clean = Tally { runs: suite.effects().len(), failures: suite.clean_failures(), ..Tally::default() };
    clean.print("without a fault", clean.runs);
    clean
}

/// L-1 to L-6, S-1 to S-15, REL-13 to REL-15: every scenario keeps every invariant without a fault, and, within the budget, with a
/// crash or a fault at each of its effects; end state and counts are those of the run without a fault.
#[test]
fn every_scenario_keeps_the_invariants() {
    let replayed = replay();
    let suite = Suite::new(replayed.as_ref().map_or(0, |plan| plan.seed), replayed.as_ref());
    println!("effects without a fault: {:?}", suite.effects());
    let plain = clean(&suite);
    if let Some(plan) = replayed {
        let (report, violations) = suite.judge(&plan);
        report.trace.iter().enumerate().for_each(|(number, effect)| println!("{number:4} {effect}"));
        println!("reached: {}", report.reached);
        assert!(violations.is_empty(), "{plan}:\n{}", violations.join("\n"));
        return;
    }
    let known: Vec<Plan> = REGRESSIONS.lines().filter(|line| !line.trim().is_empty()).map(|line| line.parse().unwrap()).collect();
    let count = known.len();
    let regressions = suite.run(known, None);
    regressions.print("regressions", count);
    let (budget, seed) = (Budget::given(), seed());
    println!("KOAN_SIM_SEED={seed}");
    let swept = sweep("crash and fault", &suite, budget, seed);
    let fresh = Suite::new(seed, None);
    let fresh_plain = clean(&fresh);
    let fresh_swept = sweep("crash and fault, fresh seed", &fresh, budget.part(FRESH_SHARE), seed);
    for tally in [&plain, &regressions, &swept, &fresh_plain, &fresh_swept] {
        assert_clean(tally);
    }
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
