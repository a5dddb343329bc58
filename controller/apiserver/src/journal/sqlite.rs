//! The journal on disk: one SQLite file with a write-ahead log, synced at every commit.

use std::fs::File;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, Transaction, params};

use super::compact::compact;
use super::directory::{self, Held};
use super::schema::{self, STEPS, Step};
use super::{Change, Journal, JournalError, Loaded, Row};

/// The file in the state directory.
const FILE: &str = "store.db";
/// An empty store that is being made.
const FRESH_FILE: &str = "store.db.new";
/// The largest write-ahead log that is left behind after a checkpoint.
const WAL_LIMIT_BYTES: i64 = 64 * 1024 * 1024;
/// The most that the connection keeps of pages that it read or wrote: everything is in memory already, so it only ever looks for
/// the place of the row that it replaces.
const CACHE_LIMIT_KIBIBYTES: i64 = 128;

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
        Self::open_as(directory, STEPS)
    }

    /// The same for a program whose schema is made by `steps`.
    pub(super) fn open_as(directory: &Path, steps: &[Step]) -> Result<Self, JournalError> {
        let held = directory::hold(directory)?;
        let path = directory.join(FILE);
        if !path.exists() {
            create(directory, &path, steps)?;
        }
        let connection = Connection::open(&path).map_err(|error| corrupt(&path, &error))?;
        // Until it was read, nothing is moved from its log into it: what cannot be read stays as it is.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(|error| corrupt(&path, &error))?;
        restrict(&path)?;
        let mut journal = Self { connection, path, _held: held };
        journal.configure().map_err(|error| corrupt(&journal.path, &error))?;
        schema::migrate(&mut journal.connection, &journal.path, steps)?;
        // A store that cannot be compacted, for lack of room for example, is served as it is.
        let _ = compact(&journal.connection);
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
        let loaded = self.read().map_err(|error| corrupt(&self.path, &error))?;
        let unlocked = self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false);
        unlocked.map_err(|error| corrupt(&self.path, &error))?;
        Ok(loaded)
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
    // In place where the row is there: a row that is replaced moves to the end of the table, and its entry in the index with it.
    let mut put = transaction.prepare_cached(
        "INSERT INTO objects (kind, key, revision, value) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (kind, key) DO UPDATE SET revision = excluded.revision, value = excluded.value",
    )?;
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
fn create(directory: &Path, path: &Path, steps: &[Step]) -> Result<(), JournalError> {
    let fresh = directory.join(FRESH_FILE);
    remove(&fresh)?;
    let filled = Connection::open(&fresh).and_then(|mut connection| {
        connection.pragma_update(None, "synchronous", "OFF")?;
        schema::advance(&mut connection, 0, steps)?;
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        connection.close().map_err(|(_, error)| error)
    });
    filled.map_err(|error| corrupt(&fresh, &error))?;
    put_in_place(&fresh, path)
}

/// Removes a database that a start left behind which was killed here.
pub(super) fn remove(path: &Path) -> Result<(), JournalError> {
    for suffix in ["", "-journal", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        match std::fs::remove_file(&name) {
            Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
                return Err(JournalError::Directory { path: path.to_owned(), cause });
            }
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// Gives a whole database its name, durably and at once.
pub(super) fn put_in_place(fresh: &Path, path: &Path) -> Result<(), JournalError> {
    let failed = |cause| JournalError::Directory { path: fresh.to_owned(), cause };
    restrict(fresh)?;
    File::open(fresh).and_then(|file| file.sync_all()).map_err(failed)?;
    std::fs::rename(fresh, path).map_err(failed)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}

/// Only the owner reads the store: Secrets lie in it unencrypted.
pub(super) fn restrict(path: &Path) -> Result<(), JournalError> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
        .map_err(|cause| JournalError::Directory { path: path.to_owned(), cause })
}

pub(super) fn corrupt(path: &Path, error: &rusqlite::Error) -> JournalError {
    JournalError::Corrupt { path: path.to_owned(), cause: error.to_string() }
}

pub(super) fn refused(path: &Path, error: &rusqlite::Error) -> JournalError {
    JournalError::Write { path: path.to_owned(), cause: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::{CACHE_LIMIT_KIBIBYTES, FILE, Sqlite};
    use crate::journal::{Change, Journal as _, Row};
    use bytes::Bytes;
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

    /// API-22: an update changes its row where it lies: a commit of one row writes its page and the one of the revision, and not the
    /// pages of an index entry that moves.
    #[test]
    fn an_update_writes_two_pages() {
        /// Bytes of a page in the log: the page and its header.
        const FRAME_BYTES: u64 = 4096 + 24;
        const ROWS: u64 = 200;
        let directory = tempfile::tempdir().unwrap();
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        let mut journal = Sqlite::open(directory.path()).unwrap();
        journal.load().unwrap();
        let put = |key: u64, revision: u64| {
            let value = Bytes::from(vec![b'x'; 2000]);
            Change::Put(Row { kind: "/configmaps".to_owned(), key: format!("a/{key:03}"), revision, value })
        };
        journal.commit(&(0..ROWS).map(|key| put(key, key)).collect::<Vec<_>>()).unwrap();
        let logged = || std::fs::metadata(directory.path().join(format!("{FILE}-wal"))).unwrap().len();
        let before = logged();
        let updates = 20;
        for step in 0..updates {
            journal.commit(&[put(step * 9, ROWS + step)]).unwrap();
        }
        assert_eq!((logged() - before) / FRAME_BYTES, 2 * updates);
    }
}
