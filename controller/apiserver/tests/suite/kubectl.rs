//! Stock kubectl over the socket. A version that is not on this machine is skipped, and says so.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use koan_apiserver::{ListenOptions, Listening, Server};
use tokio::process::{Child, Command};

use super::support::*;

/// The minor versions that are tried: one before kubectl waits by streaming lists, one after.
const VERSIONS: [&str; 2] = ["1.34", "1.36"];

const BOX: &str = "apiVersion: test.koan.dev/v1\nkind: Box\nmetadata:\n  name: a\nspec:\n  color: red\n";

fn found(version: &str) -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map_or_else(|| PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache"), PathBuf::from);
    let path = cache.join("koan-ci/kubectl").join(version).join("kubectl");
    if !path.exists() {
        println!("SKIPPED kubectl {version}: not built; hack/kubectl builds it");
    }
    path.exists().then_some(path)
}

struct Bench {
    home: tempfile::TempDir,
    run: Listening,
    _server: Server,
}

impl Bench {
    async fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let server = server().await;
        let state_dir = home.path().join("state");
        let run = server.listen(ListenOptions { state_dir, port: None, origins: Vec::new() }).await.unwrap();
        std::fs::write(home.path().join("box.yaml"), BOX).unwrap();
        Self { home, run, _server: server }
    }

    fn command(&self, kubectl: &Path, arguments: &str) -> Command {
        let mut command = Command::new(kubectl);
        command
            .args(arguments.split_whitespace())
            .env_clear()
            .env("HOME", self.home.path())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("KUBECONFIG", self.run.kubeconfig())
            .env("HTTPS_PROXY", "http://127.0.0.1:1")
            .env("NO_PROXY", "127.0.0.1")
            .current_dir(self.home.path())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    async fn output(&self, kubectl: &Path, arguments: &str) -> Output {
        self.command(kubectl, arguments).output().await.unwrap()
    }

    async fn ok(&self, kubectl: &Path, arguments: &str) -> String {
        let output = self.output(kubectl, arguments).await;
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "kubectl {arguments}: {out}{err}");
        out.into_owned()
    }

    fn start(&self, kubectl: &Path, arguments: &str) -> Child {
        self.command(kubectl, arguments).stdout(Stdio::piped()).spawn().unwrap()
    }
}

/// API-2, API-17, API-18: apply, get, diff, label, patch, wait, describe, explain and delete of a custom resource.
#[tokio::test(flavor = "multi_thread")]
async fn kubectl_works_with_a_custom_resource() {
    for kubectl in VERSIONS.iter().filter_map(|version| found(version)) {
        let bench = Bench::new().await;
        let run = async |arguments: &str| bench.ok(&kubectl, arguments).await;
        assert_eq!(run("apply -f box.yaml").await, "box.test.koan.dev/a created\n");
        assert_eq!(run("apply -f box.yaml").await, "box.test.koan.dev/a unchanged\n");
        assert!(run("get boxes").await.starts_with("NAME   SIZE\na      1\n"));
        assert_eq!(run("get bx a -o jsonpath={.spec.limit}").await, "10");
        assert_eq!(run("label box a tier=one").await, "box.test.koan.dev/a labeled\n");
        assert_eq!(run("get box -l tier=one -o name").await, "box.test.koan.dev/a\n");
        std::fs::write(bench.home.path().join("box.yaml"), format!("{BOX}  size: 4\n")).unwrap();
        let diff = bench.output(&kubectl, "diff -f box.yaml").await;
        assert_eq!(diff.status.code(), Some(1), "{}", String::from_utf8_lossy(&diff.stderr));
        assert!(String::from_utf8_lossy(&diff.stdout).contains("+  size: 4"));
        assert_eq!(run("apply -f box.yaml").await, "box.test.koan.dev/a configured\n");
        assert_eq!(run("apply --server-side --force-conflicts -f box.yaml").await, "box.test.koan.dev/a serverside-applied\n");
        assert_eq!(run("patch box a --type=merge -p {\"spec\":{\"size\":5}}").await, "box.test.koan.dev/a patched\n");
        run("patch box a --subresource=status --type=merge -p {\"status\":{\"full\":true}}").await;
        run("wait box/a --for=jsonpath={.status.full}=true --timeout=20s").await;
        assert!(run("describe box a").await.contains("Tight:  true"));
        assert!(run("explain box.spec.lid").await.contains("tight"));
        assert!(run("api-resources --api-group=test.koan.dev").await.contains("boxes"));
        assert_eq!(run("delete box a --timeout=20s").await, "box.test.koan.dev \"a\" deleted from default namespace\n");
    }
}

