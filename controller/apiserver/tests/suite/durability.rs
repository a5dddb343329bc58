//! What was acknowledged survives: restarts, kills, refused disks, and older schemas.
//!
//! Over 400 lines: one promise, and beside each test the disk that puts it to the test.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::Method;
use koan_apiserver::{Change, Journal, JournalError, Loaded, Memory, Server, Sqlite};
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use super::support::*;

/// Names the state directory to the process that is to be killed.
const VICTIM: &str = "KOAN_APISERVER_TEST_VICTIM";
/// How often a victim is killed.
const KILLS: usize = 5;
/// Acknowledgements to wait for before a kill.
const ACKNOWLEDGED: usize = 40;
/// Writers of a victim.
const WRITERS: usize = 8;

fn home() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    directory
}

async fn open(directory: &Path) -> Server {
    Server::builder().crds(vec![definition()]).journal(Sqlite::open(directory).unwrap()).start().await.unwrap()
}

fn map(name: &str) -> serde_json::Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"k": "v".repeat(500)}})
}

/// D-5, D-8, API-6: after a restart objects have their versions, a watch from the last one goes on, and the instance id
/// stays.
#[tokio::test]
async fn a_restart_changes_nothing() {
    let home = home();
    let server = open(home.path()).await;
    post(&server, MAPS, &map("a")).await;
    let before = get(&server, MAPS).await.json();
    let instance = server.instance().to_owned();
    drop(server);
    let server = open(home.path()).await;
    assert_eq!(server.instance(), instance);
    let after = get(&server, MAPS).await.json();
    assert_eq!(after["items"], before["items"]);
    let version = before["metadata"]["resourceVersion"].as_str().unwrap();
    let mut watch =
        start(&server, Method::GET, &format!("{MAPS}?watch=true&resourceVersion={version}"), &[], bytes::Bytes::new()).await;
    post(&server, MAPS, &map("b")).await;
    let event = line(&mut watch, &mut Vec::new()).await.unwrap();
    assert_eq!((&event["type"], &event["object"]["metadata"]["name"]), (&json!("ADDED"), &json!("b")));
}

/// API-2: a definition that changed shows on read: pruned and defaulted, at the same version and without a write.
#[tokio::test]
async fn a_new_schema_shows_on_read() {
    let journal = Memory::new();
    let server = Server::builder().crds(vec![definition()]).journal(journal.clone()).start().await.unwrap();
    let made = post(&server, BOXES, &serde_json::to_value(a_box("a", json!({"color": "red"}))).unwrap()).await.json();
    drop(server);
    let mut newer = definition();
    let properties = &mut newer["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"];
    properties.as_object_mut().unwrap().remove("color");
    properties["weight"] = json!({"type": "integer", "default": 7});
    newer["spec"]["versions"][0].as_object_mut().unwrap().remove("selectableFields");
    let server = Server::builder().crds(vec![newer]).journal(journal).start().await.unwrap();
    let read = get(&server, &format!("{BOXES}/a")).await.json();
    assert_eq!(read["spec"], json!({"lid": {"tight": true}, "limit": 10, "size": 1, "weight": 7}));
    assert_eq!(read["metadata"]["resourceVersion"], made["metadata"]["resourceVersion"]);
}

/// API-2: the definition of a newer program is left alone by an older one, and the next version takes over from it.
#[tokio::test]
async fn an_older_program_leaves_a_newer_definition_alone() {
    const KIND: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let of = |version: &str| {
        let mut made = definition();
        made["metadata"]["annotations"] = json!({"koan.dev/version": version});
        made["spec"]["names"]["shortNames"] = json!([version.replace('.', "x").replacen("", "v", 1)]);
        made
    };
    let journal = Memory::new();
    for (starts, stands) in [("0.10.0", "0.10.0"), ("0.9.9", "0.10.0"), ("0.10.1", "0.10.1")] {
        let server = Server::builder().crds(vec![of(starts)]).journal(journal.clone()).start().await.unwrap();
        let name = definition()["metadata"]["name"].as_str().unwrap().to_owned();
        let stored = get(&server, &format!("{KIND}/{name}")).await.json();
        assert_eq!(stored["metadata"]["annotations"]["koan.dev/version"], stands);
        assert_eq!(stored["spec"]["names"]["shortNames"], json!([stands.replace('.', "x").replacen("", "v", 1)]));
    }
}

