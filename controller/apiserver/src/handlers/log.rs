//! GET of `/log`: the lines of a Pod as plain text, as far and as long as the query asks.

use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use futures::{StreamExt as _, stream};
use http::Response;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tokio::time::Instant;

use super::call::Call;
use super::pod::{failed, pod};
use crate::http::{Body, Query, respond_lines};
use crate::server::{Core, Permit};
use crate::status::{Cause, Failure};
use crate::store::{Key, Object};
use crate::workloads::{LogLine, LogLines, LogRequest};

/// How long a followed log of a Pod that is over stays silent before it ends.
const DRAIN: Duration = Duration::from_millis(500);

/// What the query asks for.
struct Wanted {
    request: LogRequest,
    timestamps: bool,
    limit: Option<usize>,
}

/// Answers a log.
pub(super) async fn log(call: Call<'_>) -> Result<Response<Body>, Failure> {
    let (object, key) = pod(&call)?;
    let wanted = wanted(&call, &call.incoming.query)?;
    let container = container(&object, call.incoming.query.get("container"))?;
    readable(&object, &container, wanted.request.previous)?;
    let permit = call.core.admit_stream()?;
    let lines = call.core.workloads()?.log(&key, &wanted.request).await.map_err(|error| failed(&error))?;
    let follower = Follower {
        changed: call.core.store.subscribe(&call.resource().storage),
        stopping: call.core.stopping(),
        core: Arc::clone(call.core),
        key: call.key(call.name()),
        uid: key.uid,
        follow: wanted.request.follow && !wanted.request.previous,
        timestamps: wanted.timestamps,
        left: wanted.limit.unwrap_or(usize::MAX),
        lines,
        ends: None,
        _permit: permit,
    };
    Ok(respond_lines(stream::unfold(follower, |mut follower| async move {
        let line = follower.next().await?;
        Some((line, follower))
    })))
}

fn wanted(call: &Call<'_>, query: &Query) -> Result<Wanted, Failure> {
    let mut causes = Vec::new();
    let mut number = |name: &str, least: u32| -> Option<u32> {
        let text = query.get(name)?;
        match text.parse::<i64>().map(u32::try_from) {
            Ok(Ok(number)) if number >= least => Some(number),
            _ => {
                causes.push(Cause::invalid(name, text, &format!("must be greater than or equal to {least}")));
                None
            }
        }
    };
    let (tail, seconds, limit) = (number("tailLines", 0), number("sinceSeconds", 1), number("limitBytes", 1));
    let time = query.get("sinceTime").map(str::parse::<Timestamp>);
    if let Some(Err(error)) = &time {
        causes.push(Cause::invalid("sinceTime", query.get("sinceTime").unwrap_or_default(), &error.to_string()));
    }
    if seconds.is_some() && time.is_some() {
        causes.push(Cause::forbidden("", "at most one of `sinceTime` or `sinceSeconds` may be specified"));
    }
    if !causes.is_empty() {
        return Err(Failure::invalid("", "PodLogOptions", call.name(), causes));
    }
    let ago = |seconds: u32| call.core.clock.now().checked_sub(SignedDuration::from_secs(seconds.into())).ok();
    let request = LogRequest {
        follow: query.flag("follow"),
        tail,
        since: time.and_then(Result::ok).or_else(|| seconds.and_then(ago)),
        previous: query.flag("previous"),
    };
    Ok(Wanted { request, timestamps: query.flag("timestamps"), limit: limit.and_then(|limit| usize::try_from(limit).ok()) })
}

/// The name of the Pod's one container.
///
/// # Errors
/// 400: the query names another one.
pub(super) fn container(object: &Object, wanted: Option<&str>) -> Result<String, Failure> {
    let value = object.value();
    let own = value["spec"]["containers"][0]["name"].as_str().unwrap_or_default();
    match wanted {
        Some(wanted) if wanted != own => {
            Err(Failure::bad_request(format!("container {wanted} is not valid for pod {}", object.meta.name)))
        }
        Some(_) | None => Ok(own.to_owned()),
    }
}

/// Refuses the log of a run that there is none of.
fn readable(object: &Object, container: &str, previous: bool) -> Result<(), Failure> {
    let value = object.value();
    let status = &value["status"]["containerStatuses"][0];
    let pod = &object.meta.name;
    if previous && status["restartCount"].as_i64().unwrap_or_default() == 0 {
        return Err(Failure::bad_request(format!("previous terminated container \"{container}\" in pod \"{pod}\" not found")));
    }
    match status["state"]["waiting"]["reason"].as_str() {
        Some(reason) if !previous => {
            Err(Failure::bad_request(format!("container \"{container}\" in pod \"{pod}\" is waiting to start: {reason}")))
        }
        Some(_) | None => Ok(()),
    }
}

struct Follower {
    core: Arc<Core>,
    key: Key,
    uid: String,
    follow: bool,
    timestamps: bool,
    /// Bytes that may still be sent.
    left: usize,
    lines: LogLines,
    changed: watch::Receiver<u64>,
    stopping: watch::Receiver<bool>,
    /// When the log of a Pod that is over ends.
    ends: Option<Instant>,
    _permit: Permit,
}

impl Follower {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if self.left == 0 {
                return None;
            }
            if self.follow && self.ends.is_none() && self.is_over() {
                self.ends = Some(Instant::now() + DRAIN);
            }
            let ends = self.ends;
            tokio::select! {
                biased;
                line = self.lines.next() => match line? {
                    Ok(line) => {
                        self.ends = ends.map(|_| Instant::now() + DRAIN);
                        return Some(self.render(&line));
                    }
                    Err(error) => {
                        tracing::debug!(pod = %self.key.path, "its log ended: {error}");
                        return None;
                    }
                },
                changed = self.changed.changed(), if self.follow && ends.is_none() => changed.ok()?,
                _ = self.stopping.changed() => return None,
                () = until(ends) => return None,
            }
        }
    }

    /// Whether nothing more can come: the Pod was replaced, or ended for good.
    fn is_over(&mut self) -> bool {
        self.changed.mark_unchanged();
        let Some(object) = self.core.store.get(&self.key).filter(|object| object.meta.uid == self.uid) else { return true };
        matches!(object.value()["status"]["phase"].as_str(), Some("Succeeded" | "Failed"))
    }

    fn render(&mut self, line: &LogLine) -> Bytes {
        let mut out = BytesMut::with_capacity(line.text.len() + 40);
        if let Some(at) = line.at.filter(|_| self.timestamps) {
            out.put_slice(at.to_string().as_bytes());
            out.put_u8(b' ');
        }
        out.put_slice(line.text.as_bytes());
        out.put_u8(b'\n');
        out.truncate(self.left);
        self.left -= out.len();
        out.freeze()
    }
}

async fn until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}
