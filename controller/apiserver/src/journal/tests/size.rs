//! How large the files get (API-28).

use bytes::Bytes;

use super::crash::fast_directory;
use super::dice::Dice;
use super::{Change, Journal as _, Row, Sqlite};

/// The largest object that a request brings, in bytes.
const LARGEST: usize = 3 * 1024 * 1024;
/// The bounds of the requirement.
const LOG_LIMIT: u64 = 64 * 1024 * 1024;
const FILE_FACTOR: u64 = 2;
/// At least so many bytes have the names of a row.
const KEY_BYTES: usize = "/configmapsdefault/m-1".len();

fn put(key: usize, revision: u64, length: usize) -> Change {
    let value = Bytes::from(vec![b'x'; length]);
    Change::Put(Row { kind: "/configmaps".to_owned(), key: format!("default/m-{key}"), revision, value })
}

/// API-28: however much is written, and in however large batches, the write-ahead log stays within its limit.
#[test]
fn the_log_stays_within_its_limit() {
    let home = fast_directory();
    let mut journal = Sqlite::open(home.path()).unwrap();
    let mut largest = 0;
    for revision in 1..=20 {
        // As many as the store puts into one batch: the last one may be the largest.
        let batch: Vec<Change> = (0..7).map(|key| put(key, 10 * revision + key as u64, LARGEST)).collect();
        journal.commit(&batch).unwrap();
        largest = largest.max(std::fs::metadata(home.path().join("store.db-wal")).unwrap().len());
    }
    assert!(largest <= LOG_LIMIT, "{largest}");
}

/// API-28: after most of a large store was deleted, the next start leaves a file of at most twice its live data, whatever the
/// size of its objects.
#[test]
fn a_start_compacts_what_was_deleted() {
    for length in [200, 900, 2_100, 3_000, 5_000] {
        let home = fast_directory();
        let mut journal = Sqlite::open(home.path()).unwrap();
        let (mut dice, mut live) = (Dice::new(1), 0);
        let count = 24_000_000 / length;
        let mut batch: Vec<Change> = (0..count).map(|key| put(key, 1 + key as u64, length)).collect();
        journal.commit(&batch).unwrap();
        batch.clear();
        for key in 0..count {
            if dice.below(3) == 0 {
                live += (length + KEY_BYTES) as u64;
            } else {
                let revision = (count + 1 + key) as u64;
                batch.push(Change::Delete { kind: "/configmaps".to_owned(), key: format!("default/m-{key}"), revision });
            }
        }
        journal.commit(&batch).unwrap();
        drop(journal);
        let mut running = Sqlite::open(home.path()).unwrap();
        running.load().unwrap();
        let size = |name: &str| std::fs::metadata(home.path().join(name)).map_or(0, |file| file.len());
        let file = size("store.db") + size("store.db-wal");
        assert!(file <= FILE_FACTOR * live, "{file} bytes for {live} of {length} each");
    }
}
