//! `logs()`: lines in the order of the engine, streams kept apart, across restarts and replacements; a gap is a line (ENG-9).

use std::collections::VecDeque;
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::query_parameters::LogsOptionsBuilder;
use futures::StreamExt;
use futures::stream::BoxStream;
use jiff::Timestamp;
use koan_core::inventory::WorkloadState;
use koan_core::step::ObjectRef;

use super::engine::Moby;
use super::transport::Transport;
use super::wire::Inspected;
use crate::{EngineError, LogLine, LogOptions, LogStream, Stream};

/// Longest line; the rest is cut, and the line says so.
const LINE_BYTES_MAX: usize = 16 * 1024;
/// What a cut line ends with.
const CUT_MARK: &str = " … (line cut at 16 KiB)";
/// Silence of a followed log after which it is asked whether another run began.
const FOLLOW_CHECK: Duration = Duration::from_secs(2);
/// How often a followed container that ended is looked for again.
const RETURN_POLL: Duration = Duration::from_millis(500);
/// How long a followed container that was removed is waited for.
const RETURN_LIMIT: Duration = Duration::from_secs(60);

impl Moby {
    /// See [`crate::Engine::logs`].
    pub(crate) async fn read_logs(&self, object: &ObjectRef, options: &LogOptions) -> Result<LogStream, EngineError> {
        let (id, found) = self.owned_for_read("read the log of", object).await?;
        let started = run_start(&found);
        let reader = Reader {
            transport: self.transport.clone(),
            name: object.name.clone(),
            options: options.clone(),
            until: if options.previous { Some(run_boundary(&found)) } else { None },
            lines: raw_lines(&self.transport, &id, options, options.since, true),
            id,
            started,
            assembler: Assembler::default(),
            ready: VecDeque::new(),
            last: None,
            ended: false,
        };
        Ok(Box::pin(futures::stream::unfold(reader, |mut reader| async move {
            let line = reader.next().await?;
            Some((Ok(line), reader))
        })))
    }
}

/// State of one reading: the container may be restarted or replaced meanwhile.
struct Reader {
    transport: Transport,
    name: String,
    options: LogOptions,
    /// Lines after it belong to the current run.
    until: Option<Timestamp>,
    lines: BoxStream<'static, Result<LogOutput, Error>>,
    id: String,
    started: Option<Timestamp>,
    assembler: Assembler,
    ready: VecDeque<LogLine>,
    last: Option<Timestamp>,
    ended: bool,
}

impl Reader {
    async fn next(&mut self) -> Option<LogLine> {
        loop {
            if let Some(line) = self.ready.pop_front() {
                if self.until.is_some_and(|until| line.at.is_some_and(|at| at > until)) {
                    return None;
                }
                self.last = line.at.or(self.last);
                return Some(line);
            }
            if self.ended {
                return None;
            }
            let part = match self.follows() {
                true => tokio::time::timeout(FOLLOW_CHECK, self.lines.next()).await,
                false => Ok(self.lines.next().await),
            };
            let Ok(part) = part else {
                // Podman's stream may stay open and silent after a restart: see whether another run began.
                if let Ok(found) = self.transport.inspect_container(&self.name).await {
                    self.continue_with(&found);
                }
                continue;
            };
            match part {
                Some(Ok(part)) => self.ready.extend(self.assembler.push(part)),
                Some(Err(error)) => {
                    self.ready.extend(self.assembler.finish());
                    self.ready.push_back(gap(format!("the log of {} was interrupted: {error}", self.name)));
                    self.ended = !self.follows() || !self.resume().await;
                }
                None => {
                    self.ready.extend(self.assembler.finish());
                    self.ended = !self.follows() || !self.resume().await;
                }
            }
        }
    }

    fn follows(&self) -> bool {
        self.options.follow && !self.options.previous
    }

    /// Waits until the container runs again, under its old id or a new one, and goes on after the last line.
    async fn resume(&mut self) -> bool {
        let mut absent = Duration::ZERO;
        while absent < RETURN_LIMIT {
            tokio::time::sleep(RETURN_POLL).await;
            match self.transport.inspect_container(&self.name).await {
                Ok(found) => {
                    absent = Duration::ZERO;
                    if self.continue_with(&found) {
                        return true;
                    }
                }
                Err(_) => absent += RETURN_POLL,
            }
        }
        false
    }

