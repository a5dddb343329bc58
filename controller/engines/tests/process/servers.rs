//! The real servers of ordinary packages: prepared, started without root, adopted after a kill, stopped (ENG-17).

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;

use koan_core::inventory::WorkloadState;
use koan_core::text::{Part, Text};
use koan_core::workload::{EnvEntry, FileEntry, Mount, MountSource, PortEntry, Prepare, WorkloadSpec};
use koan_crds::v1alpha1::Protocol;
use koan_engines::process::{ProgramSource, find_program};
use koan_engines::{Engine, ExecRequest};

use crate::bed::{Bed, GRACE, command, lives, password, process, reference, until, values};
use crate::crash::{started_by_a_killed_koan, supervisor};

/// Where a password file lies for its server.
const PASSWORD_FILE: &str = "/run/secrets/password";

/// An account of the host that is not root; `None` where the caller is a person already.
fn account() -> Option<String> {
    rustix::process::geteuid().is_root().then(|| "nobody".to_owned())
}

fn installed(suite: &str, program: &str, folder: &str) -> bool {
    let source = ProgramSource { programs: vec![program.to_owned()], folders: vec![folder.to_owned()], package: String::new() };
    let found = find_program(program, "/usr/bin:/bin", &[source]);
    if let Err(missing) = &found {
        println!("SKIPPED process {suite}: {missing}");
    }
    found.is_ok()
}

