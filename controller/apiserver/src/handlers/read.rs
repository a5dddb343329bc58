//! GET of one object and of lists.

use std::sync::Arc;
use std::time::Duration;

use http::Response;

use super::answer::{self, ListMeta};
use super::call::Call;
use crate::http::Body;
use crate::paging::{self, Freshness, ListOptions, Token};
use crate::selectors::Selector;
use crate::status::Failure;
use crate::store::{Page, Query, Scope};

/// How long a read waits for a version that is still to come.
const FUTURE_WAIT: Duration = Duration::from_secs(3);

/// Answers a GET of one object.
pub(super) async fn get(call: Call<'_>) -> Result<Response<Body>, Failure> {
    if let Some(version) = paging::version(&call.incoming.query)? {
        reach(&call, version).await?;
    }
    let object = call.core.store.get(&call.key(call.name())).ok_or_else(|| Failure::not_found(call.resource(), call.name()))?;
    answer::one(&call, &object, 200, Vec::new())
}

/// Answers a GET of a collection.
pub(super) async fn list(call: Call<'_>) -> Result<Response<Body>, Failure> {
    let options = paging::list_options(&call.incoming.query)?;
    let selector = Selector::parse(&call.incoming.query, call.resource())?;
    let page = page(&call, &options, &selector).await?;
    let more = page.more.then(|| page.objects.last()).flatten();
    let meta = ListMeta {
        revision: page.revision,
        token: more.map(|last| Token::new(page.revision, behind(&scope(&call), &last.path())).encode()).unwrap_or_default(),
        remaining: (page.more && selector.is_empty()).then_some(page.remaining),
    };
    answer::all(&call, &page.objects, &meta)
}

/// Where a page starts that follows the object at `path`, in the reference's form: the least key behind it, as the path names keys.
fn behind(scope: &Scope, path: &str) -> String {
    let key = match scope {
        Scope::Namespace(namespace) => path.strip_prefix(namespace.as_str()).unwrap_or(path),
        Scope::All => path,
    };
    format!("{}\0", key.strip_prefix('/').unwrap_or(key))
}

/// The path of the object behind which a page starts.
fn last_seen(call: &Call<'_>, start: &str) -> String {
    let key = start.strip_suffix('\0').unwrap_or(start);
    if call.resource().namespaced && call.target.namespace.is_empty() {
        return key.to_owned();
    }
    format!("{}/{key}", call.target.namespace)
}

pub(super) fn scope(call: &Call<'_>) -> Scope {
    if call.target.namespace.is_empty() { Scope::All } else { Scope::Namespace(call.target.namespace.clone()) }
}

async fn page(call: &Call<'_>, options: &ListOptions, selector: &Selector) -> Result<Page, Failure> {
    let at = match (&options.token, options.freshness) {
        (Some(token), _) => token.revision(),
        (None, Freshness::Latest | Freshness::Any) => None,
        (None, Freshness::NotOlderThan(version)) => {
            reach(call, version).await?;
            None
        }
        (None, Freshness::Exact(version)) => {
            reach(call, version).await?;
            Some(version)
        }
    };
    let scope = scope(call);
    let keep = |object: &crate::store::Object| selector.matches(object);
    let after = options.token.as_ref().map(|token| last_seen(call, token.start()));
    let query = Query {
        scope: &scope,
        after: after.as_deref(),
        limit: options.limit,
        at,
        keep: &keep,
        count: selector.is_empty() && options.limit != usize::MAX,
    };
    call.core.store.page(&Arc::clone(&call.resource().storage), &query).ok_or_else(|| match &options.token {
        Some(token) => Failure::expired_continue(token.inconsistent().encode()),
        None => Failure::expired("The resourceVersion for the provided list is too old."),
    })
}

/// Waits until the store is at `version`, for a short while.
///
/// # Errors
/// 504: it did not get there.
pub(super) async fn reach(call: &Call<'_>, version: u64) -> Result<(), Failure> {
    let store = &call.core.store;
    let mut settled = store.settled();
    let wait = async {
        while store.revision() < version {
            if settled.changed().await.is_err() {
                return;
            }
        }
    };
    if tokio::time::timeout(FUTURE_WAIT, wait).await.is_err() || store.revision() < version {
        return Err(Failure::future_version(version, store.revision()));
    }
    Ok(())
}