/// API-8: `get -w` shows a later change under the same columns.
#[tokio::test(flavor = "multi_thread")]
async fn kubectl_watches() {
    use tokio::io::{AsyncBufReadExt as _, BufReader};
    for kubectl in VERSIONS.iter().filter_map(|version| found(version)) {
        let bench = Bench::new().await;
        bench.ok(&kubectl, "apply -f box.yaml").await;
        let mut child = bench.start(&kubectl, "get boxes -w");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut next =
            async || tokio::time::timeout(std::time::Duration::from_secs(20), lines.next_line()).await.unwrap().unwrap().unwrap();
        assert_eq!(next().await, "NAME   SIZE");
        assert_eq!(next().await, "a      1");
        bench.ok(&kubectl, "patch box a --type=merge -p {\"spec\":{\"size\":7}}").await;
        assert_eq!(next().await, "a      7");
        child.kill().await.unwrap();
    }
}

/// API-4, API-33: a kind that is not served fails at once and stores nothing; unknown fields are refused by default.
#[tokio::test(flavor = "multi_thread")]
async fn kubectl_is_refused_what_is_not_served() {
    for kubectl in VERSIONS.iter().filter_map(|version| found(version)) {
        let bench = Bench::new().await;
        let refused = bench.output(&kubectl, "create deployment x --image=y").await;
        assert!(!refused.status.success());
        std::fs::write(bench.home.path().join("box.yaml"), format!("{BOX}  unknown: 4\n")).unwrap();
        let strict = bench.output(&kubectl, "apply -f box.yaml").await;
        assert!(
            String::from_utf8_lossy(&strict.stderr).contains("unknown field \"spec.unknown\""),
            "{}",
            String::from_utf8_lossy(&strict.stderr)
        );
        assert!(bench.ok(&kubectl, "get box").await.is_empty());
    }
}

/// API-13, API-18, API-16: namespaces, Secrets and ConfigMaps are made by protobuf, applied twice by strategic merge, and go
/// with their namespace.
#[tokio::test(flavor = "multi_thread")]
async fn kubectl_works_with_core_kinds() {
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\ndata:\n  a: one\n";
    for kubectl in VERSIONS.iter().filter_map(|version| found(version)) {
        let bench = Bench::new().await;
        let run = async |arguments: &str| bench.ok(&kubectl, arguments).await;
        run("create namespace team").await;
        run("create secret generic keys -n team --from-literal=user=me").await;
        assert_eq!(run("get secret keys -n team -o jsonpath={.data.user}{.type}").await, "bWU=Opaque");
        run("create configmap made -n team --from-literal=a=b").await;
        let file = bench.home.path().join("map.yaml");
        std::fs::write(&file, map).unwrap();
        assert_eq!(run("apply -n team -f map.yaml").await, "configmap/settings created\n");
        std::fs::write(&file, map.replace("one", "two")).unwrap();
        assert_eq!(run("apply -n team -f map.yaml").await, "configmap/settings configured\n");
        assert_eq!(run("get cm settings -n team -o jsonpath={.data.a}").await, "two");
        assert!(run("get cm -n team").await.starts_with("NAME       DATA   AGE\n"));
        assert!(run("get ns team").await.contains("Active"));
        run("annotate secret keys -n team note=x").await;
        assert!(run("describe configmap settings -n team").await.contains("two"));
        run("delete secret keys -n team --timeout=20s").await;
        run("delete namespace team --timeout=20s").await;
        assert!(!bench.output(&kubectl, "get ns team").await.status.success());
    }
}

/// Section 4 (gzip), API-18: kubectl, which takes gzip, reads a list that is long enough to be packed.
#[tokio::test(flavor = "multi_thread")]
async fn kubectl_reads_a_packed_list() {
    for kubectl in VERSIONS.iter().filter_map(|version| found(version)) {
        let bench = Bench::new().await;
        let map = |index: usize| {
            let value = "x".repeat(20_000);
            format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: m-{index}\ndata:\n  value: {value}\n")
        };
        let maps: Vec<String> = (0..10).map(map).collect();
        std::fs::write(bench.home.path().join("maps.yaml"), maps.join("---\n")).unwrap();
        bench.ok(&kubectl, "create -f maps.yaml").await;
        let shown = bench.ok(&kubectl, "get configmaps -o jsonpath={.items[*].data.value}").await;
        assert_eq!(shown.split(' ').map(str::len).collect::<Vec<_>>(), [20_000; 10]);
    }
}
