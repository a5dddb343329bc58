//! Two rotating files of lines, each line with its time and its source.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::super::lines::{MAX_FILE, MAX_LINE, Tag, older};

/// Text behind a line that was cut.
const CUT: &str = " [cut at 16 KiB]";
/// Lines that are kept for the message of a failed step.
const LAST_LINES: usize = 3;
/// Bytes of each of them.
const LAST_LINE: usize = 300;

/// An output of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Standard output.
    Output,
    /// Standard error.
    Errors,
}

/// Writes lines; what cannot be written is counted and named as a gap once writing works again (ENG-9).
pub(super) struct LogWriter {
    path: PathBuf,
    file: File,
    length: u64,
    lost: u64,
    pending: [Pending; 2],
    last: VecDeque<String>,
}

/// The start of a line whose end was not seen yet.
#[derive(Default)]
struct Pending {
    bytes: Vec<u8>,
    cut: bool,
}

impl LogWriter {
    /// Opens the current file and goes on behind its end.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = append(path)?;
        let length = file.metadata()?.len();
        let pending = [Pending::default(), Pending::default()];
        Ok(Self { path: path.to_owned(), file, length, lost: 0, pending, last: VecDeque::new() })
    }

    /// Says that a run begins.
    pub(super) fn run(&mut self, number: u32) {
        self.write(Tag::Run, number.to_string().as_bytes());
    }

    /// Says something that no program said.
    pub(super) fn gap(&mut self, text: &str) {
        self.write(Tag::Gap, text.replace('\n', " ").as_bytes());
    }

    /// Takes a piece of output.
    pub(super) fn take(&mut self, source: Source, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, complete) = piece.strip_suffix(b"\n").map_or((piece, false), |text| (text, true));
            let pending = &mut self.pending[index(source)];
            let fits = text.len().min(MAX_LINE - pending.bytes.len());
            pending.bytes.extend_from_slice(&text[..fits]);
            pending.cut |= fits < text.len();
            if complete {
                self.line(source);
            }
        }
    }

    /// Writes what is left of the last line of an output.
    pub(super) fn end(&mut self, source: Source) {
        if !self.pending[index(source)].bytes.is_empty() {
            self.line(source);
        }
    }

    /// The last few lines, for a message.
    pub(super) fn last_lines(&self) -> Vec<String> {
        self.last.iter().cloned().collect()
    }

    fn line(&mut self, source: Source) {
        let pending = std::mem::take(&mut self.pending[index(source)]);
        let mut bytes = pending.bytes;
        if pending.cut {
            bytes.extend_from_slice(CUT.as_bytes());
        }
        let text = String::from_utf8_lossy(&bytes[..bytes.len().min(LAST_LINE)]).into_owned();
        if self.last.len() == LAST_LINES {
            self.last.pop_front();
        }
        self.last.push_back(text);
        let tag = match source {
            Source::Output => Tag::Output,
            Source::Errors => Tag::Errors,
        };
        self.write(tag, &bytes);
    }

    fn write(&mut self, tag: Tag, text: &[u8]) {
        if self.lost > 0 {
            let lost = format!("{} lines could not be written", self.lost);
            if self.append(Tag::Gap, lost.as_bytes()).is_err() {
                self.lost += 1;
                return;
            }
            self.lost = 0;
        }
        if self.append(tag, text).is_err() {
            self.lost += 1;
        }
    }

    fn append(&mut self, tag: Tag, text: &[u8]) -> io::Result<()> {
        let mut line = format!("{:.6} {} ", Timestamp::now(), tag.letter()).into_bytes();
        line.extend_from_slice(text);
        line.push(b'\n');
        let length = u64::try_from(line.len()).unwrap_or(u64::MAX);
        if self.length + length > MAX_FILE {
            fs::rename(&self.path, older(&self.path))?;
            self.file = append(&self.path)?;
            self.length = 0;
        }
        if let Err(error) = self.file.write_all(&line) {
            // A part of the line may stand there: cut it off, so that the next line starts as one.
            self.file.set_len(self.length)?;
            return Err(error);
        }
        self.length += length;
        Ok(())
    }
}

fn index(source: Source) -> usize {
    match source {
        Source::Output => 0,
        Source::Errors => 1,
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}
