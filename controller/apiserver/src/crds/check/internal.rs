//! The internal form of a definition's spec: what all versions have in common stands once.

use serde_json::Value;

use super::go;
use crate::schema::canonical_json;

/// A spec and what its versions share; a shared field counts as absent in the versions.
pub(super) struct Internal<'a> {
    pub(super) source: &'a Value,
    pub(super) versions: &'a [Value],
    /// The `schema` of all versions.
    pub(super) validation: Option<&'a Value>,
    /// The `subresources` of all versions.
    pub(super) subresources: Option<&'a Value>,
    /// The `additionalPrinterColumns` of all versions.
    pub(super) columns: Option<&'a Value>,
    /// The `selectableFields` of all versions.
    pub(super) selectable: Option<&'a Value>,
}

impl<'a> Internal<'a> {
    pub(super) fn of(source: &'a Value) -> Self {
        let versions = source["versions"].as_array().map(Vec::as_slice).unwrap_or_default();
        let shared = |field: &str| {
            let first = versions.first()?.get(field);
            let same = versions.iter().all(|version| version.get(field) == first);
            if same { Some(first.unwrap_or(&Value::Null)) } else { None }
        };
        Self {
            source,
            versions,
            validation: shared("schema").filter(|found| !found.is_null()),
            subresources: shared("subresources").filter(|found| !found.is_null()),
            columns: shared("additionalPrinterColumns").filter(|found| !found.is_null()),
            selectable: shared("selectableFields").filter(|found| !found.is_null()),
        }
    }

    /// The field of one version, `null` where it is shared.
    pub(super) fn own<'v>(&self, version: &'v Value, field: &str) -> &'v Value {
        let shared = match field {
            "schema" => self.validation,
            "subresources" => self.subresources,
            "additionalPrinterColumns" => self.columns,
            "selectableFields" => self.selectable,
            _ => None,
        };
        if shared.is_some() { &Value::Null } else { &version[field] }
    }

    /// The subresources that apply to `version`.
    pub(super) fn subresources_of(&self, version: &'a Value) -> &'a Value {
        self.subresources.unwrap_or(&version["subresources"])
    }

    /// The versions as the reference prints them: its internal names, in its order.
    pub(super) fn shown_versions(&self) -> String {
        let shown: Vec<String> = self.versions.iter().map(|version| self.shown(version)).collect();
        format!("[{}]", shown.join(","))
    }

    fn shown(&self, version: &Value) -> String {
        let flag = |field: &str| version[field] == Value::Bool(true);
        let name = canonical_json(&Value::String(version["name"].as_str().unwrap_or_default().to_owned()));
        let own = |field: &str| canonical_json(self.own(version, field));
        let schema = match &self.own(version, "schema")["openAPIV3Schema"] {
            Value::Null => "null".to_owned(),
            found => format!("{{\"OpenAPIV3Schema\":{}}}", go::schema(found)),
        };
        format!(
            "{{\"Name\":{name},\"Served\":{},\"Storage\":{},\"Deprecated\":{},\"DeprecationWarning\":{},\"Schema\":{},\"Subresources\":{},\"AdditionalPrinterColumns\":{},\"SelectableFields\":{}}}",
            flag("served"),
            flag("storage"),
            flag("deprecated"),
            canonical_json(&version["deprecationWarning"]),
            schema,
            own("subresources"),
            own("additionalPrinterColumns"),
            own("selectableFields"),
        )
    }
}
