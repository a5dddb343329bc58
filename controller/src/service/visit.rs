//! One visit of one `ServiceSpec`: the object, what was found out about it, and what it writes.

use std::sync::Arc;

use koan_core::conclude::Verdict;
use koan_core::facts::Facts;
use koan_crds::labels;
use koan_crds::v1alpha1::{ServiceSpec, ServiceSpecStatus};

use crate::context::Context;
use crate::gateway::{ApiError, ApiKind};
use crate::runtime::Key;
use crate::subject::Subject;

/// A visit.
pub(super) struct Visit<'a> {
    pub(super) context: &'a Context,
    pub(super) key: &'a Key,
    pub(super) object: Arc<ServiceSpec>,
    pub(super) subject: Subject<'a>,
    /// The status as it stands after the last write.
    pub(super) status: ServiceSpecStatus,
    /// The status as the visit found it.
    pub(super) began: ServiceSpecStatus,
    pub(super) facts: Facts,
}

impl<'a> Visit<'a> {
    pub(super) fn new(context: &'a Context, key: &'a Key, object: Arc<ServiceSpec>) -> Self {
        let subject = Subject::new(context, key, (ApiKind::ServiceSpec, labels::MANAGER_SERVICE), object.as_ref());
        let status = object.status.clone().unwrap_or_default();
        let facts = Facts { instance: context.instance.clone(), ..Facts::default() };
        Self { context, key, object, subject, began: status.clone(), status, facts }
    }

    /// Writes the verdict's status if it changed, and its events; true where the status was written.
    pub(super) async fn publish(&mut self, verdict: Verdict<ServiceSpecStatus>) -> Result<bool, ApiError> {
        let written = self.subject.publish(&self.status, &verdict).await?;
        self.status = verdict.status;
        Ok(written)
    }
}
