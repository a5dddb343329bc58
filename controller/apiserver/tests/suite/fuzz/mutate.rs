//! Inputs that are nearly right: texts of the corpus, changed where their structure is, or byte by byte.

use serde_json::{Value, json};

/// Changes of one input at most.
const CHANGES: usize = 4;
/// The longest input that is made; limits of size have their own tests.
const LENGTH: usize = 64 * 1024;
/// How deep nested values go that are put in: beyond what is taken.
const DEPTH: usize = 70;

/// Numbers that a seed determines (SplitMix64).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`, which is not zero.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap()
    }
}

/// Words that mean something to one decoder or another.
const WORDS: [&str; 30] = [
    "null",
    "true",
    "-0",
    "1e999",
    "18446744073709551616",
    "\"\\ud800\"",
    "\"\\u0000\"",
    "{}",
    "[]",
    "{\"a\":",
    "[[[[",
    "]]",
    "&a ",
    "*a",
    "<<: ",
    "!!binary ",
    "--- \n",
    "\u{feff}",
    "~0",
    "~1",
    "/-",
    "\"$patch\":\"delete\"",
    "\"managedFields\":[{}]",
    "f:spec",
    "k:{\"name\":\"x\"}",
    "v:1",
    "..",
    "%00",
    " in (",
    "!",
];

/// Names that objects use.
const NAMES: [&str; 16] = [
    "metadata",
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "labels",
    "finalizers",
    "ownerReferences",
    "managedFields",
    "deletionTimestamp",
    "spec",
    "status",
    "parts",
    "op",
    "path",
    "value",
];

/// One input made from a corpus, which is not empty.
pub(super) fn mutate(dice: &mut Dice, corpus: &[Vec<u8>]) -> Vec<u8> {
    let seed = &corpus[dice.below(corpus.len())];
    let mut input = match serde_json::from_slice::<Value>(seed) {
        Ok(mut value) if dice.below(4) != 0 => {
            for _ in 0..=dice.below(CHANGES) {
                edit(dice, &mut value);
            }
            value.to_string().into_bytes()
        }
        _ => seed.clone(),
    };
    if dice.below(3) == 0 || input == *seed {
        for _ in 0..=dice.below(CHANGES) {
            scratch(dice, &mut input, corpus);
        }
    }
    input.truncate(LENGTH);
    input
}

/// Changes one place of a tree.
fn edit(dice: &mut Dice, value: &mut Value) {
    match value {
        Value::Object(map) if !map.is_empty() && dice.below(5) != 0 => {
            let index = dice.below(map.len());
            let name = map.keys().nth(index).cloned().unwrap_or_default();
            match dice.below(6) {
                0 => drop(map.shift_remove(&name)),
                1 => {
                    let moved = map.shift_remove(&name).unwrap_or_default();
                    map.insert(NAMES[dice.below(NAMES.len())].to_owned(), moved);
                }
                2 => drop(map.insert(NAMES[dice.below(NAMES.len())].to_owned(), odd(dice))),
                _ => map.get_mut(&name).into_iter().for_each(|inner| edit(dice, inner)),
            }
        }
        Value::Array(items) if !items.is_empty() && dice.below(5) != 0 => {
            let index = dice.below(items.len());
            match dice.below(5) {
                0 => drop(items.remove(index)),
                1 => items.push(items[index].clone()),
                2 => items.push(odd(dice)),
                _ => edit(dice, &mut items[index]),
            }
        }
        other => *other = odd(dice),
    }
}

/// A value that few expect.
fn odd(dice: &mut Dice) -> Value {
    match dice.below(12) {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(-1),
        3 => json!(u64::MAX),
        4 => json!(0.5),
        5 => json!(""),
        6 => json!("x".repeat(dice.below(300))),
        7 => json!("\u{0}\u{202e}é/~%"),
        8 => json!({}),
        9 => json!([null, {}, "a"]),
        10 => (0..DEPTH).fold(json!(1), |inner, _| json!([inner])),
        _ => (0..DEPTH).fold(json!("x"), |inner, _| json!({"a": inner})),
    }
}

/// Changes some bytes.
fn scratch(dice: &mut Dice, input: &mut Vec<u8>, corpus: &[Vec<u8>]) {
    let at = dice.below(input.len() + 1);
    match dice.below(6) {
        0 if at < input.len() => input[at] ^= 1 << dice.below(8),
        1 if at < input.len() => {
            let end = (at + 1 + dice.below(16)).min(input.len());
            input.drain(at..end);
        }
        2 => {
            let word = WORDS[dice.below(WORDS.len())];
            input.splice(at..at, word.bytes());
        }
        3 => {
            let other = &corpus[dice.below(corpus.len())];
            let from = dice.below(other.len() + 1);
            input.truncate(at);
            input.extend_from_slice(&other[from..]);
        }
        4 => input.truncate(at),
        _ => input.insert(at, u8::try_from(dice.below(256)).unwrap()),
    }
}
