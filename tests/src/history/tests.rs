//! A checker is worth what it finds: each kind of fault is planted once, and a history without fault has none.

use super::*;

/// A history of one object that is created, changed, deleted and made again, seen by one watch and one list.
fn clean() -> History {
    let attempt = |tag: &str, act, base, began, outcome| Attempt {
        object: "a".to_owned(),
        tag: tag.to_owned(),
        act,
        base,
        began,
        ended: began + 5,
        outcome,
    };
    let told = |version| Outcome::Acknowledged(Some(version));
    let attempts = vec![
        attempt("1", Act::Create, None, 10, told(101)),
        attempt("2", Act::Update, Some(101), 20, told(102)),
        attempt("3", Act::Update, Some(101), 30, Outcome::Refused),
        attempt("4", Act::Delete, Some(102), 40, Outcome::Acknowledged(None)),
        attempt("5", Act::Create, None, 50, told(104)),
        attempt("6", Act::Update, Some(104), 60, Outcome::Unknown),
    ];
    let event = |at, kind, version, tag: &str| Event { at, kind, seen: seen(version, tag) };
    let events = vec![
        event(16, EventKind::Added, 101, "1"),
        event(26, EventKind::Modified, 102, "2"),
        event(46, EventKind::Deleted, 103, "2"),
        event(56, EventKind::Added, 104, "5"),
        event(57, EventKind::Bookmark, 104, ""),
    ];
    let list = List { began: 70, ended: 75, version: 110, items: vec![seen(105, "6")] };
    let read = Read { object: "a".to_owned(), began: 27, ended: 30, found: Some(seen(102, "2")) };
    History {
        baseline: List { version: 100, ..List::default() },
        attempts,
        reads: vec![read],
        lists: vec![list],
        watches: vec![Watch { from: 100, events }],
    }
}

fn seen(version: u64, tag: &str) -> Seen {
    Seen { object: "a".to_owned(), version, tag: tag.to_owned() }
}

/// What the checker says about the clean history after a change.
fn after(change: impl FnOnce(&mut History)) -> String {
    let mut history = clean();
    change(&mut history);
    violations(&history).join("\n")
}

/// REL-10, REL-19: a history without fault raises no alarm, whether or not the write of unknown outcome was made; written
/// down and read again it says the same.
#[test]
fn a_clean_history_has_no_violation() {
    assert_eq!(after(|_| {}), "");
    assert_eq!(after(|history| history.lists[0].items = vec![seen(104, "5")]), "");
    let text = serde_json::to_string(&clean()).unwrap();
    assert_eq!(violations(&serde_json::from_str(&text).unwrap()), Vec::<String>::new());
}

/// D-7: a write that was acknowledged and is gone, one that was refused and is there, one that nobody made, and a deleted
/// object that is back.
#[test]
fn lost_and_invented_writes_are_found() {
    assert!(after(|history| history.lists[0].items.clear()).starts_with("D-7"));
    assert!(after(|history| history.lists[0].items = vec![seen(102, "2")]).contains("D-7"));
    assert!(after(|history| history.lists[0].items = vec![seen(105, "3")]).contains("D-7"));
    assert!(after(|history| history.lists[0].items = vec![seen(105, "nobody")]).contains("D-7"));
}

/// D-8: one version with two contents, a version that goes back, a write on a version that was not the last, and reads and
/// lists of what was overtaken.
#[test]
fn versions_that_disagree_are_found() {
    assert!(after(|history| history.watches[0].events[1].seen.tag = "1".to_owned()).contains("D-8"));
    assert!(after(|history| history.lists[0].items = vec![seen(99, "6")]).contains("D-8"));
    assert!(after(|history| history.attempts[1].base = Some(90)).contains("D-8"));
    assert!(after(|history| history.attempts[4].act = Act::Update).contains("D-8"));
    assert!(after(|history| history.lists[0].version = 103).contains("D-8"));
    assert!(after(|history| history.reads[0].found = Some(seen(101, "1"))).contains("D-8"));
    let missing = |history: &mut History| {
        history.reads[0].found = None;
        history.watches.clear();
        history.attempts.remove(3);
    };
    assert!(after(missing).contains("D-8"));
}

/// D-1 to D-6: events out of order, twice, left out, of the wrong kind, from before the start, and after a bookmark that
/// covers them.
#[test]
fn faults_of_a_watch_are_found() {
    assert!(after(|history| history.watches[0].events.swap(0, 1)).contains("D-1"));
    assert!(after(|history| history.watches[0].events.insert(1, clean().watches[0].events[0].clone())).contains("D-2"));
    assert!(after(|history| drop(history.watches[0].events.remove(1))).contains("D-4"));
    assert!(after(|history| history.watches[0].from = 101).contains("D-5"));
    assert!(after(|history| history.watches[0].events[1].kind = EventKind::Added).contains("D-3"));
    let early = |history: &mut History| {
        let mark = history.watches[0].events.pop().unwrap();
        history.watches[0].events.insert(3, mark);
    };
    assert!(after(early).contains("D-6"));
}
