//! Stopping: the supervisor is told; where there is none any more, the program's group is ended by its identity.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use koan_core::outcome::Done;
use koan_core::step::ObjectRef;
use koan_core::workload::{Run, StopSignal, WorkloadSpec};
use rustix::fs::OFlags;
use rustix::process::Signal;
use tokio::time::{Instant, sleep};

use super::durable;
use super::engine::Inner;
use super::error::ProcessError;
use super::identity::ProcessIdentity;
use super::job::{CONTROL_FILE, StopOrder, signal_of};
use super::layout::Places;
use super::record::Situation;
use super::start::{LOOK, lock};
use super::workloads;

/// Time beyond the grace in which a supervisor has to end.
const MARGIN: Duration = Duration::from_secs(5);

/// Ends a workload with its whole group, and removes the secrets of its run.
pub(crate) async fn stop(inner: &Inner, object: &ObjectRef, grace: Duration) -> Result<Done, ProcessError> {
    let Some((stored, places)) = workloads::find(&inner.layout, object)? else { return Ok(Done::default()) };
    let until = Instant::now() + grace + MARGIN;
    let mut told = false;
    let mut changed = false;
    let lock = loop {
        if let Some(lock) = lock(&places)? {
            break lock;
        }
        changed = true;
        told = told || tell(&places, grace)?;
        if Instant::now() >= until {
            // It does not obey: it may be stopped itself. Its program is then ended below.
            if let Some((record, _situation)) = workloads::situation(&places)? {
                record.supervisor.signal(Signal::KILL);
            }
        }
        if Instant::now() >= until + MARGIN {
            return Err(ProcessError::Unstoppable { object: object.name.clone() });
        }
        sleep(LOOK).await;
    };
    if let Some((_record, Situation::Orphaned(program) | Situation::OrphanedStep(program))) = workloads::situation(&places)? {
        changed = true;
        end_orphan(&stored.spec, &program, grace).await?;
    }
    durable::remove_folder(&places.private)?;
    drop(lock);
    Ok(Done { changed, id: Some(stored.id), ..Done::default() })
}

/// Writes the order into the named pipe; false where nobody reads it yet or any more.
fn tell(places: &Places, grace: Duration) -> Result<bool, ProcessError> {
    let path = places.private.join(CONTROL_FILE);
    let order = StopOrder { grace: u64::try_from(grace.as_millis()).unwrap_or(u64::MAX) };
    let nonblocking = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let written = OpenOptions::new()
        .write(true)
        .custom_flags(nonblocking)
        .open(&path)
        .and_then(|mut pipe| pipe.write_all(order.line().as_bytes()));
    match written {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound || nobody_reads(&error) => Ok(false),
        Err(error) => Err(ProcessError::io("write to", &path, error)),
    }
}

fn nobody_reads(error: &io::Error) -> bool {
    let number = error.raw_os_error();
    [rustix::io::Errno::NXIO, rustix::io::Errno::PIPE].iter().any(|known| number == Some(known.raw_os_error()))
}

/// Ends a program whose supervisor is gone: its own signal, grace, KILL to its group, and only while it is the same process (P15).
pub(crate) async fn end_orphan(spec: &WorkloadSpec, program: &ProcessIdentity, grace: Duration) -> Result<(), ProcessError> {
    let started = Instant::now();
    let asks = match &spec.run {
        Run::Process(run) => run.stop_signal,
        Run::Container(_) => StopSignal::default(),
    };
    program.signal_group(signal_of(asks));
    while program.is_alive() {
        if started.elapsed() >= grace {
            program.signal_group(Signal::KILL);
        }
        if started.elapsed() >= grace + MARGIN {
            return Err(ProcessError::Unstoppable { object: spec.object.clone() });
        }
        sleep(LOOK).await;
    }
    Ok(())
}
