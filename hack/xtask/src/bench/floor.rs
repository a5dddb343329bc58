//! The floors (PERF-3): a minimal program on the engine's raw socket and on the machine. It shares no code with Koan.

use super::http::Connection;
use super::measure::Sample;
use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use std::io::Write as _;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Width at which w is measured.
const WIDTH: usize = 4;
/// Width of the removals after a measurement.
const REMOVALS: usize = 8;
/// Longest wait for one answer of the engine.
const ANSWER: Duration = Duration::from_secs(120);
/// Longest boot of a real server, and the pause between two looks at its log.
const BOOT: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(50);
/// Bytes before each line of a log.
const HEAD: usize = 8;
/// Tries to remove a network while the engine still takes its last container away, and the pause between two.
const TRIES: usize = 100;
const PAUSE: Duration = Duration::from_millis(50);
/// Calls in one measurement of a short floor.
const CALLS: usize = 20;
/// Path prefix of an API that every supported engine speaks.
const API: &str = "/v1.41";

/// An engine by its socket.
pub(crate) struct Engine {
    socket: PathBuf,
    image: String,
}

/// A real server whose boot is a floor.
pub(crate) struct Server<'a> {
    /// Its image.
    pub(crate) image: &'a str,
    /// Its environment.
    pub(crate) environment: &'a [&'a str],
    /// What its log says when it is ready, and how often until then.
    pub(crate) says: (&'a str, usize),
}

/// What one round of the engine's floors measured, in seconds.
pub(crate) struct Round {
    /// Ping and network create (P).
    pub(crate) prelude: f64,
    /// One create and start alone (S).
    pub(crate) start: f64,
    /// Wall time per container at width 4 (w).
    pub(crate) work: f64,
}

impl Engine {
    /// An engine and the sleeper's image; nothing is connected yet.
    pub(crate) fn new(socket: &Path, image: &str) -> Self {
        Self { socket: socket.to_path_buf(), image: image.to_owned() }
    }

    fn connect(&self) -> Result<Connection<UnixStream>> {
        let stream = UnixStream::connect(&self.socket).with_context(|| format!("connecting to {}", self.socket.display()))?;
        stream.set_read_timeout(Some(ANSWER))?;
        Ok(Connection::new(stream, "Host: localhost\r\n"))
    }

    /// Name and version, as the record has them.
    ///
    /// # Errors
    /// The engine does not answer.
    pub(crate) fn version(&self) -> Result<String> {
        let version = self.connect()?.expect("GET", &format!("{API}/version"), None)?;
        Ok(version["Version"].as_str().unwrap_or("unknown").to_owned())
    }

    /// True when the engine has the image.
    ///
    /// # Errors
    /// The engine does not answer.
    pub(crate) fn has_image(&self) -> Result<bool> {
        Ok(self.connect()?.request("GET", &format!("{API}/images/{}/json", self.image), None)?.0 == 200)
    }

    /// One round: P, S, then `count` containers at width 4; everything is removed again.
    ///
    /// # Errors
    /// The engine refuses a call.
    pub(crate) fn round(&self, count: usize) -> Result<Round> {
        let mut engine = self.connect()?;
        let network = format!("koan-bench-{}", std::process::id());
        let began = Instant::now();
        engine.expect("GET", "/_ping", None)?;
        engine.expect("POST", &format!("{API}/networks/create"), Some(&json!({"Name": network, "CheckDuplicate": true})))?;
        let prelude = began.elapsed().as_secs_f64();
        let measured = self.containers(&mut engine, &network, count);
        self.remove(&network, count + 1)?;
        let path = format!("{API}/networks/{network}");
        let gone = (0..TRIES).any(|_| {
            let done = engine.request("DELETE", &path, None).is_ok_and(|(status, _)| status < 300);
            if !done {
                std::thread::sleep(PAUSE);
            }
            done
        });
        ensure!(gone, "network {network} of the floor cannot be removed");
        let (start, work) = measured?;
        Ok(Round { prelude, start, work })
    }

    /// Seconds from the start of a server's container until its log says that it is ready; it is removed with its volumes.
    ///
    /// # Errors
    /// The engine refuses a call, or the server does not get ready.
    pub(crate) fn boot(&self, server: &Server<'_>) -> Result<f64> {
        let mut engine = self.connect()?;
        let body = json!({"Image": server.image, "Env": server.environment, "Healthcheck": {"Test": ["NONE"]}});
        let made = engine.expect("POST", &format!("{API}/containers/create"), Some(&body))?;
        let id = made["Id"].as_str().context("a container without Id")?;
        let measured = booted(&mut engine, id, server);
        engine.expect("DELETE", &format!("{API}/containers/{id}?force=1&v=1"), None)?;
        measured
    }

    fn containers(&self, engine: &mut Connection<UnixStream>, network: &str, count: usize) -> Result<(f64, f64)> {
        let began = Instant::now();
        self.launch(engine, network, 0)?;
        let start = began.elapsed().as_secs_f64();
        let mut connections = (0..WIDTH).map(|_| self.connect()).collect::<Result<Vec<_>>>()?;
        let began = Instant::now();
        spread(&mut connections, count, |connection, number| self.launch(connection, network, number + 1))?;
        let each = f64::from(u32::try_from(count)?);
        Ok((start, began.elapsed().as_secs_f64() / each))
    }

