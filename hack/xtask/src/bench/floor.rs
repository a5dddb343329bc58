//! The floors (PERF-3): a minimal program on the engine's raw socket and on the machine. It shares no code with Koan.

use super::http::Connection;
use super::measure::Sample;
use anyhow::{Context as _, Result};
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
/// Calls in one measurement of a short floor.
const CALLS: usize = 20;
/// Path prefix of an API that every supported engine speaks.
const API: &str = "/v1.41";

/// An engine by its socket.
pub(crate) struct Engine {
    socket: PathBuf,
    image: String,
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
        let removed = self.remove(&network, count + 1);
        engine.expect("DELETE", &format!("{API}/networks/{network}"), None)?;
        removed?;
        let (start, work) = measured?;
        Ok(Round { prelude, start, work })
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