    fn continue_with(&mut self, found: &Inspected) -> bool {
        let running = found.state.status.known == WorkloadState::Running;
        let id = found.id.clone();
        let started = run_start(found);
        if !running || (id == self.id && started == self.started) {
            return false;
        }
        let replaced = id != self.id;
        if replaced {
            self.ready.push_back(gap(format!("{} was replaced; its new log begins here", self.name)));
        }
        // The engine's `since` counts whole seconds and includes them; lines that were shown are dropped by their instant.
        let since = if replaced { None } else { self.last };
        let after = since;
        let lines = raw_lines(&self.transport, &id, &self.options, since, false);
        self.assembler = Assembler { after, ..Assembler::default() };
        (self.lines, self.id, self.started) = (lines, id, started);
        true
    }
}

fn raw_lines(
    transport: &Transport,
    id: &str,
    options: &LogOptions,
    since: Option<Timestamp>,
    first: bool,
) -> BoxStream<'static, Result<LogOutput, Error>> {
    let tail = options.tail.filter(|_| first && !options.previous).map_or_else(|| "all".to_owned(), |tail| tail.to_string());
    let query = LogsOptionsBuilder::default()
        .follow(options.follow && !options.previous)
        .stdout(true)
        .stderr(true)
        .timestamps(true)
        .since(since.and_then(|since| i32::try_from(since.as_second()).ok()).unwrap_or_default())
        .tail(&tail)
        .build();
    let (docker, id) = (transport.docker.clone(), id.to_owned());
    // The stream borrows its client, so a task-free generator owns both.
    Box::pin(async_lines(docker, id, query))
}

fn async_lines(
    docker: bollard::Docker,
    id: String,
    query: bollard::query_parameters::LogsOptions,
) -> impl futures::Stream<Item = Result<LogOutput, Error>> + Send + 'static {
    let (sender, receiver) = tokio::sync::mpsc::channel(LINES_AHEAD);
    tokio::spawn(async move {
        let mut lines = Box::pin(docker.logs(&id, Some(query)));
        while let Some(line) = lines.next().await {
            if sender.send(line).await.is_err() {
                break;
            }
        }
    });
    tokio_stream::wrappers::ReceiverStream::new(receiver)
}

/// Lines that are read ahead of the reader.
const LINES_AHEAD: usize = 64;

fn run_start(found: &Inspected) -> Option<Timestamp> {
    found.state.started_at.parse().ok()
}

/// The instant that parts the current run from the one before.
///
/// While a container runs, its last end is exact; its start is noted after the program's first lines. Of one that ended, only the
/// start is known. One that never ended has no previous run.
fn run_boundary(found: &Inspected) -> Timestamp {
    let end = match found.state.status.known {
        // An engine may still call a run that prints already created or restarting.
        WorkloadState::Running | WorkloadState::Paused | WorkloadState::Created | WorkloadState::Restarting => {
            found.state.finished_at.parse().ok()
        }
        WorkloadState::Exited | WorkloadState::Removing | WorkloadState::Dead => run_start(found),
    };
    end.unwrap_or(Timestamp::UNIX_EPOCH)
}

fn gap(text: String) -> LogLine {
    LogLine { at: None, stream: Stream::Gap, text }
}

/// Puts the parts of long lines together, each stream for itself.
#[derive(Default)]
struct Assembler {
    stdout: Partial,
    stderr: Partial,
    /// Lines up to here were shown before.
    after: Option<Timestamp>,
}

#[derive(Default)]
struct Partial {
    at: Option<Timestamp>,
    text: String,
    cut: bool,
    open: bool,
}

impl Assembler {
    fn push(&mut self, part: LogOutput) -> Option<LogLine> {
        let (stream, bytes) = match part {
            LogOutput::StdOut { message } | LogOutput::Console { message } => (Stream::Stdout, message),
            LogOutput::StdErr { message } => (Stream::Stderr, message),
            LogOutput::StdIn { .. } => return None,
        };
        let text = String::from_utf8_lossy(&bytes);
        let (at, text) = split_instant(&text);
        let partial = if stream == Stream::Stderr { &mut self.stderr } else { &mut self.stdout };
        partial.add(at, text.strip_suffix('\n').unwrap_or(text));
        if !text.ends_with('\n') {
            return None;
        }
        partial.take(stream).filter(|line| self.after.is_none_or(|after| line.at.is_none_or(|at| at > after)))
    }

