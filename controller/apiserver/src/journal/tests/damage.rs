//! Damaged store files (REL-22, target `store file open`): cut, extended, overwritten, and with single bits turned.

use std::time::{Duration, Instant};

use super::crash::{Bench, fast_directory};
use super::dice::Dice;
use super::image::{Disk, Image};
use super::workload::{INSTANCE, Workload};
use super::{Journal as _, JournalError, Sqlite};

/// Damaged stores of a run where `KOAN_FUZZ_INPUTS` says nothing; `KOAN_FUZZ_MINUTES` and `KOAN_FUZZ_SEED` hold here too.
const INPUTS: usize = 1_500;
/// Batches of the store that is damaged, some of them checkpointed.
const BATCHES: usize = 20;
/// The largest piece that is written over, in bytes.
const PIECE: usize = 2_000;

fn whole() -> Image {
    let home = fast_directory();
    let mut journal = Sqlite::open(home.path()).unwrap();
    journal.adopt(INSTANCE).unwrap();
    let mut workload = Workload::new(5);
    for number in 0..BATCHES {
        journal.commit(&workload.batch()).unwrap();
        if number == BATCHES / 2 {
            super::crash::checkpoint(home.path(), 12);
        }
    }
    Disk::of(home.path()).whole()
}

fn damage(image: &mut Image, dice: &mut Dice) {
    let names: Vec<String> = image.keys().cloned().collect();
    let Some(bytes) = image.get_mut(&names[dice.below(names.len())]).filter(|bytes| !bytes.is_empty()) else { return };
    let at = dice.below(bytes.len());
    // Headers decide most: half of the damage is done there.
    let at = if dice.below(2) == 0 { at.min(at % 128) } else { at };
    match dice.below(5) {
        0 => bytes.truncate(at),
        1 => bytes.resize(bytes.len() + dice.below(PIECE), 0),
        2 => bytes.extend((0..dice.below(PIECE)).map(|number| u8::try_from(number % 251).unwrap()).collect::<Vec<_>>()),
        3 => {
            let end = (at + 1 + dice.below(PIECE)).min(bytes.len());
            bytes[at..end].iter_mut().for_each(|byte| *byte = u8::try_from(dice.below(256)).unwrap());
        }
        _ => bytes[at] ^= 1 << dice.below(8),
    }
}

/// REL-22, D-9: whatever was done to the files of a store, it opens, or it is refused by name and cause and stays byte for byte as
/// it was found, so that it can be set aside and looked at.
#[test]
fn a_damaged_store_opens_or_is_refused_untouched() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let inputs = number("KOAN_FUZZ_INPUTS").map_or(INPUTS, |inputs| usize::try_from(inputs).unwrap());
    let until = number("KOAN_FUZZ_MINUTES").map(|minutes| Instant::now() + Duration::from_secs(minutes * 60));
    let seed = number("KOAN_FUZZ_SEED").unwrap_or_default();
    let sound = whole();
    let bench = Bench(fast_directory());
    let mut dice = Dice::new(seed);
    let (mut done, mut refused) = (0, 0);
    while done < inputs && until.is_none_or(|until| Instant::now() < until) {
        done += 1;
        let mut image = sound.clone();
        for _ in 0..=dice.below(3) {
            damage(&mut image, &mut dice);
        }
        bench.put(&image);
        let error = match Sqlite::open(bench.directory()).and_then(|mut journal| journal.load()) {
            Ok(_) => continue,
            Err(error) => error,
        };
        refused += 1;
        match error {
            JournalError::Corrupt { path, cause, .. } => assert!(path.ends_with("store.db") && !cause.is_empty(), "{cause}"),
            JournalError::Damaged { path, .. } => assert!(path.ends_with("store.db")),
            // The version of the schema is a number like any other.
            JournalError::Newer { .. } => {}
            other => panic!("{other}"),
        }
        let after = Disk::of(bench.directory()).whole();
        assert!(after == image, "files {:?} for {:?}", after.keys(), image.keys());
    }
    println!("{{\"suite\":\"fuzz-store-file\",\"seed\":{seed},\"done\":{done},\"failed\":0,\"refused\":{refused}}}");
    assert!(refused > 0);
}
