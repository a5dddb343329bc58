//! A network namespace of this run's own, and the way from it to the servers of this machine: a Unix socket, whose other end stays
//! outside.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::{Mutex, PoisonError};

/// Names the Unix socket, inside.
const WAY_OUT: &str = "KOAN_MATRIX_WAY_OUT";

/// True in the program that has the network of its own.
pub(crate) fn inside() -> bool {
    std::env::var_os(WAY_OUT).is_some()
}

/// Runs this program once more in a network of its own, and connects it to servers of this machine while it runs.
pub(crate) fn enter() -> ExitCode {
    let folder = tempfile::Builder::new().prefix("koan-matrix-").tempdir().expect("a folder");
    let socket = folder.path().join("way-out");
    let listener = UnixListener::bind(&socket).expect("a Unix socket");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || connect(stream));
        }
    });
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-current-user", "--keep-caps"]);
    }
    let own = std::env::current_exe().expect("own path");
    command.args(["--net", "sh", "-c", "ip link set lo up && exec \"$0\" \"$@\""]).arg(own);
    let status = command.args(std::env::args_os().skip(1)).env(WAY_OUT, &socket).status();
    let status = status.expect("unshare of util-linux gives this run a network of its own");
    ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1))
}

/// The first line names the server; everything after it goes there.
fn connect(stream: UnixStream) {
    let mut reader = BufReader::with_capacity(1, stream.try_clone().expect("a second handle"));
    let mut line = String::new();
    reader.read_line(&mut line).expect("a line");
    let address: SocketAddr = line.trim().parse().expect("an address");
    let Ok(server) = TcpStream::connect(address) else { return };
    pass(server, stream);
}

/// Everything in both directions, until both have ended.
fn pass(outer: TcpStream, inner: UnixStream) {
    let mut outward = outer.try_clone().expect("a second handle");
    let mut from_inner = inner.try_clone().expect("a second handle");
    let other = std::thread::spawn(move || {
        let _end = std::io::copy(&mut from_inner, &mut outward);
        let _gone = outward.shutdown(Shutdown::Write);
    });
    let (mut from_outer, mut inward) = (outer, inner);
    let _end = std::io::copy(&mut from_outer, &mut inward);
    let _gone = inward.shutdown(Shutdown::Write);
    let _joined = other.join();
}

/// Servers that are reached in this network at their own address.
static AT_HOME: Mutex<BTreeSet<SocketAddr>> = Mutex::new(BTreeSet::new());

/// Leads from a server's own address to it, as long as this program runs: some products send their clients there.
pub(crate) fn open_home(server: SocketAddr) {
    if !AT_HOME.lock().unwrap_or_else(PoisonError::into_inner).insert(server) {
        return;
    }
    let listener = TcpListener::bind(server).expect("the server's port in this run's own network");
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            if let Ok(way) = way_out(server) {
                std::thread::spawn(move || pass(client, way));
            }
        }
    });
}

/// A connection to a server of this machine.
pub(crate) fn way_out(server: SocketAddr) -> std::io::Result<UnixStream> {
    let path = std::env::var_os(WAY_OUT).map(PathBuf::from).expect("a run inside");
    let mut stream = UnixStream::connect(Path::new(&path))?;
    writeln!(stream, "{server}")?;
    Ok(stream)
}
