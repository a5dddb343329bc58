//! Giving back what a store no longer needs: at a start, a file far larger than what lies in it is written anew.

use rusqlite::{Connection, Row};

/// Files below this many bytes are never compacted.
const SMALL_BYTES: u64 = 4 * 1024 * 1024;
/// A file of at most so many times its live data stays as it is (API-28).
const FACTOR: u64 = 2;
/// What a row takes of its page beside its columns, generously: header, row number and its entry in the index.
const ROW_BYTES: u64 = 24;
/// What a page cannot give to a row.
const PAGE_BYTES: u64 = 35;

/// Compacts the store where that makes it smaller and it needs it.
pub(super) fn compact(connection: &Connection) -> rusqlite::Result<()> {
    let number = |name: &str| connection.pragma_query_value(None, name, first);
    let (pages, page) = (number("page_count")?, number("page_size")?);
    if pages * page <= SMALL_BYTES {
        return Ok(());
    }
    let (mut live, mut packed) = (0, 0);
    let mut statement = connection.prepare("SELECT length(kind) + length(key) + length(value) FROM objects")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let bytes = first(row)?;
        live += bytes;
        packed += share(bytes + ROW_BYTES, page);
    }
    // Rows of just over half a page fill one each, however often they are written anew.
    if pages * page > FACTOR * live && pages * page > packed + packed / 4 {
        connection.execute_batch("VACUUM")?;
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    }
    Ok(())
}

/// The first column, which counts something.
fn first(row: &Row<'_>) -> rusqlite::Result<u64> {
    Ok(u64::try_from(row.get::<_, i64>(0)?).unwrap_or_default())
}

/// The bytes of pages that a row takes when it is packed with its like.
fn share(row: u64, page: u64) -> u64 {
    let room = page - PAGE_BYTES;
    if row > room { row.next_multiple_of(room) } else { page / (room / row) }
}
