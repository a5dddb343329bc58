//! The relay of `examples/relay`: what it takes away and what it keeps.

#[path = "../../examples/relay/relay.rs"]
mod relay;

use http_body_util::BodyExt as _;
use kube::Client;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use self::relay::{FEATURES, Relay};
use super::support::{MAPS, client, server};

async fn send(client: &Client, method: &str, path: &str, media: &str, body: &Value) -> u16 {
    let request =
        http::Request::builder().method(method).uri(path).header("content-type", media).header("accept", "application/json");
    let response = client.send(request.body(body.to_string().into_bytes().into()).unwrap()).await.unwrap();
    let code = response.status().as_u16();
    response.into_body().collect().await.unwrap();
    code
}

/// API-38: through the relay a server lacks the one feature and has all others, and each request is kept for a corpus.
#[tokio::test]
async fn one_feature_is_taken_away() {
    let server = server().await;
    let mut codes = Vec::new();
    for lacking in [None, Some("apply"), Some("openapi-v3")] {
        assert!(lacking.is_none_or(|feature| FEATURES.contains(&feature)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let relay = Relay::new(client(&server), lacking);
        let serving = tokio::spawn(std::sync::Arc::clone(&relay).serve(listener));
        let through = Client::try_from(kube::Config::new(address.parse().unwrap())).unwrap();
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "relayed"}});
        let path = format!("{MAPS}/relayed?fieldManager=one");
        let applied = send(&through, "PATCH", &path, "application/apply-patch+yaml", &map).await;
        let document = send(&through, "GET", "/openapi/v3", "", &Value::Null).await;
        codes.push((applied, document));
        let kept = relay.requests();
        assert_eq!((kept.len(), &kept[0]["path"], &kept[0]["body"]), (2, &json!(path), &map));
        serving.abort();
    }
    assert_eq!(codes, [(201, 200), (415, 200), (200, 404)]);
}