    fn finish(&mut self) -> Vec<LogLine> {
        [self.stdout.take(Stream::Stdout), self.stderr.take(Stream::Stderr)].into_iter().flatten().collect()
    }
}

impl Partial {
    fn add(&mut self, at: Option<Timestamp>, text: &str) {
        self.at = self.at.or(at);
        self.open = true;
        let mut room = LINE_BYTES_MAX.saturating_sub(self.text.len());
        if text.len() > room {
            self.cut = true;
            while !text.is_char_boundary(room) {
                room -= 1;
            }
        }
        self.text.push_str(&text[..room.min(text.len())]);
    }

    fn take(&mut self, stream: Stream) -> Option<LogLine> {
        if !self.open {
            return None;
        }
        let taken = std::mem::take(self);
        let mut text = taken.text;
        if taken.cut {
            text.push_str(CUT_MARK);
        }
        if text.ends_with('\r') {
            text.pop();
        }
        Some(LogLine { at: taken.at, stream, text })
    }
}

/// The instant that the engine writes before each part.
fn split_instant(text: &str) -> (Option<Timestamp>, &str) {
    match text.split_once(' ') {
        Some((instant, rest)) => match instant.parse() {
            Ok(instant) => (Some(instant), rest),
            Err(_) => (None, text),
        },
        None => match text.trim_end().parse() {
            // An empty line is its instant alone.
            Ok(instant) => (Some(instant), if text.ends_with('\n') { "\n" } else { "" }),
            Err(_) => (None, text),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn out(text: &str) -> LogOutput {
        LogOutput::StdOut { message: text.to_owned().into() }
    }

    fn err(text: &str) -> LogOutput {
        LogOutput::StdErr { message: text.to_owned().into() }
    }

    /// ENG-9: parts of a long line are joined per stream, instants between them vanish, an open line comes at the end.
    #[test]
    fn parts_of_lines_are_joined_per_stream() {
        let mut assembler = Assembler::default();
        assert_eq!(assembler.push(out("2026-01-01T00:00:00.1Z first ")), None);
        let error = assembler.push(err("2026-01-01T00:00:00.2Z other\n")).unwrap();
        assert_eq!((error.stream, error.text.as_str()), (Stream::Stderr, "other"));
        let line = assembler.push(out("2026-01-01T00:00:00.3Z half\n")).unwrap();
        assert_eq!((line.text.as_str(), line.at.unwrap().to_string().as_str()), ("first half", "2026-01-01T00:00:00.1Z"));
        assert_eq!(assembler.push(out("2026-01-01T00:00:00.4Z open")), None);
        assert_eq!(assembler.finish()[0].text, "open");
        assert!(assembler.finish().is_empty());
    }

    /// ENG-9: a line beyond 16 KiB is cut at a character and says so.
    #[test]
    fn a_long_line_is_cut_and_says_so() {
        let mut assembler = Assembler::default();
        let line = assembler.push(out(&format!("{}\n", "ä".repeat(LINE_BYTES_MAX)))).unwrap();
        assert!(line.text.len() <= LINE_BYTES_MAX + CUT_MARK.len() && line.text.ends_with(CUT_MARK));
    }

    /// ENG-9: after a restart, lines that were shown are not shown again.
    #[test]
    fn shown_lines_are_dropped_after_a_restart() {
        let mut assembler = Assembler { after: "2026-01-01T00:00:01Z".parse().ok(), ..Assembler::default() };
        assert_eq!(assembler.push(out("2026-01-01T00:00:01Z old\n")), None);
        assert_eq!(assembler.push(out("2026-01-01T00:00:01.5Z new\n")).unwrap().text, "new");
        let empty = assembler.push(out("2026-01-01T00:00:02Z\n")).unwrap();
        assert_eq!(empty.text, "");
    }
}
