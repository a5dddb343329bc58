//! The journal on disk: one SQLite file with a write-ahead log, synced at every commit.

use std::fs::File;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use super::checksum::{self, Content};
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
            without_log(&path)?;
            create(directory, &path, steps)?;
        }
        let connection = Connection::open(&path).map_err(|error| corrupt(&path, &error))?;
        // Until it was read, nothing is moved from its log into it: what cannot be read stays as it is.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(|error| corrupt(&path, &error))?;
        restrict(&path)?;
        let mut journal = Self { connection, path, _held: held };
        journal.configure().map_err(|error| corrupt(&journal.path, &error))?;
        schema::migrate(&mut journal.connection, &journal.path, steps)?;
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

    /// A row of the table `meta`, if it is there and as it was written.
    fn meta(&self, name: &str, good: Option<u64>) -> Result<Option<String>, JournalError> {
        let failed = |error: rusqlite::Error| unreadable(&self.path, &error, good);
        let found: Option<(String, i64)> = self
            .connection
            .query_row("SELECT value, sum FROM meta WHERE name = ?1", [name], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()
            .map_err(failed)?;
        match found {
            Some((value, sum)) if sum == checksum::of_meta(name, &value) => Ok(Some(value)),
            Some(_) => Err(self.damaged(checksum::META, name, good)),
            None => Ok(None),
        }
    }

    fn damaged(&self, kind: &str, key: &str, last_good: Option<u64>) -> JournalError {
        JournalError::Damaged { path: self.path.clone(), kind: kind.to_owned(), key: key.to_owned(), last_good }
    }

    fn read(&self) -> Result<Loaded, JournalError> {
        let Rows { rows, content, good } = self.rows()?;
        let corrupt = |cause: String| JournalError::Corrupt { path: self.path.clone(), cause, last_good: good };
        let text = self.meta(checksum::CONTENT, good)?.unwrap_or_default();
        let written = Content::parse(&text).ok_or_else(|| corrupt(format!("it does not say what it holds: {text:?}")))?;
        if written != content {
            let (found, wanted) = (content.rows, written.rows);
            return Err(corrupt(format!("its {found} rows are not the {wanted} that were written last")));
        }
        assert!(rows.len() as u64 == content.rows, "every row that is read is counted");
        let text = self.meta("revision", good)?;
        let revision = text.as_deref().unwrap_or("0").parse().map_err(|_| corrupt(format!("its revision is {text:?}")))?;
        if good.is_some_and(|good| good > revision) {
            return Err(corrupt(format!("a row is newer than its revision, which is {revision}")));
        }
        Ok(Loaded { rows, revision, instance: self.meta("instance", good)?.unwrap_or_default() })
    }

    /// Every row; the first one that is not as it was written ends it, once the last good version is known.
    fn rows(&self) -> Result<Rows, JournalError> {
        let mut all = Rows { rows: Vec::new(), content: Content::default(), good: None };
        let mut damaged: Option<(String, String)> = None;
        let failed = |error: &rusqlite::Error, good| unreadable(&self.path, error, good);
        let mut statement = self
            .connection
            .prepare("SELECT kind, key, revision, sum, value FROM objects")
            .map_err(|error| failed(&error, None))?;
        let mut found = statement.query([]).map_err(|error| failed(&error, None))?;
        loop {
            let row = match found.next() {
                Ok(Some(row)) => row,
                Ok(None) => break,
                Err(error) => return Err(failed(&error, all.good)),
            };
            match sound(row) {
                Ok((row, sum)) => {
                    all.good = all.good.max(Some(row.revision));
                    all.content.add(sum);
                    all.rows.push(row);
                }
                Err(name) => damaged = damaged.or(Some(name)),
            }
        }
        match damaged {
            Some((kind, key)) => Err(self.damaged(&kind, &key, all.good)),
            None => Ok(all),
        }
    }
}

/// What lies in the table of objects.
struct Rows {
    rows: Vec<Row>,
    content: Content,
    /// The highest revision of a row that is as it was written.
    good: Option<u64>,
}

