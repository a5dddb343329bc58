//! What the controllers read of the outside world: the time, random bytes and the host, each behind one small trait so that
//! a simulation can supply its own.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs as _};

use jiff::Timestamp;
use koan_crds::v1alpha1::DetectionMethod;

/// Wall-clock time; delays use the runtime's own timer, which a simulation pauses.
pub trait Clock: Send + Sync + 'static {
    /// The time now; may jump in either direction.
    fn now(&self) -> Timestamp;
}

/// Random bytes for jitter and generated credentials.
pub trait Random: Send + Sync + 'static {
    /// Fills `buffer` completely.
    ///
    /// # Errors
    /// The operating system has no randomness to give.
    fn fill(&self, buffer: &mut [u8]) -> io::Result<()>;
}

/// The host on which this process runs.
pub trait Host: Send + Sync + 'static {
    /// True when nothing else listens on that very address (CLI-31); told by binding it.
    fn port_is_free(&self, address: SocketAddr) -> bool;

    /// Who listens there, for a message; `None` where nobody can tell.
    fn port_holder(&self, _address: SocketAddr) -> Option<String> {
        None
    }

    /// The installed program of this name in one of these folders or on `PATH` (ENG-17): its absolute path.
    fn program(&self, name: &str, folders: &[&str]) -> Option<String>;

    /// Addresses of a name, by this machine's own resolver; waits for it. None where it has none.
    fn addresses(&self, _name: &str) -> Vec<IpAddr> {
        Vec::new()
    }

    /// The machine's own names and the default gateway, with their slots 3 and 4 (DET-9); empty unless Koan itself runs in a
    /// container that is no pod (decision 0007).
    fn gateways(&self) -> Vec<(DetectionMethod, String)>;
}

/// The clock of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// The operating system's random bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsRandom;

impl Random for OsRandom {
    fn fill(&self, buffer: &mut [u8]) -> io::Result<()> {
        getrandom::fill(buffer).map_err(|error| io::Error::other(error.to_string()))
    }
}

/// This machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemHost;

impl Host for SystemHost {
    fn port_is_free(&self, address: SocketAddr) -> bool {
        std::net::TcpListener::bind(address).is_ok()
    }

    fn port_holder(&self, address: SocketAddr) -> Option<String> {
        koan_adapters::listener_name(address)
    }

    fn program(&self, name: &str, folders: &[&str]) -> Option<String> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let listed = folders.iter().flat_map(|folder| expand(folder));
        listed
            .chain(std::env::split_paths(&path))
            .map(|folder| folder.join(name))
            .find(|candidate| candidate.is_file())
            .map(|found| found.to_string_lossy().into_owned())
    }

    fn addresses(&self, name: &str) -> Vec<IpAddr> {
        (name, 0).to_socket_addrs().map(|found| found.map(|address| address.ip()).collect()).unwrap_or_default()
    }

    fn gateways(&self) -> Vec<(DetectionMethod, String)> {
        let contained = ["/.dockerenv", "/run/.containerenv"].iter().any(|mark| std::path::Path::new(mark).exists());
        // A pod's gateway is a node, which is nobody's own machine.
        if !contained || std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() {
            return Vec::new();
        }
        let names = ["host.docker.internal", "host.containers.internal"];
        let names = names.map(|name| (DetectionMethod::HostGateway, name.to_owned()));
        let routes = std::fs::read_to_string("/proc/net/route").unwrap_or_default();
        let gateway = default_gateway(&routes).map(|address| (DetectionMethod::ContainerLoopback, address.to_string()));
        names.into_iter().chain(gateway).collect()
    }
}

/// Gateway of the default route in the kernel's table: hexadecimal words in this machine's byte order.
fn default_gateway(routes: &str) -> Option<Ipv4Addr> {
    routes.lines().skip(1).find_map(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let (destination, gateway) = (fields.next()?, fields.next()?);
        let gateway = u32::from_str_radix(gateway, 16).ok().filter(|gateway| *gateway != 0)?;
        (destination == "00000000").then(|| Ipv4Addr::from(gateway.to_ne_bytes()))
    })
}

/// Folders that a pattern with at most one `*` segment names, the greatest version first.
fn expand(pattern: &str) -> Vec<std::path::PathBuf> {
    let Some((before, after)) = pattern.split_once('*') else { return vec![pattern.into()] };
    let after = after.trim_start_matches('/');
    let Ok(entries) = std::fs::read_dir(before) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.filter_map(Result::ok).map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort_by_key(|name| std::cmp::Reverse(version_of(name)));
    names.into_iter().map(|name| std::path::Path::new(before).join(name).join(after)).collect()
}

/// Numbers of a folder name, for an order in which 18 is greater than 9.
fn version_of(name: &str) -> (Vec<u64>, String) {
    let numbers = name.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect();
    (numbers, name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// DET-9 (decision 0007): slot 4 is the gateway of the default route, and there is none without such a route.
    #[cfg(target_endian = "little")]
    #[test]
    fn the_default_gateway_is_read() {
        let head = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\n";
        let near = "eth0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\n";
        let far = "eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\n";
        assert_eq!(default_gateway(&format!("{head}{near}{far}")), Some(Ipv4Addr::new(172, 17, 0, 1)));
        for none in ["", head, &format!("{head}{near}"), "x\ny\tz\n"] {
            assert_eq!(default_gateway(none), None, "{none}");
        }
    }
}