/// API-28, L-3: a server that is started again on what it wrote writes nothing.
#[tokio::test]
async fn a_second_start_writes_nothing() {
    let journal = Memory::new();
    drop(Server::builder().crds(vec![definition()]).journal(journal.clone()).start().await.unwrap());
    let before = journal.clone().load().unwrap().revision;
    drop(Server::builder().crds(vec![definition()]).journal(journal.clone()).start().await.unwrap());
    assert_eq!(journal.clone().load().unwrap().revision, before);
}

/// API-28, PERF-53: a server that nobody asks anything writes nothing for a day, with owners, finalizers, watchers and a deletion
/// that waits among its objects.
#[tokio::test(start_paused = true)]
async fn a_server_at_rest_writes_nothing() {
    let journal = Memory::new();
    let server = Server::builder().crds(vec![definition()]).journal(journal.clone()).start().await.unwrap();
    let owner = post(&server, MAPS, &map("owner")).await.json();
    let mut child = map("child");
    child["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}]);
    post(&server, MAPS, &child).await;
    let mut held = map("held");
    held["metadata"]["finalizers"] = json!(["test.koan.dev/held"]);
    post(&server, MAPS, &held).await;
    assert_eq!(send(&server, Method::DELETE, &format!("{MAPS}/held"), &[], "").await.code, 200);
    let _watch = start(&server, Method::GET, &format!("{MAPS}?watch=true"), &[], bytes::Bytes::new()).await;
    let before = journal.clone().load().unwrap().revision;
    tokio::time::sleep(Duration::from_secs(24 * 60 * 60)).await;
    assert_eq!(journal.clone().load().unwrap().revision, before);
}

/// A journal whose disk can be full.
struct Full(Memory, Arc<AtomicBool>);

impl Journal for Full {
    fn load(&mut self) -> Result<Loaded, JournalError> {
        self.0.load()
    }

    fn adopt(&mut self, instance: &str) -> Result<(), JournalError> {
        self.0.adopt(instance)
    }

    fn commit(&mut self, changes: &[Change]) -> Result<(), JournalError> {
        if self.1.load(Ordering::Relaxed) {
            return Err(JournalError::Write { path: "store.db".into(), cause: "no space left on device".to_owned() });
        }
        self.0.commit(changes)
    }

    fn blocks(&self) -> bool {
        true
    }
}

/// REL-20, API-10: a refused write is a 500 that names path and cause and is seen by nobody; reads go on, and writes work
/// again without a restart.
#[tokio::test]
async fn a_full_disk_refuses_writes_alone() {
    let full = Arc::new(AtomicBool::new(false));
    let server = Server::builder().journal(Full(Memory::new(), Arc::clone(&full))).start().await.unwrap();
    post(&server, MAPS, &map("a")).await;
    full.store(true, Ordering::Relaxed);
    let refused = post(&server, MAPS, &map("b")).await;
    assert_eq!(refused.code, 500);
    assert!(refused.message().contains("store.db") && refused.message().contains("no space left"), "{}", refused.text);
    assert_eq!(get(&server, &format!("{MAPS}/b")).await.code, 404);
    assert_eq!(get(&server, &format!("{MAPS}/a")).await.code, 200);
    let check = get(&server, "/readyz/store").await;
    assert!(check.code == 500 && check.text.contains("no space left"), "{}", check.text);
    assert!(get(&server, "/readyz?verbose").await.text.contains("[-]store failed"));
    assert_eq!(get(&server, "/readyz").await.code, 200, "what was stored can still be read");
    full.store(false, Ordering::Relaxed);
    assert_eq!(post(&server, MAPS, &map("b")).await.code, 201);
    assert_eq!(get(&server, "/readyz/store").await.text, "ok");
}

/// Not a test by itself: the process that `kill_9_loses_nothing` kills. Without its directory it does nothing.
#[tokio::test(flavor = "multi_thread")]
async fn victim() {
    let Some(directory) = std::env::var_os(VICTIM) else { return };
    let server = Arc::new(open(Path::new(&directory)).await);
    let run = server.snapshot_reader().revision();
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let server = Arc::clone(&server);
        writers.spawn(async move {
            for number in 0_u32.. {
                let name = format!("m-{run}-{writer}-{number}");
                let answer = post(&server, MAPS, &map(&name)).await;
                assert_eq!(answer.code, 201, "{}", answer.text);
                println!("ack {name} {}", answer.json()["metadata"]["resourceVersion"].as_str().unwrap());
            }
        });
    }
    writers.join_next().await;
}

