//! The journal on disk: one SQLite file with a write-ahead log, synced at every commit.

use std::fs::File;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use rusqlite::{Connection, Transaction, params};

use super::directory::{self, Held};
use super::{Change, Journal, JournalError, Loaded, Row};

/// The file in the state directory.
const FILE: &str = "store.db";
/// An empty store that is being made.
const FRESH_FILE: &str = "store.db.new";
/// The schema that this program writes.
const SCHEMA_VERSION: i64 = 1;
/// The largest write-ahead log that is left behind after a checkpoint.
const WAL_LIMIT_BYTES: i64 = 64 * 1024 * 1024;
/// The most that the connection keeps of pages that it read or wrote: everything is in memory already, so it only ever looks for
/// the place of the row that it replaces.
const CACHE_LIMIT_KIBIBYTES: i64 = 128;
/// Free pages beyond this share of the file make an open compact it.
const MAX_FREE_SHARE: i64 = 2;
/// Files below this many pages are never compacted.
const SMALL_FILE_PAGES: i64 = 1024;

/// A journal in a state directory, which it holds locked while it lives.
#[derive(Debug)]
pub struct Sqlite {
    connection: Connection,
    path: PathBuf,
    _held: Held,
}

impl Sqlite {
    /// Opens or makes the store in `directory`.
    ///
    /// # Errors
    /// The directory is not private, not local, or held by another server; the store is newer than this program or
    /// cannot be read.
    pub fn open(directory: &Path) -> Result<Self, JournalError> {
        let held = directory::hold(directory)?;
        let path = directory.join(FILE);
        if !path.exists() {
            create(directory, &path)?;
        }
        let connection = Connection::open(&path).map_err(|error| corrupt(&path, &error))?;
        restrict(&path)?;
        let mut journal = Self { connection, path, _held: held };
        journal.configure().map_err(|error| corrupt(&journal.path, &error))?;
        journal.migrate()?;
        journal.compact().map_err(|error| corrupt(&journal.path, &error))?;
        Ok(journal)
    }

    /// The level at which the connection syncs, as SQLite reports it: 2 is FULL.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn synchronous(&self) -> Result<i64, JournalError> {
        self.connection.pragma_query_value(None, "synchronous", |row| row.get(0)).map_err(|error| corrupt(&self.path, &error))
    }

    fn configure(&mut self) -> rusqlite::Result<()> {
        self.connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        self.connection.pragma_update(None, "synchronous", "FULL")?;
        // A negative number counts kibibytes, a positive one pages.
        self.connection.pragma_update(None, "cache_size", -CACHE_LIMIT_KIBIBYTES)?;
        self.connection.pragma_update_and_check(None, "journal_size_limit", WAL_LIMIT_BYTES, |_| Ok(()))?;
        Ok(())
    }

    fn migrate(&mut self) -> Result<(), JournalError> {
        let path = self.path.clone();
        let found: i64 =
            self.connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(|error| corrupt(&path, &error))?;
        match found {
            0 => fill(&mut self.connection).map_err(|error| corrupt(&path, &error)),
            SCHEMA_VERSION => Ok(()),
            _ => Err(JournalError::Newer { path, found, known: SCHEMA_VERSION }),
        }
    }

    fn compact(&mut self) -> rusqlite::Result<()> {
        let pages: i64 = self.connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
        let free: i64 = self.connection.pragma_query_value(None, "freelist_count", |row| row.get(0))?;
        if pages > SMALL_FILE_PAGES && free > pages / MAX_FREE_SHARE {
            self.connection.execute_batch("VACUUM")?;
        }
        Ok(())
    }

    fn read(&self) -> rusqlite::Result<Loaded> {
        let meta = |name: &str| -> rusqlite::Result<Option<String>> {
            let mut statement = self.connection.prepare_cached("SELECT value FROM meta WHERE name = ?1")?;
            let mut rows = statement.query([name])?;
            rows.next()?.map(|row| row.get(0)).transpose()
        };
        let mut statement = self.connection.prepare("SELECT kind, key, revision, value FROM objects")?;
        let rows = statement
            .query_map([], |row| {
                let revision: i64 = row.get(2)?;
                let value: Vec<u8> = row.get(3)?;
                Ok(Row {
                    kind: row.get(0)?,
                    key: row.get(1)?,
                    revision: u64::try_from(revision).unwrap_or_default(),
                    value: Bytes::from(value),
                })
            })?
            .collect::<rusqlite::Result<Vec<Row>>>()?;
        Ok(Loaded {
            rows,
            revision: meta("revision")?.and_then(|text| text.parse().ok()).unwrap_or_default(),
            instance: meta("instance")?.unwrap_or_default(),
        })
    }
}

