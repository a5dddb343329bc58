//! What goes wrong in a run, as one line that replays it: `scenario:effect:fault:phase[:seed]` (REL-8).

use std::fmt;
use std::str::FromStr;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// The controllers end and are started anew.
    Crash,
    /// The connection breaks.
    Connection,
    /// HTTP 409; an engine fails for the time being.
    Conflict,
    /// HTTP 500; an engine fails for the time being.
    Unavailable,
    /// Nothing but a repetition.
    Repeat,
}

/// When it goes wrong (reliability.md section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Before the effect is sent.
    Before,
    /// It is applied, and its reply is lost.
    Lost,
    /// It is applied twice.
    Twice,
    /// It is applied two seconds after its sender heard of a broken connection, or was ended: a zombie write; engines only.
    Late,
}

/// Every pair that means something.
pub(crate) const PAIRS: [(Fault, Phase); 9] = [
    (Fault::Crash, Phase::Before),
    (Fault::Crash, Phase::Lost),
    (Fault::Crash, Phase::Late),
    (Fault::Connection, Phase::Before),
    (Fault::Connection, Phase::Lost),
    (Fault::Connection, Phase::Late),
    (Fault::Conflict, Phase::Before),
    (Fault::Unavailable, Phase::Before),
    (Fault::Repeat, Phase::Twice),
];

const FAULTS: [(Fault, &str); 5] = [
    (Fault::Crash, "crash"),
    (Fault::Connection, "connection"),
    (Fault::Conflict, "conflict"),
    (Fault::Unavailable, "unavailable"),
    (Fault::Repeat, "repeat"),
];

const PHASES: [(Phase, &str); 4] =
    [(Phase::Before, "before"), (Phase::Lost, "lost"), (Phase::Twice, "twice"), (Phase::Late, "late")];

/// One run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Plan {
    /// Name of the scenario.
    pub(crate) scenario: String,
    /// Number of the effect over the whole run, fault and phase; `None` is the run without a fault.
    pub(crate) hit: Option<(u64, Fault, Phase)>,
    /// What the run's randomness and the world's pace come from.
    pub(crate) seed: u64,
}

impl Plan {
    /// The run without a fault.
    pub(crate) fn clean(scenario: &str, seed: u64) -> Self {
        Self { scenario: scenario.to_owned(), hit: None, seed }
    }

    /// A number that spreads plans evenly, the same on each machine (FNV-1a).
    pub(crate) fn spread(&self) -> u64 {
        let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        let hash = self.to_string().bytes().fold(0xcbf2_9ce4_8422_2325, mix);
        hash ^ (hash >> 32)
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.hit {
            None => write!(formatter, "{}:none", self.scenario)?,
            Some((effect, fault, phase)) => {
                let fault = FAULTS.iter().find(|(known, _)| known == fault).map_or("", |(_, word)| word);
                let phase = PHASES.iter().find(|(known, _)| known == phase).map_or("", |(_, word)| word);
                write!(formatter, "{}:{effect}:{fault}:{phase}", self.scenario)?;
            }
        }
        if self.seed == 0 { Ok(()) } else { write!(formatter, ":{}", self.seed) }
    }
}

impl FromStr for Plan {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let parts: Vec<&str> = line.trim().split(':').collect();
        let bad = || format!("`{line}` is no plan; expected scenario:none[:seed] or scenario:effect:fault:phase[:seed]");
        let (scenario, hit, seed) = match parts.as_slice() {
            [scenario, "none", seed @ ..] => (scenario, None, seed),
            [scenario, effect, fault, phase, seed @ ..] => {
                let effect = effect.parse().map_err(|_| bad())?;
                let fault = FAULTS.iter().find(|(_, word)| word == fault).ok_or_else(bad)?.0;
                let phase = PHASES.iter().find(|(_, word)| word == phase).ok_or_else(bad)?.0;
                (scenario, Some((effect, fault, phase)), seed)
            }
            _ => return Err(bad()),
        };
        let seed = match seed {
            [] => 0,
            [seed] => seed.parse().map_err(|_| bad())?,
            _ => return Err(bad()),
        };
        Ok(Self { scenario: (*scenario).to_owned(), hit, seed })
    }
}
