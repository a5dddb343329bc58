//! Programs that carry a connection elsewhere (DET-17), in front of real servers: whoever asks through them asks a stranger.

use std::fs::{self, Permissions};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use koan_core::probe::{Access, CandidateReport, CandidateVerdict, CredentialRef};
use koan_core::recipe::Recipes;
use koan_core::secret::Login;
use koan_crds::v1alpha1::{DetectionMethod, EvidenceCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::servers::Server;
use super::{codes, manifest, only, question};
use crate::ownership::read;
use crate::wire::Target;
use crate::{LiveProber, Prober, catalogue};

/// Longest start of a forwarder on a busy machine.
const START: Duration = Duration::from_secs(60);
/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(5);
/// Where Debian keeps the server of SSH, which asks to be called by its whole path.
const SSHD: &str = "/usr/sbin/sshd";
/// The forwarders, as the socket table names them.
const FORWARDERS: [&str; 2] = ["socat", "ssh"];

/// A running forwarder; it ends with the value.
struct Forwarder {
    port: u16,
    children: Vec<Child>,
    _folder: tempfile::TempDir,
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _gone = child.kill();
            let _status = child.wait();
        }
    }
}

/// DET-17, DET-41, SEC-1: a server whose default login is open, and which is used where it is met itself, is told no login through
/// a forwarder: what is sent there is what is sent without any credential. Only where the manifest names the place, its own login goes.
pub(crate) async fn no_login_passes(adapter: &str, server: &Server, open: &Login) {
    let defaults = catalogue().recipe(adapter).unwrap().default_logins.len();
    let all: Vec<CredentialRef> = [CredentialRef::Manifest, CredentialRef::Anonymous]
        .into_iter()
        .chain((0..defaults).map(CredentialRef::Default))
        .collect();
    let ours = LiveProber::as_user(server.uid);
    let itself = ours.probe(&question(adapter, server.port, &all[1..]), &Access::default()).await;
    assert!(
        matches!(&only(&itself).verdict, CandidateVerdict::Usable(usable) if matches!(usable.credential, CredentialRef::Default(_))),
        "the default login is open: {itself:?}"
    );
    for name in FORWARDERS {
        let meter = Meter::before(server.port).await;
        let Some(forwarder) = start(name, meter.port).await else { continue };
        let ask = async |credentials: &[CredentialRef], named: bool| -> CandidateReport {
            let mut question = question(adapter, forwarder.port, credentials);
            question.candidates[0].named_by_manifest = named;
            question.candidates[0].method = if named { DetectionMethod::Explicit } else { DetectionMethod::Automatic };
            only(&ours.probe(&question, &manifest(open.clone())).await).clone()
        };
        let nothing = ask(&[], false).await;
        assert_eq!(codes(&nothing), [EvidenceCode::Identified, EvidenceCode::Forwarder], "{adapter} behind {name}");
        let greeting = meter.sent().await;
        let report = ask(&all, false).await;
        assert_eq!(codes(&report)[..2], [EvidenceCode::Identified, EvidenceCode::Forwarder], "{adapter} behind {name}");
        assert_eq!(codes(&report)[2..], vec![EvidenceCode::CredentialSkipped; all.len()], "{adapter} behind {name}");
        assert_eq!(report.verdict, CandidateVerdict::Rejected, "{adapter} behind {name}");
        assert_eq!(meter.sent().await, 2 * greeting, "{adapter} behind {name}: a greeting each, and nothing else");
        let named = ask(&all[1..], true).await;
        assert_eq!(codes(&named)[2..], vec![EvidenceCode::CredentialSkipped; all.len() - 1], "{adapter} behind {name}");
        assert_eq!(meter.sent().await, 3 * greeting, "{adapter} behind {name}: no default login, whoever names it");
        let named = ask(&all, true).await;
        assert_eq!(codes(&named)[2..], [EvidenceCode::CredentialAccepted], "{adapter} behind {name}: {named:?}");
    }
}

/// Counts what is sent to a server.
struct Meter {
    port: u16,
    sent: Arc<AtomicUsize>,
    open: Arc<AtomicUsize>,
}

