//! `/exec` and `/attach` of a Pod over a WebSocket.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::StreamExt as _;
use http::Response;
use tokio::io::AsyncWrite;
use tokio::sync::oneshot;

use super::call::Call;
use super::log::container;
use super::pod::{failed, pod};
use crate::channels::{PROTOCOLS, Protocol, drive};
use crate::http::{Body, Offer, Wish, wish};
use crate::server::Core;
use crate::status::{Class, Failure};
use crate::store::{Key, Object};
use crate::workloads::{Command, LogRequest, Output, PodKey, Running, WorkloadError};

/// The clients that open a WebSocket for a command.
const CLIENTS: &str = "kubectl 1.30 and newer open one";

/// Answers a command that somebody talks to.
pub(super) async fn exec(call: Call<'_>) -> Result<Response<Body>, Failure> {
    let (object, key) = pod(&call)?;
    let offer = offer(&call, CLIENTS)?;
    let query = &call.incoming.query;
    container(&object, query.get("container"))?;
    let command: Vec<String> = query.every("command").map(str::to_owned).collect();
    if command.is_empty() {
        return Err(Failure::bad_request("you must specify at least 1 command for the container"));
    }
    running(&call, &object)?;
    let permit = call.core.admit_stream()?;
    let protocol = offer.choose(&PROTOCOLS)?;
    let command = Command { command, input: query.flag("stdin"), terminal: query.flag("tty") };
    let running = call.core.workloads()?.run(&key, &command).await.map_err(|error| failed(&error))?;
    let stopping = call.core.stopping();
    Ok(offer.accept(protocol, move |socket| Box::pin(drive(socket, Protocol::of(protocol), running, stopping, permit))))
}

/// Answers with what the Pod prints from now on. What the client types has no reader: the first of it ends the session, which says so.
pub(super) async fn attach(call: Call<'_>) -> Result<Response<Body>, Failure> {
    let (object, key) = pod(&call)?;
    let offer = offer(&call, CLIENTS)?;
    container(&object, call.incoming.query.get("container"))?;
    running(&call, &object)?;
    let permit = call.core.admit_stream()?;
    let protocol = offer.choose(&PROTOCOLS)?;
    let running = printed(&call, &key).await?;
    let stopping = call.core.stopping();
    Ok(offer.accept(protocol, move |socket| Box::pin(drive(socket, Protocol::of(protocol), running, stopping, permit))))
}

/// The WebSocket that the client offers.
///
/// # Errors
/// 400 for every other upgrade and for none.
pub(super) fn offer(call: &Call<'_>, clients: &str) -> Result<Offer, Failure> {
    match wish(&call.incoming.headers)? {
        Wish::WebSocket(offer) => Ok(offer),
        Wish::Nothing => Err(Failure::bad_request("Upgrade request required")),
        Wish::Other(name) => Err(Failure::bad_request(format!("{name} is not served here, a WebSocket is: {clients}"))),
    }
}

/// # Errors
/// 400 with the phase of a Pod that does not run.
pub(super) fn running(call: &Call<'_>, object: &Object) -> Result<(), Failure> {
    let value = object.value();
    if value["status"]["containerStatuses"][0]["state"]["running"].is_object() {
        return Ok(());
    }
    let phase = value["status"]["phase"].as_str().unwrap_or_default().to_owned();
    Err(Failure::bad_request(format!("pod {} does not run; current phase is {phase}", call.name())))
}

/// The lines of a Pod from now on, as the output of something that ends with it.
async fn printed(call: &Call<'_>, key: &PodKey) -> Result<Running, Failure> {
    let request = LogRequest { follow: true, tail: Some(0), since: None, previous: false };
    let lines = call.core.workloads()?.log(key, &request).await.map_err(|error| failed(&error))?;
    let (told, typed) = oneshot::channel();
    let input = call.incoming.query.flag("stdin").then(|| Box::pin(Unread(Some(told))) as Pin<Box<dyn AsyncWrite + Send>>);
    let refusal = format!(
        "pod {} takes no input: its program was started without one; to type into it, run a command beside it (kubectl exec -it)",
        key.name
    );
    let output = lines.filter_map(|line| async {
        let line = line.ok()?;
        let bytes = (line.text + "\n").into();
        Some(if line.error { Output::Error(bytes) } else { Output::Standard(bytes) })
    });
    let over = over(Arc::clone(call.core), call.key(call.name()), key.uid.clone());
    Ok(Running {
        input,
        output: output.boxed(),
        sizes: None,
        exit: Box::pin(async move {
            tokio::select! {
                () = over => Ok(0),
                Ok(()) = typed => Err(WorkloadError { class: Class::Invalid, message: refusal }),
            }
        }),
    })
}

/// Input that nobody reads; its first byte is told.
struct Unread(Option<oneshot::Sender<()>>);

impl AsyncWrite for Unread {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if let Some(told) = self.0.take() {
            // A session that has ended needs no reason any more.
            let _ = told.send(());
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Resolves when the Pod was replaced or ended for good.
async fn over(core: Arc<Core>, key: Key, uid: String) {
    let mut changed = core.store.subscribe(&key.kind);
    loop {
        changed.mark_unchanged();
        let lives = core
            .store
            .get(&key)
            .filter(|object| object.meta.uid == uid)
            .is_some_and(|object| !matches!(object.value()["status"]["phase"].as_str(), Some("Succeeded" | "Failed")));
        if !lives || changed.changed().await.is_err() {
            return;
        }
    }
}
