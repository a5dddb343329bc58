//! The home: its server, contexts, checks, and the end of stacks.

use koan_tests::until;
use serde_json::Value;

use crate::program::{HEAD, Koan, SHOP};

/// SEC-5: CA and token are replaced by one command; the old kubeconfig is refused, the new one works, the stack goes on.
#[test]
fn sec_5_rotation_ends_the_old_access() {
    let koan = Koan::with(SHOP);
    koan.up(&[]).code(0);
    let read = |name: &str| std::fs::read_to_string(koan.home().join(name)).unwrap();
    let before = (read("ca.crt"), read("token"), read("kubeconfig"));
    let output = koan.run(&["serve", "rotate"]).code(0);
    assert!(output.stderr.contains("koan context merge"), "{output:?}");
    assert_eq!(koan.status()["ready"], "2/2", "the stack goes on");
    assert_ne!(before, (read("ca.crt"), read("token"), read("kubeconfig")));
    assert!(before.0 != read("ca.crt") && before.1 != read("token"));
    let kept = koan.write("old-kubeconfig", &before.2);
    let mut old = koan.command(&["list", "--context", "koan"]);
    assert_eq!(old.env("KUBECONFIG", kept).output().unwrap().status.code(), Some(1), "the old access is refused");
    koan.run(&["serve", "stop"]).code(0);
    koan.run(&["serve", "rotate"]).code(0);
    assert!(!koan.serves(), "a rotation starts no server that did not run");
}