    fn launch(&self, engine: &mut Connection<UnixStream>, network: &str, number: usize) -> Result<()> {
        let body: Value = json!({
            "Image": self.image, "Healthcheck": {"Test": ["NONE"]}, "HostConfig": {"NetworkMode": network},
        });
        let made = engine.expect("POST", &format!("{API}/containers/create?name={network}-{number}"), Some(&body))?;
        let id = made["Id"].as_str().context("a container without Id")?;
        engine.expect("POST", &format!("{API}/containers/{id}/start"), None)?;
        Ok(())
    }

    fn remove(&self, network: &str, count: usize) -> Result<()> {
        let mut connections = (0..REMOVALS).map(|_| self.connect()).collect::<Result<Vec<_>>>()?;
        spread(&mut connections, count, |connection, number| {
            connection.request("DELETE", &format!("{API}/containers/{network}-{number}?force=1&v=1"), None)?;
            Ok(())
        })
    }
}

fn booted(engine: &mut Connection<UnixStream>, id: &str, server: &Server<'_>) -> Result<f64> {
    engine.expect("POST", &format!("{API}/containers/{id}/start"), None)?;
    let began = Instant::now();
    while began.elapsed() < BOOT {
        let log = engine.bytes("GET", &format!("{API}/containers/{id}/logs?stdout=1&stderr=1&timestamps=1"))?;
        if let Some(ready) = said(&log, server.says) {
            let state = engine.expect("GET", &format!("{API}/containers/{id}/json"), None)?;
            let started: jiff::Timestamp = state["State"]["StartedAt"].as_str().context("no StartedAt")?.parse()?;
            return Ok(ready.duration_since(started).as_secs_f64());
        }
        std::thread::sleep(LOOK);
    }
    bail!("{} did not get ready in {BOOT:?}", server.image)
}

/// When a log said something for the last of so many times; each line begins with an eight-byte head and its instant.
fn said(log: &[u8], (words, times): (&str, usize)) -> Option<jiff::Timestamp> {
    let text = String::from_utf8_lossy(log);
    let line = text.lines().filter(|line| line.contains(words)).nth(times - 1)?;
    // A head of eight bytes stands before the instant; any of them may look like a part of it.
    let words = |(at, _)| line[at..].split_whitespace().next()?.parse().ok();
    line.char_indices().take(HEAD + 1).find_map(words)
}

/// Calls `work` for the numbers below `count`, each connection on a thread of its own taking the next one.
fn spread<F>(connections: &mut [Connection<UnixStream>], count: usize, work: F) -> Result<()>
where
    F: Fn(&mut Connection<UnixStream>, usize) -> Result<()> + Sync,
{
    let next = AtomicUsize::new(0);
    let drain = |connection: &mut Connection<UnixStream>| -> Result<()> {
        loop {
            match next.fetch_add(1, Ordering::Relaxed) {
                number if number < count => work(connection, number)?,
                _ => return Ok(()),
            }
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = connections.iter_mut().map(|connection| scope.spawn(|| drain(connection))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| anyhow::anyhow!("a thread of the floor panicked"))?)
    })
}

/// Seconds from the spawn of `/bin/true` to its end.
///
/// # Errors
/// It cannot be run.
pub(crate) fn spawn() -> Result<f64> {
    let began = Instant::now();
    Command::new("/bin/true").stdin(Stdio::null()).status().context("running /bin/true")?;
    Ok(began.elapsed().as_secs_f64())
}

/// Median seconds of one fdatasync after a small write, in `folder`.
///
/// # Errors
/// The folder cannot be written.
pub(crate) fn sync(folder: &Path) -> Result<f64> {
    let mut file = std::fs::File::create(folder.join("floor"))?;
    let mut sample = Sample::default();
    for _ in 0..CALLS {
        file.write_all(b"floor")?;
        let began = Instant::now();
        file.sync_data()?;
        sample.push(began.elapsed().as_secs_f64());
    }
    Ok(sample.median())
}

/// Median seconds of a refused connect on loopback.
pub(crate) fn refused() -> f64 {
    let attempt = |_| {
        let began = Instant::now();
        // Port 1 is never listened on here; an answer would only make the floor longer.
        drop(TcpStream::connect(("127.0.0.1", 1)));
        began.elapsed().as_secs_f64()
    };
    (0..CALLS).map(attempt).collect::<Sample>().median()
}

#[cfg(test)]
mod tests {
    use super::said;

    /// PERF-22: the boot ends at the line that says so for the last time, whatever stands in the frame's head before it.
    #[test]
    fn a_log_tells_when_a_server_was_ready() {
        let frame = |text: &str| [&[1, 0, 0, 0, 0, 0, 0, 42][..], text.as_bytes(), b"\n"].concat();
        let log = [
            frame("2026-01-01T00:00:01.500000000Z 1:M ready to accept"),
            frame("2026-01-01T00:00:02Z shutting down"),
            frame("2026-01-01T00:00:03.250000000Z LOG: ready to accept"),
        ]
        .concat();
        assert_eq!(said(&log, ("ready to", 2)), Some("2026-01-01T00:00:03.25Z".parse().unwrap()));
        assert_eq!(said(&log, ("ready to", 3)), None);
    }
}