/// D-7, API-22: what a killed server had acknowledged is there at the next start, under the acknowledged version.
#[tokio::test(flavor = "multi_thread")]
async fn kill_9_loses_nothing() {
    let home = home();
    let mut acknowledged = BTreeMap::new();
    for _ in 0..KILLS {
        let mut child = tokio::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "durability::victim", "--nocapture"])
            .env(VICTIM, home.path())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let wanted = acknowledged.len() + ACKNOWLEDGED;
        let mut killed = false;
        while let Ok(Some(text)) = lines.next_line().await {
            if let Some(rest) = text.split("ack ").nth(1)
                && let Some((name, version)) = rest.split_once(' ')
            {
                acknowledged.insert(name.to_owned(), version.to_owned());
            }
            if !killed && acknowledged.len() >= wanted {
                killed = true;
                child.start_kill().unwrap();
            }
        }
        child.wait().await.unwrap();
        assert!(killed, "the victim ended by itself");
        let server = open(home.path()).await;
        let items = get(&server, MAPS).await.json()["items"].as_array().unwrap().clone();
        let stored: BTreeMap<&str, &str> = items
            .iter()
            .map(|item| (item["metadata"]["name"].as_str().unwrap(), item["metadata"]["resourceVersion"].as_str().unwrap()))
            .collect();
        for (name, version) in &acknowledged {
            assert_eq!(stored.get(name.as_str()), Some(&version.as_str()), "{name}");
        }
    }
}

/// API-22, PERF-92: writes that are under way together share syncs, and each sees its own result.
#[tokio::test(flavor = "multi_thread")]
async fn concurrent_writes_share_syncs() {
    /// Waits at its first commit after it was told to, so that writes gather whatever the machine's speed.
    struct Counting(Sqlite, Arc<std::sync::Mutex<Vec<usize>>>, std::sync::mpsc::Receiver<()>);
    impl Journal for Counting {
        fn load(&mut self) -> Result<Loaded, JournalError> {
            self.0.load()
        }
        fn adopt(&mut self, instance: &str) -> Result<(), JournalError> {
            self.0.adopt(instance)
        }
        fn commit(&mut self, changes: &[Change]) -> Result<(), JournalError> {
            let first = {
                let mut batches = self.1.lock().unwrap();
                batches.push(changes.len());
                batches.first() == Some(&0) && batches.len() == 2
            };
            if first {
                self.2.recv_timeout(Duration::from_secs(30)).unwrap();
            }
            self.0.commit(changes)
        }
        fn blocks(&self) -> bool {
            true
        }
    }
    let home = home();
    let batches: Arc<std::sync::Mutex<Vec<usize>>> = Arc::default();
    let (go, gate) = std::sync::mpsc::channel();
    let journal = Counting(Sqlite::open(home.path()).unwrap(), Arc::clone(&batches), gate);
    let server = Arc::new(Server::builder().journal(journal).start().await.unwrap());
    *batches.lock().unwrap() = vec![0];
    let first = tokio::spawn({
        let server = Arc::clone(&server);
        async move { post(&server, MAPS, &map("first")).await.code }
    });
    let under_way = async {
        while batches.lock().unwrap().len() < 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), under_way).await.expect("the first write waits for the disk");
    let names: Vec<String> = (0..63).map(|number| format!("m-{number}")).collect();
    let writes = futures::future::join_all(names.iter().map(|name| {
        let server = &server;
        async move { post(server, MAPS, &map(name)).await.code }
    }));
    // Polled after every write was sent.
    let (answers, ()) = tokio::join!(writes, async { go.send(()).unwrap() });
    assert!(answers.iter().chain([&first.await.unwrap()]).all(|code| *code == 201));
    let batches = batches.lock().unwrap().clone();
    assert_eq!(batches.iter().sum::<usize>(), names.len() + 1);
    assert!(batches.len() - 1 < names.len(), "{batches:?}");
}

/// A journal that stops before it commits rows of a kind, tells that it is there, and goes on when it is told to.
struct Gated {
    journal: Memory,
    closed: Arc<AtomicBool>,
    reached: std::sync::mpsc::Sender<&'static str>,
    gates: Vec<(&'static str, std::sync::mpsc::Receiver<()>)>,
}

impl Journal for Gated {
    fn load(&mut self) -> Result<Loaded, JournalError> {
        self.journal.load()
    }

    fn adopt(&mut self, instance: &str) -> Result<(), JournalError> {
        self.journal.adopt(instance)
    }

    fn commit(&mut self, changes: &[Change]) -> Result<(), JournalError> {
        let of = |kind: &str| changes.iter().any(|change| matches!(change, Change::Put(row) if row.kind == kind));
        for (kind, gate) in self.gates.iter().filter(|_| self.closed.load(Ordering::Relaxed)).filter(|(kind, _)| of(kind)) {
            self.reached.send(kind).unwrap();
            gate.recv_timeout(Duration::from_secs(30)).unwrap();
        }
        self.journal.commit(changes)
    }

