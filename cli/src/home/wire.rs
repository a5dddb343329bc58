//! Requests to an API server, told one by one (CLI-3): the record of [`koan_engines::exchange`], as a layer of kube's client.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Body as HttpBody;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use koan_engines::exchange::{Exchange, ToldBody, tells_bodies};
use kube::client::{Body, ClientBuilder, ConfigExt as _};
use kube::{Client, Config};
use tower::util::option_layer;
use tower::{BoxError, Layer, Service, ServiceExt as _};

use crate::commands::known;

/// A client that tells its requests.
///
/// # Errors
/// The configuration holds no usable certificate or address.
pub(super) fn client(config: Config) -> kube::Result<Client> {
    Ok(ClientBuilder::try_from(config)?.with_layer(&Told).build())
}

/// The same for a server on this machine, on a connector that sends small packets at once (PERF-88): kube's own leaves Nagle's
/// algorithm on (kube#2056), and a request with a body then waits for the acknowledgement of its head.
///
/// # Errors
/// As [`client`].
pub(super) fn home_client(config: Config) -> kube::Result<Client> {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_connect_timeout(config.connect_timeout);
    let connector = config.rustls_https_connector_with_connector(connector)?;
    let service = hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build(connector);
    let builder = ClientBuilder::new(service.map_err(BoxError::from), config.default_namespace.clone());
    let authorised = builder.with_layer(&option_layer(config.auth_layer()?)).with_layer(&config.base_uri_layer());
    Ok(authorised.with_layer(&Told).build())
}

/// Tells each request of a service and its answer.
#[derive(Clone, Copy)]
pub(crate) struct Told;

impl<S> Layer<S> for Told {
    type Service = Telling<S>;

    fn layer(&self, inner: S) -> Telling<S> {
        Telling(inner)
    }
}

/// A service whose requests are told.
#[derive(Clone)]
pub(crate) struct Telling<S>(S);

impl<S, B> Service<Request<Body>> for Telling<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: std::fmt::Display,
    B: HttpBody<Data = Bytes>,
{
    type Response = Response<ToldBody<B>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let exchange = Exchange::begin(request.method(), &request.uri().to_string(), known::learn_encoded);
        let sent = tells_bodies().then(|| request.body().try_clone()).flatten();
        let answer = self.0.call(request);
        Box::pin(async move {
            // The body is in memory already: nothing is waited for.
            if let Some(bytes) = async { sent?.collect_bytes().await.ok() }.await {
                exchange.tell("request body", &bytes, u64::try_from(bytes.len()).unwrap_or(u64::MAX));
            }
            let answer = answer.await;
            exchange.answered(answer.as_ref().map(Response::status));
            answer.map(|response| response.map(|body| exchange.answer(body)))
        })
    }
}
