//! The kernel's socket table as text. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// State of a listening socket in the table.
const LISTEN: &str = "0A";

/// A listening socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Socket {
    /// Address that it is bound to; IPv4-mapped ones as IPv4.
    pub(crate) address: SocketAddr,
    /// Owner.
    pub(crate) uid: u32,
    /// Inode, which its process holds.
    pub(crate) inode: u64,
    /// It is bound to IPv6's unspecified address, which takes IPv4 too.
    pub(crate) dual: bool,
}

/// Listening sockets of `/proc/net/tcp` or `tcp6`; lines of another form are passed over.
pub(crate) fn parse(table: &str) -> Vec<Socket> {
    table.lines().skip(1).filter_map(socket).collect()
}

/// The sockets that take a connection to `target`: the most exact binding alone, as the kernel chooses.
pub(crate) fn listeners(sockets: &[Socket], target: SocketAddr) -> Vec<&Socket> {
    let ip = target.ip().to_canonical();
    let rank = |socket: &Socket| {
        let bound = socket.address.ip();
        match () {
            () if bound == ip => Some(0),
            () if bound.is_unspecified() && bound.is_ipv4() == ip.is_ipv4() => Some(1),
            () if socket.dual => Some(2),
            () => None,
        }
    };
    let near = || sockets.iter().filter(|socket| socket.address.port() == target.port());
    let Some(best) = near().filter_map(rank).min() else { return Vec::new() };
    near().filter(|socket| rank(socket) == Some(best)).collect()
}

fn socket(line: &str) -> Option<Socket> {
    let columns: Vec<&str> = line.split_ascii_whitespace().collect();
    let [_slot, local, _remote, state, _queues, _timer, _retransmits, uid, _timeout, inode, ..] = columns.as_slice() else {
        return None;
    };
    if *state != LISTEN {
        return None;
    }
    let (address, port) = local.split_once(':')?;
    let bound = ip(address)?;
    let dual = bound == IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    let address = SocketAddr::new(bound.to_canonical(), u16::from_str_radix(port, 16).ok()?);
    Some(Socket { address, uid: uid.parse().ok()?, inode: inode.parse().ok()?, dual })
}

/// Words of 32 bits in the byte order of the machine.
fn ip(text: &str) -> Option<IpAddr> {
    let word =
        |start: usize| -> Option<[u8; 4]> { u32::from_str_radix(text.get(start..start + 8)?, 16).ok().map(u32::to_ne_bytes) };
    match text.len() {
        8 => word(0).map(|bytes| IpAddr::V4(Ipv4Addr::from(bytes))),
        32 => {
            let bytes = [word(0)?, word(8)?, word(16)?, word(24)?].concat();
            <[u8; 16]>::try_from(bytes).ok().map(|bytes| IpAddr::V6(Ipv6Addr::from(bytes)))
        }
        _other => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

    fn line(local: &str, uid: u32) -> String {
        format!("   0: {local} 00000000:0000 0A 00000000:00000000 00:00000000 00000000  {uid}        0 4711 1 0 100 0 0 10 0\n")
    }

    /// DET-15: exact address, wildcard, `::` and IPv4-mapped listeners all count; the most exact one is the owner.
    #[test]
    fn every_kind_of_binding_is_found() {
        let target: SocketAddr = "127.0.0.1:5432".parse().unwrap();
        let mapped = "0000000000000000FFFF00000100007F:1538";
        let any6 = "00000000000000000000000000000000:1538";
        for local in ["0100007F:1538", "00000000:1538", mapped, any6] {
            let sockets = parse(&(HEAD.to_owned() + &line(local, 1001)));
            assert_eq!(listeners(&sockets, target).len(), 1, "{local}");
        }
        let both = parse(&(HEAD.to_owned() + &line("00000000:1538", 0) + &line("0100007F:1538", 1001)));
        assert_eq!(listeners(&both, target).iter().map(|socket| socket.uid).collect::<Vec<_>>(), [1001]);
        let other = parse(&(HEAD.to_owned() + &line("0100007F:1539", 0) + "garbage\n"));
        assert!(listeners(&other, target).is_empty());
    }

    proptest::proptest! {
        /// P6: whatever the table holds, it is read without a fault.
        #[test]
        fn p6_any_table_is_read(text in ".{0,400}") {
            let _sockets = parse(&text);
        }
    }
}
