//! The class of a listener and what may be sent to it (DET-16). Pure.

use std::net::SocketAddr;

use koan_core::inventory::LivePort;
use koan_crds::v1alpha1::{EvidenceCode, Protocol};

/// Lowest uid of a login user.
const FIRST_LOGIN_UID: u32 = 1000;
/// Programs that carry a connection elsewhere (DET-17).
const FORWARDERS: [&str; 32] = [
    "ssh",
    "sshd",
    "autossh",
    "plink",
    "kubectl",
    "oc",
    "k9s",
    "cloud-sql-proxy",
    "cloud_sql_proxy",
    "alloydb-auth-proxy",
    "session-manager-plugin",
    "aws",
    "az",
    "gcloud",
    "tsh",
    "boundary",
    "cloudflared",
    "ngrok",
    "chisel",
    "frpc",
    "socat",
    "ncat",
    "nc",
    "stunnel",
    "tailscaled",
    "telepresence",
    "mirrord",
    "haproxy",
    "envoy",
    "nginx",
    "wslrelay.exe",
    "sshd-session",
];
/// Length to which the kernel cuts the name of a process.
const CUT_NAME: usize = 15;

/// Who listens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Listener {
    /// Owners of the sockets; empty where none is known.
    pub(crate) uids: Vec<u32>,
    /// Names of the processes, as far as they are readable.
    pub(crate) names: Vec<String>,
    /// Their ids.
    pub(crate) pids: Vec<u32>,
}

/// Class of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// Our uid.
    User,
    /// A foreign container.
    Engine,
    /// Koan's own container or process.
    KoanOwned,
    /// Root or a system account.
    System,
    /// Another login user.
    Other,
    /// Unreadable.
    Unknown,
    /// A program that carries the connection elsewhere.
    Forwarder,
    /// Not on loopback.
    Remote,
}

impl Class {
    /// Code of its evidence; a remote listener has none.
    pub(crate) fn code(self) -> Option<EvidenceCode> {
        match self {
            Self::User => Some(EvidenceCode::OwnerUser),
            Self::Engine => Some(EvidenceCode::OwnerEngine),
            Self::KoanOwned => Some(EvidenceCode::KoanOwned),
            Self::System => Some(EvidenceCode::OwnerSystem),
            Self::Other => Some(EvidenceCode::OwnerOther),
            Self::Unknown => Some(EvidenceCode::OwnerUnknown),
            Self::Forwarder => Some(EvidenceCode::Forwarder),
            Self::Remote => None,
        }
    }
}

/// How a manifest credential may travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manifest {
    /// By every mechanism.
    Any,
    /// Challenge–response only.
    Challenge,
    /// Not at all.
    No,
}

/// What may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    /// A connection without credential.
    pub(crate) anonymous: bool,
    /// The manifest's credential.
    pub(crate) manifest: Manifest,
    /// Default sets.
    pub(crate) defaults: bool,
}

/// The table of DET-16; `named` says that the manifest names the candidate, `verified` that TLS vouches for the peer.
pub(crate) fn policy(class: Class, named: bool, verified: bool) -> Policy {
    match class {
        Class::User | Class::Engine => Policy { anonymous: true, manifest: Manifest::Any, defaults: true },
        Class::System => Policy { anonymous: true, manifest: Manifest::Any, defaults: false },
        Class::Remote if verified => Policy { anonymous: false, manifest: Manifest::Any, defaults: false },
        Class::Other | Class::Unknown | Class::Remote => {
            Policy { anonymous: false, manifest: Manifest::Challenge, defaults: false }
        }
        Class::Forwarder if named => Policy { anonymous: false, manifest: Manifest::Any, defaults: false },
        Class::Forwarder | Class::KoanOwned => Policy { anonymous: false, manifest: Manifest::No, defaults: false },
    }
}

/// The class of a loopback listener. A forwarder is one whoever owns it; then the inventory of the engines decides where no process
/// listens or the engine's proxy runs as root or as this user; then the uid.
pub(crate) fn classify(listener: &Listener, target: SocketAddr, ports: &[LivePort], our_uid: u32) -> Class {
    if listener.names.iter().any(|name| is_forwarder(name)) {
        return Class::Forwarder;
    }
    let mut published = ports.iter().filter(|port| publishes(port, target) && fits(port, listener, our_uid)).peekable();
    if published.peek().is_some() {
        return if published.any(|port| port.owner.is_some()) { Class::KoanOwned } else { Class::Engine };
    }
    let by_uid = |uid: &u32| match *uid {
        uid if uid == our_uid => Class::User,
        uid if uid < FIRST_LOGIN_UID => Class::System,
        _login_user => Class::Other,
    };
    listener.uids.iter().map(by_uid).max().unwrap_or(Class::Unknown)
}

