use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use koan_adapters::catalogue;
use koan_core::validate::ValidPortPolicy;

use super::report::{Check, Verdict};
use crate::commands::{Run, prepare::prepare};
use crate::engines::addresses;
use crate::failure::Failure;
use crate::home::{self, ServerRecord};
use crate::settings::{KEPT_FREE, SET, VARIABLES};

/// Free space below which the home is at risk, in bytes.
const LEAST_DISK: u64 = 1 << 30;
/// Where Linux says which ports it gives to outgoing connections.
const EPHEMERAL: &str = "/proc/sys/net/ipv4/ip_local_port_range";

/// Checks that ask no engine.
pub(super) fn checks(run: &Run) -> Vec<Check> {
    vec![directory(run), lock(run), disk(run), range(), ports(), loopback(), proxy(run), manifest(run), unknown(run)]
}

fn directory(run: &Run) -> Check {
    match home::prepare(&run.settings.home) {
        Ok(home) => Check::ok("home.dir", "state directory", format!("{} is 0700 and ours", home.root.display())),
        Err(failure) => failed("home.dir", "state directory", &failure),
    }
}

fn failed(id: &str, title: &str, failure: &Failure) -> Check {
    Check::not_ok(id, title, Verdict::Fail, failure.to_string(), failure.hints().join("; "))
}

fn lock(run: &Run) -> Check {
    let home = home::Home { root: run.settings.home.clone() };
    match ServerRecord::living(&home) {
        Some(record) if record.version == env!("CARGO_PKG_VERSION") => {
            match addresses(&run.settings).ok().and_then(|addresses| record.elsewhere(&addresses)) {
                None => Check::ok("home.lock", "server", format!("runs, pid {}", record.pid)),
                Some(words) => Check::not_ok("home.lock", "server", Verdict::Warn, words, "koan serve stop"),
            }
        }
        Some(record) => {
            Check::not_ok("home.lock", "server", Verdict::Warn, format!("Koan {} serves", record.version), "koan serve stop")
        }
        None => Check::ok("home.lock", "server", "none runs; the next command starts one"),
    }
}

fn disk(run: &Run) -> Check {
    let title = "free space";
    match rustix::fs::statvfs(&run.settings.home) {
        Ok(found) => {
            let free = found.f_bavail.saturating_mul(found.f_frsize);
            let detail = format!("{} MiB free", free >> 20);
            if free >= LEAST_DISK {
                Check::ok("home.disk", title, detail)
            } else {
                Check::not_ok("home.disk", title, Verdict::Warn, detail, "free space, or name another disk with KOAN_HOME")
            }
        }
        Err(error) => {
            Check::not_ok("home.disk", title, Verdict::Warn, error.to_string(), "check that KOAN_HOME is on a mounted disk")
        }
    }
}

/// Ports that Koan chooses from: how many are free, and whether the system gives them away as well.
fn range() -> Check {
    let title = "range of chosen ports";
    let ValidPortPolicy { low, high, .. } = ValidPortPolicy::default();
    let free = (low..=high).filter(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok()).count();
    let given = std::fs::read_to_string(EPHEMERAL).unwrap_or_default();
    let mut given = given.split_whitespace().filter_map(|text| text.parse::<u16>().ok());
    let overlap = match (given.next(), given.next()) {
        (Some(first), Some(last)) if first <= high && last >= low => {
            format!("; the system gives {first} to {last} to outgoing connections, a port that is lost to one is picked again")
        }
        _ => String::new(),
    };
    let detail = format!("{free} of {} free from {low} to {high}{overlap}", usize::from(high - low) + 1);
    if free > 0 {
        Check::ok("ports.range", title, detail)
    } else {
        Check::not_ok("ports.range", title, Verdict::Fail, detail, "end what holds them, or set spec.ports.range to another one")
    }
}

/// Ports of the catalogue that something holds: no fault, but what detection will ask.
fn ports() -> Check {
    let held = catalogue().recipes().iter().flat_map(|recipe| recipe.ports.iter().map(move |port| (recipe.title, port.port)));
    let held = held.filter(|(_, port)| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_err());
    let held: Vec<String> = held.map(|(title, port)| format!("{port} ({title})")).collect();
    let detail = if held.is_empty() { "free: no host service listens".to_owned() } else { format!("held: {}", held.join(", ")) };
    Check::ok("ports.known", "ports of known services", detail)
}

fn loopback() -> Check {
    let usable = |address: SocketAddr| TcpListener::bind(address).is_ok();
    match (usable((Ipv4Addr::LOCALHOST, 0).into()), usable((Ipv6Addr::LOCALHOST, 0).into())) {
        (true, true) => Check::ok("net.loopback", "loopback", "127.0.0.1 and ::1 are usable"),
        (true, false) => Check::ok("net.loopback", "loopback", "127.0.0.1 is usable, ::1 is not"),
        (false, _) => Check::not_ok("net.loopback", "loopback", Verdict::Fail, "127.0.0.1 is not usable", "ip link set lo up"),
    }
}

fn proxy(run: &Run) -> Check {
    let all = run.settings.environment.all();
    let set =
        ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY"].iter().find(|name| all.contains_key(**name));
    let bypass = ["NO_PROXY", "no_proxy"]
        .iter()
        .filter_map(|name| all.get(*name))
        .any(|list| list.contains("127.0.0.1") || list.contains('*'));
    match (set, bypass) {
        (None, _) => Check::ok("net.proxy", "proxy", "no proxy variable is set"),
        (Some(_), true) => Check::ok("net.proxy", "proxy", "loopback bypasses the proxy"),
        (Some(name), false) => Check::not_ok(
            "net.proxy",
            "proxy",
            Verdict::Warn,
            format!("{name} is set and NO_PROXY does not name 127.0.0.1; koan is not affected, other clients are"),
            "export NO_PROXY=127.0.0.1,localhost,::1",
        ),
    }
}

fn manifest(run: &Run) -> Check {
    let title = "manifest";
    match prepare(run) {
        Ok(prepared) => Check::ok(
            "manifest.valid",
            title,
            match prepared.found.documents.len() {
                1 => "1 object, valid".to_owned(),
                count => format!("{count} objects, valid"),
            },
        ),
        Err(Failure::NoManifest { .. }) => Check::not_ok("manifest.valid", title, Verdict::Skip, "none here", "koan init"),
        Err(failure) => failed("manifest.valid", title, &failure),
    }
}

fn known(name: &str) -> bool {
    KEPT_FREE.contains(&name) || SET.contains(&name) || VARIABLES.iter().any(|variable| variable.name == name)
}

/// `KOAN_*` names that nobody reads or sets; what `koan env` exported is known by its shape.
fn unknown(run: &Run) -> Check {
    let suffixes = ["_URL", "_HOST", "_PORT", "_USER", "_PASSWORD", "_DATABASE"];
    let names = run.settings.environment.all().keys().filter(|name| name.starts_with("KOAN_"));
    let names: Vec<&str> = names
        .map(String::as_str)
        .filter(|name| !known(name) && !name.starts_with("KOAN_TEST_") && !suffixes.iter().any(|suffix| name.ends_with(suffix)))
        .collect();
    if names.is_empty() {
        return Check::ok("env.unknown", "variables", "every KOAN_ name is known");
    }
    Check::not_ok(
        "env.unknown",
        "variables",
        Verdict::Warn,
        format!("nobody reads {}", names.join(", ")),
        "unset them or correct their spelling",
    )
}
