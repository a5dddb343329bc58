//! The shape of a log file: one line is a time, a letter and a text.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::contract::{LogLine, Stream};

/// Size at which a file is set aside; there are two.
pub(crate) const MAX_FILE: u64 = 10 * 1024 * 1024;
/// Longest text of a line.
pub(crate) const MAX_LINE: usize = 16 * 1024;

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tag {
    /// Standard output.
    Output,
    /// Standard error.
    Errors,
    /// Said by the supervisor.
    Gap,
    /// A run begins.
    Run,
}

impl Tag {
    /// The letter in the file.
    pub(crate) fn letter(self) -> char {
        match self {
            Self::Output => 'o',
            Self::Errors => 'e',
            Self::Gap => 'g',
            Self::Run => 'r',
        }
    }

    fn of(letter: &str) -> Option<Self> {
        [Self::Output, Self::Errors, Self::Gap, Self::Run].into_iter().find(|tag| letter == tag.letter().to_string())
    }
}

/// The file that was set aside.
pub(crate) fn older(path: &Path) -> PathBuf {
    path.with_extension("log.1")
}

/// A line as it stands in the file, its line end taken off.
pub(crate) fn parse(line: &[u8]) -> Option<(Tag, LogLine)> {
    let line = String::from_utf8_lossy(line);
    let (time, rest) = line.split_once(' ')?;
    let (letter, text) = rest.split_once(' ')?;
    let tag = Tag::of(letter)?;
    let stream = match tag {
        Tag::Output => Stream::Stdout,
        Tag::Errors => Stream::Stderr,
        Tag::Gap | Tag::Run => Stream::Gap,
    };
    Some((tag, LogLine { at: time.parse::<Timestamp>().ok(), stream, text: text.to_owned() }))
}
