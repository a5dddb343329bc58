//! Crash images (REL-18): a workload is recorded below SQLite, every prefix of what it did is cut in every way in which a
//! crash can cut it, and the real journal opens each.
//!
//! `KOAN_CRASH_IMAGES`, `KOAN_CRASH_SEED` and `KOAN_CRASH_MINUTES` set how many, from where, and for how long at most;
//! `hack/long-run durability` does. The line that ends a run is JSON.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::dice::Dice;
use super::image::{Disk, Image, Loss};
use super::tape::{Recording, Step};
use super::workload::{Contents, INSTANCE, Workload};
use super::{Change, Journal as _, Sqlite, state_directory};

/// Images of a run where nothing else is said.
const IMAGES: usize = 10_000;
/// Batches of one recording.
const BATCHES: usize = 60;
/// One batch in so many is followed by a checkpoint.
const CHECKPOINT_EVERY: usize = 12;
/// One batch in so many is followed by a close and a new opening.
const REOPEN_EVERY: usize = 25;
/// One image in so many is crashed again while it recovers.
const RECOVERY_EVERY: usize = 97;
/// Threads that open images.
const THREADS: u64 = 2;

struct Budget {
    images: usize,
    seed: u64,
    until: Option<Instant>,
    done: AtomicUsize,
}

impl Budget {
    fn from_environment() -> Self {
        let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
        Self {
            images: number("KOAN_CRASH_IMAGES").map_or(IMAGES, |images| usize::try_from(images).unwrap()),
            seed: number("KOAN_CRASH_SEED").unwrap_or_default(),
            until: number("KOAN_CRASH_MINUTES").map(|minutes| Instant::now() + Duration::from_secs(minutes * 60)),
            done: AtomicUsize::new(0),
        }
    }

    fn is_spent(&self) -> bool {
        self.done.load(Ordering::Relaxed) >= self.images || self.until.is_some_and(|until| Instant::now() >= until)
    }
}

/// What was recorded and what it should have left.
struct Recorded {
    disk: Disk,
    steps: Vec<Step>,
    states: Vec<Contents>,
}

/// Runs the workload of a seed on a real journal.
fn record(seed: u64) -> Recorded {
    let home = fast_directory();
    let mut journal = Sqlite::open(home.path()).unwrap();
    journal.adopt(INSTANCE).unwrap();
    drop(journal);
    let disk = Disk::of(home.path());
    let recording = Recording::of(home.path());
    let mut workload = Workload::new(seed);
    let mut journal = Some(Sqlite::open(home.path()).unwrap());
    for number in 1..=BATCHES {
        let batch = workload.batch();
        recording.tape.put(Step::Begun(number));
        journal.as_mut().unwrap().commit(&batch).unwrap();
        recording.tape.put(Step::Acknowledged(number));
        if number.is_multiple_of(CHECKPOINT_EVERY) {
            checkpoint(home.path(), number);
        }
        if number.is_multiple_of(REOPEN_EVERY) {
            drop(journal.take());
            journal = Some(Sqlite::open(home.path()).unwrap());
        }
    }
    drop(journal);
    Recorded { disk, steps: recording.tape.take(), states: workload.states }
}

/// What a full write-ahead log and a large file bring about, on small ones.
pub(super) fn checkpoint(home: &Path, number: usize) {
    let mode = ["PASSIVE", "RESTART", "TRUNCATE", "FULL"][number / CHECKPOINT_EVERY % 4];
    let connection = rusqlite::Connection::open(home.join("store.db")).unwrap();
    if mode == "FULL" {
        connection.execute_batch("VACUUM").unwrap();
    }
    connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |_| Ok(())).unwrap();
}

/// A private directory in memory where there is one: an image needs no disk.
pub(super) fn fast_directory() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let directory = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
    std::fs::set_permissions(directory.path(), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    directory
}

/// A directory that is one image after the other.
pub(super) struct Bench(pub(super) tempfile::TempDir);

impl Bench {
    pub(super) fn directory(&self) -> &Path {
        self.0.path()
    }

    pub(super) fn put(&self, image: &Image) {
        for entry in std::fs::read_dir(self.directory()).unwrap() {
            std::fs::remove_file(entry.unwrap().path()).unwrap();
        }
        for (name, bytes) in image {
            std::fs::write(self.directory().join(name), bytes).unwrap();
        }
    }

    /// Opens the image and holds what is there against what may be there: everything acknowledged, and of the batch that was
    /// under way all or nothing; then writes a further batch, if there is one.
    pub(super) fn open(&self, image: &Image, allowed: &[&Contents], further: Option<&[Change]>) -> Result<Contents, String> {
        self.put(image);
        let mut journal = Sqlite::open(self.directory()).map_err(|error| error.to_string())?;
        let loaded = journal.load().map_err(|error| error.to_string())?;
        let found = Contents::of(&loaded)?;
        if !allowed.contains(&&found) {
            return Err(allowed.first().map_or_else(String::new, |wanted| wanted.difference(&found)));
        }
        if let Some(changes) = further {
            journal.commit(changes).map_err(|error| format!("a write after recovery: {error}"))?;
        }
        Ok(found)
    }

    /// SQLite's own opinion of what recovery left.
    fn inspect(&self) -> Result<(), String> {
        let connection = rusqlite::Connection::open(self.directory().join("store.db")).map_err(|error| error.to_string())?;
        let text: String =
            connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).map_err(|error| error.to_string())?;
        if text == "ok" { Ok(()) } else { Err(text) }
    }
}

