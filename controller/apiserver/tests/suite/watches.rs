//! Watches under load: order, gaps, limits, stock reflectors, and a simulation that repeats itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::StreamExt as _;
use http::Method;
use koan_apiserver::{Random, Server};
use kube_runtime::watcher;
use serde_json::{Value, json};

use super::support::*;

fn map(name: &str, value: u64) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"n": value.to_string()}})
}

/// D-1 to D-4, D-8: while eight writers write, a watcher sees every version once, in order, and what it builds from them
/// is what a list shows.
#[tokio::test(flavor = "multi_thread")]
async fn a_watch_has_every_version_in_order() {
    let server = Arc::new(server().await);
    let version = get(&server, MAPS).await.json()["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    let mut watch =
        start(&server, Method::GET, &format!("{MAPS}?watch=true&resourceVersion={version}"), &[], bytes::Bytes::new()).await;
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..8_u64 {
        let server = Arc::clone(&server);
        writers.spawn(async move {
            let name = format!("m-{writer}");
            let path = format!("{MAPS}/{name}");
            post(&server, MAPS, &map(&name, 0)).await;
            for number in 1..30 {
                let body = json!({"data": {"n": number.to_string()}}).to_string();
                assert_eq!(patch(&server, &path, "application/merge-patch+json", &body).await.code, 200);
            }
            if writer % 2 == 0 {
                assert_eq!(send(&server, Method::DELETE, &path, &[], "").await.code, 200);
            }
        });
    }
    writers.join_all().await;
    let (mut buffer, mut last, mut seen, mut counts) = (Vec::new(), 0, BTreeMap::new(), BTreeMap::new());
    for _ in 0..8 * 30 + 4 {
        let event = line(&mut watch, &mut buffer).await.unwrap();
        let metadata = &event["object"]["metadata"];
        let revision: u64 = metadata["resourceVersion"].as_str().unwrap().parse().unwrap();
        assert!(revision > last, "{revision} after {last}");
        last = revision;
        let name = metadata["name"].as_str().unwrap().to_owned();
        let count: &mut u64 = counts.entry(name.clone()).or_default();
        if event["type"] == "DELETED" {
            seen.remove(&name);
        } else {
            assert_eq!(event["object"]["data"]["n"], count.to_string());
            *count += 1;
            seen.insert(name, event["object"]["metadata"]["resourceVersion"].clone());
        }
    }
    let listed: BTreeMap<String, Value> = get(&server, MAPS).await.json()["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| (item["metadata"]["name"].as_str().unwrap().to_owned(), item["metadata"]["resourceVersion"].clone()))
        .collect();
    assert_eq!(seen, listed);
}

/// API-8: a stock watcher that lists by streaming gets its end mark, and one that lists in pages gets all pages.
#[tokio::test]
async fn stock_watchers_of_both_kinds_start() {
    let server = server().await;
    for name in ["a", "b", "c"] {
        boxes(&client(&server)).create(&Default::default(), &a_box(name, json!({}))).await.unwrap();
    }
    for config in [watcher::Config::default().streaming_lists(), watcher::Config::default().page_size(2)] {
        let mut events = watcher(boxes(&client(&server)), config).boxed();
        let mut names = Vec::new();
        until("the initial list", async || match events.next().await.unwrap().unwrap() {
            watcher::Event::InitApply(object) => {
                names.push(object.metadata.name.unwrap());
                None
            }
            watcher::Event::InitDone => Some(()),
            _ => None,
        })
        .await;
        assert_eq!(names, ["a", "b", "c"]);
    }
}

/// SEC-16: the watch beyond the limit is asked to come again, and a closed one makes room.
#[tokio::test]
async fn sec_16_watches_are_limited() {
    /// The limit of the requirement.
    const LIMIT: usize = 1_000;
    let server = server().await;
    let path = format!("{MAPS}?watch=true");
    let mut open = Vec::new();
    for _ in 0..LIMIT {
        let response = start(&server, Method::GET, &path, &[], bytes::Bytes::new()).await;
        assert_eq!(response.status(), 200);
        open.push(response);
    }
    let refused = get(&server, &path).await;
    assert_eq!((refused.code, refused.headers["retry-after"].to_str().unwrap()), (429, "1"));
    open.pop();
    assert_eq!(start(&server, Method::GET, &path, &[], bytes::Bytes::new()).await.status(), 200);
}

/// SEC-16, API-24: a watcher that never reads is expired inside its stream as soon as more waits for it than its queue holds:
/// events or bytes, of those that concern it.
#[tokio::test]
async fn sec_16_a_stalled_watcher_is_cut() {
    /// The limits of the requirement.
    const EVENTS: u64 = 1_000;
    const BYTES: usize = 8 * 1024 * 1024;
    let server = server().await;
    let write = async |number: u64, size: usize| {
        let body = json!({"data": {"n": number.to_string(), "x": "y".repeat(size)}}).to_string();
        assert_eq!(patch(&server, &format!("{MAPS}/a"), "application/merge-patch+json", &body).await.code, 200);
    };
    post(&server, MAPS, &map("a", 0)).await;
    let from = async |query: &str| {
        let version = get(&server, MAPS).await.json()["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
        start(&server, Method::GET, &format!("{MAPS}?watch=true&resourceVersion={version}{query}"), &[], bytes::Bytes::new())
            .await
    };
    let next = async |watch: &mut http::Response<koan_apiserver::Body>| {
        let event = line(watch, &mut Vec::new()).await.unwrap();
        (event["type"].as_str().unwrap().to_owned(), event["object"]["code"].as_u64())
    };
    let expired = ("ERROR".to_owned(), Some(410));
    let went_on = ("MODIFIED".to_owned(), None);

    let (mut full, mut elsewhere) = (from("").await, from("&fieldSelector=metadata.name%3Db").await);
    for number in 0..EVENTS {
        write(number, 1).await;
    }
    assert_eq!(next(&mut full).await, went_on);
    let mut over = from("").await;
    for number in 0..=EVENTS {
        write(number, 1).await;
    }
    assert_eq!(next(&mut over).await, expired);
    assert_eq!(line(&mut over, &mut Vec::new()).await, None);
    post(&server, MAPS, &map("b", 0)).await;
    assert_eq!(next(&mut elsewhere).await.0, "ADDED");

    let mut heavy = from("").await;
    for number in 0..20 {
        write(number, BYTES / 20).await;
    }
    assert_eq!(next(&mut heavy).await, expired);
}

/// API-24, API-23: a watch that starts far behind reads all of its history: only what comes after its start is its queue.
#[tokio::test]
async fn history_is_not_a_full_queue() {
    let server = server().await;
    let version = get(&server, MAPS).await.json()["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    post(&server, MAPS, &map("a", 0)).await;
    for number in 0..1_500 {
        let body = json!({"data": {"n": number.to_string()}}).to_string();
        assert_eq!(patch(&server, &format!("{MAPS}/a"), "application/merge-patch+json", &body).await.code, 200);
    }
    let path = format!("{MAPS}?watch=true&timeoutSeconds=1&resourceVersion={version}");
    let seen = lines(start(&server, Method::GET, &path, &[], bytes::Bytes::new()).await).await;
    assert_eq!(seen.len(), 1 + 1_499, "the first patch changes nothing");
}

/// P10, D-1 to D-6: versions that are written while a bookmark is due are sent before it or after it and never lost; a watch
/// resumed from any bookmark goes on without a gap, and one from before a compaction is expired inside its stream.
#[tokio::test(start_paused = true)]
async fn p10_bookmarks_and_compaction_leave_no_gap() {
    let clock = Hand::at(1_000_000);
    let server = Arc::new(Server::builder().clock(Arc::new(clock.clone())).start().await.unwrap());
    post(&server, MAPS, &map("a", 0)).await;
    let first = get(&server, MAPS).await.json()["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    let path = |version: &str, seconds: u32| {
        format!("{MAPS}?watch=true&allowWatchBookmarks=true&timeoutSeconds={seconds}&resourceVersion={version}")
    };
    let watch = start(&server, Method::GET, &path(&first, 601), &[], bytes::Bytes::new()).await;
    let writer = tokio::spawn({
        let server = Arc::clone(&server);
        async move {
            // One write each five seconds: every twelfth is due at the instant of a bookmark.
            for number in 1..=120_u64 {
                tokio::time::sleep(std::time::Duration::from_secs(5)).await;
                let body = json!({"data": {"n": number.to_string()}}).to_string();
                assert_eq!(patch(&server, &format!("{MAPS}/a"), "application/merge-patch+json", &body).await.code, 200);
            }
        }
    });
    let seen = lines(watch).await;
    writer.await.unwrap();
    let version = |event: &Value| event["object"]["metadata"]["resourceVersion"].as_str().unwrap().parse::<u64>().unwrap();
    let grows = |two: &[Value]| match two[1]["type"] == "BOOKMARK" {
        true => version(&two[0]) <= version(&two[1]),
        false => version(&two[0]) < version(&two[1]),
    };
    assert!(seen.windows(2).all(grows), "{seen:#?}");
    let numbers: Vec<String> = seen.iter().filter_map(|event| event["object"]["data"]["n"].as_str()).map(str::to_owned).collect();
    assert_eq!(numbers, (1..=120).map(|number| number.to_string()).collect::<Vec<_>>());
    let marks: Vec<usize> = (0..seen.len()).filter(|index| seen[*index]["type"] == "BOOKMARK").collect();
    assert_eq!(marks.len(), 10);
    for mark in marks {
        let path = path(&version(&seen[mark]).to_string(), 1);
        let resumed = lines(start(&server, Method::GET, &path, &[], bytes::Bytes::new()).await).await;
        let rest: Vec<u64> = seen[mark..].iter().filter(|event| event["type"] != "BOOKMARK").map(version).collect();
        assert_eq!(resumed.iter().map(version).collect::<Vec<_>>(), rest);
    }
    for number in 0..10_100_u64 {
        if number == 10_000 {
            clock.0.fetch_add(600, std::sync::atomic::Ordering::Relaxed);
        }
        let body = json!({"data": {"n": format!("x{number}")}}).to_string();
        assert_eq!(patch(&server, &format!("{MAPS}/a"), "application/merge-patch+json", &body).await.code, 200);
    }
    let expired = lines(start(&server, Method::GET, &path(&first, 601), &[], bytes::Bytes::new()).await).await;
    assert_eq!((&expired[0]["type"], &expired[0]["object"]["code"]), (&json!("ERROR"), &json!(410)));
}

/// Every line of a watch until its end.
async fn lines(response: http::Response<koan_apiserver::Body>) -> Vec<Value> {
    let bytes = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
    bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(|line| serde_json::from_slice(line).unwrap()).collect()
}

/// API-8: a watch ends when it was asked to, and has a bookmark behind what was there and each minute until then.
#[tokio::test(start_paused = true)]
async fn a_watch_has_bookmarks_and_an_end() {
    let server = server().await;
    let path = format!("{MAPS}?watch=true&allowWatchBookmarks=true&timeoutSeconds=150");
    let began = tokio::time::Instant::now();
    let response = start(&server, Method::GET, &path, &[], bytes::Bytes::new()).await;
    let bytes = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
    let kinds: Vec<Value> = bytes
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice::<Value>(line).unwrap()["type"].clone())
        .collect();
    assert_eq!(kinds, ["BOOKMARK", "BOOKMARK", "BOOKMARK"]);
    assert_eq!(began.elapsed().as_secs(), 150);
}

/// Randomness that repeats itself.
struct Counting(std::sync::atomic::AtomicU64);

impl Random for Counting {
    fn fill(&self, buffer: &mut [u8]) -> std::io::Result<()> {
        for byte in buffer {
            *byte = u8::try_from(self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed) * 31 % 251).unwrap();
        }
        Ok(())
    }
}

/// REL-8: on one thread with paused time, the same clock, ids and randomness give the same bytes.
#[test]
fn a_run_repeats_byte_for_byte() {
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let builder = Server::builder().crds(vec![definition()]).clock(Arc::new(Hand::at(1_700_000_000)));
            let server = builder.random(Arc::new(Counting(std::sync::atomic::AtomicU64::new(0)))).start().await.unwrap();
            let owner = post(&server, MAPS, &map("owner", 1)).await.json();
            for name in ["a", "b", "c"] {
                let mut child = map(name, 2);
                child["metadata"]["ownerReferences"] =
                    json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}]);
                post(&server, MAPS, &child).await;
            }
            let mut text = get(&server, MAPS).await.text;
            send(&server, Method::DELETE, &format!("{MAPS}/owner"), &[], "").await;
            until("empty", async || get(&server, MAPS).await.json()["items"].as_array().unwrap().is_empty().then_some(())).await;
            text.push_str(&get(&server, MAPS).await.text);
            text
        })
    };
    assert_eq!(run(), run());
}