/// The row and its sum; its kind and key, as far as they can be read, when it is not as it was written.
fn sound(row: &rusqlite::Row<'_>) -> Result<(Row, i64), (String, String)> {
    let text = |column: usize| row.get_ref(column).ok().and_then(|value| value.as_bytes_or_null().ok().flatten());
    let name = |column: usize| String::from_utf8_lossy(text(column).unwrap_or_default()).into_owned();
    let whole = || -> rusqlite::Result<(Row, i64, i64)> {
        let (kind, key): (String, String) = (row.get(0)?, row.get(1)?);
        let (revision, sum, value): (i64, i64, Vec<u8>) = (row.get(2)?, row.get(3)?, row.get(4)?);
        let is = checksum::of(&kind, &key, revision, &value);
        let revision = u64::try_from(revision).unwrap_or_default();
        Ok((Row { kind, key, revision, value: Bytes::from(value) }, sum, is))
    };
    match whole() {
        Ok((row, sum, is)) if sum == is => Ok((row, sum)),
        Ok(_) | Err(_) => Err((name(0), name(1))),
    }
}

impl Journal for Sqlite {
    fn load(&mut self) -> Result<Loaded, JournalError> {
        let loaded = self.read()?;
        let unlocked = self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false);
        unlocked.map_err(|error| corrupt(&self.path, &error))?;
        // A store that cannot be compacted, for lack of room for example, is served as it is.
        let _ = compact(&self.connection);
        Ok(loaded)
    }

    fn adopt(&mut self, instance: &str) -> Result<(), JournalError> {
        assert!(!instance.is_empty(), "a store belongs to somebody (REL-29)");
        checksum::put_meta(&self.connection, "instance", instance).map_err(|error| refused(&self.path, &error))
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
    let mut known = transaction.prepare_cached("SELECT sum FROM objects WHERE kind = ?1 AND key = ?2")?;
    // In place where the row is there: a row that is replaced moves to the end of the table, and its entry in the index with it.
    let mut put = transaction.prepare_cached(
        "INSERT INTO objects (kind, key, revision, sum, value) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (kind, key) DO UPDATE SET revision = excluded.revision, sum = excluded.sum, value = excluded.value",
    )?;
    let mut delete = transaction.prepare_cached("DELETE FROM objects WHERE kind = ?1 AND key = ?2")?;
    assert!(!changes.is_empty(), "a commit of nothing would set the revision back (D-8)");
    let mut content = content(transaction)?;
    let mut last = 0;
    for change in changes {
        assert!(change.revision() > last, "the changes of a batch come in the order of their revisions (D-8)");
        last = change.revision();
        let (kind, key) = match change {
            Change::Put(row) => (&row.kind, &row.key),
            Change::Delete { kind, key, .. } => (kind, key),
        };
        assert!(kind.contains('/') && key.contains('/'), "{kind} {key}: a row has a kind and a name");
        if let Some(sum) = known.query_row([kind, key], |row| row.get(0)).optional()? {
            content.remove(sum);
        }
        match change {
            Change::Put(row) => {
                let revision = i64::try_from(row.revision).unwrap_or(i64::MAX);
                let sum = checksum::of(kind, key, revision, &row.value);
                put.execute(params![kind, key, revision, sum, &row.value[..]])?;
                content.add(sum);
            }
            Change::Delete { .. } => {
                delete.execute([kind, key])?;
            }
        }
    }
    checksum::put_meta(transaction, checksum::CONTENT, &content.text())?;
    checksum::put_meta(transaction, "revision", &last.to_string())
}

/// What the store holds now, all of it.
fn content(transaction: &Transaction<'_>) -> rusqlite::Result<Content> {
    let text: String =
        transaction.prepare_cached("SELECT value FROM meta WHERE name = ?1")?.query_row([checksum::CONTENT], |row| row.get(0))?;
    Content::parse(&text).ok_or_else(|| rusqlite::Error::InvalidColumnName(text))
}

/// Refuses to make a store beside the log of another one, which SQLite would read into it.
fn without_log(path: &Path) -> Result<(), JournalError> {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let log = PathBuf::from(log);
    match std::fs::metadata(&log) {
        Ok(found) if found.len() > 0 => Err(JournalError::Orphan { path: path.to_owned(), log }),
        Ok(_) | Err(_) => Ok(()),
    }
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
    unreadable(path, error, None)
}

fn unreadable(path: &Path, error: &rusqlite::Error, last_good: Option<u64>) -> JournalError {
    JournalError::Corrupt { path: path.to_owned(), cause: error.to_string(), last_good }
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
        journal.commit(&(0..ROWS).map(|key| put(key, key + 1)).collect::<Vec<_>>()).unwrap();
        let logged = || std::fs::metadata(directory.path().join(format!("{FILE}-wal"))).unwrap().len();
        let before = logged();
        let updates = 20;
        for step in 0..updates {
            journal.commit(&[put(step * 9, ROWS + 1 + step)]).unwrap();
        }
        assert_eq!((logged() - before) / FRAME_BYTES, 2 * updates);
    }
}
