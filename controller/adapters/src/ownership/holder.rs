//! Names whoever listens at an address, for a message to people (CLI-31).

use std::net::SocketAddr;

use super::class::Listener;
use super::reader::{our_uid, read};
use crate::wire::Target;

/// Accounts below this id belong to the system.
const FIRST_PERSON: u32 = 1_000;

/// Who listens there, as far as this system tells: program and pid, else the account. Blocks while it reads.
pub fn listener_name(address: SocketAddr) -> Option<String> {
    spell(&read(&Target::Tcp(address)), our_uid())
}

fn spell(listener: &Listener, own: u32) -> Option<String> {
    let owner = listener.uids.first()?;
    let account = match *owner {
        uid if uid == own => String::new(),
        uid if uid < FIRST_PERSON => " (system account)".to_owned(),
        uid => format!(" (uid {uid})"),
    };
    match (listener.names.first(), listener.pids.first()) {
        (Some(name), Some(pid)) => Some(format!("{name} pid {pid}{account}")),
        _ => Some(format!("a program of uid {owner}")),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn listener(uids: &[u32], pids: &[u32], names: &[&str]) -> Listener {
        Listener { uids: uids.to_vec(), pids: pids.to_vec(), names: names.iter().map(|name| (*name).to_owned()).collect() }
    }

    /// CLI-31: a holder is named by program and pid, with the account where it is not our own; at least by its account.
    #[test]
    fn a_holder_is_named() {
        let named = |uid| spell(&listener(&[uid], &[811], &["redis-server"]), 1_001);
        assert_eq!(named(1_001).as_deref(), Some("redis-server pid 811"));
        assert_eq!(named(112).as_deref(), Some("redis-server pid 811 (system account)"));
        assert_eq!(named(2_000).as_deref(), Some("redis-server pid 811 (uid 2000)"));
        assert_eq!(spell(&listener(&[112], &[], &[]), 1_001).as_deref(), Some("a program of uid 112"));
        assert_eq!(spell(&Listener::default(), 1_001), None);
    }

    /// CLI-31: the program that really listens is found; where nobody does, nobody is named.
    #[test]
    fn the_program_that_listens_is_found() {
        let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = socket.local_addr().expect("an address");
        let pid = format!("pid {}", std::process::id());
        assert!(listener_name(address).is_some_and(|name| name.contains(&pid)));
        drop(socket);
        assert_eq!(listener_name(address), None);
    }
}
