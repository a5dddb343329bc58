//! Sums over what the store keeps: damage that the file format has no eye for (a turned bit in a value, a row that is gone, an
//! older one in its place) shows when the store is opened, never as a wrong answer.
//!
//! Each row carries a sum over its key, its revision and its value; `content` in the table `meta` counts the rows and joins their
//! sums. Both are written in the transaction of the rows themselves.

use ring::digest::{Context, SHA256};
use rusqlite::{OptionalExtension as _, Transaction, params};

/// The name of the joined sum in the table `meta`.
pub(super) const CONTENT: &str = "content";
/// What rows of the table `meta` have in place of a kind.
pub(super) const META: &str = "meta";

/// The sum over one row.
pub(super) fn of(kind: &str, key: &str, revision: i64, value: &[u8]) -> i64 {
    let mut context = Context::new(&SHA256);
    // Lengths keep two fields from being read as another two.
    for length in [kind.len(), key.len()] {
        context.update(&u64::try_from(length).unwrap_or(u64::MAX).to_le_bytes());
    }
    context.update(&revision.to_le_bytes());
    context.update(kind.as_bytes());
    context.update(key.as_bytes());
    context.update(value);
    let digest = context.finish();
    let mut first = [0; 8];
    first.copy_from_slice(&digest.as_ref()[..8]);
    i64::from_le_bytes(first)
}

/// The sum over a row of the table `meta`.
pub(super) fn of_meta(name: &str, value: &str) -> i64 {
    of(META, name, 0, value.as_bytes())
}

/// All rows of a store as one value: their number, and their sums joined in a way that knows no order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) rows: u64,
    joined: i64,
}

impl Content {
    /// Takes a row in.
    pub(super) fn add(&mut self, sum: i64) {
        self.rows += 1;
        self.joined ^= sum;
    }

    /// Takes a row out.
    pub(super) fn remove(&mut self, sum: i64) {
        assert!(self.rows > 0, "a row leaves a store that counts none");
        self.rows -= 1;
        self.joined ^= sum;
    }

    /// As it stands in the store.
    pub(super) fn text(self) -> String {
        format!("{}:{:016x}", self.rows, self.joined)
    }

    /// What [`Content::text`] wrote.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (rows, joined) = text.split_once(':')?;
        let joined = u64::from_str_radix(joined, 16).ok()?;
        Some(Self { rows: rows.parse().ok()?, joined: joined.cast_signed() })
    }
}

/// Gives every row of a store that has none yet its sum.
pub(super) fn fill(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    let mut content = Content::default();
    let mut after = 0_i64;
    let mut next =
        transaction.prepare("SELECT rowid, kind, key, revision, value FROM objects WHERE rowid > ?1 ORDER BY rowid LIMIT 1")?;
    let mut set = transaction.prepare("UPDATE objects SET sum = ?2 WHERE rowid = ?1")?;
    loop {
        let found: Option<(i64, i64)> = next
            .query_row([after], |row| {
                let (kind, key, value): (String, String, Vec<u8>) = (row.get(1)?, row.get(2)?, row.get(4)?);
                Ok((row.get(0)?, of(&kind, &key, row.get(3)?, &value)))
            })
            .optional()?;
        let Some((row, sum)) = found else { break };
        set.execute([row, sum])?;
        content.add(sum);
        after = row;
    }
    let mut names = transaction.prepare("SELECT name, value FROM meta")?;
    let named =
        names.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<Vec<(String, String)>>>()?;
    for (name, value) in named.iter().map(|(name, value)| (name.as_str(), value.as_str())) {
        put_meta(transaction, name, value)?;
    }
    put_meta(transaction, CONTENT, &content.text())
}

/// Writes one row of the table `meta`.
pub(super) fn put_meta(connection: &rusqlite::Connection, name: &str, value: &str) -> rusqlite::Result<()> {
    assert!(!name.is_empty() && !value.is_empty(), "what the store says of itself has a name and a value");
    connection
        .prepare_cached("INSERT OR REPLACE INTO meta (name, value, sum) VALUES (?1, ?2, ?3)")?
        .execute(params![name, value, of_meta(name, value)])
        .map(drop)
}
