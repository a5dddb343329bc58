//! Scripts of programs: what they answer and print over time, and how they end.

use std::time::Duration;

use crate::Stream;

/// What a client meets at a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nobody listens.
    Refused,
    /// It accepts and says nothing.
    Silent,
    /// The right product, not ready: a temporary server, a recovery, a read-only replica.
    NotYet,
    /// The right product, ready for whoever knows its password.
    Ready,
    /// Another product.
    Other,
}

/// How a program ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// Time since its start.
    pub after: Duration,
    /// Exit code.
    pub code: i64,
    /// The kernel ends it for lack of memory.
    pub oom_killed: bool,
}

/// A program by its behaviour over the time since its start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Program {
    /// Answers from a time on, ascending; before the first one nobody listens.
    pub answers: Vec<(Duration, Answer)>,
    /// Lines from a time on, ascending.
    pub lines: Vec<(Duration, Stream, String)>,
    /// How it ends by itself.
    pub end: Option<End>,
    /// It ignores TERM: a stop takes the whole grace and ends it with 137.
    pub deaf: bool,
    /// Why the engine cannot start it at all.
    pub start_error: Option<String>,
}

impl Program {
    /// Ready after a boot, then for ever.
    pub fn boots_in(boot: Duration) -> Self {
        Self { answers: vec![(boot, Answer::Ready)], ..Self::default() }
    }

    /// A temporary server first, then nobody for a moment, then ready (P7).
    pub fn with_temporary_server(from: Duration, to: Duration, ready: Duration) -> Self {
        Self { answers: vec![(from, Answer::NotYet), (to, Answer::Refused), (ready, Answer::Ready)], ..Self::default() }
    }

    /// Listens after a boot and never gets further than that.
    pub fn stays(answer: Answer, boot: Duration) -> Self {
        Self { answers: vec![(boot, answer)], ..Self::default() }
    }

    /// Ends by itself, each time that it is started.
    pub fn ends(after: Duration, code: i64) -> Self {
        Self { end: Some(End { after, code, oom_killed: false }), ..Self::default() }
    }

    /// What a client meets so long after the start.
    pub fn answer(&self, since_start: Duration) -> Answer {
        self.answers.iter().take_while(|(from, _)| *from <= since_start).last().map_or(Answer::Refused, |(_, answer)| *answer)
    }
}
