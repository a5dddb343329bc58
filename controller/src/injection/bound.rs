//! The login that came with an address, found again by that address (DET-11).

use std::net::IpAddr;

use koan_core::candidate::ParsedCandidate;
use koan_core::probe::Address;
use koan_core::secret::Login;
use koan_crds::v1alpha1::DetectionMethod;

/// Where a decision leads, and how that place was found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    /// Its address: a literal, unless a certificate vouches for the name.
    pub(crate) endpoint: &'a Address,
    /// `None` where nobody looked for it.
    pub(crate) method: Option<DetectionMethod>,
}

/// The login of the candidate that led to a place.
///
/// A candidate whose host is a name led to whatever that name stood for when it was looked at. Where no candidate has the very
/// address, the login of those names is taken, if it is one and the same: of two, one would go to the other's server.
pub(super) fn bound_login<'a>(candidates: impl Iterator<Item = &'a ParsedCandidate>, place: Place) -> Option<Login> {
    let candidates: Vec<&ParsedCandidate> = candidates.collect();
    let mut exact = candidates.iter().filter(|candidate| leads_to(&candidate.address, place.endpoint)).peekable();
    if exact.peek().is_some() || !looked_up(place) {
        return exact.find_map(|candidate| candidate.login.clone());
    }
    let mut named = candidates.iter().filter(|candidate| may_lead_to(&candidate.address, place.endpoint));
    let first = named.next()?.login.clone()?;
    named.all(|other| other.login.as_ref() == Some(&first)).then_some(first)
}

/// True where a candidate's name may have been looked up to find the place: a literal of another machine, by a candidate.
fn looked_up(place: Place) -> bool {
    let by_candidate = match place.method {
        Some(DetectionMethod::Explicit | DetectionMethod::Environment) => true,
        Some(DetectionMethod::Automatic | DetectionMethod::HostGateway | DetectionMethod::ContainerLoopback) | None => false,
    };
    let remote = match place.endpoint {
        Address::Tcp { host, .. } => host.parse().is_ok_and(|host: IpAddr| !host.is_loopback()),
        Address::Unix { .. } => false,
    };
    by_candidate && remote
}

/// The name of an address leads to its literal: the same text, or names of loopback with one port.
fn leads_to(name: &Address, literal: &Address) -> bool {
    let local = |host: &str| host == "localhost" || host.parse().is_ok_and(|host: IpAddr| host.is_loopback());
    match (name, literal) {
        (Address::Tcp { host, port }, Address::Tcp { host: found, port: at }) => {
            port == at && (host == found || (local(host) && local(found)))
        }
        (name, literal) => name == literal,
    }
}

/// A name, of no machine that is known without asking, with the port of the literal.
fn may_lead_to(name: &Address, literal: &Address) -> bool {
    match (name, literal) {
        (Address::Tcp { host, port }, Address::Tcp { port: at, .. }) => {
            port == at && host != "localhost" && host.parse::<IpAddr>().is_err()
        }
        (Address::Tcp { .. } | Address::Unix { .. }, _) => false,
    }
}

#[cfg(test)]
mod tests {
    use koan_core::candidate::parse;

    use super::*;

    const EXPLICIT: Option<DetectionMethod> = Some(DetectionMethod::Explicit);

    /// Password of the login that is bound to `host`, port 5432.
    fn password(candidates: &[&str], host: &str, method: Option<DetectionMethod>) -> Option<String> {
        let parsed: Vec<ParsedCandidate> = candidates.iter().map(|text| parse(text, None).unwrap()).collect();
        let endpoint = Address::Tcp { host: host.to_owned(), port: 5432 };
        let login = bound_login(parsed.iter(), Place { endpoint: &endpoint, method });
        login.and_then(|login| login.password).map(|password| password.expose().clone())
    }

    /// DET-11, DET-32: the login in the URL of a named remote server stays bound to it after its name became an address.
    #[test]
    fn a_name_keeps_its_login_when_it_became_an_address() {
        let named = ["postgres://app:one@db.corp.example:5432/shop"];
        assert_eq!(password(&named, "10.1.2.3", EXPLICIT).as_deref(), Some("one"));
        assert_eq!(password(&named, "10.1.2.3", Some(DetectionMethod::Environment)).as_deref(), Some("one"));
        assert_eq!(password(&named, "db.corp.example", EXPLICIT).as_deref(), Some("one"));
        let twice = ["postgres://app:one@a.example:5432/shop", "postgres://app:one@b.example:5432/shop"];
        assert_eq!(password(&twice, "10.1.2.3", EXPLICIT).as_deref(), Some("one"));
    }

    /// DET-11, SEC-1: no login goes to an address that it does not belong to.
    #[test]
    fn sec_1_a_login_stays_with_its_own_address() {
        let two = ["postgres://app:one@a.example:5432/shop", "postgres://app:two@b.example:5432/shop"];
        assert_eq!(password(&two, "10.1.2.3", EXPLICIT), None);
        let one_without = ["postgres://app:one@a.example:5432/shop", "postgres://b.example:5432/shop"];
        assert_eq!(password(&one_without, "10.1.2.3", EXPLICIT), None);
        let literal = ["postgres://app:one@a.example:5432/shop", "postgres://10.1.2.3:5432/shop"];
        assert_eq!(password(&literal, "10.1.2.3", EXPLICIT), None);
        let named = ["postgres://app:one@db.corp.example:5432/shop"];
        assert_eq!(password(&named, "127.0.0.1", EXPLICIT), None);
        assert_eq!(password(&named, "172.17.0.1", Some(DetectionMethod::HostGateway)), None);
        assert_eq!(password(&["postgres://app:one@db.corp.example:5433/shop"], "10.1.2.3", EXPLICIT), None);
        assert_eq!(password(&["postgres://app:one@10.1.2.4:5432/shop"], "10.1.2.3", EXPLICIT), None);
    }

    /// DET-11: names of loopback are one place.
    #[test]
    fn names_of_loopback_are_one() {
        assert_eq!(password(&["postgres://app:one@localhost:5432/shop"], "127.0.0.1", EXPLICIT).as_deref(), Some("one"));
        assert_eq!(password(&["postgres://app:one@[::1]:5432/shop"], "127.0.0.1", None).as_deref(), Some("one"));
    }
}
