//! As whom a program runs (ENG-17).

use koan_exec::{Account, find_account};
use rustix::process::geteuid;

use super::error::ProcessError;

/// The account to change to; `None` where the program runs as the caller.
///
/// Only root changes accounts. Anybody else runs recipe servers, which ask for the system account, as themselves.
pub(crate) fn account(object: &str, asked: Option<&str>, system: &str) -> Result<Option<Account>, ProcessError> {
    let Some(name) = asked else { return Ok(None) };
    let found = find_account(name).map_err(|error| ProcessError::Field {
        object: object.to_owned(),
        field: "process.user".to_owned(),
        problem: error.to_string(),
    })?;
    decide(object, name, system, found, geteuid().as_raw())
}

fn decide(object: &str, name: &str, system: &str, found: Option<Account>, caller: u32) -> Result<Option<Account>, ProcessError> {
    let missing = || ProcessError::NoAccount { object: object.to_owned(), account: name.to_owned() };
    if caller == 0 {
        let account = found.ok_or_else(missing)?;
        return Ok((account.uid != 0).then_some(account));
    }
    if name == system {
        return Ok(None);
    }
    if found.ok_or_else(missing)?.uid == caller {
        return Ok(None);
    }
    Err(ProcessError::OtherAccount { object: object.to_owned(), account: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(uid: u32) -> Option<Account> {
        Some(Account { uid, gid: uid })
    }

    /// ENG-17: root runs a recipe's server under the system account, and says how to make it where it is missing.
    #[test]
    fn root_changes_to_the_system_account() {
        assert_eq!(decide("db", "koan", "koan", account(990), 0).unwrap(), account(990));
        assert!(
            matches!(decide("db", "koan", "koan", None, 0), Err(ProcessError::NoAccount { account, .. }) if account == "koan")
        );
    }

    /// ENG-17: a person without rights runs it as themselves, and cannot ask for somebody else.
    #[test]
    fn a_person_runs_servers_as_themselves() {
        assert_eq!(decide("db", "koan", "koan", None, 1000).unwrap(), None);
        assert_eq!(decide("web", "me", "koan", account(1000), 1000).unwrap(), None);
        assert!(matches!(decide("web", "you", "koan", account(1001), 1000), Err(ProcessError::OtherAccount { .. })));
    }
}
