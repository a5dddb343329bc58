//! The process group of a child: it ends as a whole, and never a stranger's.

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::Child;

/// Owns a child that leads its own process group; dropping it kills the group.
///
/// The group is signalled only while the child is not reaped: till then the kernel gives its number to nobody else.
pub(crate) struct Group {
    /// The leader.
    pub(crate) child: Child,
}

impl Group {
    /// Kills every member.
    pub(crate) fn kill(&self) {
        let Some(leader) = self.leader() else { return };
        if let Err(error) = kill_process_group(leader, Signal::KILL) {
            tracing::debug!(%error, group = leader.as_raw_nonzero().get(), "the process group was gone");
        }
    }

    /// The leader's number; `None` once it is reaped.
    pub(crate) fn leader(&self) -> Option<Pid> {
        self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}
