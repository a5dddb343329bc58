//! The HTTP half: `/healthz` asks database and cache, `/` lists the products and counts the visits.

use std::convert::Infallible;
use std::net::Ipv4Addr;

use anyhow::Context;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// A connection a request: the shop goes on when its database or cache was replaced.
async fn cache() -> anyhow::Result<MultiplexedConnection> {
    let client = redis::Client::open(crate::variable("CACHE_URL")?).context("CACHE_URL is no URL")?;
    client.get_multiplexed_async_connection().await.context("no cache")
}

/// Serves until TERM. Inside a container every address is asked for, on the host only loopback.
pub(crate) async fn run(port: u16) -> anyhow::Result<()> {
    let address = if std::env::var_os("LISTEN_ALL").is_some() { Ipv4Addr::UNSPECIFIED } else { Ipv4Addr::LOCALHOST };
    let listener = TcpListener::bind((address, port)).await.with_context(|| format!("port {port}"))?;
    let mut end = signal(SignalKind::terminate())?;
    loop {
        let (stream, _) = tokio::select! {
            accepted = listener.accept() => accepted?,
            _ = end.recv() => return Ok(()),
        };
        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)));
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let result = match request.uri().path() {
        "/healthz" => health().await,
        "/" => products().await,
        _ => return Ok(reply(StatusCode::NOT_FOUND, &json!({"error": "no such page"}))),
    };
    Ok(match result {
        Ok(body) => reply(StatusCode::OK, &body),
        Err(error) => reply(StatusCode::SERVICE_UNAVAILABLE, &json!({"error": error.to_string()})),
    })
}

async fn health() -> anyhow::Result<Value> {
    crate::connect().await?.query_one("SELECT count(*) FROM products", &[]).await?;
    let pong: String = redis::cmd("PING").query_async(&mut cache().await?).await?;
    Ok(json!({"database": "ok", "cache": pong}))
}

async fn products() -> anyhow::Result<Value> {
    let rows = crate::connect().await?.query("SELECT name, cents FROM products ORDER BY name", &[]).await?;
    let visits: u64 = cache().await?.incr("visits", 1).await?;
    let products: Vec<Value> =
        rows.iter().map(|row| json!({"name": row.get::<_, String>(0), "cents": row.get::<_, i32>(1)})).collect();
    Ok(json!({"visits": visits, "products": products}))
}

fn reply(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string() + "\n")));
    *response.status_mut() = status;
    response
}
