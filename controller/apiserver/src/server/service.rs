//! The tower service: the same handlers behind a socket's guard or, in process, without one.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Body as HttpBody;
use hyper::upgrade::OnUpgrade;

use super::core::Core;
use crate::auth::{Guard, Role};
use crate::handlers;
use crate::http::{Body, Debts, Incoming, Query, hand_over, in_encoding, is_watch_path, read_limited};
use crate::status::Failure;

/// How long one request may take; watches live by their own rule.
const REQUEST_TIME: Duration = Duration::from_secs(60);

/// The API as a `tower::Service`; clones share the server.
#[derive(Clone)]
pub struct Service {
    core: Arc<Core>,
    guard: Option<Arc<Guard>>,
    /// What the client of the connection owes, where there is a connection.
    debts: Option<Arc<Debts>>,
}

impl Service {
    /// Everything is allowed: the caller is this process.
    pub(super) fn inside(core: Arc<Core>) -> Self {
        Self { core, guard: None, debts: None }
    }

    /// Every request passes `guard` first.
    pub(super) fn guarded(core: Arc<Core>, guard: Arc<Guard>) -> Self {
        Self { core, guard: Some(guard), debts: None }
    }

    /// The same for one connection.
    pub(crate) fn over(self, debts: Arc<Debts>) -> Self {
        Self { debts: Some(debts), ..self }
    }

    async fn answer<B>(self, request: Request<B>) -> Response<Body>
    where
        B: HttpBody<Data = Bytes>,
    {
        let (mut parts, body) = request.into_parts();
        let upgrade = parts.extensions.remove::<OnUpgrade>();
        let caller = match self.guard.as_ref().map_or(Ok(Role::Owner), |guard| guard.check(&parts)) {
            Ok(caller) => caller,
            Err(failure) => return in_encoding(failure.into(), &parts.headers),
        };
        if let Some(debts) = self.debts.as_ref().filter(|_| caller != Role::Nobody) {
            debts.prove();
        }
        if self.core.is_stopping() {
            return Failure::unavailable("the server is stopping").into();
        }
        let query = Query::parse(parts.uri.query().unwrap_or_default());
        let watch = parts.method == http::Method::GET && (query.flag("watch") || is_watch_path(parts.uri.path()));
        let permit = if watch { Ok(None) } else { self.core.admit_request().map(Some) };
        let permit = match permit {
            Ok(permit) => permit,
            Err(failure) => return failure.into(),
        };
        let work = async {
            let body = match read_limited(body).await {
                Ok(body) => body,
                Err(failure) => return failure.into(),
            };
            let path = parts.uri.path().to_owned();
            let incoming = Incoming { method: parts.method, path, query, headers: parts.headers, body, caller };
            handlers::dispatch(&self.core, &incoming).await
        };
        let answer = tokio::time::timeout(REQUEST_TIME, work).await;
        let answer = answer.unwrap_or_else(|_| Failure::timeout("the request took longer than 60 seconds").into());
        let debt = self.debts.as_ref().map(|debts| debts.answer());
        hand_over(answer, upgrade).map(|body| body.held(debt, permit))
    }
}

impl<B> tower::Service<Request<B>> for Service
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move { Ok(service.answer(request).await) })
    }
}
