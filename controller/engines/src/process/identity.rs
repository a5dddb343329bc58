//! Which process of which boot: a number alone proves nothing, since the kernel gives it again (P15).

use std::fs;
use std::io;

use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

/// Where the kernel tells the id of this boot.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// Position of the start time behind the program's name in a `stat` file.
const START_FIELD: usize = 19;

/// A process: its number, its start in clock ticks since boot, and the boot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProcessIdentity {
    /// Number.
    pub(crate) pid: u32,
    /// Start in clock ticks since boot.
    pub(crate) start: u64,
    /// Id of the boot.
    pub(crate) boot: String,
}

impl ProcessIdentity {
    /// The identity of a process that is there now, ended but not yet reaped included.
    pub(crate) fn of(pid: u32) -> io::Result<Self> {
        let (_state, start) = stat(pid)?;
        Ok(Self { pid, start, boot: boot_id()? })
    }

    /// The same process, and not ended.
    pub(crate) fn is_alive(&self) -> bool {
        let ended = |state| matches!(state, 'Z' | 'X' | 'x');
        stat(self.pid).is_ok_and(|(state, start)| start == self.start && !ended(state))
            && boot_id().is_ok_and(|boot| boot == self.boot)
    }

    /// Signals the process group that this process leads; true where it was there.
    pub(crate) fn signal_group(&self, signal: Signal) -> bool {
        self.held().is_some_and(|(pid, _handle)| kill_process_group(pid, signal).is_ok())
    }

    /// Signals this process alone; true where it was there.
    pub(crate) fn signal(&self, signal: Signal) -> bool {
        self.held().is_some_and(|(_pid, handle)| pidfd_send_signal(handle, signal).is_ok())
    }

    /// The number with a handle, where it still belongs to this process. The handle is opened before the identity is compared.
    fn held(&self) -> Option<(Pid, rustix::fd::OwnedFd)> {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw)?;
        let handle = pidfd_open(pid, PidfdFlags::empty()).ok()?;
        self.is_alive().then_some((pid, handle))
    }
}

fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string(BOOT_ID)?.trim().to_owned())
}

/// State letter and start time of a process.
fn stat(pid: u32) -> io::Result<(char, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    parse_stat(&text).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("/proc/{pid}/stat is not understood")))
}

/// The program's name stands in parentheses and may itself hold spaces and parentheses.
fn parse_stat(text: &str) -> Option<(char, u64)> {
    let (_name, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.clone().next()?.chars().next()?;
    Some((state, fields.nth(START_FIELD)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ENG-10: a program whose name holds spaces and parentheses does not shift the fields.
    #[test]
    fn an_odd_program_name_is_passed_over() {
        let text = "42 (a) b (c) R 1 42 42 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 777 0 0";
        assert_eq!(parse_stat(text), Some(('R', 777)));
        assert_eq!(parse_stat("42 (short) R 1"), None);
    }

    /// P15: the same number with another start time or boot is another process and gets no signal.
    #[test]
    fn p15_a_reused_number_is_a_stranger() {
        let mut child = std::process::Command::new("/bin/sleep").arg("600").spawn().unwrap();
        let real = ProcessIdentity::of(child.id()).unwrap();
        let other_start = ProcessIdentity { start: real.start + 1, ..real.clone() };
        let other_boot = ProcessIdentity { boot: "another".to_owned(), ..real.clone() };
        for stranger in [other_start, other_boot] {
            assert!(!stranger.is_alive() && !stranger.signal(Signal::KILL) && !stranger.signal_group(Signal::KILL));
        }
        assert!(real.is_alive());
        assert!(real.signal(Signal::KILL));
        child.wait().unwrap();
        assert!(!real.is_alive());
    }
}
