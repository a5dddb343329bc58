//! The forms of a probe: adapter, HTTP, TCP, a command, a line of the log. Connect first, then the protocol; an accepted
//! connection proves nothing (P14).

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use koan_core::facts::ProbeFailure;
use koan_core::probe::{Address, Check, CheckReport, Vantage};
use koan_core::step::ObjectRef;
use koan_core::validate::HealthForm;
use koan_crds::v1alpha1::{Evidence, EvidenceCode, FailureClass};
use koan_engines::{DialRequest, Engine, ExecRequest, LogOptions, Tunnel};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::board::{Means, Place, Target};

/// Output of a command that is kept.
const OUTPUT_LIMIT: usize = 4 * 1024;
/// Most lines of a log that one probe reads.
const LINES: usize = 20_000;
/// Most bytes of an HTTP answer's head that are read.
const HEAD_LIMIT: usize = 16 * 1024;
/// A connection that is closed within this time after it was accepted was a proxy's.
const PROXY_CLOSES: Duration = Duration::from_millis(40);

/// A way that leads nowhere is asked for again after this time.
const WAY_LASTS: Duration = Duration::from_secs(1);

/// What earlier probes of the same run found out.
#[derive(Clone, Default)]
pub(super) struct Known {
    /// The line of a log check was seen; it stays seen while the workload runs.
    seen: bool,
    /// The published endpoint was proved.
    published: bool,
    /// A probe passed.
    proved: bool,
    /// The engine is asked for the way once, not by each probe (PERF-70).
    way: Option<Way>,
}

/// The way to a port of a workload.
#[derive(Clone)]
struct Way {
    port: u16,
    tunnel: Arc<Tunnel>,
    asked: Instant,
}

/// What a probe found.
pub(super) enum Found {
    /// It passed.
    Passed(Known),
    /// It failed.
    Failed {
        failure: ProbeFailure,
        /// Something answered.
        answered: bool,
        /// What answered is another product.
        foreign: bool,
        known: Known,
    },
}

struct Miss {
    message: String,
    answered: bool,
    foreign: bool,
}

impl Miss {
    fn absent(message: impl Into<String>) -> Self {
        Self { message: message.into(), answered: false, foreign: false }
    }

    fn not_yet(message: impl Into<String>) -> Self {
        Self { message: message.into(), answered: true, foreign: false }
    }
}

/// Runs one probe within its budget.
pub(super) async fn check(target: &Target, known: &Known, means: &Means) -> Found {
    let mut known = known.clone();
    let limit = target.health.timeout;
    let result = timeout(limit, run(target, &mut known, means)).await;
    let result = result.unwrap_or_else(|_| Err(Miss::not_yet(format!("no answer within {limit:?}"))));
    match result {
        Ok(()) => Found::Passed(Known { proved: true, ..known }),
        Err(Miss { message, answered, foreign }) => {
            let probe = name(&target.health.check).to_owned();
            Found::Failed { failure: ProbeFailure { probe, class: FailureClass::Transient, message }, answered, foreign, known }
        }
    }
}

fn name(form: &HealthForm) -> &'static str {
    match form {
        HealthForm::Http { .. } => "http",
        HealthForm::Tcp { .. } => "tcp",
        HealthForm::Exec { .. } => "exec",
        HealthForm::Adapter => "adapter",
        HealthForm::Log { .. } => "log",
    }
}

async fn run(target: &Target, known: &mut Known, means: &Means) -> Result<(), Miss> {
    match &target.place {
        Place::Host { address, tls: _ } => at(target, address, means).await,
        Place::Workload { engine, object, port, published, exec } => {
            let Some(engine) = means.pool.engine(*engine) else {
                return Err(Miss::absent("its engine is not part of this program"));
            };
            let place = Inside { engine: engine.as_ref(), object };
            match &target.health.check {
                HealthForm::Exec { command } => place.exec(command, target.health.timeout).await,
                HealthForm::Log { pattern } => place.log(pattern, known).await,
                HealthForm::Http { port, .. } | HealthForm::Tcp { port } => {
                    place.network(target, *port, published, known, means).await
                }
                HealthForm::Adapter => match port {
                    Some(port) => match place.network(target, *port, published, known, means).await {
                        // DET-33: the recipe's check inside is the last way that works.
                        Err(miss) if !miss.answered && !exec.is_empty() && known.way.is_none() => {
                            place.exec(exec, target.health.timeout).await
                        }
                        result => result,
                    },
                    None => place.exec(exec, target.health.timeout).await,
                },
            }
        }
    }
}

