//! Teaches redaction the secret values that this process meets (CLI-34, layer 3), so that no output shows one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::Secret;
use koan_adapters::catalogue;
use koan_core::recipe::Recipes;
use koan_crds::secret_like;
use kube::Api;
use kube::api::ListParams;
use serde_json::Value;

use crate::home::Session;
use crate::manifest::Document;
use crate::redact;

/// Most Secrets that are read.
const MAX_SECRETS: u32 = 500;
/// Values that everybody knows and that are words of Koan's own output, too.
const PUBLIC: [&str; 4] = ["password", "username", "secret", "default"];

/// Learns the secret values of a namespace. One that cannot be read teaches nothing: patterns still hide.
pub(crate) async fn learn_of_namespace(session: &Session, namespace: &str) {
    let secrets: Api<Secret> = Api::namespaced(session.client.clone(), namespace);
    let Ok(list) = secrets.list(&ListParams::default().limit(MAX_SECRETS)).await else { return };
    for (key, value) in list.items.iter().flat_map(|secret| secret.data.iter().flatten()) {
        if let Ok(text) = std::str::from_utf8(&value.0) {
            learn(key, text);
        }
    }
}

/// Learns the secret values that manifests hold.
pub(super) fn learn_of_manifest(documents: &[Document]) {
    for document in documents {
        match document.kind.as_str() {
            "Secret" => {
                each(&document.value["stringData"], &mut |_, text| redact_learn(text));
                each(&document.value["data"], &mut |_, text| {
                    let decoded = STANDARD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
                    decoded.iter().for_each(|text| redact_learn(text));
                });
            }
            "ServiceSpec" => of_service(&document.value["spec"]),
            _ => document.value.pointer("/spec/services").and_then(Value::as_array).into_iter().flatten().for_each(of_service),
        }
    }
}

fn of_service(service: &Value) {
    for entry in service["env"].as_array().into_iter().flatten() {
        if let (Some(name), Some(value)) = (entry["name"].as_str(), entry["value"].as_str()) {
            learn(name, value);
        }
    }
    each(&service["credentials"]["literals"], &mut learn);
}

fn each(map: &Value, visit: &mut impl FnMut(&str, &str)) {
    for (key, value) in map.as_object().into_iter().flatten() {
        if let Some(text) = value.as_str() {
            visit(key, text);
        }
    }
}

/// Learns a value of a Secret that an API server showed: in base64 below `data`, plain below `stringData`.
pub(crate) fn learn_encoded(key: &str, value: &koan_core::secret::Secret<String>) {
    let decoded = STANDARD.decode(value.expose()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    learn(key, value.expose());
    decoded.iter().for_each(|text| learn(key, text));
}

fn learn(key: &str, value: &str) {
    if secret_like::hidden(key) {
        redact_learn(value);
    }
}

fn redact_learn(value: &str) {
    if !PUBLIC.contains(&value) && catalogue().recipe(value).is_none() {
        redact::learn(value);
    }
}
