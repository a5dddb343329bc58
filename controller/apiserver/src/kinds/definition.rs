//! The resources that a CustomResourceDefinition serves: one for each served version.

use std::sync::{Arc, OnceLock};

use serde_json::Value;

use super::resource::{Origin, Resource, Scale, Written};

/// Every verb of a custom kind, in the reference's order.
const VERBS: [&str; 8] = ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"];

/// The served resources of `definition`; empty while it names no served version.
pub(crate) fn resources_of(definition: &Value) -> Vec<Resource> {
    let spec = &definition["spec"];
    let versions = spec["versions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let storage_version = versions
        .iter()
        .find(|version| version["storage"] == Value::Bool(true))
        .map(|version| text(&version["name"]))
        .unwrap_or_default();
    versions
        .iter()
        .filter(|version| version["served"] == Value::Bool(true))
        .map(|version| resource(spec, version, &storage_version))
        .collect()
}

fn resource(spec: &Value, version: &Value, storage_version: &str) -> Resource {
    let names = &spec["names"];
    let (group, kind, plural) = (text(&spec["group"]), text(&names["kind"]), text(&names["plural"]));
    let singular = names["singular"].as_str().map_or_else(|| kind.to_lowercase(), str::to_owned);
    let list_kind = names["listKind"].as_str().map_or_else(|| format!("{kind}List"), str::to_owned);
    let api_version = format!("{group}/{}", text(&version["name"]));
    let deprecation = (version["deprecated"] == Value::Bool(true)).then(|| {
        version["deprecationWarning"].as_str().map_or_else(|| format!("{api_version} {kind} is deprecated"), str::to_owned)
    });
    Resource {
        storage: Arc::from(format!("{group}/{plural}")),
        version: text(&version["name"]),
        list_kind,
        singular,
        short_names: texts(&names["shortNames"]),
        categories: texts(&names["categories"]),
        namespaced: spec["scope"] == "Namespaced",
        verbs: VERBS.to_vec(),
        origin: Origin::Custom { storage_version: storage_version.to_owned() },
        status: version["subresources"]["status"].is_object(),
        scale: scale(&version["subresources"]["scale"]),
        columns: version["additionalPrinterColumns"].as_array().cloned().unwrap_or_default(),
        selectable: version["selectableFields"]
            .as_array()
            .map(|fields| fields.iter().map(|field| text(&field["jsonPath"])).collect())
            .unwrap_or_default(),
        schema: Written::new(&version["schema"]["openAPIV3Schema"]),
        deprecation,
        compiled: OnceLock::new(),
        group,
        kind,
        plural,
    }
}

fn scale(scale: &Value) -> Option<Scale> {
    scale.is_object().then(|| Scale {
        spec_path: text(&scale["specReplicasPath"]),
        status_path: text(&scale["statusReplicasPath"]),
        selector_path: scale["labelSelectorPath"].as_str().map(str::to_owned),
    })
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().map(|entries| entries.iter().map(text).collect()).unwrap_or_default()
}
