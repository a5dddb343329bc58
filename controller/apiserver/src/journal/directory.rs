//! The state directory: private to its owner, on a file system that can hold a write-ahead log, held by one server.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

use super::JournalError;

/// The file that a running server holds locked; it names the holder.
const LOCK_FILE: &str = "lock";
/// The most bytes read from a lock file.
const LOCK_FILE_LIMIT: u64 = 4096;
/// Where the kernel names this boot.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// File systems without the shared memory that a write-ahead log needs, by `statfs` type.
const REMOTE: [(i64, &str); 5] =
    [(0x6969, "NFS"), (0x517B, "SMB"), (0xFF53_4D42, "CIFS"), (0xFE53_4D42, "SMB2"), (0x0102_1997, "9p")];

/// The exclusive right to a state directory, given up when dropped.
#[derive(Debug)]
pub(super) struct Held {
    _lock: File,
}

/// Makes the directory if need be, checks it, and takes its lock.
pub(super) fn hold(path: &Path) -> Result<Held, JournalError> {
    create(path)?;
    check(path)?;
    lock(path)
}

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> JournalError {
    let path = path.to_owned();
    move |cause| JournalError::Directory { path, cause }
}

fn create(path: &Path) -> Result<(), JournalError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed(path))
}

fn check(path: &Path) -> Result<(), JournalError> {
    let metadata = std::fs::metadata(path).map_err(failed(path))?;
    let (mode, user) = (metadata.mode() & 0o777, rustix::process::geteuid().as_raw());
    if metadata.uid() != user {
        return Err(JournalError::Owner { path: path.to_owned(), owner: metadata.uid(), user });
    }
    if mode & 0o077 != 0 {
        return Err(JournalError::Mode { path: path.to_owned(), mode });
    }
    let found = rustix::fs::statfs(path).map_err(|error| failed(path)(error.into()))?;
    local(path, found.f_type)
}

/// Refuses a directory on a file system of a type that cannot hold the store.
pub(super) fn local(path: &Path, filesystem: i64) -> Result<(), JournalError> {
    match REMOTE.iter().find(|(known, _)| *known == filesystem) {
        Some((_, filesystem)) => Err(JournalError::Filesystem { path: path.to_owned(), filesystem }),
        None => Ok(()),
    }
}

fn lock(path: &Path) -> Result<Held, JournalError> {
    let file_path = path.join(LOCK_FILE);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&file_path)
        .map_err(failed(&file_path))?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => return Err(holder(path, &mut file)),
        Err(error) => return Err(failed(&file_path)(error.into())),
    }
    let boot = std::fs::read_to_string(BOOT_ID).unwrap_or_default();
    let text = format!("{}\n{}\n{}\n", std::process::id(), start_time(), boot.trim());
    file.set_len(0).and_then(|()| file.write_all(text.as_bytes())).map_err(failed(&file_path))?;
    Ok(Held { _lock: file })
}

fn holder(path: &Path, file: &mut File) -> JournalError {
    let mut text = String::new();
    // An unreadable holder is still a holder: the message then has blanks.
    let _ = std::io::Read::take(&mut *file, LOCK_FILE_LIMIT).read_to_string(&mut text);
    let mut lines = text.lines();
    let mut next = || lines.next().unwrap_or("unknown").to_owned();
    JournalError::Locked { path: PathBuf::from(path), pid: next(), started: next() }
}

/// When this process started, in clock ticks since the boot: with the boot id it names a process for ever.
fn start_time() -> String {
    /// The position of `starttime` behind the command name in `/proc/self/stat`.
    const FIELD: usize = 19;
    std::fs::read_to_string("/proc/self/stat")
        .ok()
        .and_then(|stat| stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(FIELD).map(str::to_owned)))
        .map_or_else(|| "unknown".to_owned(), |ticks| format!("{ticks} ticks after boot"))
}
