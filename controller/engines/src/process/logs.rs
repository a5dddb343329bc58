//! Lines of a workload, oldest first, across restarts; what rotation took away is named as a gap (ENG-9).

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::engine::NAME;
use super::layout::Places;
use super::lines::{Tag, older, parse};
use super::record::Situation;
use super::workloads;
use crate::contract::{EngineError, LogLine, LogOptions, LogStream, Stream};

/// Lines that wait for a slow reader.
const QUEUE: usize = 64;
/// Pause between two looks for new lines.
const LOOK: Duration = Duration::from_millis(100);
/// Tries to open both files of one moment.
const OPEN_TRIES: usize = 5;

/// Streams the lines that the options ask for.
pub(crate) fn logs(places: Places, options: LogOptions) -> LogStream {
    let (sender, receiver) = mpsc::channel(QUEUE);
    tokio::task::spawn_blocking(move || {
        let mut reader = Reader { places, options, sender };
        if let Err(source) = reader.run() {
            let object = reader.places.log.display().to_string();
            reader.send(Err(EngineError::Refused { engine: NAME, verb: "read", object, source: Box::new(source) }));
        }
    });
    Box::pin(ReceiverStream::new(receiver))
}

struct Reader {
    places: Places,
    options: LogOptions,
    sender: mpsc::Sender<Result<LogLine, EngineError>>,
}

/// A place in the two files, the older one being 0.
type Position = (usize, u64);

/// Which part of the files is asked for.
struct Range {
    from: Position,
    to: Option<Position>,
    /// The start of the run is not there any more.
    cut: bool,
}

impl Reader {
    fn run(&mut self) -> io::Result<()> {
        let mut files = self.open()?;
        let Some(range) = self.range(&mut files)? else { return self.follow(files.pop()) };
        let skip = match self.options.tail {
            Some(tail) => self.walk(&mut files, &range, |_line| true)?.saturating_sub(u64::from(tail)),
            None => 0,
        };
        if range.cut && skip == 0 && !self.gap("older lines were dropped: the log keeps two files of 10 MiB") {
            return Ok(());
        }
        let mut number = 0;
        let sender = self.sender.clone();
        self.walk(&mut files, &range, |line| {
            number += 1;
            number <= skip || sender.blocking_send(Ok(line)).is_ok()
        })?;
        if !self.options.previous && matches!(workloads::situation(&self.places), Ok(Some((_, Situation::Orphaned(_))))) {
            self.gap("the supervisor of this run is gone: output since then is lost");
        }
        self.follow(files.pop())
    }

    /// Both files of one moment, the older one first.
    fn open(&self) -> io::Result<Vec<BufReader<File>>> {
        for _try in 0..OPEN_TRIES {
            let Some(current) = open(&self.places.log)? else { return Ok(Vec::new()) };
            let Some(older) = open(&older(&self.places.log))? else { return Ok(vec![BufReader::new(current)]) };
            // The same file twice: it was set aside between the two calls.
            if older.metadata()?.ino() != current.metadata()?.ino() {
                return Ok(vec![BufReader::new(older), BufReader::new(current)]);
            }
        }
        Err(io::Error::other("the log is set aside faster than it can be opened"))
    }

    /// The part of the run that is asked for; `None` where there is none.
    fn range(&self, files: &mut [BufReader<File>]) -> io::Result<Option<Range>> {
        let mut starts: Vec<Position> = Vec::new();
        let whole = Range { from: (0, 0), to: None, cut: false };
        let mut first = true;
        let mut begins_with_run = false;
        scan(files, &whole, |position, tag, _line| {
            let begins = tag == Tag::Run;
            begins_with_run |= first && begins;
            first = false;
            if begins {
                starts.push(position);
                if starts.len() > 2 {
                    starts.remove(0);
                }
            }
            true
        })?;
        let last = starts.pop();
        Ok(match (self.options.previous, last, starts.pop()) {
            (false, Some(last), _) => Some(Range { from: last, to: None, cut: false }),
            (false, None, _) => Some(Range { cut: !first, ..whole }),
            (true, Some(last), Some(previous)) => Some(Range { from: previous, to: Some(last), cut: false }),
            (true, Some(last), None) if !begins_with_run => Some(Range { from: (0, 0), to: Some(last), cut: true }),
            (true, _, _) => None,
        })
    }