struct Inside<'a> {
    engine: &'a dyn Engine,
    object: &'a ObjectRef,
}

impl Inside<'_> {
    /// At the workload's own address; then, once, through the published one (PERF-82).
    async fn network(
        &self,
        target: &Target,
        port: u16,
        published: &[(u16, u16)],
        known: &mut Known,
        means: &Means,
    ) -> Result<(), Miss> {
        let tunnel = self.own(target, port, known, means).await?;
        let own = published.iter().find(|(container, _)| *container == port).map(|(_, host)| *host);
        if let Some(host) = own.filter(|_| !known.published) {
            let address = Address::Tcp { host: "127.0.0.1".to_owned(), port: host };
            if address != tunnel.address {
                at(target, &address, means).await?;
            }
            known.published = true;
        }
        Ok(())
    }

    /// At the workload's own address, by the way that is known while it leads there. Before the first success counts, the
    /// engine confirms that the address is still the workload's.
    async fn own(&self, target: &Target, port: u16, known: &mut Known, means: &Means) -> Result<Arc<Tunnel>, Miss> {
        let Some(way) = known.way.clone().filter(|way| way.port == port) else {
            let tunnel = self.ask(port, known).await?;
            at(target, &tunnel.address, means).await?;
            return Ok(tunnel);
        };
        let found = at(target, &way.tunnel.address, means).await;
        let asks = match &found {
            Ok(()) => !known.proved,
            Err(miss) => !miss.answered && way.asked.elapsed() >= WAY_LASTS,
        };
        if !asks {
            return found.map(|()| way.tunnel);
        }
        let tunnel = self.ask(port, known).await?;
        if tunnel.address != way.tunnel.address {
            at(target, &tunnel.address, means).await?;
            return Ok(tunnel);
        }
        found.map(|()| tunnel)
    }

    /// Asks the engine for the way to a port.
    async fn ask(&self, port: u16, known: &mut Known) -> Result<Arc<Tunnel>, Miss> {
        known.way = None;
        let request = DialRequest { container_port: port, vantage: Vantage::Host };
        let tunnel = self.engine.dial(self.object, &request).await.map_err(|error| Miss::absent(error.to_string()))?;
        let tunnel = Arc::new(tunnel);
        known.way = Some(Way { port, tunnel: Arc::clone(&tunnel), asked: Instant::now() });
        Ok(tunnel)
    }

    async fn exec(&self, command: &[String], limit: Duration) -> Result<(), Miss> {
        let request = ExecRequest { command: command.to_vec(), timeout: limit, output_limit: OUTPUT_LIMIT };
        match self.engine.exec(self.object, &request).await {
            Ok(report) if report.exit_code == Some(0) => Ok(()),
            Ok(report) => Err(Miss::not_yet(match report.exit_code {
                Some(code) => format!("the command ended with {code}"),
                None => "the command did not end in time".to_owned(),
            })),
            Err(error) => Err(Miss::absent(error.to_string())),
        }
    }

    async fn log(&self, pattern: &str, known: &mut Known) -> Result<(), Miss> {
        if known.seen {
            return Ok(());
        }
        let lines =
            self.engine.logs(self.object, &LogOptions::default()).await.map_err(|error| Miss::absent(error.to_string()))?;
        let mut lines = lines.take(LINES);
        while let Some(Ok(found)) = lines.next().await {
            if found.text.contains(pattern) {
                known.seen = true;
                return Ok(());
            }
        }
        Err(Miss::not_yet("no line of the log contains the pattern"))
    }
}

