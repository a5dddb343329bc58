//! What the first answers of a search server prove: its product, and whether it asks for a login. Pure.

use serde_json::Value;

use crate::http::Answer;
use crate::product::short;

/// What every answer of Elasticsearch says to whoever may ask.
const PRODUCT: (&str, &str) = ("x-elastic-product", "Elasticsearch");
/// Header of a challenge.
const CHALLENGE: &str = "www-authenticate";
/// How OpenSearch calls itself in its document.
const DISTRIBUTION: &str = "opensearch";
/// Challenge of OpenSearch.
const OPENSEARCH_REALM: &str = "Basic realm=\"OpenSearch Security\"";
/// How a challenge of Elasticsearch begins, and the one beside it.
const ELASTICSEARCH_REALM: &str = "Basic realm=\"security\"";
const API_KEY: &str = "ApiKey";

/// One of the two products.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Brand {
    Elasticsearch,
    OpenSearch,
}

impl Brand {
    /// Canonical id.
    pub(super) fn id(self) -> &'static str {
        match self {
            Self::Elasticsearch => "elasticsearch",
            Self::OpenSearch => "opensearch",
        }
    }

    /// Name for people.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Elasticsearch => "Elasticsearch",
            Self::OpenSearch => "OpenSearch",
        }
    }
}

/// What `GET /` without a login tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Greeting {
    /// The product lets everybody in; its version where it tells one.
    Open(Brand, Option<String>),
    /// The product asks for a login.
    Closed(Brand),
    /// It may be OpenSearch, which does not say so in an answer that asks for a login but for the name of its realm.
    PerhapsClosed,
}

/// Reads the answer to `GET /`; `None` where it is another server's.
pub(super) fn read(answer: &Answer) -> Option<Greeting> {
    let elastic = answer.header(PRODUCT.0).any(|name| name == PRODUCT.1);
    let document = answer.json();
    match answer.status {
        200 => {
            let version = document.as_ref().and_then(|document| document.get("version"))?;
            let number = version.get("number").and_then(Value::as_str).map(short)?;
            let distribution = version.get("distribution").and_then(Value::as_str);
            match (distribution, elastic) {
                (Some(DISTRIBUTION), false) => Some(Greeting::Open(Brand::OpenSearch, Some(number))),
                (None, true) => Some(Greeting::Open(Brand::Elasticsearch, Some(number))),
                (Some(_) | None, _) => None,
            }
        }
        401 if asks_as_elasticsearch(answer, document.as_ref()) => Some(Greeting::Closed(Brand::Elasticsearch)),
        401 if answer.header(CHALLENGE).any(|text| text == OPENSEARCH_REALM) => Some(Greeting::PerhapsClosed),
        // Its security is not up; only its own health can say so.
        503 => Some(Greeting::PerhapsClosed),
        // Builds without the module that greets know no GET here, and say so in Elasticsearch's own way.
        405 if elastic && document.is_some() => Some(Greeting::Open(Brand::Elasticsearch, None)),
        _other => None,
    }
}

/// An answer without a login carries no product: both challenges and the error itself have to be Elasticsearch's.
fn asks_as_elasticsearch(answer: &Answer, document: Option<&Value>) -> bool {
    let asks = |start: &str| answer.header(CHALLENGE).any(|text| text.starts_with(start));
    let kind = document.and_then(|document| document.pointer("/error/type")).and_then(Value::as_str);
    asks(ELASTICSEARCH_REALM) && asks(API_KEY) && kind == Some("security_exception")
}

/// The health of OpenSearch's own security plugin, which it tells everybody; true where it is up, `None` where it is another document.
pub(super) fn security_is_up(answer: &Answer) -> Option<bool> {
    let document = answer.json().filter(|_document| matches!(answer.status, 200 | 503))?;
    document.get("mode")?.as_str()?;
    Some(document.get("status")?.as_str()? == "UP")
}

/// The version of the node that answers, of `/_nodes/_local?filter_path=nodes.*.version`.
pub(super) fn version(answer: &Answer) -> Option<String> {
    let document = answer.json()?;
    let node = document.get("nodes")?.as_object()?.values().next()?;
    node.get("version").and_then(Value::as_str).map(short)
}

/// The colour of the cluster.
pub(super) fn colour(answer: &Answer) -> Option<String> {
    answer.json()?.get("status").and_then(Value::as_str).map(short)
}
