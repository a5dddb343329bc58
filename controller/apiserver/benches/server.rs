//! `cargo bench -p koan-apiserver`: the handlers in process, on a journal on disk, without TLS and HTTP (API-22, PERF-40 to PERF-44).
//!
//! Prints fdatasync p50 first: what is written one by one cannot be quicker. `cargo xtask bench apiserver` measures the same through
//! the socket and beside the reference, and judges.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use koan_apiserver::{Body, Server, Service, Sqlite};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tower::ServiceExt as _;

/// Requests of each figure, and of the shorter ones.
const REQUESTS: usize = 4_000;
const FEW: usize = 400;
/// Requests in flight where there are several.
const WIDTH: usize = 16;
/// Objects of the list, and watchers of the patched object.
const LISTED: usize = 1_000;
const WATCHERS: usize = 100;
/// Watchers of the namespace that is written to, and the writes (PERF-44).
const CROWDS: [usize; 3] = [0, 100, 1_000];
const WATCHED_WRITES: usize = 2_000;
/// Bytes of a value, so that an object has 1 kB.
const VALUE_BYTES: usize = 900;
/// Where the objects are.
const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const BOXES: &str = "/apis/bench.koan.dev/v1/namespaces/default/boxes";

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700))?;
    println!("fdatasync p50 {:.3} ms", sync(folder.path())?.as_secs_f64() * 1e3);
    let program = std::fs::metadata(std::env::current_exe()?)?.len();
    println!("this program, the API server with all that it stands on: {:.1} MB", precise(program) / 1e6);
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(measure(folder.path()))
}

async fn measure(folder: &std::path::Path) -> Result<(), Failure> {
    let began = Instant::now();
    let server = Server::builder().crds(vec![definition()]).journal(Sqlite::open(folder)?).start().await?;
    println!("start, empty: {:.1} ms", began.elapsed().as_secs_f64() * 1e3);
    let service = server.service();
    let create = |prefix: &'static str| {
        move |index: usize| {
            let value = json!({
                "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("{prefix}-{index}")},
                "data": {"value": "x".repeat(VALUE_BYTES)},
            });
            request("POST", MAPS, "application/json", &value)
        }
    };
    run("create 1 kB, one by one", &service, (REQUESTS, 1), create("single")).await?;
    run("create 1 kB, 16 in flight", &service, (REQUESTS, WIDTH), create("many")).await?;
    run("apply of a custom resource, one by one", &service, (REQUESTS, 1), |index| apply(0, index)).await?;
    run("apply of a custom resource, 16 in flight", &service, (REQUESTS, WIDTH), |index| apply(index % WIDTH, index + REQUESTS))
        .await?;
    run("get of a custom resource", &service, (REQUESTS, 1), |_| request("GET", &format!("{BOXES}/box-0"), "", &Value::Null))
        .await?;
    let list = format!("{MAPS}?limit={LISTED}");
    run("list of 1,000 objects of 1 kB", &service, (FEW, 1), |_| request("GET", &list, "", &Value::Null)).await?;
    fan_out(&service).await?;
    crowds(&service).await
}

/// Writes in a namespace that nobody, some and very many watch; each watcher reads what it is sent.
async fn crowds(service: &Service) -> Result<(), Failure> {
    let mut alone = None;
    for watchers in CROWDS {
        let namespace = format!("crowd-{watchers}");
        let named = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        answer(service, request("POST", "/api/v1/namespaces", "application/json", &named)?).await?;
        let maps = format!("/api/v1/namespaces/{namespace}/configmaps");
        let mut crowd = JoinSet::new();
        for _ in 0..watchers {
            let watch = request("GET", &format!("{maps}?watch=true&timeoutSeconds=300"), "", &Value::Null)?;
            let Ok(response): Result<Response<Body>, std::convert::Infallible> = service.clone().oneshot(watch).await;
            if !response.status().is_success() {
                return Err(format!("watch: {}", response.status()).into());
            }
            crowd.spawn(async move {
                let mut body = response.into_body();
                while let Some(Ok(_)) = body.frame().await {}
            });
        }
        let name = format!("create 1 kB, 16 in flight, {watchers} watchers");
        let rate = run(&name, service, (WATCHED_WRITES, WIDTH), |index| {
            let value = json!({
                "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("map-{index}")},
                "data": {"value": "x".repeat(VALUE_BYTES)},
            });
            request("POST", &maps, "application/json", &value)
        })
        .await?;
        println!("  of the rate without watchers: {:.2}", rate / *alone.get_or_insert(rate));
        crowd.shutdown().await;
    }
    Ok(())
}

