//! The private folder of one run: its files, its job, the pipe by which it is stopped. Made anew before each start.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, chown};
use std::path::Path;

use koan_exec::Account;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::geteuid;

use super::account::account;
use super::durable;
use super::error::ProcessError;
use super::job::{CONTROL_FILE, DataFolder, JOB_FILE, Job, PrepareJob};
use super::layout::{PASSABLE, PRIVATE};
use super::render::{Renderer, program};
use super::volumes;
use super::workloads;

/// Permission bits of the named pipe.
const CONTROL_MODE: u32 = 0o600;
/// Bits that a mounted file may have: nobody writes to it.
const READABLE: u32 = 0o555;

/// Writes everything that a supervisor needs; nothing of an earlier run is left.
pub(crate) fn write(renderer: &Renderer<'_>, run: u32) -> Result<(), ProcessError> {
    let spec = renderer.spec;
    let asked = program(spec)?;
    let account = account(&spec.object, asked.user.as_deref(), &renderer.options.account)?;
    let folders = data_folders(renderer, account.as_ref())?;
    let private = &renderer.places.private;
    durable::remove_folder(private)?;
    // Root's workloads of several accounts share this folder.
    durable::folder(renderer.layout.runtime(), if geteuid().is_root() { PASSABLE } else { PRIVATE })?;
    durable::folder(private, if account.is_some() { PASSABLE } else { PRIVATE })?;
    own_folder(&renderer.run_folder(), account.as_ref())?;
    files(renderer, account.as_ref())?;
    for index in 0..spec.mounts.len() {
        own_folder(&renderer.memory_folder(index), account.as_ref())?;
    }
    let job = Job {
        run,
        record: renderer.places.record.clone(),
        log: renderer.places.log.clone(),
        folders,
        prepare: prepare(renderer)?,
        command: renderer.command("process.command", &asked.command)?,
        environment: renderer.environment(account.is_some())?,
        folder: renderer.working_dir()?,
        account: account.map(|account| (account.uid, account.gid)),
        stop_signal: asked.stop_signal,
    };
    durable::replace(&private.join(JOB_FILE), &job)?;
    let control = private.join(CONTROL_FILE);
    mknodat(CWD, &control, FileType::Fifo, Mode::from_raw_mode(CONTROL_MODE), 0)
        .map_err(|error| ProcessError::io("make", &control, error.into()))
}

fn data_folders(renderer: &Renderer<'_>, account: Option<&Account>) -> Result<Vec<DataFolder>, ProcessError> {
    let object = &renderer.spec.object;
    let names = workloads::volumes(renderer.spec);
    names
        .iter()
        .map(|name| {
            let places = volumes::hand_over(renderer.layout, name, object, account)?;
            Ok(DataFolder { folder: places.folder, mark: places.mark })
        })
        .collect()
}

fn prepare(renderer: &Renderer<'_>) -> Result<Vec<PrepareJob>, ProcessError> {
    let steps = program(renderer.spec)?.prepare.iter().enumerate();
    steps
        .map(|(index, step)| {
            let name = format!("process.prepare[{index}]");
            let done_when = renderer.text(&format!("{name}.doneWhen"), &step.done_when)?.into();
            Ok(PrepareJob { done_when, command: renderer.command(&format!("{name}.command"), &step.command)? })
        })
        .collect()
}

fn files(renderer: &Renderer<'_>, account: Option<&Account>) -> Result<(), ProcessError> {
    let root = renderer.files_folder();
    own_folder(&root, account)?;
    for entry in &renderer.spec.files {
        let path = renderer.file(&entry.path)?;
        let inside = path.parent().and_then(|parent| parent.strip_prefix(&root).ok()).unwrap_or(Path::new(""));
        let mut folder = root.clone();
        for part in inside.components() {
            folder.push(part);
            own_folder(&folder, account)?;
        }
        let content = renderer.text(&format!("files[{}].content", entry.path), &entry.content)?;
        file(&path, content.as_bytes(), entry.mode & READABLE, account)
            .map_err(|source| ProcessError::io("write", &path, source))?;
    }
    Ok(())
}

/// A folder that only the account enters.
fn own_folder(path: &Path, account: Option<&Account>) -> Result<(), ProcessError> {
    durable::folder(path, PRIVATE)?;
    give(path, account).map_err(|source| ProcessError::io("hand over", path, source))
}

fn file(path: &Path, content: &[u8], mode: u32, account: Option<&Account>) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    give(path, account)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

fn give(path: &Path, account: Option<&Account>) -> io::Result<()> {
    account.map_or(Ok(()), |account| chown(path, Some(account.uid), Some(account.gid)))
}
