//! What a developer types: the same commands by several minors of kubectl on this server and on the reference.
//!
//! `corpus/<topic>.txt` holds the commands, `goldens/<topic>.txt` what they printed against kube-apiserver 1.36.2, without what is of
//! the moment. With `KOAN_RECORD=1` the goldens are written anew from a running reference (`cargo xtask conformance kubectl --record`);
//! without it every command on Koan's own server prints the same to both streams and ends with the same code. Where Koan departs on
//! purpose, the corpus says why and the golden holds both answers.

mod corpus;
mod golden;
mod neutral;
mod place;
mod session;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use corpus::Corpus;
use golden::{Answer, Golden};
use koan_tests::{Component, Exceptions, component};
use place::Place;

/// The minors, oldest first: the oldest that may exec, one that lists before it watches, one that streams its lists.
const MINORS: [(&str, Component); 3] =
    [("1.30", Component::OldestKubectl), ("1.34", Component::OlderKubectl), ("1.36", Component::NewerKubectl)];
/// Topics with a test below.
const TOPICS: [&str; 12] =
    ["absent", "apply", "auth", "change", "create", "delete", "describe", "discovery", "errors", "get", "server-side", "wait"];

/// What the sessions of one topic printed, by minor.
type Heard = BTreeMap<&'static str, Vec<Answer>>;

/// One session at a time on the one reference.
static REFERENCE: Mutex<()> = Mutex::new(());

fn kubectls() -> Vec<(&'static str, PathBuf)> {
    let found = |(minor, wanted)| component("kubectl", wanted).map(|program| (minor, program));
    MINORS.into_iter().filter_map(found).collect()
}

/// Each minor talks to a server of its own, side by side.
fn hear(topic: &Corpus, kubectls: &[(&'static str, PathBuf)]) -> Heard {
    std::thread::scope(|scope| {
        let mut sessions = Vec::new();
        for (minor, program) in kubectls {
            sessions.push((*minor, scope.spawn(|| session::hear(topic, program, &Place::koan()))));
        }
        sessions.into_iter().map(|(minor, session)| (minor, session.join().expect("a session ends"))).collect()
    })
}

fn hear_the_reference(topic: &Corpus, kubectls: &[(&'static str, PathBuf)]) -> Heard {
    assert_eq!(kubectls.len(), MINORS.len(), "every minor is recorded, or none");
    let _alone = REFERENCE.lock().unwrap_or_else(PoisonError::into_inner);
    let place = Place::reference();
    kubectls.iter().map(|(minor, program)| (*minor, session::hear(topic, program, &place))).collect()
}

fn compare(topic: &str) {
    let (topic, kubectls) = (Corpus::read(topic), kubectls());
    if kubectls.is_empty() {
        return;
    }
    let heard = hear(&topic, &kubectls);
    if std::env::var_os("KOAN_RECORD").is_some() {
        Golden::of(&topic, &hear_the_reference(&topic, &kubectls), &heard).write();
    }
    let golden = Golden::read(&topic);
    let minors: Vec<_> = kubectls.iter().map(|(minor, _)| *minor).collect();
    let suite = format!("kubectl {} by {}", topic.name, minors.join(", "));
    Exceptions::of(&suite, &golden.exceptions(&topic).join("\n")).tally(golden.cases(&heard)).settle();
}

/// API-17, API-20: what the server says about itself, its kinds and their fields.
#[test]
fn discovery() {
    compare("discovery");
}

/// API-7, API-8, API-18: every form in which things are read and watched.
#[test]
fn get() {
    compare("get");
}

/// API-18: what is told about one thing, with its events and no others.
#[test]
fn describe() {
    compare("describe");
}

/// API-10, API-12: making things of built-in and own kinds, and every way in which that is refused.
#[test]
fn create() {
    compare("create");
}

/// API-13, API-17: apply from the client's side, first and again, differences, pruning, kustomize.
#[test]
fn apply() {
    compare("apply");
}

/// API-14: apply on the server's side, after that of the client, with conflicts.
#[test]
fn server_side() {
    compare("server-side");
}

/// API-11, API-13: patches, labels, annotations, scale, edit, replace.
#[test]
fn change() {
    compare("change");
}

/// API-8: waiting for a condition, a value, a creation and an end, by lists and by streaming lists.
#[test]
fn wait() {
    compare("wait");
}

/// API-15, API-16: taking away by name, selector and namespace, with finalizers and owners.
#[test]
fn delete() {
    compare("delete");
}

/// API-31: who one is and what one may do.
#[test]
fn auth() {
    compare("auth");
}

/// API-4, API-39: what is wrong on the way, and commands for what is not there.
#[test]
fn errors() {
    compare("errors");
}

/// API-4: what nothing would run is refused at once and stores nothing.
#[test]
fn absent() {
    compare("absent");
}

/// API-38: at least 55 commands, and each corpus is run.
#[test]
fn each_corpus_has_a_test() {
    let files = Corpus::names();
    assert_eq!(files, TOPICS.into_iter().map(str::to_owned).collect::<BTreeSet<_>>());
    assert!(files.iter().map(|topic| Corpus::read(topic).compared().count()).sum::<usize>() >= 55);
}
