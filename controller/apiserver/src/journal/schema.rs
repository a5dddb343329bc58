//! The versions of the store's schema and the way from each to the next: an older store is copied, then migrated in one
//! transaction, so that a crash leaves either version whole; a newer one is left alone.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::JournalError;
use super::checksum;
use super::sqlite::{corrupt, put_in_place, refused, remove};

/// The statements that lead from one version to the next.
pub(super) type Step = &'static [&'static str];

/// The way from an empty file to the schema that this program writes; a store of version `n` has `n` of them behind it.
pub(super) const STEPS: &[Step] = &[
    &[
        "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
        "CREATE TABLE objects (kind TEXT NOT NULL, key TEXT NOT NULL, revision INTEGER NOT NULL, value BLOB NOT NULL,
                               PRIMARY KEY (kind, key))",
    ],
    // The sum stands before the value, so that it is read without it.
    &[
        "ALTER TABLE meta ADD COLUMN sum INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE objects RENAME TO unsummed",
        "CREATE TABLE objects (kind TEXT NOT NULL, key TEXT NOT NULL, revision INTEGER NOT NULL, sum INTEGER NOT NULL,
                               value BLOB NOT NULL, PRIMARY KEY (kind, key))",
        "INSERT INTO objects (kind, key, revision, sum, value) SELECT kind, key, revision, 0, value FROM unsummed",
        "DROP TABLE unsummed",
    ],
];
/// The first version whose rows carry sums.
const SUMMED: usize = 2;

/// Brings an open store to the version that `steps` lead to.
///
/// # Errors
/// The store is newer; it cannot be read; there is no room for the copy or for the new version, and then it is as it was.
pub(super) fn migrate(connection: &mut Connection, path: &Path, steps: &[Step]) -> Result<(), JournalError> {
    let found: i64 =
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(|error| corrupt(path, &error))?;
    let version = usize::try_from(found).unwrap_or(usize::MAX);
    if version > steps.len() {
        return Err(JournalError::Newer { path: path.to_owned(), found, known: count(steps) });
    }
    if version == steps.len() {
        return Ok(());
    }
    if version > 0 {
        copy(connection, path, version)?;
    }
    advance(connection, version, steps).map_err(|error| refused(path, &error))
}

/// Takes the steps behind `version`, all or none.
pub(super) fn advance(connection: &mut Connection, version: usize, steps: &[Step]) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for statement in steps.iter().skip(version).copied().flatten() {
        transaction.execute_batch(statement)?;
    }
    if (version..steps.len()).contains(&(SUMMED - 1)) {
        checksum::fill(&transaction)?;
    }
    transaction.pragma_update(None, "user_version", count(steps))?;
    transaction.commit()
}

fn count(steps: &[Step]) -> i64 {
    i64::try_from(steps.len()).unwrap_or(i64::MAX)
}

/// Keeps the store as it is beside its place, as `store.db.v<version>`.
fn copy(connection: &Connection, path: &Path, version: usize) -> Result<(), JournalError> {
    let place = path.with_extension(format!("db.v{version}"));
    let fresh = path.with_extension(format!("db.v{version}.new"));
    remove(&fresh)?;
    let name = fresh.to_string_lossy();
    connection.execute("VACUUM INTO ?1", [&*name]).map_err(|error| refused(&fresh, &error))?;
    put_in_place(&fresh, &place)
}
