//! Servers of this machine that are not Koan's: a real PostgreSQL, and something that only holds the port.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use koan_tests::until;
use tempfile::TempDir;

/// Where Debian keeps the servers of PostgreSQL, one folder per major version.
const PROGRAMS: &str = "/usr/lib/postgresql";
/// Account without rights: PostgreSQL refuses root.
const NOBODY: u32 = 65534;

/// A real PostgreSQL that asks for a login; it ends with this value.
pub(crate) struct Postgres {
    server: Child,
    port: u16,
    programs: PathBuf,
    folder: TempDir,
}

impl Postgres {
    /// A server with an empty database `shop`; `None` where PostgreSQL is not installed.
    pub(crate) fn start(suite: &str, user: &str, password: &str) -> Option<Self> {
        let Some(programs) = programs() else {
            let required = std::env::var("KOAN_TEST_REQUIRE").unwrap_or_default();
            assert!(!required.split(',').any(|word| word == "process"), "{suite}: no PostgreSQL below {PROGRAMS}");
            println!("SKIPPED {suite}: no PostgreSQL below {PROGRAMS}");
            return None;
        };
        let folder = tempfile::Builder::new().prefix("koan-host-").tempdir().expect("a folder");
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).expect("a readable folder");
        let data = folder.path().join("data");
        std::fs::create_dir(&data).expect("a data folder");
        let secret = folder.path().join("password");
        std::fs::write(&secret, password).expect("a password file");
        if rustix::process::getuid().is_root() {
            chown(&data, Some(NOBODY), Some(NOBODY)).expect("its owner");
        }
        let mut prepare = unprivileged(&programs.join("initdb"), folder.path());
        prepare.args(["--auth=scram-sha-256", "--no-sync", "--encoding=UTF8", "--locale=C", "--username", user, "--pwfile"]);
        let made = prepare.arg(&secret).arg("-D").arg(&data).output().expect("initdb runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let port = free_port();
        let server = Self { server: serve(&programs, folder.path(), port), port, programs, folder };
        until("the host's PostgreSQL answers", || server.query(user, password, "postgres", "SELECT 1").then_some(()));
        assert!(server.query(user, password, "postgres", "CREATE DATABASE shop"), "a database");
        Some(server)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Stops it; nobody listens on its port any more.
    pub(crate) fn stop(&mut self) {
        self.end();
    }

    /// Starts it again with its data, on its port.
    pub(crate) fn start_again(&mut self) {
        self.server = serve(&self.programs, self.folder.path(), self.port);
    }

    fn end(&mut self) {
        // Fast shutdown, so that its own children and shared memory end with it.
        if let Some(pid) = i32::try_from(self.server.id()).ok().and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
        }
        let _ = self.server.wait();
    }

    /// True where the server still takes the login.
    pub(crate) fn answers(&self, user: &str, password: &str) -> bool {
        self.query(user, password, "shop", "SELECT 1")
    }

    fn query(&self, user: &str, password: &str, database: &str, statement: &str) -> bool {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let mut config = tokio_postgres::Config::new();
            config.host("127.0.0.1").port(self.port).user(user).password(password).dbname(database);
            let Ok((client, connection)) = config.connect(tokio_postgres::NoTls).await else { return false };
            tokio::spawn(connection);
            client.batch_execute(statement).await.is_ok()
        })
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // One that was stopped has been waited for: its id may be another's.
        if matches!(self.server.try_wait(), Ok(None)) {
            self.end();
        }
    }
}

/// The server over its data.
fn serve(programs: &Path, folder: &Path, port: u16) -> Child {
    let mut command = unprivileged(&programs.join("postgres"), folder);
    command.args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off", "-p"]);
    command.arg(port.to_string()).arg("-D").arg(folder.join("data")).stderr(Stdio::null()).spawn().expect("postgres runs")
}

fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir(PROGRAMS).ok()?;
    let mut found: Vec<PathBuf> = versions.filter_map(|entry| Some(entry.ok()?.path().join("bin"))).collect();
    found.retain(|folder| folder.join("postgres").exists());
    found.sort();
    found.pop()
}

fn unprivileged(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).env_clear().env("LC_ALL", "C").stdin(Stdio::null()).stdout(Stdio::null());
    if rustix::process::getuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("its address").port()
}

/// A web server that answers whatever is sent, and keeps it.
pub(crate) struct Impostor {
    port: u16,
    received: Arc<Mutex<Vec<u8>>>,
}

impl Impostor {
    /// Listens until the process of the test ends.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        let received = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&received);
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || {
                    let mut buffer = [0; 4096];
                    while let Ok(count @ 1..) = stream.read(&mut buffer) {
                        kept.lock().expect("the record").extend_from_slice(&buffer[..count]);
                        if stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { port, received }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Every byte that was received so far.
    pub(crate) fn received(&self) -> Vec<u8> {
        self.received.lock().expect("the record").clone()
    }
}
