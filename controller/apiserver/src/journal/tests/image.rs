//! What can be on a disk after a crash: everything synced, and of the rest whatever the kind of loss leaves.

use std::collections::BTreeMap;
use std::path::Path;

use super::dice::Dice;
use super::tape::Step;

/// What tears between two writes of a disk.
const SECTOR: usize = 512;

/// What happens to steps that were not synced when the machine or the process stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    /// Nothing: the process was killed, the machine lives.
    None,
    /// All of them are gone.
    Tail,
    /// All are there but the last, of which only a beginning is.
    Torn,
    /// Only the last one is there: a header ahead of its data.
    HeaderFirst,
    /// All are gone, but the files have their new lengths.
    Stretched,
    /// Each sector of each is there or not.
    Scattered,
}

impl Loss {
    pub(super) const ALL: [Self; 6] = [Self::None, Self::Tail, Self::Torn, Self::HeaderFirst, Self::Stretched, Self::Scattered];
}

/// The files of one directory as a crash finds them.
#[derive(Debug, Clone, Default)]
pub(super) struct Disk {
    files: BTreeMap<String, Entry>,
}

#[derive(Debug, Clone, Default)]
struct Entry {
    synced: Option<Vec<u8>>,
    unsynced: Vec<Step>,
}

/// Contents by file name.
pub(super) type Image = BTreeMap<String, Vec<u8>>;

impl Disk {
    /// The database files of a directory, all synced.
    pub(super) fn of(directory: &Path) -> Self {
        let mut disk = Self::default();
        for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
            let name = entry.file_name().into_string().unwrap();
            // The shared memory of a write-ahead log does not outlive a crash.
            if name.contains(".db") && !name.ends_with("-shm") {
                let synced = Some(std::fs::read(entry.path()).unwrap());
                disk.files.insert(name, Entry { synced, unsynced: Vec::new() });
            }
        }
        disk
    }

    /// Does a step; whether a crash after it can find something new.
    pub(super) fn step(&mut self, step: &Step) -> bool {
        let (Step::Create { file }
        | Step::Write { file, .. }
        | Step::Truncate { file, .. }
        | Step::Sync { file }
        | Step::Delete { file }) = step
        else {
            return true;
        };
        let entry = self.files.entry(file.clone()).or_default();
        if let Step::Sync { .. } = step {
            let moves = !entry.unsynced.is_empty();
            for step in std::mem::take(&mut entry.unsynced) {
                apply(&mut entry.synced, &step);
            }
            return moves;
        }
        entry.unsynced.push(step.clone());
        true
    }

    /// Whether anything is not synced.
    pub(super) fn is_dirty(&self) -> bool {
        self.files.values().any(|entry| !entry.unsynced.is_empty())
    }

    /// Everything, synced or not.
    pub(super) fn whole(&self) -> Image {
        self.crash(Loss::None, &mut Dice::new(0))
    }

    /// What is left after a crash now.
    pub(super) fn crash(&self, loss: Loss, dice: &mut Dice) -> Image {
        let files = self.files.iter();
        files.filter_map(|(name, entry)| Some((name.clone(), entry.after(loss, dice)?))).collect()
    }
}

impl Entry {
    fn after(&self, loss: Loss, dice: &mut Dice) -> Option<Vec<u8>> {
        let mut content = self.synced.clone();
        let Some((last, before)) = self.unsynced.split_last() else { return content };
        match loss {
            Loss::None => self.unsynced.iter().for_each(|step| apply(&mut content, step)),
            Loss::Tail => {}
            Loss::Torn => {
                before.iter().for_each(|step| apply(&mut content, step));
                apply(&mut content, &torn(last, dice));
            }
            Loss::HeaderFirst => apply(&mut content, last),
            Loss::Stretched => {
                let mut whole = self.synced.clone();
                self.unsynced.iter().for_each(|step| apply(&mut whole, step));
                if let Some(whole) = whole {
                    content.get_or_insert_default().resize(whole.len(), 0);
                }
            }
            Loss::Scattered => {
                for step in &self.unsynced {
                    scattered(step, dice).iter().for_each(|step| apply(&mut content, step));
                }
            }
        }
        content
    }
}

fn apply(content: &mut Option<Vec<u8>>, step: &Step) {
    match step {
        Step::Create { .. } => drop(content.get_or_insert_default()),
        Step::Write { offset, bytes, .. } => {
            let content = content.get_or_insert_default();
            let end = offset + bytes.len();
            if content.len() < end {
                content.resize(end, 0);
            }
            content[*offset..end].copy_from_slice(bytes);
        }
        Step::Truncate { length, .. } => content.get_or_insert_default().resize(*length, 0),
        Step::Delete { .. } => *content = None,
        Step::Sync { .. } | Step::Begun(_) | Step::Acknowledged(_) => {}
    }
}

/// The beginning of a write: to a sector's end, or anywhere.
fn torn(step: &Step, dice: &mut Dice) -> Step {
    let Step::Write { file, offset, bytes } = step else { return step.clone() };
    let mut cut = dice.below(bytes.len().max(1));
    if dice.below(2) == 0 {
        cut = cut.next_multiple_of(SECTOR).min(bytes.len());
    }
    Step::Write { file: file.clone(), offset: *offset, bytes: bytes[..cut].to_vec() }
}

/// Some of the sectors of a write; whatever else it is, all or nothing of it.
fn scattered(step: &Step, dice: &mut Dice) -> Vec<Step> {
    let Step::Write { file, offset, bytes } = step else {
        return if dice.below(2) == 0 { vec![step.clone()] } else { Vec::new() };
    };
    let sectors = bytes.chunks(SECTOR).enumerate();
    let mut kept = Vec::new();
    for (number, sector) in sectors {
        if dice.below(2) == 0 {
            kept.push(Step::Write { file: file.clone(), offset: offset + number * SECTOR, bytes: sector.to_vec() });
        }
    }
    kept
}
