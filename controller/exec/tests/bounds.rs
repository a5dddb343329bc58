//! What a caller may rely on: exact environment, bounded time and output, and no descendant left behind.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use koan_exec::{Ending, ExecError, Request, run};

const LONG: Duration = Duration::from_secs(30);

fn shell(script: &str) -> Request {
    Request {
        program: "/bin/sh".into(),
        arguments: vec!["-c".into(), script.into()],
        environment: vec![("GREETING".into(), "hello".into())],
        folder: PathBuf::from("/"),
        account: None,
        input: Vec::new(),
        deadline: LONG,
        output_limit: 64,
    }
}

fn lives(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).is_ok_and(|stat| !stat.contains(") Z "))
}

/// True once the process is gone; false where it still lives when the deadline passes.
async fn goes(pid: &str) -> bool {
    let until = Instant::now() + LONG;
    while lives(pid) {
        if Instant::now() > until {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    true
}

/// ENG-10, SEC-20: the child sees the given environment and nothing of its parent's.
#[tokio::test]
async fn the_environment_is_exact() {
    let report = run(Request { program: "/usr/bin/env".into(), arguments: vec![], ..shell("") }).await.unwrap();
    assert_eq!((report.ending, report.output.as_slice()), (Ending::Exited(0), b"GREETING=hello\n".as_slice()));
}

/// SEC-20: an argument that looks like shell code arrives as it is.
#[tokio::test]
async fn arguments_are_never_interpreted() {
    let request = Request { program: "/bin/echo".into(), arguments: vec!["$(id)".into(), "-rf;".into()], ..shell("") };
    assert_eq!(run(request).await.unwrap().output, b"$(id) -rf;\n");
}

/// ENG-9: output beyond the limit is dropped and said to be, and the child is not blocked by it.
#[tokio::test]
async fn output_is_cut_at_the_limit() {
    let report = run(shell("head -c 1000000 /dev/zero; echo late >&2; exit 3")).await.unwrap();
    assert_eq!((report.ending, report.output.len(), report.truncated), (Ending::Exited(3), 64, true));
    assert_eq!(report.errors, b"late\n");
}

/// ENG-9: past the deadline the whole group is gone, grandchildren included.
#[tokio::test]
async fn the_deadline_ends_the_whole_group() {
    let report = run(Request { deadline: Duration::from_millis(300), ..shell("sleep 600 & echo $!; wait") }).await.unwrap();
    assert_eq!(report.ending, Ending::DeadlineExceeded);
    assert!(goes(&String::from_utf8(report.output).unwrap()).await);
}

/// ENG-10: a grandchild left in the background goes when the child ends by itself.
#[tokio::test]
async fn the_end_of_the_child_ends_its_group() {
    let report = run(shell("sleep 600 & echo $!")).await.unwrap();
    assert_eq!(report.ending, Ending::Exited(0));
    assert!(goes(&String::from_utf8(report.output).unwrap()).await);
}

/// REL-6: a caller that gives up leaves no process behind.
#[tokio::test]
async fn dropping_the_call_ends_the_group() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    let call = tokio::spawn(run(shell(&format!("sleep 600 & echo $! > {0}.new; mv {0}.new {0}; wait", file.display()))));
    let until = Instant::now() + LONG;
    while !file.exists() {
        assert!(Instant::now() < until, "the child never wrote its file");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    call.abort();
    assert!(goes(&std::fs::read_to_string(&file).unwrap()).await);
}

/// ENG-9: what the child reads is exactly the given input, also where it is larger than a pipe.
#[tokio::test]
async fn input_arrives_whole() {
    let report = run(Request { input: vec![b'x'; 300_000], ..shell("wc -c") }).await.unwrap();
    assert_eq!(String::from_utf8(report.output).unwrap().trim(), "300000");
}

/// B-10: a program that is not there is named.
#[tokio::test]
async fn a_missing_program_is_named() {
    let error = run(Request { program: "/no/such/program".into(), ..shell("") }).await.unwrap_err();
    assert!(matches!(error, ExecError::Start { program, .. } if program == "/no/such/program"));
}
