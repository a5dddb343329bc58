//! Generated patches against the reference: random objects, and random patches of the four types to them, are answered by both
//! servers alike.
//!
//! A case is a create and a few patches after it; it ends at the first answer that differs, and is made smaller until nothing can
//! be left out. What it prints can be put into a corpus as it stands. `tests/generated/known.json` lists the sorts of differences
//! that are there on purpose or still open; any other fails. `KOAN_PATCH_SEED` gives the first seed (each case has its
//! own, one after the other) and `KOAN_PATCH_CASES` how many cases there are.

mod case;
mod patches;
mod shrink;
mod subjects;
mod verdict;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::future::join_all;

use super::REFERENCE;
use super::corpus::definition;
use super::server::{Embedded, connect, furnish};
use case::{Case, Pair};
use subjects::{Subject, subjects};
use verdict::Tally;

/// Cases of a normal run; a long one is thirty times as long.
const CASES: u64 = 400;
const FIRST_SEED: u64 = 1;
/// Cases that are sent at the same time.
const LANES: usize = 8;
/// Differences that are made smaller and shown; those of the same sort are counted.
const SHOWN: usize = 40;

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| text.parse().unwrap())
}

/// A sort of difference that is known: how it begins, the record of the decision where it is on purpose, and why it is.
#[derive(serde::Deserialize)]
struct Known {
    sort: String,
    decision: Option<String>,
    why: String,
}

fn known() -> Vec<Known> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/generated/known.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// A difference, and how many cases have one of its sort.
struct Found {
    case: Case,
    times: u64,
}

/// Runs cases until none is left; the differences by their sorts.
async fn lane(mut pair: Pair, subjects: &[Arc<Subject>], next: &AtomicU64, end: u64) -> (Tally, BTreeMap<String, Found>) {
    let (mut tally, mut differences) = (Tally::default(), BTreeMap::new());
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= end {
            return (tally, differences);
        }
        let case = Case::random(seed, subjects);
        if let Some((place, sort)) = pair.differs_always(&case, &mut tally).await {
            let first = || Found { case: case.until(place), times: 0 };
            differences.entry(sort).or_insert_with(first).times += 1;
        }
    }
}

/// API-13, API-14, API-40: random JSON, merge and strategic merge patches and applies are answered as the reference answers them.
#[tokio::test]
async fn random_patches_are_answered_as_by_the_reference() {
    let Ok(path) = std::env::var(REFERENCE) else {
        println!("SKIPPED reference: {REFERENCE} names no running kube-apiserver (hack/reference up)");
        return;
    };
    let (first, cases) = (number("KOAN_PATCH_SEED", FIRST_SEED), number("KOAN_PATCH_CASES", CASES));
    let embedded = Embedded::start(true).await;
    let paths = [embedded.kubeconfig().to_path_buf(), Path::new(&path).to_path_buf()];
    let mut lanes = Vec::new();
    for _ in 0..LANES {
        let mut exchanges = Vec::new();
        for path in &paths {
            let mut exchange = connect(path).await;
            furnish(&mut exchange, [definition("sample")], true).await;
            exchanges.push(exchange);
        }
        lanes.push(Pair::new(exchanges.try_into().unwrap_or_else(|_| unreachable!())).await);
    }
    let (subjects, next) = (subjects(), AtomicU64::new(first));
    let mut spare = lanes.pop().unwrap();
    let outcomes = join_all(lanes.into_iter().map(|pair| lane(pair, &subjects, &next, first + cases))).await;
    let (mut tally, mut differences) = (Tally::default(), BTreeMap::<String, Found>::new());
    for (part, found) in outcomes {
        tally.add(&part);
        for (sort, found) in found {
            match differences.get_mut(&sort) {
                Some(known) => known.times += found.times,
                None => _ = differences.insert(sort, found),
            }
        }
    }
    println!("patches: {cases} cases from seed {first}: {tally}");
    let known = known();
    differences.retain(|sort, found| match known.iter().find(|known| sort.starts_with(&known.sort)) {
        None => true,
        Some(Known { decision, why, .. }) => {
            let sort = decision.as_ref().map_or_else(|| "open".to_owned(), |number| format!("decision {number}"));
            println!("patches: {} times {sort}: {why}", found.times);
            false
        }
    });
    let mut lines = Vec::new();
    for (sort, found) in differences.iter().take(SHOWN) {
        let smallest = shrink::smallest(&found.case, sort, &mut spare).await;
        lines.push(format!(
            "{} times {sort}, first of {} by seed {}:\n{}",
            found.times,
            found.case.subject.name,
            found.case.seed,
            spare.shown(&smallest).await
        ));
    }
    spare.forget().await;
    assert!(lines.is_empty(), "{} sorts of answers differ from the reference's:\n{}", differences.len(), lines.join("\n"));
    // A run that shows nothing is a failure too.
    assert!(cases < CASES || tally.is_telling(), "{tally}");
}