    /// Calls for each line of the range that the options let through; returns how many there were.
    fn walk(&self, files: &mut [BufReader<File>], range: &Range, mut call: impl FnMut(LogLine) -> bool) -> io::Result<u64> {
        let mut count = 0;
        scan(files, range, |_position, tag, line| {
            if !self.wanted(tag, &line) {
                return true;
            }
            count += 1;
            call(line)
        })?;
        Ok(count)
    }

    fn wanted(&self, tag: Tag, line: &LogLine) -> bool {
        let recent = self.options.since.is_none_or(|since| line.at.is_none_or(|at| at >= since));
        tag != Tag::Run && recent
    }

    /// Goes on with new lines till the reader leaves or the workload is removed.
    fn follow(&mut self, file: Option<BufReader<File>>) -> io::Result<()> {
        if !self.options.follow || self.options.previous {
            return Ok(());
        }
        let mut file = file;
        let mut line = Vec::new();
        while !self.sender.is_closed() {
            let Some(reader) = &mut file else {
                if !self.places.spec.exists() {
                    return Ok(());
                }
                file = open(&self.places.log)?.map(BufReader::new);
                std::thread::sleep(LOOK);
                continue;
            };
            // Looked at before reading: what was written before the file was set aside is then read below.
            let replaced = fs::metadata(&self.places.log)
                .map_or(true, |now| reader.get_ref().metadata().is_ok_and(|own| own.ino() != now.ino()));
            let mut open = true;
            while open && read_line(reader, &mut line)? {
                if let Some((tag, text)) = parse(&line[..line.len() - 1])
                    && self.wanted(tag, &text)
                {
                    open = self.send(Ok(text));
                }
                line.clear();
            }
            if replaced {
                let own = reader.get_ref().metadata()?.ino();
                let kept = fs::metadata(older(&self.places.log)).is_ok_and(|aside| aside.ino() == own);
                if !kept && self.places.log.exists() && !self.gap("lines were dropped: they came faster than they were read") {
                    return Ok(());
                }
                file = None;
                line.clear();
            } else {
                std::thread::sleep(LOOK);
            }
        }
        Ok(())
    }

    fn gap(&self, text: &str) -> bool {
        self.send(Ok(LogLine { at: None, stream: Stream::Gap, text: text.to_owned() }))
    }

    fn send(&self, line: Result<LogLine, EngineError>) -> bool {
        self.sender.blocking_send(line).is_ok()
    }
}

fn open(path: &std::path::Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Appends to the line; true once it is complete.
fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    reader.read_until(b'\n', line)?;
    Ok(line.ends_with(b"\n"))
}

/// Reads the lines of a range; the readers stand behind the last complete line afterwards.
fn scan(files: &mut [BufReader<File>], range: &Range, mut call: impl FnMut(Position, Tag, LogLine) -> bool) -> io::Result<()> {
    for (index, file) in files.iter_mut().enumerate() {
        let mut offset = match index.cmp(&range.from.0) {
            std::cmp::Ordering::Less => continue,
            std::cmp::Ordering::Equal => range.from.1,
            std::cmp::Ordering::Greater => 0,
        };
        file.seek(SeekFrom::Start(offset))?;
        let mut line = Vec::new();
        while range.to.is_none_or(|to| (index, offset) < to) && read_line(file, &mut line)? {
            if let Some((tag, text)) = parse(&line[..line.len() - 1])
                && !call((index, offset), tag, text)
            {
                return Ok(());
            }
            offset += u64::try_from(line.len()).unwrap_or(u64::MAX);
            line.clear();
        }
        // A line whose end is not written yet is read again later.
        file.seek(SeekFrom::Start(offset))?;
    }
    Ok(())
}
