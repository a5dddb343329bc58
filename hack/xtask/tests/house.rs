//! The scripts of the house keep their promises.

#![allow(clippy::expect_used, reason = "helpers of tests")]

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn text(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).expect("a file of the repository")
}

/// SEC-19: every CI run checks bans, licences and sources of the locked dependencies, and nothing is exempted.
#[test]
fn sec_19_supply_chain_is_checked_without_exemptions() {
    let check = text(".ci/check");
    assert!(check.lines().any(|line| line == "step deny cargo deny --locked check bans licenses sources"));
    for command in ["cargo clippy ", "cargo nextest run ", "cargo doc "] {
        let line = check.lines().find(|line| line.contains(command)).expect("the command is a step");
        assert!(line.contains("--locked"), "{line}");
    }
    let rules = text("deny.toml");
    let keys: Vec<&str> = rules.lines().filter_map(|line| line.split_once('=')).map(|(key, _)| key.trim()).collect();
    for exemption in ["ignore", "skip", "skip-tree", "exceptions", "clarify"] {
        assert!(!keys.contains(&exemption), "{exemption}");
    }
    assert!(rules.contains("unknown-registry = \"deny\"") && rules.contains("unknown-git = \"deny\""));
}

/// REL-10: a test that fails is not run again until it passes, and none is left out.
#[test]
fn no_flaky_test_is_hidden() {
    let settings = text(".config/nextest.toml");
    assert!(!settings.lines().any(|line| line.trim_start().starts_with("retries")), "{settings}");
    let left_out =
        tracked(".").into_iter().filter(|path| text(path).lines().any(|line| line.trim_start().starts_with("#[ignore")));
    assert_eq!(left_out.collect::<Vec<_>>(), Vec::<String>::new());
}

/// REL-7: at least one assertion in 40 lines of what writes, cleans up and reconciles; they stay on in a release, since none of
/// them is a `debug_assert`.
#[test]
fn assertions_are_dense_where_a_bug_costs_most() {
    /// Lines of code to an assertion.
    const LINES: usize = 40;
    let rooms: [(&str, &[&str]); 5] = [
        (
            "store",
            &[
                "controller/apiserver/src/store/",
                "controller/apiserver/src/journal/sqlite.rs",
                "controller/apiserver/src/journal/checksum.rs",
            ],
        ),
        ("clean-up of the server", &["controller/apiserver/src/deletion/"]),
        ("gateway", &["controller/src/gateway/"]),
        (
            "clean-up",
            &[
                "controller/src/collector/",
                "controller/src/service/cleanup.rs",
                "controller/src/service/depart.rs",
                "controller/src/stack/teardown.rs",
                "controller/src/subject.rs",
            ],
        ),
        (
            "reconcile",
            &[
                "controller/src/service/stages.rs",
                "controller/src/stack/stages.rs",
                "controller/src/stack/children.rs",
                "controller/src/apply.rs",
                "controller/src/publish.rs",
                "controller/src/arbiter/",
                "controller/src/runtime/queue.rs",
                "controller/src/runtime/runner.rs",
            ],
        ),
    ];
    for (room, paths) in rooms {
        let (mut lines, mut assertions) = (0, 0);
        for path in paths.iter().flat_map(|path| tracked(path)) {
            let text = text(&path);
            assert!(!text.contains("debug_assert"), "{path}");
            let code = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//"));
            lines += code.clone().count();
            assertions += code.filter(|line| line.contains("assert!(")).count();
        }
        println!("{room}: {assertions} assertions in {lines} lines");
        assert!(lines > 0 && assertions * LINES >= lines, "{room}: {assertions} assertions in {lines} lines");
    }
}

/// Sources below a path, as git knows them; tests apart where a room is asked for.
fn tracked(below: &str) -> Vec<String> {
    let listed = Command::new("git").args(["ls-files", "--", below]).current_dir(repository()).output().expect("git runs");
    let all = String::from_utf8_lossy(&listed.stdout).into_owned();
    all.lines().filter(|path| path.ends_with(".rs") && (below == "." || !path.contains("tests"))).map(str::to_owned).collect()
}

/// REL-25: the tests' engines refuse the default sockets, whatever way they are spelled, and start nothing.
#[test]
fn engines_that_people_use_are_refused() {
    for (variable, socket) in [
        ("KOAN_TEST_DOCKER_SOCKET", "/var/run/docker.sock"),
        ("KOAN_TEST_DOCKER_SOCKET", "/run/../run/docker.sock"),
        ("KOAN_TEST_PODMAN_SOCKET", "/run/podman/podman.sock"),
        ("KOAN_TEST_PODMAN_SOCKET", "/run/user/1000/podman/podman.sock"),
    ] {
        for command in ["up", "down", "env", "status"] {
            let output = Command::new(repository().join("hack/engines"))
                .arg(command)
                .env(variable, socket)
                .env("XDG_RUNTIME_DIR", "/run/user/1000")
                .output()
                .expect("the script runs");
            assert!(!output.status.success(), "{command} with {socket}");
            assert!(output.stdout.is_empty(), "{command} with {socket}");
            assert!(String::from_utf8_lossy(&output.stderr).contains("is the socket of an engine that people use"));
        }
    }
}

/// REL-25: an engine that answers on a socket of the tests' own, but was not started for them, is left alone.
#[test]
fn engines_of_strangers_are_left_alone() {
    let folder = std::env::temp_dir().join(format!("koan-house-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let socket = folder.join("stranger.sock");
    let listener = UnixListener::bind(&socket).expect("a socket");
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let _ = client.read(&mut [0; 1024]);
            let _ = client.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK");
        }
    });
    let output = Command::new(repository().join("hack/engines"))
        .args(["down", "docker"])
        .env("KOAN_TEST_DOCKER_SOCKET", &socket)
        .env("KOAN_ENGINES_RUN", folder.join("run"))
        .env("KOAN_ENGINES_DATA", folder.join("data"))
        .output()
        .expect("the script runs");
    let is_left = socket.exists();
    std::fs::remove_dir_all(&folder).expect("our own folder");
    assert!(!output.status.success());
    assert!(is_left, "{}", String::from_utf8_lossy(&output.stderr));
}
