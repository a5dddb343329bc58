//! Reads the socket table and the processes that hold its sockets; the effectful half. Elsewhere than on Linux nothing is readable.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::class::Listener;
use super::table::{listeners, parse};
use crate::wire::Target;

/// Most processes whose files are looked at.
const PROCESSES: usize = 32_768;
/// Most open files of one process that are looked at.
const FILES: usize = 65_536;

/// Our uid.
pub(crate) fn our_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Who listens at the target. Blocks; what cannot be read is left out.
pub(crate) fn read(target: &Target) -> Listener {
    match target {
        Target::Tcp(address) => read_tcp(*address),
        Target::Unix(path) => {
            let uids = fs::metadata(path).map(|data| data.uid()).into_iter().collect();
            Listener { uids, ..Listener::default() }
        }
    }
}

fn read_tcp(target: SocketAddr) -> Listener {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| fs::read_to_string(path).unwrap_or_default());
    let sockets: Vec<_> = tables.iter().flat_map(|table| parse(table)).collect();
    let found = listeners(&sockets, target);
    let uids: BTreeSet<u32> = found.iter().map(|socket| socket.uid).collect();
    let links: BTreeSet<String> = found.iter().map(|socket| format!("socket:[{}]", socket.inode)).collect();
    let mut listener = Listener { uids: uids.into_iter().collect(), ..Listener::default() };
    if links.is_empty() {
        return listener;
    }
    for pid in processes() {
        let folder = Path::new("/proc").join(pid.to_string());
        if holds(&folder, &links) {
            listener.pids.push(pid);
            listener.names.extend(names(&folder));
        }
    }
    listener.names.sort();
    listener.names.dedup();
    listener
}

fn processes() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).take(PROCESSES).collect()
}

fn holds(folder: &Path, links: &BTreeSet<String>) -> bool {
    let Ok(entries) = fs::read_dir(folder.join("fd")) else { return false };
    let mut targets = entries.flatten().take(FILES).filter_map(|entry| fs::read_link(entry.path()).ok());
    targets.any(|target| target.to_str().is_some_and(|target| links.contains(target)))
}

/// Name of the process, of its program and of its first argument: each can be the telling one.
fn names(folder: &Path) -> Vec<String> {
    let kernel = fs::read_to_string(folder.join("comm")).ok().map(|name| name.trim().to_owned());
    let program = fs::read_link(folder.join("exe")).ok().and_then(|path| base(&path));
    let arguments = fs::read(folder.join("cmdline")).unwrap_or_default();
    let first = arguments.split(|byte| *byte == 0).next().map(String::from_utf8_lossy);
    let first = first.and_then(|argument| base(Path::new(argument.split([' ', ':']).next().unwrap_or_default())));
    [kernel, program, first].into_iter().flatten().filter(|name| !name.is_empty()).collect()
}

fn base(path: &Path) -> Option<String> {
    path.file_name().map(|name| name.to_string_lossy().chars().take(64).collect())
}
