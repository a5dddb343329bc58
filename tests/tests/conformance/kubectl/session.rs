use std::path::Path;
use std::process::{Command, Stdio};

use koan_tests::Output;

use super::corpus::{Corpus, folder};
use super::golden::Answer;
use super::neutral::Neutral;
use super::place::Place;

/// Longest run of one line, in seconds.
const LINE_LIMIT: &str = "60";

/// A folder that is home and working folder, in which `kubectl` is one program and the manifests lie.
struct Session {
    home: tempfile::TempDir,
    kubeconfig: std::path::PathBuf,
}

impl Session {
    fn new(program: &Path, kubeconfig: std::path::PathBuf) -> Self {
        let home = tempfile::Builder::new().prefix("koan-test-").tempdir().expect("a folder");
        std::fs::create_dir(home.path().join("bin")).expect("a folder");
        std::os::unix::fs::symlink(program, home.path().join("bin/kubectl")).expect("a link");
        let copied = Command::new("cp").arg("-r").arg(folder("manifests/.")).arg(home.path()).status().expect("cp runs");
        assert!(copied.success(), "the manifests are copied");
        Self { home, kubeconfig }
    }

    fn run(&self, line: &str) -> Output {
        let mut command = Command::new("timeout");
        command.args([LINE_LIMIT, "sh", "-c", line]).current_dir(self.home.path()).stdin(Stdio::null());
        let path = format!("{}:/usr/bin:/bin", self.home.path().join("bin").display());
        command.env_clear().env("PATH", path).env("HOME", self.home.path()).env("KUBECONFIG", &self.kubeconfig);
        Output::of(&mut command)
    }

    fn neutral(&self) -> Neutral {
        let text = std::fs::read_to_string(&self.kubeconfig).expect("a kubeconfig");
        let server = text.split_once("https://").expect("a server").1;
        let server: String = server.chars().take_while(|c| c.is_ascii_alphanumeric() || ".:[]".contains(*c)).collect();
        Neutral::new(vec![(self.home.path().display().to_string(), "<home>"), (server, "<server>")])
    }
}

/// The answers to the compared commands of a topic.
///
/// # Panics
/// A line that is not compared fails.
pub(super) fn hear(topic: &Corpus, program: &Path, place: &Place) -> Vec<Answer> {
    let session = Session::new(program, place.kubeconfig());
    place.prepare(&|line| session.run(line));
    let neutral = session.neutral();
    let mut answers = Vec::new();
    for step in &topic.steps {
        let output = session.run(&step.command);
        if step.silent {
            assert_eq!(output.code, 0, "{}: {}: {output:?}", topic.name, step.command);
        } else {
            answers.push(Answer::new(output.code, &neutral.text(&output.stdout), &neutral.text(&output.stderr)));
        }
    }
    answers
}
