//! Label and field selectors: which objects a list, a watch or a collection delete is about.

mod field;
mod label;
mod names;
mod reader;
mod written;

pub(crate) use field::FieldSelector;
pub(crate) use label::LabelSelector;
pub(crate) use names::{label_key_problems, label_value_problems};
pub(crate) use written::written;

use crate::http::Query;
use crate::kinds::Resource;
use crate::status::Failure;
use crate::store::Object;

/// Both selectors of one request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selector {
    labels: LabelSelector,
    fields: FieldSelector,
}

impl Selector {
    /// Reads `labelSelector` and `fieldSelector`; a name in the path selects that object too.
    ///
    /// # Errors
    /// 400: a selector that cannot be read, or a field that `resource` has no selector for.
    pub(crate) fn parse(query: &Query, resource: &Resource) -> Result<Self, Failure> {
        let labels = query.get("labelSelector").map(LabelSelector::parse).transpose()?.unwrap_or_default();
        let fields = query.get("fieldSelector").map(|text| FieldSelector::parse(text, resource)).transpose()?.unwrap_or_default();
        Ok(Self { labels, fields })
    }

    /// Whether everything matches.
    pub(crate) fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    pub(crate) fn matches(&self, object: &Object) -> bool {
        self.labels.matches(&object.meta.labels) && self.fields.matches(object)
    }

    /// Adds `metadata.name=name`.
    pub(crate) fn named(mut self, name: &str) -> Self {
        self.fields.require_name(name);
        self
    }
}
