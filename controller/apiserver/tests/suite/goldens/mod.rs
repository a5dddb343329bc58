//! Whole requests against the reference: each corpus is a file of requests beside a file of the reference's answers.
//!
//! `tests/goldens/<topic>/<corpus>.requests.json` holds what is sent, in order (reads that follow each
//! other together); `<corpus>.answers.json` what kube-apiserver 1.36.2
//! answered, without names of the moment (uids, times, versions). Where a reference runs (`hack/reference up` prints the variable
//! that names it) the answers are compared with it, or written anew with `KOAN_RECORD=1`; `KOAN_GOLDENS=<words>` takes only the
//! corpora whose `topic/name` contains one of them. A corpus has `about`, `definitions` (files of `tests/goldens/definitions` that
//! are served before its first request) and `extended` (the server serves the reference's kinds as plain data). A request is
//! `method`, `path`, `headers` (`null` sends none of that name) and `body` (an object, or text) or `body64`, and may say
//! - `${ns}`: the namespace made for its corpus; `${token}`: the owner's; `${x}`: what a request before it put into `x`;
//!   `${a*300}`: as many letters;
//! - `take`: pointers into the answer (`/code`, `/body/…`, `/headers/…`) whose values later requests use, by name;
//! - `until`: it is sent again until the answer has that value at that pointer (clients of the reference have to wait);
//! - `events`: it is a watch: read so many events, or all that come until the server ends it (`"end"`);
//! - `show`: headers that are compared, beside the content type and warnings;
//! - `ignore`: pointers of what is not compared; `pick`: pointers of all that is; `keep`: the items of an array that are;
//! - `koan`: where this server departs from the reference on purpose: `why`, and `patch`, the merge patch that makes the
//!   reference's answer ours, or `answer`, ours in full. One that changes nothing any more is an error;
//! - `open`: a fault of this server that is not mended yet, and why its answer differs. One that is equal is an error, so that
//!   the list can only become shorter.

mod compare;
mod corpus;
mod exchange;
mod generated;
mod normal;
mod server;

use std::path::Path;
use std::time::Instant;

use futures::future::join_all;
use serde_json::Value;

use compare::{Tally, compare};
use corpus::{Corpus, corpora, topics};
use exchange::Exchange;
use normal::Memory;
use server::{Embedded, connect, forget, prepare};

const REFERENCE: &str = "KOAN_TEST_REFERENCE_KUBECONFIG";
const RECORD: &str = "KOAN_RECORD";
const FILTER: &str = "KOAN_GOLDENS";

async fn run(exchange: &mut Exchange, corpus: &Corpus) -> Vec<Value> {
    let mut memory = Memory::new(&exchange.namespace);
    let mut answers = Vec::new();
    let mut rest = corpus.requests();
    while !rest.is_empty() {
        let (now, later) = rest.split_at(together(rest));
        let found = exchange.settled(now).await;
        answers.extend(now.iter().zip(found).map(|(request, answer)| memory.normalised(request, answer)));
        rest = later;
    }
    answers
}

/// How many of these requests can be sent at once: reads change nothing for each other, so that many waits are one. A read that
/// others build upon ends them, and one that waits for something stands alone.
fn together(requests: &[Value]) -> usize {
    let reads = |request: &&Value| request["method"] == "GET" && request["until"].is_null();
    let run = requests.iter().take_while(reads).count();
    let taking = requests[..run].iter().position(|request| !request["take"].is_null());
    taking.map_or(run, |place| place + 1).max(1)
}

fn wanted(corpus: &Corpus) -> bool {
    let Ok(words) = std::env::var(FILTER) else { return true };
    words.split_whitespace().any(|word| format!("{}/{}", corpus.topic, corpus.name).contains(word))
}

/// Prints the totals of a corpus, and how long it took since `start`; gives its differences.
fn reported(server: &str, corpus: &Corpus, start: Instant, tally: Tally) -> Vec<String> {
    let Tally { equal, deviating, open, differences } = tally;
    let (name, requests, different) = (format!("{}/{}", corpus.topic, corpus.name), corpus.requests().len(), differences.len());
    println!(
        "goldens {server} {name}: {requests} requests, {equal} equal, {deviating} marked deviations, {open} open faults, \
         {different} different, {} ms",
        start.elapsed().as_millis()
    );
    differences.into_iter().map(|difference| format!("{name}, {difference}")).collect()
}

async fn replayed(corpus: Corpus) -> Vec<String> {
    let start = Instant::now();
    let mut embedded = Embedded::start(corpus.extended()).await;
    prepare(&mut embedded.exchange, &corpus).await;
    let found = run(&mut embedded.exchange, &corpus).await;
    reported("koan", &corpus, start, compare(corpus.requests(), &corpus.answers(), &found, true))
}

/// Asks the reference, and keeps or compares what it answers.
async fn asked(kubeconfig: &Path, corpus: Corpus) -> Vec<String> {
    let start = Instant::now();
    let mut exchange = connect(kubeconfig).await;
    prepare(&mut exchange, &corpus).await;
    let found = run(&mut exchange, &corpus).await;
    forget(&mut exchange).await;
    if std::env::var_os(RECORD).is_some() {
        corpus.record(&found);
    }
    reported("reference", &corpus, start, compare(corpus.requests(), &corpus.answers(), &found, false))
}

async fn replay(topic: &str) {
    let lines = join_all(corpora(topic).into_iter().filter(wanted).map(replayed)).await.concat();
    assert!(lines.is_empty(), "{} answers differ from the reference's:\n{}", lines.len(), lines.join("\n"));
}

/// API-1, API-12, API-17, API-38: definitions written by clients are answered as the reference answers them, refusals included.
#[tokio::test]
async fn definitions_are_answered_as_by_the_reference() {
    replay("crds").await;
}

/// API-6, API-7, API-8, API-10, API-11, API-12, API-13, API-14, API-15, API-16, API-38: what reads and writes mean is what they
/// mean to the reference.
#[tokio::test]
async fn semantics_are_the_references() {
    replay("semantics").await;
}

/// API-10, API-12, API-18, API-38: a wrong request gets the reference's code, reason, message and details.
#[tokio::test]
async fn wrong_requests_are_answered_as_by_the_reference() {
    replay("refusals").await;
}

/// API-17, API-18, API-20, API-38: the requests that stock clients send are answered as the reference answers them.
#[tokio::test]
async fn requests_of_clients_are_answered_as_by_the_reference() {
    replay("clients").await;
}

/// API-38: the committed answers are the reference's, compared or recorded wherever one runs.
#[tokio::test]
async fn the_committed_answers_are_the_references() {
    let Ok(path) = std::env::var(REFERENCE) else {
        println!("SKIPPED reference: {REFERENCE} names no running kube-apiserver (hack/reference up)");
        return;
    };
    let corpora = topics().into_iter().flat_map(|topic| corpora(&topic)).filter(wanted);
    let (apart, shared): (Vec<Corpus>, Vec<Corpus>) = corpora.partition(Corpus::wants_namespace);
    // Corpora without a namespace of their own meet each other.
    let one_by_one = async {
        let mut lines = Vec::new();
        for corpus in shared {
            lines.extend(asked(Path::new(&path), corpus).await);
        }
        lines
    };
    let together = join_all(apart.into_iter().map(|corpus| asked(Path::new(&path), corpus)));
    let (mut lines, others) = futures::join!(one_by_one, together);
    lines.extend(others.concat());
    assert!(lines.is_empty(), "the reference answers otherwise now:\n{}", lines.join("\n"));
}
