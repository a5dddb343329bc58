//! k9s under a terminal of its own on a running stack.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};

use koan_tests::{Component, Koan, Place, component, until};
use regex::Regex;

/// What asks the network for nothing and looks again every second.
const CONFIGURATION: &str = "k9s:\n  refreshRate: 1\n  skipLatestRevCheck: true\n  ui: {logoless: true, splashless: true}\n";

/// A running k9s: what it drew so far, and its keyboard.
struct Screen {
    program: Child,
    keys: ChildStdin,
    drawn: Arc<Mutex<Vec<u8>>>,
}

impl Screen {
    /// Starts k9s with a home of its own in `folder`, on a terminal that `script` makes.
    fn open(k9s: &Path, koan: &Koan, folder: &Path) -> Self {
        std::fs::create_dir_all(folder.join("k9s")).expect("a folder");
        std::fs::write(folder.join("k9s/config.yaml"), CONFIGURATION).expect("a configuration");
        let log = folder.join("k9s.log");
        let line = format!("stty cols 180 rows 40; exec {} --logLevel info --logFile {}", k9s.display(), log.display());
        let mut command = Command::new("script");
        command.args(["--quiet", "--flush", "--return", "--command", &line, "/dev/null"]).current_dir(folder);
        command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", folder).env("TERM", "xterm-256color").env("LANG", "C.UTF-8");
        command.env("K9S_CONFIG_DIR", folder.join("k9s")).env("KUBECONFIG", koan.home().join("kubeconfig"));
        let mut program =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("script runs");
        let (keys, mut output) = (program.stdin.take().expect("a pipe"), program.stdout.take().expect("a pipe"));
        let drawn = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&drawn);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut buffer) {
                sink.lock().unwrap().extend_from_slice(&buffer[..count]);
            }
        });
        Self { program, keys, drawn }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("k9s reads");
        self.keys.flush().expect("k9s reads");
    }

    /// Waits until every word was drawn since the last call; what was drawn before counts no longer.
    fn shows(&self, words: &[&str]) {
        let escapes = Regex::new("\x1b(\\[[0-9;?]*[a-zA-Z]|[()][A-Z0-9]|[=>])").expect("a pattern");
        until(&format!("k9s shows {words:?}"), || {
            let text = String::from_utf8_lossy(&self.drawn.lock().unwrap()).into_owned();
            let text = escapes.replace_all(&text, " ");
            words.iter().all(|word| text.contains(word)).then_some(())
        });
        self.drawn.lock().unwrap().clear();
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // `script` ends its terminal with itself, and with that k9s.
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

/// API-3, API-18, API-31: k9s connects, lists the Pods and the stacks of a running stack, and has no error to write down.
#[test]
fn k9s_lists_pods_and_stacks() {
    let Some(k9s) = component("k9s", Component::Suite("k9s")) else { return };
    let koan = Koan::new();
    koan.write("koan.yaml", &Place::Process.stack());
    koan.run(&["up", "-o", "json", "--timeout", "120s"]).expect_code(0);
    let folder = tempfile::Builder::new().prefix("koan-test-").tempdir().expect("a folder");
    let mut screen = Screen::open(&k9s, &koan, folder.path());
    screen.shows(&["shop-cache", "shop-db", "Running"]);
    screen.press(":devstacks\r");
    screen.shows(&["shop", "2/2"]);
    screen.press(":servicespecs\r");
    screen.shows(&["shop-cache", "shop-db"]);
    screen.press(":q\r");
    assert!(screen.program.wait().expect("it ends").success());
    let log = std::fs::read_to_string(folder.path().join("k9s.log")).expect("a log");
    let errors: Vec<_> = log.lines().filter(|line| line.contains("ERR")).collect();
    assert!(!log.is_empty() && errors.is_empty(), "{log}");
    println!("k9s: 1 run, 1 passed, 0 listed");
}
