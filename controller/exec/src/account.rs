//! Accounts of the host by name, read from its own table.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

/// Table of the accounts.
const TABLE: &str = "/etc/passwd";
/// Most lines of the table that are looked at.
const MAX_LINES: usize = 100_000;

/// An account that a child runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

/// The table of accounts cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {}", path.display())]
pub struct AccountError {
    /// The table.
    path: PathBuf,
    /// Why.
    #[source]
    source: std::io::Error,
}

/// The account of this name; `None` where the host has none.
///
/// # Errors
/// [`AccountError`] where the table cannot be read.
pub fn find_account(name: &str) -> Result<Option<Account>, AccountError> {
    find_in(Path::new(TABLE), name)
}

fn find_in(path: &Path, name: &str) -> Result<Option<Account>, AccountError> {
    let failed = |source| AccountError { path: path.to_owned(), source };
    for line in BufReader::new(File::open(path).map_err(failed)?).lines().take(MAX_LINES) {
        let line = line.map_err(failed)?;
        let mut fields = line.split(':');
        if fields.next() != Some(name) {
            continue;
        }
        let mut number = |skip| fields.nth(skip).and_then(|field| field.parse().ok());
        if let (Some(uid), Some(gid)) = (number(1), number(0)) {
            return Ok(Some(Account { uid, gid }));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ENG-17: an account is known by its exact name, and a line that is none is passed over.
    #[test]
    fn an_account_is_found_by_its_exact_name() {
        let folder = tempfile::tempdir().unwrap();
        let table = folder.path().join("passwd");
        std::fs::write(&table, "root:x:0:0::/root:/bin/sh\nkoanish:x:7:7::/:/\nkoan:x:broken\nkoan:x:990:991::/:/\n").unwrap();
        assert_eq!(find_in(&table, "koan").unwrap(), Some(Account { uid: 990, gid: 991 }));
        assert_eq!(find_in(&table, "koa").unwrap(), None);
    }
}
