//! The last lines of a workload's log after a failure, with every known secret value blotted out (S-12).

use std::time::Duration;

use futures::StreamExt;
use koan_core::secret::Secret;
use koan_core::step::ObjectRef;
use koan_engines::{Engine, LogOptions};
use tokio::time::timeout;

/// Lines that a status keeps (K-10).
const LINES: u32 = 20;
/// Characters per line that a status keeps (K-10).
const WIDTH: usize = 1000;
/// Time to read them.
const LIMIT: Duration = Duration::from_secs(2);
/// A value shorter than this is no secret that could be told from ordinary text.
const SHORTEST: usize = 4;

/// The last lines; empty where the engine has none.
pub(crate) async fn tail(engine: &dyn Engine, object: &ObjectRef, secrets: &[Secret<String>]) -> Vec<String> {
    let options = LogOptions { tail: Some(LINES), ..LogOptions::default() };
    let read = async {
        let Ok(lines) = engine.logs(object, &options).await else { return Vec::new() };
        lines.filter_map(|line| async { line.ok() }).take(LINES as usize).map(|line| clean(&line.text, secrets)).collect().await
    };
    timeout(LIMIT, read).await.unwrap_or_default()
}

pub(super) fn clean(line: &str, secrets: &[Secret<String>]) -> String {
    let mut text = line.to_owned();
    for secret in secrets.iter().filter(|secret| secret.expose().len() >= SHORTEST) {
        text = text.replace(secret.expose().as_str(), "***");
    }
    text.chars().filter(|c| !c.is_control() || *c == '\t').take(WIDTH).collect()
}
