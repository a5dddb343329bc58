//! What the controllers read of the outside world: the time, random bytes and the host, each behind one small trait so that
//! a simulation can supply its own.

use std::io;
use std::net::SocketAddr;

use jiff::Timestamp;

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

    /// The installed program of this name in one of these folders or on `PATH` (ENG-17): its absolute path.
    fn program(&self, name: &str, folders: &[&str]) -> Option<String>;

    /// The default gateway and host aliases to try as slots 3 and 4 (DET-9); empty unless Koan itself runs in a container.
    fn gateways(&self) -> Vec<String>;
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

    fn program(&self, name: &str, folders: &[&str]) -> Option<String> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let listed = folders.iter().flat_map(|folder| expand(folder));
        listed
            .chain(std::env::split_paths(&path))
            .map(|folder| folder.join(name))
            .find(|candidate| candidate.is_file())
            .map(|found| found.to_string_lossy().into_owned())
    }

    fn gateways(&self) -> Vec<String> {
        let contained = ["/.dockerenv", "/run/.containerenv"].iter().any(|mark| std::path::Path::new(mark).exists());
        if contained { vec!["host.docker.internal".to_owned(), "host.containers.internal".to_owned()] } else { Vec::new() }
    }
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
