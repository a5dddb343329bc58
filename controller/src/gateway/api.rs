//! Sends writes to the API server by Koan's own client policy (REL-3): at most 2 tries within 2 s; what exists already is
//! adopted if its labels say that it is ours.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::BoxFuture;
use koan_crds::labels;
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams, PostParams, Preconditions};
use kube::core::{ApiResource, GroupVersionKind, Request};
use kube::{Resource as _, ResourceExt};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use super::Gateway;
use super::effect::{ApiKind, ApiVerb, ApiWrite, Effect};
use super::error::ApiError;
use super::hook::{Fault, Ruling};
use crate::runtime::Key;

/// A second try starts within this time of the first, or never.
const TRIES_WITHIN: Duration = Duration::from_secs(2);
/// Tries of one call.
const TRIES: u32 = 2;
/// Pause before the second try.
const PAUSE: Duration = Duration::from_millis(100);
/// A call that is not answered within this time has failed.
const CALL_LIMIT: Duration = Duration::from_secs(10);

/// An object after a write.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Written {
    /// Its UID.
    pub(crate) uid: String,
    /// Its new version.
    #[serde(rename = "resourceVersion")]
    pub(crate) version: String,
}

/// The answer to a write.
#[derive(Deserialize)]
struct Reply {
    #[serde(default)]
    metadata: Written,
}

/// Identity of an object that a write must meet (S-8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) version: String,
}

impl Identity {
    /// Identity of an object as it was read.
    pub(crate) fn of(object: &impl ResourceExt) -> Self {
        Self {
            namespace: object.namespace().unwrap_or_default(),
            name: object.name_any(),
            uid: object.uid().unwrap_or_default(),
            version: object.resource_version().unwrap_or_default(),
        }
    }

    /// A write upon that object.
    fn upon(&self, verb: ApiVerb, kind: ApiKind, manager: &'static str, body: Value, echo: Option<Key>) -> ApiWrite {
        let (namespace, name) = (self.namespace.clone(), self.name.clone());
        ApiWrite { verb, kind, namespace, name, manager, body, echo }
    }
}

/// A write of a whole object, which names itself.
fn whole(verb: ApiVerb, kind: ApiKind, manager: &'static str, body: Value, echo: Option<Key>) -> ApiWrite {
    let (namespace, name) = (text(&body, "/metadata/namespace"), text(&body, "/metadata/name"));
    ApiWrite { verb, kind, namespace, name, manager, body, echo }
}

impl Gateway {
    /// Forced server-side apply of a whole object that Koan owns.
    pub(crate) async fn apply(
        &self,
        kind: ApiKind,
        manager: &'static str,
        body: Value,
        echo: Option<Key>,
    ) -> Result<Written, ApiError> {
        self.write(whole(ApiVerb::Apply, kind, manager, body, echo)).await
    }

    /// Status by its subresource; UID and resourceVersion are named (S-8).
    pub(crate) async fn status(
        &self,
        kind: ApiKind,
        manager: &'static str,
        identity: &Identity,
        status: Value,
        echo: Key,
    ) -> Result<Written, ApiError> {
        let body = json!({
            "apiVersion": kind.api_version(),
            "kind": kind.as_str(),
            "metadata": {
                "name": identity.name, "namespace": identity.namespace,
                "uid": identity.uid, "resourceVersion": identity.version,
            },
            "status": status,
        });
        self.write(identity.upon(ApiVerb::Status, kind, manager, body, Some(echo))).await
    }

    /// Creates an object; one of the same name is adopted when it carries all of these labels.
    pub(crate) async fn create(
        &self,
        kind: ApiKind,
        manager: &'static str,
        body: Value,
        echo: Option<Key>,
    ) -> Result<Written, ApiError> {
        self.write(whole(ApiVerb::Create, kind, manager, body, echo)).await
    }

    /// Replaces the finalizers of an object; UID and resourceVersion are named (S-8).
    pub(crate) async fn finalizers(
        &self,
        kind: ApiKind,
        manager: &'static str,
        identity: &Identity,
        finalizers: &[String],
        echo: Key,
    ) -> Result<Written, ApiError> {
        let body = json!({
            "metadata": {"uid": identity.uid, "resourceVersion": identity.version, "finalizers": finalizers},
        });
        self.write(identity.upon(ApiVerb::Patch, kind, manager, body, Some(echo))).await
    }