impl Journal for Sqlite {
    fn load(&mut self) -> Result<Loaded, JournalError> {
        self.read().map_err(|error| corrupt(&self.path, &error))
    }

    fn adopt(&mut self, instance: &str) -> Result<(), JournalError> {
        self.connection
            .execute("INSERT OR REPLACE INTO meta (name, value) VALUES ('instance', ?1)", [instance])
            .map(|_| ())
            .map_err(|error| refused(&self.path, &error))
    }

    fn commit(&mut self, changes: &[Change]) -> Result<(), JournalError> {
        let path = &self.path;
        let transaction = self.connection.transaction().map_err(|error| refused(path, &error))?;
        write(&transaction, changes).map_err(|error| refused(path, &error))?;
        transaction.commit().map_err(|error| refused(path, &error))
    }

    fn blocks(&self) -> bool {
        true
    }
}

fn write(transaction: &Transaction<'_>, changes: &[Change]) -> rusqlite::Result<()> {
    let mut put =
        transaction.prepare_cached("INSERT OR REPLACE INTO objects (kind, key, revision, value) VALUES (?1, ?2, ?3, ?4)")?;
    let mut delete = transaction.prepare_cached("DELETE FROM objects WHERE kind = ?1 AND key = ?2")?;
    let mut last = 0;
    for change in changes {
        last = last.max(change.revision());
        match change {
            Change::Put(row) => {
                put.execute(params![row.kind, row.key, i64::try_from(row.revision).unwrap_or(i64::MAX), &row.value[..]])?;
            }
            Change::Delete { kind, key, .. } => {
                delete.execute([kind, key])?;
            }
        }
    }
    transaction
        .prepare_cached("INSERT OR REPLACE INTO meta (name, value) VALUES ('revision', ?1)")?
        .execute([last.to_string()])?;
    Ok(())
}

/// Makes an empty store beside its place and moves it there at once: two syncs instead of one for each of its steps, and a
/// crash leaves either no store or a whole one.
fn create(directory: &Path, path: &Path) -> Result<(), JournalError> {
    let fresh = directory.join(FRESH_FILE);
    let failed = |cause| JournalError::Directory { path: fresh.clone(), cause };
    // Leftovers of a start that was killed here.
    for suffix in ["", "-journal", "-wal", "-shm"] {
        match std::fs::remove_file(directory.join(format!("{FRESH_FILE}{suffix}"))) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
            Ok(()) | Err(_) => {}
        }
    }
    let filled = Connection::open(&fresh).and_then(|mut connection| {
        connection.pragma_update(None, "synchronous", "OFF")?;
        fill(&mut connection)?;
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        connection.close().map_err(|(_, error)| error)
    });
    filled.map_err(|error| corrupt(&fresh, &error))?;
    restrict(&fresh)?;
    File::open(&fresh).and_then(|file| file.sync_all()).map_err(failed)?;
    std::fs::rename(&fresh, path).map_err(failed)?;
    File::open(directory).and_then(|folder| folder.sync_all()).map_err(failed)
}

fn fill(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    transaction.execute_batch(
        "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
         CREATE TABLE objects (kind TEXT NOT NULL, key TEXT NOT NULL, revision INTEGER NOT NULL, value BLOB NOT NULL,
                               PRIMARY KEY (kind, key));",
    )?;
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    transaction.commit()
}

/// Only the owner reads the store: Secrets lie in it unencrypted.
fn restrict(path: &Path) -> Result<(), JournalError> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
        .map_err(|cause| JournalError::Directory { path: path.to_owned(), cause })
}

fn corrupt(path: &Path, error: &rusqlite::Error) -> JournalError {
    JournalError::Corrupt { path: path.to_owned(), cause: error.to_string() }
}

fn refused(path: &Path, error: &rusqlite::Error) -> JournalError {
    JournalError::Write { path: path.to_owned(), cause: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::{CACHE_LIMIT_KIBIBYTES, Sqlite};
    use std::os::unix::fs::PermissionsExt as _;

    /// PERF-15: what SQLite keeps of the file in memory does not grow with the file, as its default of 2 MB would allow.
    #[test]
    fn perf_15_the_page_cache_is_bounded() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        let journal = Sqlite::open(directory.path()).unwrap();
        let limit: i64 = journal.connection.pragma_query_value(None, "cache_size", |row| row.get(0)).unwrap();
        assert_eq!(limit, -CACHE_LIMIT_KIBIBYTES);
    }
}
