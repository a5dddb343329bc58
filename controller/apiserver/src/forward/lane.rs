//! One connection to a port of a Pod, from its opening to its end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;

use super::Said;
use crate::workloads::{PodKey, WorkloadError, Workloads};

/// The most that is read at once.
const CHUNK_BYTES: usize = 16 * 1024;
/// How long a connection may stay silent whose client has ended its side.
const HALF_CLOSED_TIME: Duration = Duration::from_secs(10 * 60);

/// Where connections come from.
#[derive(Clone)]
pub(crate) struct Source {
    pub(crate) workloads: Arc<dyn Workloads>,
    pub(crate) pod: PodKey,
}

/// Carries a connection to its end: `input` goes in, and what comes out is told as `lane`. The end of `input` is the end of
/// one side only. A connection that cannot be opened is a fault; one that breaks later ends, since clients give up all the
/// others for a fault.
pub(super) async fn carry(
    source: Source,
    (lane, port): (u32, u16),
    input: mpsc::Receiver<Bytes>,
    told: mpsc::Sender<(u32, Said)>,
) {
    let last = match exchange(&source, (lane, port), input, &told).await {
        Ok(()) => Said::End,
        Err(why) => {
            let PodKey { name, uid, .. } = &source.pod;
            Said::Fault(format!("error forwarding port {port} to pod {name}, uid {uid}: {why}"))
        }
    };
    // Nobody listens where the session is over.
    let _ = told.send((lane, last)).await;
}

async fn exchange(
    source: &Source,
    (lane, port): (u32, u16),
    mut input: mpsc::Receiver<Bytes>,
    told: &mpsc::Sender<(u32, Said)>,
) -> Result<(), WorkloadError> {
    let connection = source.workloads.connect(&source.pod, port).await?;
    let (mut from, mut to) = tokio::io::split(connection);
    let half_closed = AtomicBool::new(false);
    let writing = async {
        while let Some(bytes) = input.recv().await {
            if let Err(error) = to.write_all(&bytes).await {
                tracing::debug!(port, "a forwarded connection takes no more: {error}");
                return std::future::pending().await;
            }
        }
        // A peer that is gone reads no end.
        let _ = to.shutdown().await;
        half_closed.store(true, Ordering::Relaxed);
        std::future::pending::<()>().await;
    };
    let reading = async {
        let mut chunk = BytesMut::new();
        loop {
            chunk.reserve(CHUNK_BYTES);
            let length = match tokio::time::timeout(HALF_CLOSED_TIME, from.read_buf(&mut chunk)).await {
                Ok(Ok(length)) => length,
                Ok(Err(error)) => {
                    tracing::debug!(port, "a forwarded connection broke: {error}");
                    return;
                }
                Err(_) if half_closed.load(Ordering::Relaxed) => return,
                Err(_) => continue,
            };
            if length == 0 || told.send((lane, Said::Data(chunk.split().freeze()))).await.is_err() {
                return;
            }
        }
    };
    // The end of what the peer says is the end of the connection.
    tokio::select! {
        () = reading => {}
        () = writing => {}
    }
    Ok(())
}