fn free_port() -> u16 {
    std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

fn text(parts: &[Part]) -> Text {
    Text(parts.to_vec())
}

fn plain(text: &str) -> Part {
    Part::Plain(text.to_owned())
}

fn data() -> Part {
    Part::DataFolder("/data".to_owned())
}

/// What both servers share: a data folder, a password file, a port, and an account.
fn server(object: &str, port: u16, first: Text) -> WorkloadSpec {
    let mut spec = command(object, &[]);
    spec.mounts =
        vec![Mount { target: "/data".to_owned(), source: MountSource::Volume(format!("{object}-data")), read_only: false }];
    spec.files = vec![FileEntry { path: PASSWORD_FILE.to_owned(), mode: 0o400, content: Text::value(password()) }];
    spec.ports = vec![PortEntry { name: "main".to_owned(), container: port, protocol: Protocol::Tcp, host: Some(port) }];
    let run = process(&mut spec);
    run.user = account();
    run.command = vec![first];
    spec
}

fn postgres(port: u16) -> WorkloadSpec {
    let program = |name: &str| text(&[Part::ProgramFolder("postgres".to_owned()), plain("/"), plain(name)]);
    let mut spec = server("db", port, program("postgres"));
    let pgpass = text(&[plain("*:*:*:koan:"), Part::Value(password())]);
    spec.files.push(FileEntry { path: "/run/secrets/pgpass".to_owned(), mode: 0o400, content: pgpass });
    spec.env = vec![EnvEntry { name: "PGPASSFILE".to_owned(), value: text(&[Part::File("/run/secrets/pgpass".to_owned())]) }];
    let run = process(&mut spec);
    run.command.extend([Text::plain("-D"), text(&[data()]), Text::plain("-k"), text(&[Part::RunFolder])]);
    run.command.extend([Text::plain("-h"), Text::plain("127.0.0.1"), Text::plain("-p"), text(&[Part::Port("main".to_owned())])]);
    run.prepare = vec![Prepare {
        done_when: text(&[data(), plain("/PG_VERSION")]),
        command: vec![
            program("initdb"),
            Text::plain("--username=koan"),
            Text::plain("--auth=scram-sha-256"),
            text(&[plain("--pwfile="), Part::File(PASSWORD_FILE.to_owned())]),
            Text::plain("--no-sync"),
            Text::plain("-D"),
            text(&[data()]),
        ],
    }];
    spec
}

fn redis(port: u16) -> WorkloadSpec {
    let mut spec = server("cache", port, Text::plain("redis-server"));
    let configuration = [
        plain("bind 127.0.0.1\nport "),
        Part::Port("main".to_owned()),
        plain("\ndir "),
        data(),
        plain("\nappendonly yes\nrequirepass "),
        Part::Quoted(password()),
        plain("\n"),
    ];
    spec.files.push(FileEntry { path: "/etc/redis.conf".to_owned(), mode: 0o400, content: text(&configuration) });
    process(&mut spec).command.push(text(&[Part::File("/etc/redis.conf".to_owned())]));
    spec
}

fn request(client: &[&str]) -> ExecRequest {
    ExecRequest { command: client.iter().map(|word| (*word).to_owned()).collect(), timeout: GRACE, output_limit: 1000 }
}

/// Runs a client beside the server till it gives the answer.
async fn answers(bed: &Bed, object: &str, client: &[&str], answer: &str) {
    let request = request(client);
    until(|| async {
        let report = bed.engine.exec(&reference(object), &request).await.unwrap();
        (report.exit_code == Some(0) && report.output.contains(answer)).then_some(())
    })
    .await;
}

/// The whole life of a server; `write` and `read` are clients that prove that data outlive everything but their volume, `anonymous` is one
/// that does not know the password.
async fn outlives_everything(spec: WorkloadSpec, write: &[&str], read: &[&str], anonymous: &[&str]) {
    let bed = Bed::new();
    let object = spec.object.clone();
    if account().is_some() {
        // The account has to pass through the folder of the test.
        std::fs::set_permissions(&bed.root, std::fs::Permissions::from_mode(0o711)).unwrap();
    }
    let before = started_by_a_killed_koan(&bed, &spec).await;
    let pid = before.pid.unwrap();
    answers(&bed, &object, write, "").await;

    let next = Bed::at(bed.root.clone());
    assert!(!next.up_with(&spec, &values()).await.changed);
    let adopted = next.workload(&object).await;
    assert_eq!((adopted.pid, adopted.started_at), (Some(pid), before.started_at));
    answers(&next, &object, read, "precious").await;
    let refused = next.engine.exec(&reference(&object), &request(anonymous)).await.unwrap();
    assert!(refused.exit_code != Some(0) && !refused.output.contains("precious"), "{}", refused.output);
    let owner = std::fs::metadata(format!("/proc/{pid}")).unwrap().uid();
    let folder = std::fs::metadata(bed.root.join(format!("data/{object}-data"))).unwrap();
    assert!(owner != 0 && folder.uid() == owner && folder.mode() & 0o777 == 0o700);
    let arguments = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
    assert!(!arguments.contains("canary"));
    println!("supervisor of {object}: {}", memory(supervisor(&bed, &object)));

    next.stop(&object, GRACE).await;
    assert!(!lives(pid));
    assert_eq!(next.workload(&object).await.state, WorkloadState::Exited);
    let leak = Command::new("grep").args(["-rlF", "canary0f6b1d2e9a8c7b5d4e3f"]).arg(&bed.root).output().unwrap();
    assert_eq!(String::from_utf8(leak.stdout).unwrap(), "");

    assert!(next.up_with(&spec, &values()).await.changed);
    answers(&next, &object, read, "precious").await;
    next.stop(&object, GRACE).await;
}

/// Memory of a process, for the record.
fn memory(pid: u32) -> String {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let fields = ["Rss:", "Pss:", "Private_Dirty:"];
    fields.map(|field| rollup.lines().find(|line| line.starts_with(field)).unwrap_or(field)).join(", ")
}

/// ENG-17, S-4, SEC-11: a real PostgreSQL is initialised with its password by file, runs without root, answers only with the password,
/// survives a kill of Koan, is adopted, stopped cleanly and started again with its data.
#[tokio::test]
async fn postgres_outlives_koan() {
    if !installed("postgres", "postgres", "/usr/lib/postgresql/*/bin") {
        return;
    }
    let port = free_port().to_string();
    let psql = |statement| ["psql", "-w", "-h", "127.0.0.1", "-p", &port, "-U", "koan", "-d", "postgres", "-Atc", statement];
    let write = psql("create table if not exists t as select 'precious' as word");
    let read = psql("select word from t");
    let anonymous = [["env", "-u", "PGPASSFILE"].as_slice(), &read].concat();
    outlives_everything(postgres(port.parse().unwrap()), &write, &read, &anonymous).await;
}

/// ENG-17, S-4, SEC-11: the same for a real Redis, its password in a configuration file.
#[tokio::test]
async fn redis_outlives_koan() {
    if !installed("redis", "redis-server", "/usr/bin") || !installed("redis", "redis-cli", "/usr/bin") {
        return;
    }
    let port = free_port().to_string();
    let login = format!("export REDISCLI_AUTH=\"$(cat ../files{PASSWORD_FILE})\"; redis-cli -e -p {port} ");
    let (write, read) = (format!("{login} set word precious"), format!("{login} get word"));
    let anonymous = format!("redis-cli -e -p {port} get word");
    outlives_everything(redis(port.parse().unwrap()), &["sh", "-c", &write], &["sh", "-c", &read], &["sh", "-c", &anonymous])
        .await;
}
