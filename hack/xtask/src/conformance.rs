//! `cargo xtask conformance SUITE`: suites that compare the embedded server with the real thing, and those of its clients.

use crate::workspace::{Problems, Workspace};
use anyhow::{Context, Result};
use clap::ValueEnum;
use std::path::Path;
use std::process::Command;

/// Compares the embedded server with what others made.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// What to run.
    suite: Suite,
    /// A missing part is a failure instead of `SKIPPED`.
    #[arg(long)]
    require: bool,
    /// Writes the answers anew instead of comparing them; the difference is reviewed like any other.
    #[arg(long)]
    record: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Suite {
    /// The examples of `docs/envtest.md`.
    Envtest,
    /// The tests of kube-client, kube and kube-runtime that need a cluster.
    KubeRs,
    /// The requests of `controller/apiserver/tests/goldens` and `…/extended` on a real kube-apiserver, and random patches on
    /// both; `KOAN_PATCH_CASES` says how many.
    Reference,
    /// Commands by three minors of stock kubectl; with `--record` also on a real kube-apiserver.
    Kubectl,
    /// k9s under a terminal lists the Pods and stacks of a running stack.
    K9s,
    /// The tests that the Kubernetes client for Python carries, with its synchronous and its asynchronous client.
    Python,
    /// Programs that use the Kubernetes client for Node.js.
    Node,
    /// Helm, with a chart of Koan's kinds and one with workloads.
    Helm,
    /// Random sequences of applies and updates in structured-merge-diff; `KOAN_SMD_SEQUENCES` says how many.
    Smd,
}

/// In place of a test binary: the unit tests.
const LIBRARY: &str = "";

/// What a suite is made of.
struct Parts {
    /// Scripts that print `export NAME=VALUE` for what the suite needs.
    scripts: &'static [&'static [&'static str]],
    /// Package, test binary and filters.
    tests: [&'static str; 3],
    /// Words that make a missing part a failure (`KOAN_TEST_REQUIRE`).
    components: &'static str,
}

impl Suite {
    fn parts(self, record: bool) -> Parts {
        match self {
            Self::Envtest => Parts {
                scripts: &[&["hack/suites", "envtest"]],
                tests: ["koan-tests", "conformance", "envtest::"],
                components: "envtest",
            },
            Self::KubeRs => Parts {
                scripts: &[&["hack/suites", "kube-rs"]],
                tests: ["koan-tests", "conformance", "kube_rs::"],
                components: "kube-rs",
            },
            Self::Reference => Parts {
                scripts: &[&["hack/reference", "up"]],
                tests: ["koan-apiserver", "suite", "goldens:: extended::"],
                components: "reference",
            },
            Self::Kubectl if record => Parts {
                scripts: &[&["hack/kubectl"], &["hack/reference", "up"]],
                tests: ["koan-tests", "conformance", "kubectl::"],
                components: "kubectl,reference",
            },
            Self::Kubectl => {
                Parts { scripts: &[&["hack/kubectl"]], tests: ["koan-tests", "conformance", "kubectl::"], components: "kubectl" }
            }
            Self::K9s => {
                Parts { scripts: &[&["hack/suites", "k9s"]], tests: ["koan-tests", "conformance", "k9s::"], components: "k9s" }
            }
            Self::Python => Parts {
                scripts: &[&["hack/suites", "python"]],
                tests: ["koan-tests", "conformance", "python::"],
                components: "python",
            },
            Self::Node => {
                Parts { scripts: &[&["hack/suites", "node"]], tests: ["koan-tests", "conformance", "node::"], components: "node" }
            }
            Self::Helm => Parts {
                scripts: &[&["hack/suites", "helm"], &["hack/kubectl"]],
                tests: ["koan-tests", "conformance", "helm::"],
                components: "helm,kubectl",
            },
            // Its oracle is built by the test itself where a Go tool chain is.
            Self::Smd => Parts { scripts: &[], tests: ["koan-apiserver", LIBRARY, "ssa::tests::smd::"], components: "smd" },
        }
    }
}

/// Runs a suite.
///
/// # Errors
/// A program of the suite cannot be started.
pub(crate) fn run(arguments: &Arguments) -> Result<Problems> {
    let root = Workspace::load()?.root;
    let parts = arguments.suite.parts(arguments.record);
    let mut tests = cargo(&root);
    let [package, binary, filter] = parts.tests;
    tests.args(["test", "--locked", "--package", package]);
    if binary == LIBRARY {
        tests.arg("--lib")
    } else {
        tests.args(["--test", binary])
    };
    tests.args(["--", "--nocapture"]).args(filter.split(' '));
    for words in parts.scripts {
        match provide(&root, words)? {
            Ok(variables) => _ = tests.envs(variables),
            Err(problem) if arguments.require => return Ok(vec![problem]),
            Err(problem) => {
                println!("SKIPPED {package} {filter} {problem}");
                return Ok(Problems::new());
            }
        }
    }
    if package == "koan-tests" {
        anyhow::ensure!(
            cargo(&root).args(["build", "--locked", "--package", "koan"]).status()?.success(),
            "koan cannot be built"
        );
    }
    if arguments.require {
        tests.env("KOAN_TEST_REQUIRE", parts.components);
    }
    if arguments.record {
        tests.env("KOAN_RECORD", "1");
    }
    let status = tests.status().context("cargo cannot be started")?;
    Ok(if status.success() { Problems::new() } else { vec!["something is not as expected, see above".to_owned()] })
}

/// `cargo`, in the root of the workspace.
pub(crate) fn cargo(root: &Path) -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(root);
    command
}

/// Runs a script and reads its `export` lines; what it says itself goes to stderr.
///
/// # Errors
/// The script cannot be started; that it fails is a problem, not an error.
pub(crate) fn provide(root: &Path, words: &[&str]) -> Result<Result<Vec<(String, String)>, String>> {
    let line = words.join(" ");
    let mut command = Command::new(root.join(words[0]));
    command.args(&words[1..]).stderr(std::process::Stdio::inherit());
    let output = command.output().with_context(|| format!("{line} cannot be started"))?;
    if !output.status.success() {
        return Ok(Err(format!("{line} failed, see above")));
    }
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let variables = printed.lines().filter_map(|line| line.strip_prefix("export ")?.split_once('='));
    Ok(Ok(variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()))
}
