//! The generator: requests one by one or several in flight, each on a kept connection of its own.

use crate::bench::endpoint::Endpoint;
use crate::bench::http::Raw;
use anyhow::{Result, anyhow, ensure};
use rustix::time::{ClockId, clock_gettime};
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// A request whose body is text already.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) method: &'static str,
    pub(super) path: String,
    /// Media type of the body.
    pub(super) kind: &'static str,
    pub(super) body: Vec<u8>,
}

impl Request {
    /// A GET.
    pub(super) fn get(path: String) -> Self {
        Self { method: "GET", path, kind: "application/json", body: Vec::new() }
    }

    /// As the connection takes it.
    pub(super) fn raw(&self) -> Raw<'_> {
        Raw { method: self.method, path: &self.path, kind: self.kind, body: &self.body }
    }
}

/// What a run of requests told; times in seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    /// Answers in a second.
    pub(super) rate: f64,
    pub(super) p50: f64,
    pub(super) p99: f64,
    /// Processor time of this generator for each request.
    pub(super) own: f64,
}

/// How many, and how many at a time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Volume {
    pub(super) count: usize,
    pub(super) width: usize,
}

/// Sends `count` requests, `width` at a time; `make` is told the connection and the number of the request. All are made before the
/// clock starts.
///
/// # Errors
/// A connection breaks, or an answer is no success.
pub(super) fn run(endpoint: &Endpoint, volume: Volume, make: impl Fn(usize, usize) -> Request) -> Result<Load> {
    let Volume { count, width } = volume;
    let share = |worker: usize| (worker..count).step_by(width).map(|index| make(worker, index)).collect::<Vec<_>>();
    let work: Vec<Vec<Request>> = (0..width).map(share).collect();
    let mut connections = (0..width).map(|_| endpoint.connect()).collect::<Result<Vec<_>>>()?;
    // One request each, so that handshakes and first allocations lie before the clock.
    for connection in &mut connections {
        connection.bytes("GET", "/version")?;
    }
    let (barrier, failed) = (Barrier::new(width + 1), AtomicUsize::new(0));
    let (seconds, own, latencies) = std::thread::scope(|scope| {
        let threads: Vec<_> = connections
            .iter_mut()
            .zip(&work)
            .map(|(connection, requests)| {
                let (barrier, failed) = (&barrier, &failed);
                scope.spawn(move || {
                    barrier.wait();
                    let mut latencies = Vec::with_capacity(requests.len());
                    for request in requests {
                        let began = Instant::now();
                        let (status, body) = connection.exchange(&request.raw())?;
                        latencies.push(began.elapsed().as_secs_f64());
                        if status >= 300 && failed.fetch_add(1, Ordering::Relaxed) == 0 {
                            eprintln!("{} {}: {status} {}", request.method, request.path, String::from_utf8_lossy(&body));
                        }
                    }
                    anyhow::Ok(latencies)
                })
            })
            .collect();
        barrier.wait();
        let (began, before) = (Instant::now(), own_processor());
        let joined =
            threads.into_iter().map(|thread| thread.join().map_err(|_| anyhow!("a thread of the generator panicked"))?);
        let latencies = joined.collect::<Result<Vec<_>>>()?;
        anyhow::Ok((began.elapsed().as_secs_f64(), own_processor() - before, latencies.concat()))
    })?;
    ensure!(failed.into_inner() == 0, "requests failed");
    let requests = f64::from(u32::try_from(count)?);
    Ok(Load { rate: requests / seconds, p50: quantile(&latencies, 0.50), p99: quantile(&latencies, 0.99), own: own / requests })
}

/// Processor time of this process, in seconds.
fn own_processor() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    std::time::Duration::new(time.tv_sec.try_into().unwrap_or_default(), time.tv_nsec.try_into().unwrap_or_default())
        .as_secs_f64()
}

/// The value below which this share of the values lies; 0 without any.
pub(super) fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let count = f64::from(u32::try_from(sorted.len()).unwrap_or(u32::MAX));
    // In range: `share` is below 1, and a list that long does not exist.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small positive number")]
    let index = (count * share) as usize;
    sorted.get(index.min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::quantile;

    /// PERF-40: a p99 is the value that one in a hundred exceeds.
    #[test]
    fn a_quantile_is_a_value_of_the_run() {
        let values: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        assert_eq!((quantile(&values, 0.5), quantile(&values, 0.99)), (101.0, 199.0));
        assert_eq!((quantile(&[3.0], 0.99), quantile(&[], 0.5)), (3.0, 0.0));
    }
}
