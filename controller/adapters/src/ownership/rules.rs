//! The table of DET-16 as people read it, made from the function that rules.

use super::class::{Class, Manifest, policy};

/// What one kind of listener may be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Who listens.
    pub listener: &'static str,
    /// A connection without credential.
    pub anonymous: bool,
    /// How the manifest's own credential may travel.
    pub manifest: &'static str,
    /// The adapter's well-known default logins.
    pub defaults: bool,
}

/// One row per kind of listener; `named` in the words means that the manifest itself names the address.
pub fn rules() -> Vec<Rule> {
    let rows = [
        ("a process of yours", Class::User, false, false),
        ("a container that is not Koan's", Class::Engine, false, false),
        ("Koan's own container or process", Class::KoanOwned, false, false),
        ("root or a system account", Class::System, false, false),
        ("another login user", Class::Other, false, false),
        ("somebody who cannot be read", Class::Unknown, false, false),
        ("a program that carries connections elsewhere, such as ssh, kubectl or a proxy", Class::Forwarder, false, false),
        ("the same, at an address that the manifest names", Class::Forwarder, true, false),
        ("another machine", Class::Remote, true, false),
        ("another machine, over verified TLS", Class::Remote, true, true),
    ];
    let rule = |(listener, class, named, verified)| {
        let policy = policy(class, named, verified);
        let manifest = match policy.manifest {
            Manifest::Any => "yes",
            Manifest::Challenge => "only where it is not sent itself: challenge and response",
            Manifest::No => "no",
        };
        Rule { listener, anonymous: policy.anonymous, manifest, defaults: policy.defaults }
    };
    rows.into_iter().map(rule).collect()
}