/// API-31, SEC-5: a viewer reads stacks and logs, and neither Secrets nor anything that writes.
#[test]
fn a_viewer_reads_and_changes_nothing() {
    let koan = Koan::with(SHOP);
    koan.up(&[]).code(0);
    let kubeconfig = koan.run(&["context", "viewer"]).code(0).stdout;
    let path = koan.write("viewer", &kubeconfig);
    let viewer = |arguments: &[&str]| {
        let words = [arguments, &["--context", "koan-viewer"]].concat();
        let output = koan.command(&words).env("KUBECONFIG", &path).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (code, status) = viewer(&["status", "-o", "json"]);
    assert_eq!((code, serde_json::from_str::<Value>(&status).unwrap()["ready"].as_str()), (Some(0), Some("2/2")));
    assert_eq!(viewer(&["env"]).0, Some(1), "no Secret");
    assert_eq!(viewer(&["down", "shop"]).0, Some(1), "no deletion");
    assert_eq!(koan.status()["ready"], "2/2");
}

/// SEC-3, S-2: `down` names what goes and what stays before it deletes; `--volumes` needs `--yes` where nobody can be asked.
#[test]
fn down_says_what_goes_and_what_stays() {
    let koan = Koan::with(SHOP);
    koan.run(&["down"]).code(0);
    koan.up(&[]).code(0);
    let refused = koan.run(&["down", "--volumes"]).code(2);
    assert!(refused.stderr.contains("--yes"), "{refused:?}");
    assert_eq!(koan.status()["ready"], "2/2", "nothing was deleted");
    let down = koan.run(&["down", "--prune-data", "--yes", "-o", "json"]).code(0);
    let report = down.json();
    assert_eq!(report["kind"], "GcReport", "{report}");
    let gone: Vec<&str> = report["removed"].as_array().unwrap().iter().filter_map(|object| object["kind"].as_str()).collect();
    assert_eq!(gone, ["Workload", "Workload"], "{report}");
    assert!(koan.run(&["down", "--all"]).code(0).stderr.contains("nothing to do"));
}

/// CLI-33: `down --force` lets a stack go whose clean-up is blocked, and says what it leaves to the collector.
#[test]
fn a_forced_down_needs_consent() {
    let koan = Koan::with(SHOP);
    koan.up(&[]).code(0);
    let refused = koan.run(&["down", "--force"]).code(2);
    assert!(refused.stderr.contains("--yes"), "{refused:?}");
    koan.run(&["down", "--force", "--yes"]).code(0);
    assert_eq!(koan.run(&["list", "-o", "name"]).code(0).stdout, "");
}

/// REL-30, B-5: where nobody cleans up, `down` says so and changes nothing more; `--force` lets the records go, and the next server
/// with controllers takes down what they left behind.
#[test]
fn a_blocked_down_is_forced_only_on_request() {
    let koan = Koan::new();
    let pid = koan.project().join("pid");
    koan.write("koan.yaml", &SHOP.replace("echo web is up;", &format!("echo $$ > {}; echo web is up;", pid.display())));
    koan.up(&[]).code(0);
    let pid: i32 = std::fs::read_to_string(pid).unwrap().trim().parse().unwrap();
    let lives = || rustix::process::test_kill_process(rustix::process::Pid::from_raw(pid).unwrap()).is_ok();
    koan.run(&["serve", "stop"]).code(0);
    koan.run(&["serve", "--background", "--no-controller"]).code(0);
    let blocked = koan.run(&["down", "--timeout", "1s"]).code(4);
    assert!(blocked.stderr.contains("`shop` is not gone after 1s") && blocked.stderr.contains("koan status"), "{blocked:?}");
    assert_eq!(koan.run(&["list", "-o", "name"]).code(0).stdout.lines().count(), 1, "it is still there");
    let forced = koan.run(&["down", "--force", "--yes", "--timeout", "1s"]).code(0);
    assert!(forced.stderr.contains("its records go, the collector removes the rest"), "{forced:?}");
    assert_eq!(koan.run(&["list", "-o", "name"]).code(0).stdout, "");
    assert!(lives(), "nobody was there to end it");
    koan.run(&["serve", "stop"]).code(0);
    koan.run(&["serve", "--background"]).code(0);
    until("the collector ends what is left", || (!lives()).then_some(()));
}

/// CLI-33: the bundle is one private archive without a secret; its list of files comes first.
#[test]
fn a_bundle_holds_no_secret() {
    let koan = Koan::with(SHOP);
    koan.up(&[]).code(0);
    let output = koan.run(&["doctor", "--bundle", "bundle.tar"]);
    for name in ["doctor.json", "stacks.json", "plans.json", "server.log", "logs/shop/api.log"] {
        assert!(output.stderr.contains(name), "{name}: {output:?}");
    }
    let bytes = std::fs::read(koan.project().join("bundle.tar")).unwrap();
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(koan.project().join("bundle.tar")).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let text = String::from_utf8_lossy(&bytes);
    let token = std::fs::read_to_string(koan.home().join("token")).unwrap();
    for secret in ["tok-123456", "hunter2x", token.trim()] {
        assert!(!text.contains(secret), "{secret}");
    }
    assert!(text.contains("api is up, password=***"), "what is no secret is there");
    let list = std::process::Command::new("tar").arg("-tf").arg(koan.project().join("bundle.tar")).output().unwrap();
    assert!(String::from_utf8_lossy(&list.stdout).contains("doctor.json"), "tar reads it");
    koan.run(&["doctor", "--bundle", "bundle.tar"]).code(2);
}

/// CLI-33: every check that is not fine has a remedy, an unknown variable among them; an unknown check is named.
#[test]
fn the_doctor_has_a_remedy_for_everything() {
    let koan = Koan::new().set("KOAN_ENGIN", "docker");
    let report = koan.run(&["doctor", "-o", "json"]);
    let report = report.json();
    let checks = report["checks"].as_array().unwrap();
    for check in checks.iter().filter(|check| check["status"] != "Ok") {
        assert!(check["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty()), "{check}");
    }
    let unknown = checks.iter().find(|check| check["id"] == "env.unknown").unwrap();
    assert!(unknown["detail"].as_str().unwrap().contains("KOAN_ENGIN"), "{unknown}");
    assert!(koan.run(&["doctor", "--check", "env.unkn"]).code(2).stderr.contains("env.unknown"));
}

/// CLI-37: a Docker context is honoured: the one that a variable names, else the one that was chosen; `DOCKER_HOST` beats both.
#[test]
fn a_docker_context_is_honoured() {
    let koan = Koan::new();
    let meta = |digest: &str, host: &str| {
        let path = koan.person().join(".docker/contexts/meta").join(digest);
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join("meta.json"), format!(r#"{{"Endpoints": {{"docker": {{"Host": "{host}"}}}}}}"#)).unwrap();
    };
    // SHA-256 of `lab`.
    meta("a51146d38077ff992eba84cf1d5e9b249073503eb74868699016153b031a38f7", "unix:///nonexistent/lab.sock");
    let seen = |variables: &[(&str, &str)]| {
        let mut command = koan.command(&["doctor", "--check", "engine.docker"]);
        let output = command.env_remove("DOCKER_HOST").envs(variables.iter().copied()).output().unwrap();
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    assert!(seen(&[("DOCKER_CONTEXT", "lab")]).contains("/nonexistent/lab.sock"), "{}", seen(&[("DOCKER_CONTEXT", "lab")]));
    assert!(seen(&[("DOCKER_CONTEXT", "labb")]).contains("no Docker context `labb`"));
    assert!(!seen(&[]).contains("lab.sock"));
    std::fs::write(koan.person().join(".docker/config.json"), r#"{"currentContext": "lab"}"#).unwrap();
    assert!(seen(&[]).contains("/nonexistent/lab.sock"));
    assert!(!seen(&[("DOCKER_CONTEXT", "default")]).contains("lab.sock"));
    assert!(seen(&[("DOCKER_HOST", "unix:///nonexistent/host.sock")]).contains("host.sock"));
}

/// CLI-8: the home's server listens where it is told, serves without controllers, and ends when it is told.
#[test]
fn a_server_is_started_and_ended_by_hand() {
    let koan = Koan::with(SHOP);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let mut command = koan.command(&[
        "--home",
        koan.home().to_str().unwrap(),
        "serve",
        "--no-controller",
        "--port",
        &port,
        "--idle-exit",
        "10m",
    ]);
    let mut server = command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
    until("it serves", || koan.serves().then_some(()));
    let kubeconfig = std::fs::read_to_string(koan.home().join("kubeconfig")).unwrap();
    assert!(kubeconfig.contains(&format!("https://127.0.0.1:{port}")), "{kubeconfig}");
    koan.run(&["apply", "--namespace", "default"]).code(0);
    koan.run(&["wait", "shop", "--timeout", "1s"]).code(4);
    koan.run(&["serve", "stop"]).code(0);
    assert_eq!(server.wait().unwrap().code(), Some(0));
    assert!(koan.run(&["serve", "stop"]).code(0).stderr.contains("nothing to do"));
}

/// API-33: the context is merged, made current only when asked, and taken out again.
#[test]
fn a_context_becomes_current_only_when_asked() {
    let koan = Koan::with(SHOP);
    let file = koan.project().join("config").display().to_string();
    koan.run(&["context", "merge", "--kubeconfig", &file, "--name", "mine"]).code(0);
    let current = || std::fs::read_to_string(&file).unwrap_or_default().contains("current-context: \"mine\"");
    assert!(!current());
    koan.run(&["context", "merge", "--kubeconfig", &file, "--name", "mine", "--set-current"]).code(0);
    assert!(std::fs::read_to_string(&file).unwrap().contains("mine"));
    koan.run(&["context", "remove", "--kubeconfig", &file, "--name", "mine"]).code(0);
    assert!(!std::fs::read_to_string(&file).unwrap_or_default().contains("mine"));
    assert!(koan.run(&["context", "print"]).code(0).stdout.contains("tokenFile"));
    assert!(koan.run(&["status", "--context", "nowhere"]).code(2).stderr.contains("nowhere"));
}

/// API-33: the context is taken out without a server, and none is started for it.
#[test]
fn a_context_is_removed_without_a_server() {
    let koan = Koan::new();
    let file = koan.project().join("config").display().to_string();
    koan.run(&["context", "merge", "--kubeconfig", &file]).code(0);
    koan.run(&["serve", "stop"]).code(0);
    koan.run(&["context", "remove", "--kubeconfig", &file]).code(0);
    assert!(!std::fs::read_to_string(&file).unwrap_or_default().contains("koan"));
    assert!(!koan.serves(), "a server was started");
}

/// CLI-37: a server goes on with the engines of who started it; a run that names others says so, and `doctor` has the remedy.
#[test]
fn a_server_of_other_engines_is_told() {
    let koan = Koan::with(SHOP);
    koan.run(&["apply"]).code(0);
    assert!(!koan.run(&["apply"]).code(0).stderr.contains("asks Docker"));
    let koan = koan.set("DOCKER_HOST", "unix:///nonexistent/other.sock");
    let told = koan.run(&["apply"]).code(0).stderr;
    let words = "asks Docker at unix:///nonexistent/engine.sock, where it was started so, not at unix:///nonexistent/other.sock";
    assert!(told.contains(words) && told.contains("koan serve stop"), "{told}");
    let check = koan.run(&["doctor", "--check", "home.lock", "-o", "json"]).code(0).json();
    assert_eq!(
        (&check["checks"][0]["status"], &check["checks"][0]["remedy"]),
        (&"Warn".into(), &"koan serve stop".into()),
        "{check}"
    );
}

/// CLI-37: an old spelling works with one notice, which `-q` leaves out; both spellings with different values are refused.
#[test]
fn an_old_spelling_works_with_one_notice() {
    let koan = Koan::with(SHOP).set("Koan_ENV", "ci");
    let output = koan.run(&["validate"]).code(0);
    assert_eq!(output.stderr.matches("notice: Koan_ENV is the old spelling of KOAN_ENV").count(), 1, "{output:?}");
    assert!(!koan.run(&["validate", "-q"]).code(0).stderr.contains("notice"));
    let koan = koan.set("KOAN_ENV", "local");
    assert!(koan.run(&["validate"]).code(2).stderr.contains("contradict each other"));
}

/// CLI-37: programs of a `local` stack are told of the collector and of the profile; a text that is no endpoint is refused.
#[test]
fn programs_get_the_variables_of_their_profile() {
    let print = "echo seed=$KOAN_SEED aspnet=$ASPNETCORE_ENVIRONMENT otlp=$OTEL_EXPORTER_OTLP_ENDPOINT end; exec sleep 600";
    let manifest = format!(
        "{HEAD}  services:\n  - name: web\n    process: {{command: [sh, -c, '{print}']}}\n    health: {{log: {{pattern: end}}}}\n"
    );
    let koan = Koan::with(&manifest).set("KOAN_OTLP_ENDPOINT", "http://127.0.0.1:4317");
    koan.up(&[]).code(0);
    let line = koan.run(&["logs", "web", "--no-prefix"]).code(0).stdout;
    assert_eq!(line.lines().next(), Some("seed=true aspnet=Development otlp=http://127.0.0.1:4317 end"), "{line}");
    let koan = koan.set("KOAN_OTLP_ENDPOINT", "ftp://user:hunter2@collector");
    let refused = koan.run(&["validate"]).code(2).stderr;
    assert!(
        refused.contains("KOAN_OTLP_ENDPOINT") && refused.contains("http://127.0.0.1:4317") && !refused.contains("hunter2"),
        "{refused}"
    );
}

/// CLI-40: `init` writes a manifest that `validate` takes, and never over one that is there.
#[test]
fn a_fresh_project_is_valid() {
    let koan = Koan::new();
    koan.run(&["init", ".", "--adapter", "postgres", "--adapter", "redis", "--name", "depot"]).code(0);
    let output = koan.run(&["validate"]).code(0);
    assert_eq!(output.stdout, "devstack/depot is valid\n");
    koan.run(&["init"]).code(2);
    assert!(koan.run(&["init", "other", "--adapter", "postgrs"]).code(2).stderr.contains("postgres"));
}