    fn blocks(&self) -> bool {
        true
    }
}

/// API-2, API-10: a write that is under way while the schema of its kind changes is answered, read and watched in the new shape:
/// none keeps the old one.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_across_a_schema_change_has_the_new_shape() {
    const KINDS: [&str; 2] = ["apiextensions.k8s.io/customresourcedefinitions", "test.koan.dev/boxes"];
    let closed = Arc::new(AtomicBool::new(false));
    let (reached, arrivals) = std::sync::mpsc::channel();
    let (open_definitions, definitions) = std::sync::mpsc::channel();
    let (open_boxes, waiting_boxes) = std::sync::mpsc::channel();
    let gates = vec![(KINDS[0], definitions), (KINDS[1], waiting_boxes)];
    let journal = Gated { journal: Memory::new(), closed: Arc::clone(&closed), reached, gates };
    let server = Server::builder().crds(vec![definition()]).journal(journal).start().await.unwrap();
    let mut watch = start(&server, Method::GET, &format!("{BOXES}?watch=true"), &[], bytes::Bytes::new()).await;
    closed.store(true, Ordering::Relaxed);

    // The definition loses one field and gives another one a default; it waits for the disk.
    let mut changed = json!({"spec": definition()["spec"]});
    let properties = &mut changed["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"];
    properties.as_object_mut().unwrap().remove("parts");
    properties["note"] = json!({"type": "string", "default": "new"});
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/boxes.test.koan.dev";
    let body = changed.to_string();
    let server = Arc::new(server);
    let change = tokio::spawn({
        let server = Arc::clone(&server);
        async move { patch(&server, path, "application/merge-patch+json", &body).await }
    });
    assert_eq!(arrivals.recv_timeout(Duration::from_secs(30)).unwrap(), KINDS[0]);

    // Behind it a write that was checked by the old definition.
    let a_box = json!({"apiVersion": "test.koan.dev/v1", "kind": "Box", "metadata": {"name": "a"},
        "spec": {"size": 2, "parts": [{"name": "x"}]}});
    let mut create = std::pin::pin!(post(&server, BOXES, &a_box));
    assert!(futures::poll!(&mut create).is_pending());
    open_definitions.send(()).unwrap();
    let answer = change.await.unwrap();
    assert_eq!(answer.code, 200, "{}", answer.text);
    assert_eq!(arrivals.recv_timeout(Duration::from_secs(30)).unwrap(), KINDS[1]);
    open_boxes.send(()).unwrap();

    let created = create.await;
    assert_eq!(created.code, 201, "{}", created.text);
    let read = get(&server, &format!("{BOXES}/a")).await.json();
    let event = line(&mut watch, &mut Vec::new()).await.unwrap();
    for (what, object) in [("answer", &created.json()), ("read", &read), ("event", &event["object"])] {
        assert!(object["spec"]["parts"].is_null(), "{what}: {object}");
        assert_eq!(object["spec"]["note"], "new", "{what}");
        assert_eq!(object["metadata"]["resourceVersion"], read["metadata"]["resourceVersion"], "{what}");
    }
}

/// REL-2: a journal that panics is no journal: the server says so at once, so that its process ends instead of living on by half.
#[tokio::test]
async fn a_panic_of_the_journal_is_told() {
    struct Mad(Memory, Arc<AtomicBool>);
    impl Journal for Mad {
        fn load(&mut self) -> Result<Loaded, JournalError> {
            self.0.load()
        }
        fn adopt(&mut self, instance: &str) -> Result<(), JournalError> {
            self.0.adopt(instance)
        }
        fn commit(&mut self, changes: &[Change]) -> Result<(), JournalError> {
            assert!(!self.1.load(Ordering::Relaxed), "mad");
            self.0.commit(changes)
        }
        fn blocks(&self) -> bool {
            true
        }
    }
    let mad = Arc::new(AtomicBool::new(false));
    let server = Server::builder().journal(Mad(Memory::new(), Arc::clone(&mad))).start().await.unwrap();
    assert!(futures::poll!(std::pin::pin!(server.broken())).is_pending());
    mad.store(true, Ordering::Relaxed);
    assert_eq!(post(&server, MAPS, &map("a")).await.code, 500);
    tokio::time::timeout(Duration::from_secs(30), server.broken()).await.expect("it is told");
    assert_eq!(get(&server, &format!("{MAPS}/a")).await.code, 404);
}