fn is_forwarder(name: &str) -> bool {
    let cut = |text: &'static str| if text.len() > CUT_NAME { &text[..CUT_NAME] } else { text };
    FORWARDERS.iter().any(|forwarder| *forwarder == name || (name.len() == CUT_NAME && cut(forwarder) == name))
}

fn publishes(port: &LivePort, target: SocketAddr) -> bool {
    let address = port.address.to_canonical();
    port.protocol == Protocol::Tcp
        && port.host == target.port()
        && (address.is_unspecified() || address == target.ip().to_canonical())
}

/// A process of the engine is the listener itself; a container's listener is nobody, root's proxy or ours.
fn fits(port: &LivePort, listener: &Listener, our_uid: u32) -> bool {
    match port.pid {
        Some(pid) => listener.pids.is_empty() || listener.pids.contains(&pid),
        None => listener.uids.iter().all(|uid| *uid == 0 || *uid == our_uid),
    }
}

#[cfg(test)]
mod tests {
    use koan_core::identity::{InstanceId, Owner, Uid};

    use super::*;

    const OURS: u32 = 1000;

    fn target() -> SocketAddr {
        "127.0.0.1:5432".parse().unwrap()
    }

    fn listener(uid: u32, name: &str) -> Listener {
        Listener { uids: vec![uid], names: vec![name.to_owned()], pids: vec![77] }
    }

    fn port(owned: bool, pid: Option<u32>) -> LivePort {
        let owner = Owner {
            instance: InstanceId::from("instance"),
            namespace: "default".to_owned(),
            stack: Some("shop".to_owned()),
            service: "db".to_owned(),
            uid: Uid::from("uid"),
        };
        LivePort {
            service: "db".to_owned(),
            host: 5432,
            container: 5432,
            protocol: Protocol::Tcp,
            address: "0.0.0.0".parse().unwrap(),
            owner: owned.then_some(owner),
            pid,
        }
    }

    /// DET-15, DET-16, DET-17: each way to own a listener gives its class.
    #[test]
    fn each_owner_has_its_class() {
        let judged = |listener: Listener, ports: &[LivePort]| classify(&listener, target(), ports, OURS);
        assert_eq!(judged(listener(OURS, "postgres"), &[]), Class::User);
        assert_eq!(judged(listener(0, "postgres"), &[]), Class::System);
        assert_eq!(judged(listener(107, "postgres"), &[]), Class::System);
        assert_eq!(judged(listener(1001, "postgres"), &[]), Class::Other);
        assert_eq!(judged(Listener::default(), &[]), Class::Unknown);
        assert_eq!(judged(listener(OURS, "ssh"), &[]), Class::Forwarder);
        assert_eq!(judged(listener(0, "alloydb-auth-pr"), &[]), Class::Forwarder);
        assert_eq!(judged(listener(0, "docker-proxy"), &[port(false, None)]), Class::Engine);
        assert_eq!(judged(Listener::default(), &[port(false, None)]), Class::Engine);
        assert_eq!(judged(listener(0, "docker-proxy"), &[port(true, None)]), Class::KoanOwned);
        assert_eq!(judged(listener(1001, "postgres"), &[port(false, None)]), Class::Other);
        assert_eq!(judged(listener(1001, "postgres"), &[port(true, Some(77))]), Class::KoanOwned);
        assert_eq!(judged(listener(1001, "postgres"), &[port(true, Some(78))]), Class::Other);
    }

    /// SEC-1, DET-16: only our own and engines' listeners get default sets; strangers get no password as it is.
    #[test]
    fn sec_1_the_class_decides_what_is_sent() {
        for class in [Class::Other, Class::Unknown, Class::Remote] {
            let policy = policy(class, true, false);
            assert_eq!((policy.anonymous, policy.manifest, policy.defaults), (false, Manifest::Challenge, false));
        }
        assert_eq!(policy(Class::Remote, true, true).manifest, Manifest::Any);
        assert_eq!(policy(Class::Other, true, true).manifest, Manifest::Challenge, "never to another login user's listener");
        assert!(policy(Class::User, false, false).defaults && policy(Class::Engine, false, false).defaults);
        assert!(!policy(Class::System, false, false).defaults && policy(Class::System, false, false).anonymous);
        assert_eq!(policy(Class::Forwarder, false, false).manifest, Manifest::No);
        assert_eq!(policy(Class::Forwarder, true, false).manifest, Manifest::Any);
        assert_eq!(policy(Class::KoanOwned, true, false).manifest, Manifest::No);
    }
}
