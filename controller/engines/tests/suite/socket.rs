//! A socket that plays an engine: it records every request and answers from a script.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use koan_crds::v1alpha1::EngineName;
use koan_engines::moby::{Dialect, Endpoint, Moby, MobyOptions, RegistryLogins};
use serde_json::{Value, json};
use tokio::net::UnixListener;

/// One request as it came.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Recorded {
    /// Method and path without the query.
    pub(crate) call: String,
    /// The query.
    pub(crate) query: String,
    /// The body, where it is JSON.
    pub(crate) body: Value,
    /// `X-Registry-Auth`, where it came.
    pub(crate) login: Option<String>,
}

type Script = HashMap<String, (StatusCode, Value)>;

/// A scripted engine behind a socket of its own.
pub(crate) struct FakeEngine {
    folder: tempfile::TempDir,
    requests: Arc<Mutex<Vec<Recorded>>>,
    script: Arc<Mutex<Script>>,
    delays: Arc<Mutex<HashMap<String, Duration>>>,
    connections: Arc<Mutex<usize>>,
}

impl FakeEngine {
    /// Listens, and answers `/version` as Docker of an API version.
    pub(crate) fn start(api: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let listener = UnixListener::bind(folder.path().join("engine.sock")).expect("a socket");
        let fake = Self {
            folder,
            requests: Arc::default(),
            script: Arc::default(),
            delays: Arc::default(),
            connections: Arc::default(),
        };
        fake.answer("GET /version", 200, json!({"Version": "20.10.24", "ApiVersion": api, "Os": "linux", "Arch": "amd64"}));
        let (requests, script, delays) = (Arc::clone(&fake.requests), Arc::clone(&fake.script), Arc::clone(&fake.delays));
        let connections = Arc::clone(&fake.connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                *connections.lock().expect("a count") += 1;
                let (requests, script, delays) = (Arc::clone(&requests), Arc::clone(&script), Arc::clone(&delays));
                let service =
                    service_fn(move |request| reply(request, Arc::clone(&requests), Arc::clone(&script), Arc::clone(&delays)));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        fake
    }

    /// Scripts an answer; the path is without version and query.
    pub(crate) fn answer(&self, call: &str, status: u16, body: Value) {
        let status = StatusCode::from_u16(status).expect("a status");
        self.script.lock().expect("the script").insert(call.to_owned(), (status, body));
    }

    /// Delays an answer.
    pub(crate) fn delay(&self, call: &str, delay: Duration) {
        self.delays.lock().expect("the delays").insert(call.to_owned(), delay);
    }

    /// Requests so far, `/version` left out.
    pub(crate) fn requests(&self) -> Vec<Recorded> {
        let all = self.requests.lock().expect("the requests").clone();
        all.into_iter().filter(|request| !request.call.ends_with("/version")).collect()
    }

    /// The only request of a call.
    pub(crate) fn only(&self, call: &str) -> Recorded {
        let mut found: Vec<_> = self.requests().into_iter().filter(|request| request.call == call).collect();
        assert_eq!(found.len(), 1, "{call}: {:?}", self.requests());
        found.remove(0)
    }

    /// Connections that were accepted.
    pub(crate) fn connections(&self) -> usize {
        *self.connections.lock().expect("a count")
    }

    /// The engine under test with a file of registry logins.
    pub(crate) fn moby_logged_in(&self, file: &Value) -> Moby {
        let path = self.folder.path().join("config.json");
        std::fs::write(&path, file.to_string()).expect("a file");
        let logins = RegistryLogins { files: vec![path], ..RegistryLogins::default() };
        moby_with(&self.folder.path().join("engine.sock"), self.folder.path().join("secrets"), logins)
    }

    /// The engine under test, connected to this socket.
    pub(crate) fn moby(&self) -> Moby {
        moby_at(&self.folder.path().join("engine.sock"), self.folder.path().join("secrets"))
    }
}

/// Docker's engine at a path.
pub(crate) fn moby_at(socket: &Path, secrets_dir: PathBuf) -> Moby {
    moby_with(socket, secrets_dir, RegistryLogins::default())
}

/// The same, with logins of registries.
fn moby_with(socket: &Path, secrets_dir: PathBuf, logins: RegistryLogins) -> Moby {
    let dialect = Dialect::of(EngineName::Docker).expect("a container engine");
    let options = MobyOptions {
        endpoint: Endpoint::Unix(socket.to_owned()),
        looked_at: Vec::new(),
        dialect,
        secrets_dir,
        cores: 2,
        logins,
    };
    Moby::new(options).expect("an engine")
}

async fn reply(
    request: Request<Incoming>,
    requests: Arc<Mutex<Vec<Recorded>>>,
    script: Arc<Mutex<Script>>,
    delays: Arc<Mutex<HashMap<String, Duration>>>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let path = request.uri().path().to_owned();
    let query = request.uri().query().unwrap_or_default().to_owned();
    let call = format!("{} {path}", request.method());
    let bare = format!("{} {}", request.method(), without_version(&path));
    let login = request.headers().get("x-registry-auth").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let bytes = request.into_body().collect().await?.to_bytes();
    let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    requests.lock().expect("the requests").push(Recorded { call, query, body, login });
    let delay = delays.lock().expect("the delays").get(&bare).copied();
    if let Some(delay) = delay {
        tokio::time::sleep(delay).await;
    }
    let answer = script.lock().expect("the script").get(&bare).cloned();
    let (status, body) = answer.unwrap_or((StatusCode::NOT_FOUND, json!({"message": format!("no answer scripted for {bare}")})));
    let bytes = if body.is_null() { Bytes::new() } else { body.to_string().into() };
    let mut response = Response::new(Full::new(bytes));
    *response.status_mut() = status;
    Ok(response)
}

fn without_version(path: &str) -> &str {
    match path.strip_prefix("/v1.") {
        Some(rest) => rest.find('/').map_or(path, |slash| &rest[slash..]),
        None => path,
    }
}