    /// Asks in the annotations of an object for the restart of one workload, with another grace in seconds where one is named.
    pub(crate) async fn restart(
        &self,
        kind: ApiKind,
        manager: &'static str,
        identity: &Identity,
        workload: &str,
        grace: Option<&str>,
    ) -> Result<Written, ApiError> {
        let body = json!({
            "metadata": {
                "uid": identity.uid, "resourceVersion": identity.version,
                "annotations": {labels::RESTART: workload, labels::RESTART_GRACE: grace},
            },
        });
        let (namespace, name) = (identity.namespace.clone(), identity.name.clone());
        self.write(ApiWrite { verb: ApiVerb::Patch, kind, namespace, name, manager, body, echo: None }).await
    }

    /// Deletes exactly this object, after the caller's uncached read. One that is gone is deleted.
    pub(crate) async fn delete(&self, kind: ApiKind, manager: &'static str, identity: &Identity) -> Result<(), ApiError> {
        let body = json!({"uid": identity.uid, "resourceVersion": identity.version});
        match self.write(identity.upon(ApiVerb::Delete, kind, manager, body, None)).await {
            Ok(_) | Err(ApiError::Absent { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Reads an object past every cache; `None` where there is none.
    pub(crate) async fn read(&self, kind: ApiKind, namespace: &str, name: &str) -> Result<Option<DynamicObject>, ApiError> {
        self.tally.read();
        let subject = format!("{} {namespace}/{name}", kind.as_str());
        let call = || -> BoxFuture<'_, _> {
            let (api, subject, name) = (self.api(kind, namespace), subject.clone(), name.to_owned());
            Box::pin(async move { answered(&subject, api.get_opt(&name)).await })
        };
        self.with_tries(&subject, call).await
    }

    async fn write(&self, write: ApiWrite) -> Result<Written, ApiError> {
        let effect = Effect::Api(write.clone());
        let (number, ruling) = self.enter(&effect).await;
        let subject = format!("{} {}/{}", write.kind.as_str(), write.namespace, write.name);
        let result = match ruling {
            Ruling::Proceed => {
                let call = || -> BoxFuture<'_, _> {
                    let (write, subject) = (write.clone(), subject.clone());
                    Box::pin(async move { self.send(&write, &subject).await })
                };
                self.with_tries(&subject, call).await
            }
            Ruling::CutBefore => Err(fault(Fault::Connection, &subject)),
            Ruling::Fail(cause) => Err(fault(cause, &subject)),
            Ruling::CutAfter => {
                let result = self.send(&write, &subject).await;
                self.end(number).await;
                result
            }
            Ruling::LoseReply(cause) => {
                // The reply is lost on purpose.
                let _ = self.send(&write, &subject).await;
                Err(fault(cause, &subject))
            }
            Ruling::Twice => {
                // The second reply is the one that counts.
                let _ = self.send(&write, &subject).await;
                self.send(&write, &subject).await
            }
        };
        self.hook.after(number, &effect, result.is_ok());
        if let (Ok(written), Some(key)) = (&result, write.echo) {
            self.wake.wrote(key, written.version.clone());
        }
        result
    }

    async fn with_tries<'a, T>(
        &'a self,
        subject: &str,
        call: impl Fn() -> BoxFuture<'a, Result<T, ApiError>> + Send,
    ) -> Result<T, ApiError> {
        let started = Instant::now();
        let mut tries = 1;
        loop {
            match call().await {
                Err(error) if error.may_pass() && tries < TRIES && started.elapsed() + PAUSE < TRIES_WITHIN => {
                    tracing::debug!(subject, "second try: {error}");
                    tries += 1;
                    tokio::time::sleep(PAUSE).await;
                }
                result => return result,
            }
        }
    }

    async fn send(&self, write: &ApiWrite, subject: &str) -> Result<Written, ApiError> {
        let calls = Request::new(DynamicObject::url_path(&resource(write.kind), Some(&write.namespace)));
        let apply = PatchParams::apply(write.manager).force();
        match write.verb {
            ApiVerb::Apply => self.reply(subject, calls.patch(&write.name, &apply, &Patch::Apply(&write.body))).await,
            ApiVerb::Status => {
                let request = calls.patch_subresource("status", &write.name, &apply, &Patch::Apply(&write.body));
                self.reply(subject, request).await
            }
            ApiVerb::Patch => {
                let parameters = PatchParams { field_manager: Some(write.manager.to_owned()), ..PatchParams::default() };
                self.reply(subject, calls.patch(&write.name, &parameters, &Patch::Merge(&write.body))).await
            }
            ApiVerb::Create => self.create_or_adopt(&calls, write, subject).await,
            ApiVerb::Delete => {
                let preconditions = Preconditions {
                    uid: Some(text(&write.body, "/uid")),
                    resource_version: Some(text(&write.body, "/resourceVersion")).filter(|version| !version.is_empty()),
                };
                let parameters = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::background() };
                answered(subject, self.api(write.kind, &write.namespace).delete(&write.name, &parameters)).await?;
                Ok(Written { uid: text(&write.body, "/uid"), version: String::new() })
            }
        }
    }