/// The network forms at one address.
async fn at(target: &Target, address: &Address, means: &Means) -> Result<(), Miss> {
    match &target.health.check {
        HealthForm::Http { path, .. } => http(address, path).await,
        HealthForm::Tcp { .. } | HealthForm::Exec { .. } | HealthForm::Log { .. } => tcp(address).await,
        HealthForm::Adapter => match &target.adapter {
            Some(adapter) => adapter_check(target, adapter, address, means).await,
            None => tcp(address).await,
        },
    }
}

async fn adapter_check(target: &Target, adapter: &str, address: &Address, means: &Means) -> Result<(), Miss> {
    let tls = match &target.place {
        Place::Host { address: _, tls } => tls.clone(),
        Place::Workload { .. } => None,
    };
    let check = Check {
        adapter: adapter.to_owned(),
        address: address.clone(),
        tls,
        login: target.login.clone(),
        database: target.database.clone(),
        timeout: target.health.timeout,
    };
    match means.prober.check(&check).await {
        CheckReport::Passed { .. } => Ok(()),
        CheckReport::Absent(evidence) => Err(Miss::absent(sentence(&evidence))),
        CheckReport::NotYet(evidence) => {
            let foreign = evidence.code == EvidenceCode::WrongProtocol;
            Err(Miss { message: sentence(&evidence), answered: true, foreign })
        }
    }
}

fn sentence(evidence: &Evidence) -> String {
    match &evidence.detail {
        Some(detail) => format!("{:?}: {detail}", evidence.code),
        None => format!("{:?}", evidence.code),
    }
}

async fn connect(address: &Address) -> Result<TcpStream, Miss> {
    match address {
        Address::Tcp { host, port } => {
            let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(|error| Miss::absent(refused(&error)))?;
            stream.set_nodelay(true).map_err(|error| Miss::absent(refused(&error)))?;
            Ok(stream)
        }
        Address::Unix { path } => Err(Miss::absent(format!("{path} is a socket file, and this check needs a port"))),
    }
}

/// A sentence that is the same for the same cause: the error's kind, not its text.
fn refused(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused => "the connection was refused".to_owned(),
        kind => format!("the connection failed: {kind}"),
    }
}

async fn tcp(address: &Address) -> Result<(), Miss> {
    let mut stream = connect(address).await?;
    let mut byte = [0];
    match timeout(PROXY_CLOSES, stream.read(&mut byte)).await {
        Err(_) | Ok(Ok(1..)) => Ok(()),
        Ok(Ok(0) | Err(_)) => Err(Miss::not_yet("the connection was accepted and closed at once")),
    }
}

/// A GET whose status is read and nothing else; 2xx and 3xx pass.
async fn http(address: &Address, path: &str) -> Result<(), Miss> {
    let mut stream = connect(address).await?;
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: koan\r\nAccept: */*\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.map_err(|error| Miss::not_yet(refused(&error)))?;
    let mut head = Vec::new();
    let mut reader = stream.take(HEAD_LIMIT as u64);
    while !head.contains(&b'\n') {
        let read = reader.read_buf(&mut head).await.map_err(|error| Miss::not_yet(refused(&error)))?;
        if read == 0 {
            break;
        }
    }
    match status_of(&head) {
        Some(200..=399) => Ok(()),
        Some(status) => Err(Miss::not_yet(format!("HTTP {status}"))),
        None => Err(Miss { message: "the answer is no HTTP".to_owned(), answered: true, foreign: true }),
    }
}

/// Status of the first line of an HTTP/1 answer.
pub(super) fn status_of(head: &[u8]) -> Option<u16> {
    let line = head.split(|byte| *byte == b'\n').next()?;
    let line = std::str::from_utf8(line).ok()?.trim_end();
    let mut words = line.split(' ');
    let version = words.next()?;
    let status = words.next()?;
    (version.starts_with("HTTP/1.") && status.len() == 3).then(|| status.parse().ok()).flatten()
}
