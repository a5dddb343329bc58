//! Fuzz targets of the server's decoders (REL-22): the committed corpus and inputs made from it go through the real handlers.
//!
//! What must hold of each: no panic, no hang, an answer that is a Status where it is a refusal, no failure of the server where
//! the input is to blame, and whatever was stored reads and streams back as it was answered. `KOAN_FUZZ_INPUTS`,
//! `KOAN_FUZZ_MINUTES` and `KOAN_FUZZ_SEED` set how many inputs each target gets, for how long at most, and from where;
//! `hack/long-run fuzz` does. An input that fails is kept below `KOAN_FUZZ_KEEP` and belongs into the corpus.

pub(crate) mod mutate;
mod others;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use futures::FutureExt as _;
use http::Method;
use koan_apiserver::Server;
use serde_json::{Value, json};

use super::support::*;
use mutate::{Dice, mutate};

/// Inputs of one target where nothing else is said.
const INPUTS: usize = 400;
/// What is in the messages that are a 500 in the reference too: an apply of what the schema does not know, and a strategic merge
/// patch whose lists or directives cannot be.
const FAULTS_OF_THE_REFERENCE: [&str; 7] = [
    "failed to create typed patch object",
    "doesn't match $setElementOrder list",
    "unknown patch type: ",
    "does not contain declared merge key",
    "list element types are not identical",
    "expected a []interface {}, but received a ",
    "merging lists cannot yet be specified in the patch",
];
/// Inputs that one server gets, so that its store stays small.
const PER_SERVER: usize = 200;
/// Longest wait for one answer.
const HANG: Duration = Duration::from_secs(20);
/// Path of Secrets, which Helm sends as protobuf.
const SECRETS: &str = "/api/v1/namespaces/default/secrets";

/// What an input is to the server.
#[derive(Clone, Copy, Debug)]
enum Target {
    JsonBody,
    YamlBody,
    JsonPatch,
    MergePatch,
    StrategicPatch,
    Apply,
    Protobuf,
    Selectors,
    Continue,
}

impl Target {
    fn folder(self) -> &'static str {
        match self {
            Self::JsonBody => "json-body",
            Self::YamlBody => "yaml-body",
            Self::JsonPatch => "json-patch",
            Self::MergePatch => "merge-patch",
            Self::StrategicPatch => "strategic-patch",
            Self::Apply => "apply",
            Self::Protobuf => "protobuf",
            Self::Selectors => "selectors",
            Self::Continue => "continue",
        }
    }

    /// The request that carries an input.
    fn request(self, input: &[u8]) -> (Method, String, &'static str, Bytes) {
        let body = Bytes::copy_from_slice(input);
        let seed = |plural: &str| format!("{plural}/seed");
        match self {
            Self::JsonBody => (Method::POST, BOXES.to_owned(), "application/json", body),
            Self::YamlBody => (Method::POST, MAPS.to_owned(), "application/yaml", body),
            Self::JsonPatch => (Method::PATCH, seed(BOXES), "application/json-patch+json", body),
            Self::MergePatch => (Method::PATCH, seed(BOXES), "application/merge-patch+json", body),
            Self::StrategicPatch => (Method::PATCH, seed(MAPS), "application/strategic-merge-patch+json", body),
            Self::Apply => {
                let path = format!("{BOXES}/seed?fieldManager=fuzz&force=true");
                (Method::PATCH, path, "application/apply-patch+yaml", body)
            }
            Self::Protobuf => (Method::POST, SECRETS.to_owned(), "application/vnd.kubernetes.protobuf", body),
            Self::Selectors => {
                let (labels, fields) = input.split_at(input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len()));
                let path = format!("{MAPS}?labelSelector={}&fieldSelector={}", quoted(labels), quoted(fields.trim_ascii_start()));
                (Method::GET, path, "application/json", Bytes::new())
            }
            Self::Continue => {
                let path = format!("{MAPS}?limit=1&continue={}", URL_SAFE_NO_PAD.encode(input));
                (Method::GET, path, "application/json", Bytes::new())
            }
        }
    }
}

