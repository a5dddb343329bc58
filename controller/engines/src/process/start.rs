//! Starting: at most one supervisor per workload, held by a lock that lives exactly as long as it does (S-4).

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::process::Stdio;
use std::time::Duration;

use koan_core::outcome::{Done, Outcome};
use koan_core::step::ObjectRef;
use koan_core::text::Values;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use super::durable;
use super::engine::Inner;
use super::error::ProcessError;
use super::identity::ProcessIdentity;
use super::layout::Places;
use super::private;
use super::record::{End, Phase, RunRecord, Situation};
use super::render::Renderer;
use super::stop::end_orphan;
use super::workloads::{self, Stored};

/// How long a start is waited for before the controllers are asked to come again.
const START_WAIT: Duration = Duration::from_secs(5);
/// When they come again.
const COME_AGAIN: Duration = Duration::from_secs(1);
/// Pause between two looks at the record of a run.
pub(crate) const LOOK: Duration = Duration::from_millis(5);
/// File in the private folder that takes what a supervisor complains of.
const TROUBLE_FILE: &str = "trouble";
/// Most bytes of it that are quoted.
const MAX_TROUBLE: usize = 500;

/// What a look before the start found.
enum Begun {
    /// A new supervisor was started for this run.
    Started(Child, u32),
    /// A supervisor of before is at work.
    Before,
    /// A program without its supervisor is in the way.
    Orphan(ProcessIdentity),
}

/// Starts a created or ended workload; one that runs is left alone.
pub(crate) async fn start(inner: &Inner, object: &ObjectRef, values: &Values) -> Result<Outcome, ProcessError> {
    let found = workloads::find(&inner.layout, object)?;
    let (stored, places) = found.ok_or_else(|| ProcessError::Absent { object: object.name.clone() })?;
    let begun = match begin(inner, &stored, &places, values)? {
        Begun::Orphan(program) => {
            end_orphan(&stored.spec, &program, stored.spec.stop_grace).await?;
            begin(inner, &stored, &places, values)?
        }
        other @ (Begun::Started(..) | Begun::Before) => other,
    };
    match begun {
        Begun::Started(child, run) => started(&stored, &places, child, run).await,
        Begun::Before => before(&stored, &places),
        Begun::Orphan(_program) => Err(ProcessError::Unstoppable { object: object.name.clone() }),
    }
}

/// Takes the lock and hands it to a new supervisor. Whoever holds it is alive, so nothing can be doubled.
fn begin(inner: &Inner, stored: &Stored, places: &Places, values: &Values) -> Result<Begun, ProcessError> {
    let Some(lock) = lock(places)? else { return Ok(Begun::Before) };
    let last = workloads::situation(places)?;
    if let Some((_record, Situation::Orphaned(program) | Situation::OrphanedStep(program))) = last {
        return Ok(Begun::Orphan(program));
    }
    let run = last.map_or(1, |(record, _situation)| record.run.saturating_add(1));
    let (options, layout, spec) = (&inner.options, &inner.layout, &stored.spec);
    private::write(&Renderer { options, layout, places, spec, values }, run)?;
    let child =
        spawn(inner, places, lock).map_err(|source| ProcessError::io("start the supervisor", &options.supervisor, source))?;
    Ok(Begun::Started(child, run))
}

/// The lock of a workload; `None` while a supervisor has it.
pub(crate) fn lock(places: &Places) -> Result<Option<File>, ProcessError> {
    let failed = |source| ProcessError::io("lock", &places.lock, source);
    let file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&places.lock).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

fn spawn(inner: &Inner, places: &Places, lock: File) -> io::Result<Child> {
    let trouble = OpenOptions::new().append(true).create(true).mode(0o600).open(places.private.join(TROUBLE_FILE))?;
    Command::new(&inner.options.supervisor)
        .args(&inner.options.supervisor_args)
        .arg(&places.private)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::from(lock))
        .stdout(Stdio::null())
        .stderr(Stdio::from(trouble))
        .spawn()
}

/// Waits till the program runs, or the run is over.
async fn started(stored: &Stored, places: &Places, mut child: Child, run: u32) -> Result<Outcome, ProcessError> {
    let until = Instant::now() + START_WAIT;
    let outcome = loop {
        // First the end of the supervisor, then its record: the other way round could miss its last word.
        let ended = child.try_wait().map_err(|source| ProcessError::io("follow", &places.record, source))?;
        let record = durable::read::<RunRecord>(&places.record)?.filter(|record| record.run == run);
        match record.map(|record| record.phase) {
            Some(Phase::Running | Phase::Ended(End::Exited(_) | End::Signalled(_))) => {
                break Ok(Outcome::Done(Done { changed: true, id: Some(stored.id.clone()), ..Done::default() }));
            }
            Some(Phase::Ended(End::NotStarted { message, code: _ })) => break Err(not_started(stored, message)),
            Some(Phase::Preparing) | None => {}
        }
        if let Some(status) = ended {
            break Err(not_started(stored, format!("the supervisor ended with {status}{}", trouble(places))));
        }
        if Instant::now() >= until {
            break Ok(waiting());
        }
        sleep(LOOK).await;
    };
    tokio::spawn(async move {
        if let Err(error) = child.wait().await {
            tracing::warn!(%error, "a supervisor could not be reaped");
        }
    });
    outcome
}

fn before(stored: &Stored, places: &Places) -> Result<Outcome, ProcessError> {
    match workloads::situation(places)? {
        Some((_record, Situation::Supervised(_))) => Ok(Outcome::Done(Done { id: Some(stored.id.clone()), ..Done::default() })),
        Some((_, Situation::Preparing | Situation::Orphaned(_) | Situation::OrphanedStep(_) | Situation::Over(_))) | None => {
            Ok(waiting())
        }
    }
}

fn waiting() -> Outcome {
    Outcome::Waiting { what: "the steps before the program".to_owned(), delay: COME_AGAIN }
}

fn not_started(stored: &Stored, message: String) -> ProcessError {
    ProcessError::NotStarted { object: stored.spec.object.clone(), message }
}

/// What the supervisor complained of.
fn trouble(places: &Places) -> String {
    let bytes = std::fs::read(places.private.join(TROUBLE_FILE)).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_TROUBLE)]).trim().replace('\n', "; ");
    if text.is_empty() { text } else { format!(": {text}") }
}
