//! Requests to an API server, told one by one (CLI-3). Bodies stay out: a Secret travels in some of them.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use http::{Request, Response};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kube::client::{Body, ClientBuilder, ConfigExt as _};
use kube::{Client, Config};
use tower::util::option_layer;
use tower::{BoxError, Layer, Service, ServiceExt as _};

/// Target of the records about requests.
pub(crate) const WIRE: &str = "koan::wire";

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

#[derive(Clone, Copy)]
struct Told;

impl<S> Layer<S> for Told {
    type Service = Telling<S>;

    fn layer(&self, inner: S) -> Telling<S> {
        Telling(inner)
    }
}

struct Telling<S>(S);

impl<S, B> Service<Request<Body>> for Telling<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: std::fmt::Display,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<B>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        tracing::trace!(target: WIRE, %method, %uri, "request");
        let begun = Instant::now();
        let answer = self.0.call(request);
        Box::pin(async move {
            let answer = answer.await;
            let milliseconds = begun.elapsed().as_millis();
            match &answer {
                Ok(response) => {
                    let status = response.status().as_u16();
                    tracing::debug!(target: WIRE, %method, %uri, status, milliseconds, "answer");
                }
                Err(error) => tracing::debug!(target: WIRE, %method, %uri, milliseconds, "no answer: {error}"),
            }
            answer
        })
    }
}
