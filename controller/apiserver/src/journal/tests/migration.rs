//! Older and newer schemas (API-27).

use super::crash::{Bench, checkpoint, fast_directory};
use super::dice::Dice;
use super::image::{Disk, Loss};
use super::tape::Recording;
use super::workload::{Contents, INSTANCE, Workload};
use super::{Journal as _, JournalError, Sqlite};
use crate::journal::schema::{STEPS, Step};

/// A step of a later program: it adds, rewrites and removes.
const LATER: Step = &[
    "ALTER TABLE objects ADD COLUMN note TEXT NOT NULL DEFAULT ''",
    "UPDATE objects SET note = key",
    "CREATE INDEX notes ON objects (note)",
    "INSERT INTO meta (name, value) VALUES ('note', 'later')",
    "DROP INDEX notes",
];

fn later() -> Vec<Step> {
    STEPS.iter().copied().chain([LATER]).collect()
}

/// A store of this program with some rows, some of them only in its log.
fn older() -> (tempfile::TempDir, Contents) {
    let home = fast_directory();
    let mut journal = Sqlite::open(home.path()).unwrap();
    journal.adopt(INSTANCE).unwrap();
    let mut workload = Workload::new(11);
    for number in 0..12 {
        journal.commit(&workload.batch()).unwrap();
        if number == 6 {
            checkpoint(home.path(), number);
        }
    }
    let image = Disk::of(home.path()).whole();
    let bench = Bench(fast_directory());
    bench.put(&image);
    (bench.0, workload.states.pop().unwrap())
}

fn contents(journal: &mut Sqlite) -> Contents {
    Contents::of(&journal.load().unwrap()).unwrap()
}

/// API-27, D-9: an older store is copied and migrated with all its rows; a crash at each step of that, statement or not, leaves a
/// store that the older program still reads or the newer one does, and a further start ends the migration.
#[test]
fn an_older_store_is_migrated_whatever_kills_it() {
    let (home, wanted) = older();
    let mut disk = Disk::of(home.path());
    let recording = Recording::of(home.path());
    Sqlite::open_as(home.path(), &later()).unwrap().load().unwrap();
    let steps = recording.tape.take();
    drop(recording);
    assert!(home.path().join("store.db.v2").is_file(), "the copy stays");
    let bench = Bench(fast_directory());
    let mut dice = Dice::new(0);
    let (mut images, mut old, mut new) = (0, 0, 0);
    for step in steps {
        if !disk.step(&step) {
            continue;
        }
        for loss in Loss::ALL {
            let image = disk.crash(loss, &mut dice);
            bench.put(&image);
            match Sqlite::open(bench.directory()) {
                Ok(mut journal) => {
                    old += 1;
                    assert_eq!(contents(&mut journal), wanted);
                }
                Err(JournalError::Newer { found: 3, known: 2, .. }) => new += 1,
                Err(error) => panic!("{error}"),
            }
            bench.put(&image);
            assert_eq!(contents(&mut Sqlite::open_as(bench.directory(), &later()).unwrap()), wanted);
            images += 1;
        }
    }
    println!("{images} images: {old} of the older schema, {new} of the newer one");
    assert!(old > 0 && new > 0);
}

/// API-27: what the copy holds is the store as the older program left it, which can be put back; only its owner reads it.
#[test]
fn the_copy_of_an_older_store_can_be_put_back() {
    use std::os::unix::fs::PermissionsExt as _;
    let (home, wanted) = older();
    Sqlite::open_as(home.path(), &later()).unwrap().load().unwrap();
    assert!(matches!(Sqlite::open(home.path()).unwrap_err(), JournalError::Newer { found: 3, known: 2, .. }));
    let copy = home.path().join("store.db.v2");
    assert_eq!(std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::rename(copy, home.path().join("store.db")).unwrap();
    assert_eq!(contents(&mut Sqlite::open(home.path()).unwrap()), wanted);
}

/// API-27: a migration whose statement fails changes nothing.
#[test]
fn a_failed_migration_leaves_the_older_store() {
    let (home, wanted) = older();
    let broken: Vec<Step> = STEPS.iter().copied().chain([&["DELETE FROM objects", "NO STATEMENT"][..]]).collect();
    let refusal = Sqlite::open_as(home.path(), &broken).unwrap_err();
    assert!(matches!(refusal, JournalError::Write { .. }), "{refusal}");
    assert_eq!(contents(&mut Sqlite::open(home.path()).unwrap()), wanted);
}