/// Sends requests, so many at a time, and prints rate, p50 and p99; answers the rate.
async fn run(
    name: &str,
    service: &Service,
    (count, width): (usize, usize),
    make: impl Fn(usize) -> Result<Request<Full<Bytes>>, Failure>,
) -> Result<f64, Failure> {
    let requests: Arc<Vec<Request<Full<Bytes>>>> = Arc::new((0..count).map(make).collect::<Result<_, _>>()?);
    let next = Arc::new(AtomicUsize::new(0));
    let mut workers = JoinSet::new();
    let began = Instant::now();
    for _ in 0..width {
        let (service, requests, next) = (service.clone(), Arc::clone(&requests), Arc::clone(&next));
        workers.spawn(async move {
            let mut times = Vec::new();
            while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
                let began = Instant::now();
                answer(&service, request.clone()).await?;
                times.push(began.elapsed());
            }
            Ok::<_, Failure>(times)
        });
    }
    let mut times = Vec::with_capacity(count);
    while let Some(done) = workers.join_next().await {
        times.extend(done??);
    }
    Ok(report(name, began.elapsed(), &mut times))
}

async fn answer(service: &Service, request: Request<Full<Bytes>>) -> Result<Bytes, Failure> {
    let Ok(response): Result<Response<Body>, std::convert::Infallible> = service.clone().oneshot(request).await;
    let status = response.status();
    let Ok(body) = response.into_body().collect().await;
    let body = body.to_bytes();
    if status.is_success() { Ok(body) } else { Err(format!("{status}: {}", String::from_utf8_lossy(&body)).into()) }
}

/// From a patch until each of the watchers has its event.
async fn fan_out(service: &Service) -> Result<(), Failure> {
    let path = format!("{MAPS}/single-0");
    let watch = format!("{MAPS}?watch=true&fieldSelector=metadata.name%3Dsingle-0&timeoutSeconds=300");
    let arrived = Arc::new(tokio::sync::Semaphore::new(0));
    let mut watchers = JoinSet::new();
    for _ in 0..WATCHERS {
        let response = service.clone().oneshot(request("GET", &watch, "", &Value::Null)?).await;
        let Ok(response): Result<Response<Body>, std::convert::Infallible> = response;
        let arrived = Arc::clone(&arrived);
        watchers.spawn(async move {
            let mut body = response.into_body();
            while let Some(Ok(_)) = body.frame().await {
                arrived.add_permits(1);
            }
        });
    }
    let all = u32::try_from(WATCHERS)?;
    // The object as it is comes first.
    arrived.acquire_many(all).await?.forget();
    let mut times = Vec::with_capacity(FEW);
    let whole = Instant::now();
    for index in 0..FEW {
        let began = Instant::now();
        let patch = json!({"data": {"mark": index.to_string()}});
        answer(service, request("PATCH", &path, "application/merge-patch+json", &patch)?).await?;
        arrived.acquire_many(all).await?.forget();
        times.push(began.elapsed());
    }
    report("patch until the last of 100 watchers has it", whole.elapsed(), &mut times);
    watchers.shutdown().await;
    Ok(())
}

fn request(method: &str, path: &str, kind: &str, body: &Value) -> Result<Request<Full<Bytes>>, Failure> {
    let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
    Ok(Request::builder().method(method).uri(path).header(http::header::CONTENT_TYPE, kind).body(Full::new(body))?)
}

fn apply(object: usize, turn: usize) -> Result<Request<Full<Bytes>>, Failure> {
    let entry = |index: usize| json!({"name": format!("VARIABLE_{index}"), "value": format!("value {index} of turn {turn}")});
    let value = json!({
        "apiVersion": "bench.koan.dev/v1", "kind": "Box", "metadata": {"name": format!("box-{object}")},
        "spec": {"size": turn, "env": (0..14).map(entry).collect::<Vec<_>>()},
    });
    request("PATCH", &format!("{BOXES}/box-{object}?fieldManager=bench&force=true"), "application/apply-patch+yaml", &value)
}

fn definition() -> Value {
    let entry = json!({
        "type": "object", "required": ["name"], "properties": {"name": {"type": "string"}, "value": {"type": "string"}},
    });
    let env = json!({"type": "array", "items": entry, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]});
    let spec = json!({"type": "object", "properties": {"size": {"type": "integer", "default": 1}, "env": env}});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "boxes.bench.koan.dev"},
        "spec": {
            "group": "bench.koan.dev", "scope": "Namespaced", "names": {"kind": "Box", "plural": "boxes", "singular": "box", "listKind": "BoxList"},
            "versions": [{
                "name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}},
            }],
        },
    })
}

fn report(name: &str, whole: Duration, times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    let at =
        |percent: usize| times.get((times.len() * percent / 100).min(times.len().saturating_sub(1))).copied().unwrap_or_default();
    let rate = precise(times.len() as u64) / whole.as_secs_f64();
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    println!("{name}: {rate:.0}/s, p50 {:.0} µs, p99 {:.0} µs", micros(at(50)), micros(at(99)));
    rate
}

/// Counts and sizes are far below 2^32.
fn precise(number: u64) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

/// Median of small writes and their syncs, in `folder`.
fn sync(folder: &std::path::Path) -> Result<Duration, Failure> {
    let mut file = std::fs::File::create(folder.join("floor"))?;
    let mut times = Vec::with_capacity(FEW);
    for _ in 0..FEW {
        file.write_all(b"floor")?;
        let began = Instant::now();
        file.sync_data()?;
        times.push(began.elapsed());
    }
    times.sort_unstable();
    Ok(times[FEW / 2])
}
