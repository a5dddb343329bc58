//! Damage that SQLite has no eye for: values with a turned bit, rows that are gone or older than they should be.

use std::path::{Path, PathBuf};

use super::crash::fast_directory;
use super::image::Disk;
use super::{Journal as _, JournalError, Sqlite, put};
use crate::journal::schema::STEPS;

/// A store of three rows at rest: everything is in its file.
fn store() -> tempfile::TempDir {
    let home = fast_directory();
    let mut journal = Sqlite::open(home.path()).unwrap();
    journal.load().unwrap();
    journal.adopt("instance").unwrap();
    journal.commit(&[put("default/a", 5), put("default/b", 6), put("default/c", 7)]).unwrap();
    drop(journal);
    home
}

fn file(home: &Path) -> PathBuf {
    home.join("store.db")
}

/// Turns a bit at the end of each `mark` in the file; free pages may hold one as well.
fn turn(home: &Path, mark: &[u8]) {
    let mut bytes = std::fs::read(file(home)).unwrap();
    let places: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(mark)).collect();
    assert!(!places.is_empty());
    places.iter().for_each(|at| bytes[at + mark.len() - 1] ^= 1);
    std::fs::write(file(home), bytes).unwrap();
}

fn sql(home: &Path, statement: &str) {
    rusqlite::Connection::open(file(home)).unwrap().execute_batch(statement).unwrap();
}

/// The refusal of a store that stays as it was found.
fn refused(home: &Path) -> JournalError {
    let before = Disk::of(home).whole();
    let error = Sqlite::open(home).and_then(|mut journal| journal.load()).unwrap_err();
    let after = Disk::of(home).whole();
    assert!(before.iter().all(|(name, bytes)| after.get(name) == Some(bytes)), "it is left untouched");
    error
}

/// D-7, S-14: a turned bit in a row is found at the start, which names the file, the row, the last good version and the way out.
#[test]
fn a_turned_bit_in_a_row_is_named() {
    let home = store();
    turn(home.path(), b"{\"r\":5}");
    let error = refused(home.path());
    assert!(
        matches!(&error, JournalError::Damaged { kind, key, last_good: Some(7), .. } if kind == "/secrets" && key == "default/a"),
        "{error}"
    );
    let text = error.to_string();
    let path = file(home.path()).display().to_string();
    for part in [&*path, "/secrets default/a", "resourceVersion is 7", "mkdir", "mv"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let command = text.rsplit_once("run: ").unwrap().1;
    assert!(std::process::Command::new("sh").args(["-c", command]).status().unwrap().success(), "{command}");
    assert!(Sqlite::open(home.path()).unwrap().load().unwrap().rows.is_empty(), "a fresh store");
    assert!(home.path().join("damaged/store.db").is_file(), "the damaged one is kept");
}

/// D-7: a row that is gone, one too many, and an older one in the place of a newer one are found, whoever made them.
#[test]
fn rows_that_are_not_those_written_last_are_refused() {
    for statement in [
        "DELETE FROM objects WHERE key = 'default/b'",
        "INSERT INTO objects SELECT kind, 'default/d', revision, sum, value FROM objects WHERE key = 'default/b'",
    ] {
        let home = store();
        sql(home.path(), statement);
        assert!(matches!(refused(home.path()), JournalError::Corrupt { .. } | JournalError::Damaged { .. }), "{statement}");
    }
    let home = store();
    sql(home.path(), "CREATE TABLE older AS SELECT * FROM objects WHERE key = 'default/a'");
    let mut journal = Sqlite::open(home.path()).unwrap();
    journal.load().unwrap();
    journal.commit(&[put("default/a", 8)]).unwrap();
    drop(journal);
    sql(home.path(), "INSERT OR REPLACE INTO objects SELECT * FROM older; DROP TABLE older");
    let error = refused(home.path());
    assert!(matches!(&error, JournalError::Corrupt { last_good: Some(7), .. }), "{error}");
}

/// D-8: a revision that is not as it was written never becomes the store's.
#[test]
fn a_turned_bit_in_the_revision_is_found() {
    let home = store();
    sql(home.path(), "UPDATE meta SET value = '3' WHERE name = 'revision'");
    let error = refused(home.path());
    assert!(matches!(&error, JournalError::Damaged { kind, key, .. } if kind == "meta" && key == "revision"), "{error}");
}

/// D-9: a log whose store was moved away is not read into a new one.
#[test]
fn a_log_without_its_store_is_refused() {
    let home = fast_directory();
    let mut journal = Sqlite::open(home.path()).unwrap();
    journal.load().unwrap();
    journal.commit(&[put("default/a", 5)]).unwrap();
    let image = Disk::of(home.path()).whole();
    drop(journal);
    std::fs::remove_file(file(home.path())).unwrap();
    std::fs::write(home.path().join("store.db-wal"), &image["store.db-wal"]).unwrap();
    let error = refused(home.path());
    assert!(matches!(&error, JournalError::Orphan { log, .. } if log.ends_with("store.db-wal")), "{error}");
}

/// API-27: rows that were stored before rows had sums get theirs with the migration, and damage after it is found.
#[test]
fn older_rows_get_their_sums() {
    let home = fast_directory();
    drop(Sqlite::open_as(home.path(), &STEPS[..1]).unwrap());
    sql(
        home.path(),
        "INSERT INTO objects (kind, key, revision, value) VALUES ('/secrets', 'default/a', 5, CAST('{\"r\":5}' AS BLOB));
         INSERT INTO meta (name, value) VALUES ('revision', '5'), ('instance', 'instance')",
    );
    let mut journal = Sqlite::open(home.path()).unwrap();
    let loaded = journal.load().unwrap();
    assert_eq!((loaded.rows.len(), loaded.revision, loaded.instance.as_str()), (1, 5, "instance"));
    journal.commit(&[put("default/b", 6)]).unwrap();
    drop(journal);
    assert_eq!(Sqlite::open(home.path()).unwrap().load().unwrap().rows.len(), 2);
    turn(home.path(), b"{\"r\":5}");
    assert!(matches!(refused(home.path()), JournalError::Damaged { .. }));
}