impl Meter {
    async fn before(server: u16) -> Self {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sent, open) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (count, gate) = (Arc::clone(&sent), Arc::clone(&open));
        tokio::spawn(async move {
            while let Ok((client, _peer)) = listener.accept().await {
                gate.fetch_add(1, Ordering::SeqCst);
                let (count, gate) = (Arc::clone(&count), Arc::clone(&gate));
                tokio::spawn(async move {
                    pass(client, server, count).await;
                    gate.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { port, sent, open }
    }

    /// Bytes so far, once every connection has ended with its goodbye.
    async fn sent(&self) -> usize {
        let deadline = Instant::now() + START;
        while self.open.load(Ordering::SeqCst) > 0 {
            assert!(Instant::now() < deadline, "a connection does not end");
            tokio::time::sleep(LOOK).await;
        }
        self.sent.load(Ordering::SeqCst)
    }
}

/// Counts before it passes on, so that nothing is answered that was not counted.
async fn pass(client: TcpStream, server: u16, count: Arc<AtomicUsize>) {
    let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, server)).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let upward = async {
        let mut chunk = [0; 4096];
        while let Ok(length @ 1..) = from_client.read(&mut chunk).await {
            count.fetch_add(length, Ordering::SeqCst);
            if to_server.write_all(&chunk[..length]).await.is_err() {
                break;
            }
        }
        let _gone = to_server.shutdown().await;
    };
    let downward = async {
        let _end = tokio::io::copy(&mut from_server, &mut to_client).await;
        let _gone = to_client.shutdown().await;
    };
    tokio::join!(upward, downward);
}

/// A forwarder to a port of this machine, once it listens; `None` after a printed reason.
async fn start(name: &str, to: u16) -> Option<Forwarder> {
    let folder = tempfile::Builder::new().prefix("koan-forwarder-").tempdir().unwrap();
    let port = free_port();
    let started = if name == "ssh" { ssh(folder.path(), port, to).await } else { socat(port, to) };
    let Some(children) = started else {
        assert!(std::env::var_os("CI").is_none(), "{name} is not installed, and CI requires it");
        println!("SKIPPED forwarder {name}: it is not installed");
        return None;
    };
    let forwarder = Forwarder { port, children, _folder: folder };
    listens(port, name).await;
    Some(forwarder)
}

fn socat(port: u16, to: u16) -> Option<Vec<Child>> {
    let mut command = Command::new("socat");
    command.arg(format!("TCP-LISTEN:{port},bind=127.0.0.1,fork,reuseaddr")).arg(format!("TCP:127.0.0.1:{to}"));
    Some(vec![quiet(&mut command).spawn().ok()?])
}

/// `ssh -L` through a server of SSH of its own, with keys of its own.
async fn ssh(folder: &Path, port: u16, to: u16) -> Option<Vec<Child>> {
    if !Path::new(SSHD).exists() {
        return None;
    }
    let at = |name: &str| folder.join(name).display().to_string();
    for key in ["host", "person"] {
        let made = quiet(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(folder.join(key))).status();
        assert!(made.ok()?.success(), "a key for {key}");
    }
    if rustix::process::geteuid().is_root() {
        // Where the server locks its unprivileged half in; as root it wants that.
        fs::create_dir_all("/run/sshd").unwrap();
        fs::set_permissions("/run/sshd", Permissions::from_mode(0o755)).unwrap();
    }
    let inner = free_port();
    let settings = format!(
        "Port {inner}\nListenAddress 127.0.0.1\nHostKey {}\nPidFile none\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\n\
         PermitRootLogin prohibit-password\nPasswordAuthentication no\n",
        at("host"),
        at("person.pub")
    );
    fs::write(folder.join("settings"), settings).unwrap();
    let server = quiet(Command::new(SSHD).args(["-D", "-f"]).arg(folder.join("settings"))).spawn().ok()?;
    listens(inner, "sshd").await;
    let mut client = Command::new("ssh");
    client.args(["-F", "none", "-N", "-o", "BatchMode=yes", "-o", "ExitOnForwardFailure=yes", "-o", "StrictHostKeyChecking=no"]);
    client.args(["-o", "UserKnownHostsFile=/dev/null", "-o", "IdentitiesOnly=yes", "-i"]).arg(folder.join("person"));
    client.arg("-L").arg(format!("127.0.0.1:{port}:127.0.0.1:{to}")).args(["-p", &inner.to_string(), "127.0.0.1"]);
    Some(vec![quiet(&mut client).spawn().ok()?, server])
}

fn quiet(command: &mut Command) -> &mut Command {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null())
}

/// Waits until a program of that name listens there; nobody connects.
async fn listens(port: u16, name: &str) {
    let target = Target::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let deadline = Instant::now() + START;
    while !read(&target).names.iter().any(|found| found == name) {
        assert!(Instant::now() < deadline, "{name} does not listen on {port}");
        tokio::time::sleep(LOOK).await;
    }
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}