    async fn create_or_adopt(&self, calls: &Request, write: &ApiWrite, subject: &str) -> Result<Written, ApiError> {
        let parameters = PostParams { field_manager: Some(write.manager.to_owned()), ..PostParams::default() };
        match self.reply(subject, calls.create(&parameters, write.body.to_string().into_bytes())).await {
            // Every conflict of a create is "exists already".
            Err(ApiError::Conflict { .. }) => {}
            result => return result,
        }
        self.tally.read();
        let found = answered(subject, self.api(write.kind, &write.namespace).get_opt(&write.name)).await?;
        let Some(found) = found else { return Err(ApiError::Conflict { subject: subject.to_owned() }) };
        let wanted = write.body.pointer("/metadata/labels").and_then(Value::as_object);
        let wanted: BTreeMap<String, String> =
            wanted.into_iter().flatten().filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect();
        let wanted = owner_labels(Some(&wanted));
        if wanted.is_empty() || wanted != owner_labels(found.metadata.labels.as_ref()) {
            return Err(ApiError::Foreign { subject: subject.to_owned() });
        }
        Ok(Written { uid: found.metadata.uid.unwrap_or_default(), version: found.metadata.resource_version.unwrap_or_default() })
    }

    /// Sends a write and reads of the answer no more than is needed.
    async fn reply<E>(&self, subject: &str, request: Result<http::Request<Vec<u8>>, E>) -> Result<Written, ApiError>
    where
        E: std::fmt::Display,
    {
        let request = request.map_err(|error| ApiError::Refused { subject: subject.to_owned(), message: error.to_string() })?;
        answered(subject, self.client.request::<Reply>(request)).await.map(|reply| reply.metadata)
    }

    fn api(&self, kind: ApiKind, namespace: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), namespace, &resource(kind))
    }
}

/// Waits for an answer, no longer than a call may take.
async fn answered<T>(subject: &str, call: impl Future<Output = Result<T, kube::Error>>) -> Result<T, ApiError> {
    match timeout(CALL_LIMIT, call).await {
        Ok(result) => result.map_err(|error| ApiError::of(&error, subject)),
        Err(_) => Err(ApiError::Unavailable { subject: subject.to_owned(), message: format!("no answer within {CALL_LIMIT:?}") }),
    }
}

fn fault(fault: Fault, subject: &str) -> ApiError {
    let subject = subject.to_owned();
    match fault {
        Fault::Connection => ApiError::Unavailable { subject, message: "the connection broke".to_owned() },
        Fault::Status(code) => {
            let status = kube::core::Status { code, ..kube::core::Status::default() };
            ApiError::of(&kube::Error::Api(Box::new(status)), &subject)
        }
    }
}

/// The labels that say whose an object is.
fn owner_labels(all: Option<&BTreeMap<String, String>>) -> BTreeMap<&str, &str> {
    const OWNER: [&str; 4] = [labels::INSTANCE, labels::NAMESPACE, labels::STACK, labels::SERVICE];
    all.into_iter()
        .flatten()
        .filter(|(name, _)| OWNER.contains(&name.as_str()))
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect()
}

fn resource(kind: ApiKind) -> ApiResource {
    let (group, version) = match kind {
        ApiKind::DevStack | ApiKind::ServiceSpec => (koan_crds::GROUP, koan_crds::VERSION),
        ApiKind::Secret | ApiKind::ConfigMap | ApiKind::Event => ("", "v1"),
    };
    ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind.as_str()))
}

fn text(body: &Value, pointer: &str) -> String {
    body.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}
