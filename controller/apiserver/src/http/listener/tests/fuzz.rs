//! Fuzz targets of the connection itself (REL-22): what stands where a request head should, and the frames of a WebSocket.
//!
//! `KOAN_FUZZ_INPUTS`, `KOAN_FUZZ_MINUTES`, `KOAN_FUZZ_SEED` and `KOAN_FUZZ_KEEP` mean what they mean to the other targets.

#[path = "../../../../tests/suite/fuzz/mutate.rs"]
mod mutate;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{LONG, Line, MAPS, connect, service};
use crate::server::Service;
use mutate::{Dice, mutate};

/// Inputs of one target where nothing else is said.
const INPUTS: usize = 400;
/// Inputs that one server gets.
const PER_SERVER: usize = 200;
/// More than any answer to one of them has.
const ANSWER_BYTES: u64 = 4 * 1024 * 1024;

/// Set by any panic in this process.
static PANICKED: AtomicBool = AtomicBool::new(false);

/// Sends `bytes`, closes its side, and reads to the end.
async fn exchange(service: &Service, bytes: &[u8]) -> Result<(), String> {
    let Line { client, serving, _stop, .. } = connect(service);
    let (reader, mut writer) = tokio::io::split(client);
    let sending = async {
        // The server may be done with this client before all is said.
        let _ = writer.write_all(bytes).await;
        let _ = writer.shutdown().await;
    };
    let reading = async {
        let mut answer = Vec::new();
        // However it ends, what came is looked at.
        let _ = reader.take(ANSWER_BYTES).read_to_end(&mut answer).await;
        answer
    };
    let exchanged = async { tokio::join!(sending, reading, serving) };
    let Ok(((), answer, served)) = tokio::time::timeout(LONG, exchanged).await else {
        return Err("the connection does not end".to_owned());
    };
    if served.is_err() || PANICKED.swap(false, Ordering::Relaxed) {
        return Err("a panic".to_owned());
    }
    let http1 = answer.starts_with(b"HTTP/1.");
    if http1 || answer.is_empty() || bytes.starts_with(b"PRI") { Ok(()) } else { Err(format!("no HTTP: {answer:?}")) }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

async fn run(folder: &str, prefix: &[u8]) {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        PANICKED.store(true, Ordering::Relaxed);
        before(info);
    }));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(folder);
    let mut files: Vec<PathBuf> = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let corpus: Vec<Vec<u8>> = files.iter().map(|file| std::fs::read(file).unwrap()).collect();
    let seed = number("KOAN_FUZZ_SEED").unwrap_or_default();
    let inputs = number("KOAN_FUZZ_INPUTS").map_or(INPUTS, |inputs| usize::try_from(inputs).unwrap());
    let began = std::time::Instant::now();
    let until = number("KOAN_FUZZ_MINUTES").map(|minutes| began + Duration::from_secs(minutes * 60));
    let (mut dice, mut done, mut failures) = (Dice::new(seed), 0, Vec::new());
    while done < inputs && until.is_none_or(|until| std::time::Instant::now() < until) {
        let (_server, service) = service().await;
        for _ in 0..PER_SERVER.min(inputs - done) {
            let input = corpus.get(done).cloned().unwrap_or_else(|| mutate(&mut dice, &corpus));
            if let Err(error) = exchange(&service, &[prefix, &input].concat()).await {
                let kept = std::env::var_os("KOAN_FUZZ_KEEP").map_or_else(std::env::temp_dir, PathBuf::from);
                let kept = kept.join(format!("koan-fuzz-{folder}-{done}"));
                std::fs::write(&kept, &input).unwrap();
                failures.push(format!("{folder}: {error} (input kept in {})", kept.display()));
            }
            done += 1;
        }
    }
    let minutes = began.elapsed().as_secs_f64() / 60.0;
    let failed = failures.len();
    println!("{{\"suite\":\"fuzz-{folder}\",\"seed\":{seed},\"done\":{done},\"failed\":{failed},\"minutes\":{minutes:.2}}}");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// REL-22, API-40: whatever comes where a request should, the connection ends, and nothing else does.
#[tokio::test(start_paused = true)]
async fn request_heads() {
    run("request-head", b"").await;
}

/// REL-22, API-19, API-40: whatever frames come on the WebSocket of a watch, it ends with its client, and nothing else does.
#[tokio::test(start_paused = true)]
async fn websocket_frames() {
    let upgrade = super::upgrade(&format!("{MAPS}?watch=true"));
    run("websocket", upgrade.as_bytes()).await;
}
