//! The contract of a journal, passed by every implementation, and what only the one on disk promises.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::*;

mod crash;
mod damage;
mod dice;
mod faults;
mod image;
mod migration;
mod shim;
mod size;
mod sums;
mod tape;
mod workload;

fn put(key: &str, revision: u64) -> Change {
    Change::Put(Row {
        kind: "/secrets".to_owned(),
        key: key.to_owned(),
        revision,
        value: Bytes::from(format!("{{\"r\":{revision}}}")),
    })
}

fn delete(key: &str, revision: u64) -> Change {
    Change::Delete { kind: "/secrets".to_owned(), key: key.to_owned(), revision }
}

fn state_directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    directory
}

fn keeps_what_it_committed<J: Journal>(open: impl Fn() -> J) {
    let mut journal = open();
    assert!(journal.load().unwrap().rows.is_empty());
    journal.adopt("instance").unwrap();
    journal.commit(&[put("default/a", 5), put("default/b", 6)]).unwrap();
    journal.commit(&[put("default/a", 7), delete("default/b", 8)]).unwrap();
    drop(journal);
    let loaded = open().load().unwrap();
    assert_eq!(loaded.rows.len(), 1);
    assert_eq!((loaded.rows[0].key.as_str(), loaded.rows[0].revision), ("default/a", 7));
    assert_eq!(loaded.revision, 8);
    assert_eq!(loaded.instance, "instance");
}

/// API-21, D-7: what was committed is there after a reopen, in memory and on disk.
#[test]
fn both_journals_keep_what_they_committed() {
    let memory = Memory::new();
    keeps_what_it_committed(|| memory.clone());
    let directory = state_directory();
    keeps_what_it_committed(|| Sqlite::open(directory.path()).unwrap());
}

/// REL-21: the connection that writes syncs at every commit.
#[test]
fn the_journal_syncs_fully() {
    let directory = state_directory();
    /// SQLite's own number for `FULL`.
    const FULL: i64 = 2;
    assert_eq!(Sqlite::open(directory.path()).unwrap().synchronous().unwrap(), FULL);
}

/// API-26, S-14: a second server on the same directory is refused and told who has it.
#[test]
fn a_second_opener_is_refused() {
    let directory = state_directory();
    let _first = Sqlite::open(directory.path()).unwrap();
    let refusal = Sqlite::open(directory.path()).unwrap_err();
    assert!(matches!(refusal, JournalError::Locked { pid, .. } if pid == std::process::id().to_string()));
}

/// API-26: a directory that lets others in is refused with the command that repairs it.
#[test]
fn a_readable_directory_is_refused() {
    let directory = state_directory();
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let refusal = Sqlite::open(directory.path()).unwrap_err();
    assert!(matches!(refusal, JournalError::Mode { mode: 0o755, .. }));
}

/// API-26, API-28: the store and all files beside it are readable by their owner alone, and a directory that is made is private.
#[test]
fn the_store_is_private() {
    let parent = state_directory();
    let directory = parent.path().join("state");
    let mut journal = Sqlite::open(&directory).unwrap();
    journal.commit(&[put("default/a", 5)]).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&directory), 0o700);
    for file in ["store.db", "store.db-wal", "store.db-shm", "lock"] {
        assert_eq!(mode(&directory.join(file)), 0o600, "{file}");
    }
}

/// API-26: file systems without the shared memory of a write-ahead log are refused with the path and the way out.
#[test]
fn remote_file_systems_are_refused() {
    let path = Path::new("/mnt/share/koan");
    for (kind, name) in [(0x6969, "NFS"), (0x517B, "SMB"), (0xFF53_4D42, "CIFS"), (0xFE53_4D42, "SMB2"), (0x0102_1997, "9p")] {
        let text = super::directory::local(path, kind).unwrap_err().to_string();
        assert!(text.contains("/mnt/share/koan") && text.contains(name) && text.contains("KOAN_HOME"), "{text}");
    }
    /// ext4, btrfs, XFS, tmpfs and overlayfs.
    const LOCAL: [i64; 5] = [0xEF53, 0x9123_683E, 0x5846_5342, 0x0102_1994, 0x794C_7630];
    assert!(LOCAL.iter().all(|kind| super::directory::local(path, *kind).is_ok()));
}

/// API-27: a store of a newer schema is refused and stays as it was.
#[test]
fn a_newer_store_is_refused() {
    let directory = state_directory();
    drop(Sqlite::open(directory.path()).unwrap());
    let file = directory.path().join("store.db");
    set_schema(&file, 99);
    assert!(matches!(Sqlite::open(directory.path()).unwrap_err(), JournalError::Newer { found: 99, .. }));
}

fn set_schema(file: &Path, version: i64) {
    let connection = rusqlite::Connection::open(file).unwrap();
    connection.pragma_update(None, "user_version", version).unwrap();
}

/// D-9: a write-ahead log cut short in its last transaction loses that transaction as a whole and nothing before it.
#[test]
fn a_torn_transaction_is_lost_whole() {
    let source = state_directory();
    let mut journal = Sqlite::open(source.path()).unwrap();
    journal.commit(&[put("default/kept", 5)]).unwrap();
    let wal = source.path().join("store.db-wal");
    let before = std::fs::metadata(&wal).unwrap().len();
    journal.commit(&(0..200).map(|n| put(&format!("default/torn-{n}"), 6 + n)).collect::<Vec<_>>()).unwrap();
    let bytes = std::fs::read(&wal).unwrap();
    let cut = usize::try_from(before).unwrap() + (bytes.len() - usize::try_from(before).unwrap()) / 2;
    let copy = state_directory();
    std::fs::copy(source.path().join("store.db"), copy.path().join("store.db")).unwrap();
    std::fs::write(copy.path().join("store.db-wal"), &bytes[..cut]).unwrap();
    let loaded = Sqlite::open(copy.path()).unwrap().load().unwrap();
    assert_eq!(loaded.rows.len(), 1, "{:?}", loaded.rows.iter().map(|row| &row.key).collect::<Vec<_>>());
    assert_eq!(loaded.revision, 5);
}