/// Percent-encoded, every byte.
fn quoted(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "%{byte:02X}");
        text
    })
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// The committed inputs of a target, in the order of their names.
fn corpus(folder: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(folder);
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

/// A server with an object of each kind that patches go to, and a watch of each kind from its start.
struct Subject {
    server: Server,
    watches: Vec<(&'static str, http::Response<koan_apiserver::Body>)>,
}

impl Subject {
    async fn new() -> Self {
        let server = server().await;
        let mut watches = Vec::new();
        for path in [BOXES, MAPS, SECRETS] {
            watches.push((path, start(&server, Method::GET, &format!("{path}?watch=true"), &[], Bytes::new()).await));
        }
        let subject = Self { server, watches };
        subject.seed().await;
        subject
    }

    /// Puts back what patches go to.
    async fn seed(&self) {
        let a_box = json!({"apiVersion": "test.koan.dev/v1", "kind": "Box", "metadata": {"name": "seed", "labels": {"a": "b"}},
            "spec": {"parts": [{"name": "x", "count": 1}]}});
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "seed", "finalizers": ["c/d"]}, "data": {"a": "b"}});
        for (path, value) in [(BOXES, &a_box), (MAPS, &map)] {
            let answer = post(&self.server, path, value).await;
            assert!(matches!(answer.code, 201 | 409), "{}", answer.text);
        }
    }

    /// Sends one input and holds the answer to the rules.
    async fn feed(&self, target: Target, input: &[u8]) -> Result<(), String> {
        let (method, path, media, body) = target.request(input);
        let headers = [("content-type", media)];
        let answer = send(&self.server, method.clone(), &path, &headers, body).await;
        let value: Value = serde_json::from_str(&answer.text).map_err(|error| format!("{error}: {}", answer.text))?;
        if answer.code >= 400 {
            let told = value["kind"] == "Status"
                && value["code"] == answer.code
                && value["message"].as_str().is_some_and(|text| !text.is_empty());
            let known = |text: &str| FAULTS_OF_THE_REFERENCE.iter().any(|known| text.contains(known));
            let blamed = answer.code < 500 || value["message"].as_str().is_some_and(known);
            return if told && blamed { Ok(()) } else { Err(format!("{} {}", answer.code, answer.text)) };
        }
        if method == Method::GET {
            return Ok(());
        }
        let name = value["metadata"]["name"].as_str().ok_or_else(|| format!("no name: {}", answer.text))?;
        let plural = path.split_once("/seed").map_or(path.as_str(), |(plural, _)| plural);
        let read = get(&self.server, &format!("{plural}/{name}")).await;
        if read.json() == value { Ok(()) } else { Err(format!("read {} for {}", read.text, answer.text)) }
    }

    /// What the watches showed is what the lists show.
    async fn settle(mut self) -> Result<(), String> {
        for (path, watch) in &mut self.watches {
            let list = get(&self.server, path).await.json();
            let last = &list["metadata"]["resourceVersion"];
            let listed: BTreeMap<String, Value> = list["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|item| (item["metadata"]["name"].to_string(), item["metadata"]["resourceVersion"].clone()))
                .collect();
            let (mut shown, mut buffer) = (BTreeMap::new(), Vec::new());
            // The list's version is that of the whole store: the watch has shown all when it shows the same.
            while shown != listed {
                let event = line(watch, &mut buffer).await.ok_or_else(|| format!("{path} ended before {last}"))?;
                let metadata = &event["object"]["metadata"];
                let name = metadata["name"].to_string();
                if event["type"] == "DELETED" {
                    drop(shown.remove(&name))
                } else {
                    drop(shown.insert(name, metadata["resourceVersion"].clone()))
                }
            }
        }
        Ok(())
    }
}

/// Keeps an input that failed.
fn keep(folder: &str, input: &[u8], error: &str) -> String {
    let root = std::env::var_os("KOAN_FUZZ_KEEP").map_or_else(std::env::temp_dir, PathBuf::from);
    let name = input.iter().fold(5_381_u64, |hash, byte| hash.wrapping_mul(33) ^ u64::from(*byte));
    let path = root.join(format!("koan-fuzz-{folder}-{name:016x}"));
    std::fs::write(&path, input).unwrap();
    format!("{folder}: {error} (input kept in {})", path.display())
}

async fn fuzz(target: Target) {
    run(target.folder(), async |subject, input| subject.feed(target, input).await).await;
}

/// Gives a target its corpus and inputs made from it, until it has had enough.
async fn run(folder: &str, feed: impl AsyncFn(&Subject, &[u8]) -> Result<(), String>) {
    let corpus = corpus(folder);
    let seed = number("KOAN_FUZZ_SEED").unwrap_or_default();
    let inputs = number("KOAN_FUZZ_INPUTS").map_or(INPUTS, |inputs| usize::try_from(inputs).unwrap());
    let until = number("KOAN_FUZZ_MINUTES").map(|minutes| Instant::now() + Duration::from_secs(minutes * 60));
    let (began, mut dice, mut done, mut failures) = (Instant::now(), Dice::new(seed), 0, Vec::new());
    while done < inputs && until.is_none_or(|until| Instant::now() < until) {
        let subject = Subject::new().await;
        for _ in 0..PER_SERVER.min(inputs.max(corpus.len()) - done) {
            let input = corpus.get(done).cloned().unwrap_or_else(|| mutate(&mut dice, &corpus));
            let fed = AssertUnwindSafe(feed(&subject, &input)).catch_unwind();
            let outcome = tokio::time::timeout(HANG, fed).await;
            let outcome = outcome
                .map_or_else(|_| Err("no answer in time".to_owned()), |fed| fed.unwrap_or_else(|_| Err("a panic".to_owned())));
            if let Err(error) = outcome {
                failures.push(keep(folder, &input, &error));
            }
            subject.seed().await;
            done += 1;
        }
        failures.extend(subject.settle().await.err());
    }
    println!(
        "{{\"suite\":\"fuzz-{folder}\",\"seed\":{seed},\"done\":{done},\"failed\":{},\"minutes\":{:.2}}}",
        failures.len(),
        began.elapsed().as_secs_f64() / 60.0
    );
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// REL-22, API-40: one test for each target, so that each reports by itself.
macro_rules! targets {
    ($($name:ident: $target:ident;)*) => {
        $(
            #[doc = "REL-22, API-40: the corpus of this target and inputs made from it are answered as they should be."]
            #[tokio::test]
            async fn $name() {
                fuzz(Target::$target).await;
            }
        )*
    };
}

targets! {
    json_bodies: JsonBody;
    yaml_bodies: YamlBody;
    json_patches: JsonPatch;
    merge_patches: MergePatch;
    strategic_patches: StrategicPatch;
    apply_bodies: Apply;
    protobuf_bodies: Protobuf;
    selectors: Selectors;
    continue_tokens: Continue;
}