/// A failure, with its image kept.
fn keep(failure: &str, image: &Image) -> String {
    static KEPT: AtomicUsize = AtomicUsize::new(0);
    let root = std::env::var_os("KOAN_CRASH_KEEP").map_or_else(std::env::temp_dir, PathBuf::from);
    let number = KEPT.fetch_add(1, Ordering::Relaxed);
    let folder = root.join(format!("koan-crash-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    for (name, bytes) in image {
        std::fs::write(folder.join(name), bytes).unwrap();
    }
    format!("{failure} (kept in {})", folder.display())
}

/// Every image of one recording, until the budget is spent.
fn images(seed: u64, recorded: Recorded, budget: &Budget) -> Vec<(String, Image)> {
    let mut dice = Dice::new(seed ^ 0xC0A);
    let bench = Bench(fast_directory());
    let mut failures = Vec::new();
    let (mut disk, mut begun, mut acknowledged) = (recorded.disk, 0, 0);
    for (prefix, step) in recorded.steps.iter().enumerate() {
        match step {
            Step::Begun(number) => begun = *number,
            Step::Acknowledged(number) => acknowledged = *number,
            _ => {}
        }
        if !disk.step(step) {
            continue;
        }
        let losses = if disk.is_dirty() { &Loss::ALL[..] } else { &Loss::ALL[..1] };
        for loss in losses {
            if budget.is_spent() {
                return failures;
            }
            let image = disk.crash(*loss, &mut dice);
            let allowed = [&recorded.states[acknowledged], &recorded.states[begun]];
            let number = budget.done.fetch_add(1, Ordering::Relaxed);
            let plan = format!("seed={seed}:{prefix}:{loss:?}");
            let outcome = match bench.open(&image, &allowed, None) {
                Ok(found) if number.is_multiple_of(RECOVERY_EVERY) => {
                    bench.inspect().and_then(|()| recovery(&bench, &image, &found, &mut dice, budget))
                }
                Ok(_) => Ok(()),
                Err(error) => Err(error),
            };
            if let Err(error) = outcome {
                failures.push((format!("{plan}: {error}"), image));
            }
        }
    }
    failures
}

/// Crashes an image again at each step of its recovery and of the write and the close that follow.
fn recovery(bench: &Bench, image: &Image, found: &Contents, dice: &mut Dice, budget: &Budget) -> Result<(), String> {
    let mut workload = Workload::new(dice.next());
    workload.states = vec![found.clone()];
    let further = workload.batch();
    let after = workload.states.pop().unwrap_or_default();
    bench.put(image);
    let mut disk = Disk::of(bench.directory());
    let recording = Recording::of(bench.directory());
    let tape = std::sync::Arc::clone(&recording.tape);
    bench.open(image, &[found], Some(&further))?;
    drop(recording);
    for (prefix, step) in tape.take().iter().enumerate() {
        if !disk.step(step) {
            continue;
        }
        for loss in if disk.is_dirty() { &Loss::ALL[..] } else { &Loss::ALL[..1] } {
            let again = disk.crash(*loss, dice);
            budget.done.fetch_add(1, Ordering::Relaxed);
            bench.open(&again, &[found, &after], None).map_err(|error| format!("recovery:{prefix}:{loss:?}: {error}"))?;
        }
    }
    Ok(())
}

/// REL-18, D-7, D-9: in every image of a crash all that was acknowledged is there, nothing is there by half, and a crash
/// during recovery recovers.
#[test]
fn every_crash_image_recovers() {
    let budget = Budget::from_environment();
    let began = Instant::now();
    let failures: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let budget = &budget;
                scope.spawn(move || {
                    let mut failures = Vec::new();
                    for round in 0.. {
                        if budget.is_spent() {
                            break;
                        }
                        let seed = budget.seed + round * THREADS + thread;
                        let found = images(seed, record(seed), budget);
                        failures.extend(found.iter().map(|(failure, image)| keep(failure, image)));
                    }
                    failures
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    println!(
        "{{\"suite\":\"crash-images\",\"seed\":{},\"done\":{},\"failed\":{},\"minutes\":{:.2}}}",
        budget.seed,
        budget.done.load(Ordering::Relaxed),
        failures.len(),
        began.elapsed().as_secs_f64() / 60.0,
    );
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// REL-10, REL-18: the harness finds what it is for: a store that does not sync loses acknowledged writes.
#[test]
fn a_store_that_does_not_sync_is_found_out() {
    let budget = Budget { images: 500, seed: 0, until: None, done: AtomicUsize::new(0) };
    let mut recorded = record(0);
    recorded.steps.retain(|step| !matches!(step, Step::Sync { .. }));
    assert!(!images(0, recorded, &budget).is_empty());
}

/// D-9: a start that is cut off while it makes the store leaves nothing that stops the next one.
#[test]
fn a_store_that_was_half_made_is_made_again() {
    let home = state_directory();
    let recording = Recording::of(home.path());
    drop(Sqlite::open(home.path()).unwrap());
    let mut disk = Disk::default();
    let bench = Bench(fast_directory());
    let mut dice = Dice::new(0);
    for step in recording.tape.take() {
        let (Step::Create { file }
        | Step::Write { file, .. }
        | Step::Truncate { file, .. }
        | Step::Sync { file }
        | Step::Delete { file }) = &step
        else {
            continue;
        };
        // What has its name is whole: it was synced before it was renamed.
        if !file.starts_with("store.db.new") {
            continue;
        }
        disk.step(&step);
        for loss in Loss::ALL {
            bench.put(&disk.crash(loss, &mut dice));
            assert!(Sqlite::open(bench.directory()).unwrap().load().unwrap().rows.is_empty());
        }
    }
}
