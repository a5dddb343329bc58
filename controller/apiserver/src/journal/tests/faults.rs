//! Failing disks (REL-20): each call that the journal makes of the system fails in turn, in each way.

use std::path::Path;

use super::crash::{Bench, fast_directory};
use super::image::Disk;
use super::tape::{Answer, Fault, Recording};
use super::workload::{Contents, INSTANCE, Workload};
use super::{Change, Journal as _, JournalError, Sqlite};

/// Batches of one run.
const BATCHES: usize = 5;
/// The batch before which everything is checkpointed, so that the files of both kinds are written.
const CHECKPOINT_AT: usize = 2;
/// How many calls in a row fail.
const LENGTHS: [usize; 2] = [1, 12];
/// More calls than a run makes.
const CALLS: usize = 10_000;

/// A run and what its journal must hold.
struct Run {
    journal: Sqlite,
    /// What was acknowledged.
    contents: Contents,
    /// What was refused since. SQLite may have written the last of it before a sync failed, so that a crash may find it
    /// there; to its client it is a write without an answer.
    open: Vec<Contents>,
}

impl Run {
    fn open(directory: &Path) -> Self {
        let mut journal = Sqlite::open(directory).unwrap();
        let contents = Contents::of(&journal.load().unwrap()).unwrap();
        Self { journal, contents, open: Vec::new() }
    }

    /// Revisions of refused writes are not given out again.
    fn base(&self) -> Contents {
        let revision = self.open.last().unwrap_or(&self.contents).revision;
        self.contents.at(revision)
    }

    fn commit(&mut self, workload: &mut Workload) {
        workload.states = vec![self.base()];
        let batch: Vec<Change> = workload.batch();
        let after = workload.states.pop().unwrap_or_default();
        match self.journal.commit(&batch) {
            Ok(()) => (self.contents, self.open) = (after, Vec::new()),
            Err(JournalError::Write { path, cause }) => {
                assert!(path.ends_with("store.db") && !cause.is_empty(), "{}: {cause}", path.display());
                self.open.push(after);
            }
            Err(error) => panic!("{error}"),
        }
    }
}

fn home() -> tempfile::TempDir {
    let home = fast_directory();
    Sqlite::open(home.path()).unwrap().adopt(INSTANCE).unwrap();
    home
}

/// Writes under a fault, then without it; whether the fault struck anything.
fn outlives(fault: Fault) -> bool {
    let home = home();
    let recording = Recording::of(home.path());
    let mut workload = Workload::new(7);
    let mut run = Run::open(home.path());
    recording.tape.fail(Some(fault));
    for number in 0..BATCHES {
        run.commit(&mut workload);
        if number == CHECKPOINT_AT {
            // A failed checkpoint is one that comes later.
            let connection = rusqlite::Connection::open(home.path().join("store.db"));
            let _ = connection.and_then(|connection| connection.query_row("PRAGMA wal_checkpoint", [], |_| Ok(())));
        }
    }
    let struck = recording.tape.struck().is_some();
    recording.tape.fail(None);
    let loaded = Contents::of(&run.journal.load().unwrap()).unwrap();
    assert_eq!(loaded, run.contents, "{fault:?}: reads go on: {}", run.contents.difference(&loaded));

    let mut allowed = vec![&run.contents];
    allowed.extend(&run.open);
    let image = Disk::of(home.path()).whole();
    Bench(fast_directory()).open(&image, &allowed, None).unwrap_or_else(|error| panic!("{fault:?}, then a kill: {error}"));

    run.commit(&mut workload);
    assert!(run.open.is_empty(), "{fault:?}: writes work again without a restart");
    let contents = run.contents.clone();
    drop(run);
    let found = Run::open(home.path()).contents;
    assert_eq!(found, contents, "{fault:?}, then a restart: {}", contents.difference(&found));
    struck
}

/// REL-20, D-7: whichever call of a write fails, with a full disk, a broken one, or half a write, the write is refused with path
/// and cause or done, nothing that was acknowledged is lost, and once the disk works so do writes.
#[test]
fn every_failing_call_is_outlived() {
    for answer in [Answer::Full, Answer::Broken, Answer::Short] {
        for length in LENGTHS {
            let struck = (0..CALLS).take_while(|at| outlives(Fault { at: *at, length, answer })).count();
            println!("{answer:?} of {length}: {struck} calls failed in turn");
            assert!(struck > 20, "{struck}");
        }
    }
}

/// REL-20, D-9: whichever call of an opening fails, the store is not harmed by it.
#[test]
fn every_failing_call_of_an_opening_is_outlived() {
    for at in 0..CALLS {
        let home = home();
        let mut workload = Workload::new(3);
        let mut run = Run::open(home.path());
        run.commit(&mut workload);
        // As a crash leaves it: with a log to recover.
        let image = Disk::of(home.path()).whole();
        let bench = Bench(fast_directory());
        bench.put(&image);
        let recording = Recording::of(bench.directory());
        recording.tape.fail(Some(Fault { at, length: 1, answer: Answer::Broken }));
        drop(Sqlite::open(bench.directory()).and_then(|mut journal| journal.load()));
        let struck = recording.tape.struck().is_some();
        recording.tape.fail(None);
        assert_eq!(Run::open(bench.directory()).contents, run.contents, "call {at}");
        if !struck {
            return;
        }
    }
}
