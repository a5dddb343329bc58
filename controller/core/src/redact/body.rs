//! A body of a request or an answer as a record may show it: values hidden by the field that holds them, the length bounded.

use koan_crds::secret_like;
use serde_json::Value;

use super::{MASK, text};
use crate::secret::Secret;

/// Most bytes of a body that are looked at; of a longer one only the length is told, since half a document hides nothing by its fields.
pub const BODY_READ_MAX: usize = 1024 * 1024;
/// Most characters of a body that are shown.
pub const BODY_SHOWN_MAX: usize = 4096;

/// Fields of a Secret that hold its values.
const SECRET_FIELDS: [&str; 2] = ["data", "stringData"];
/// Field of an engine's container that lists `NAME=value`; Koan puts resolved references there, so every value is hidden.
const ENGINE_VARIABLES: &str = "Env";
/// End of the name of a field that says where a value is, and all that such a field holds.
const REFERENCE: &str = "Ref";
const REFERENCE_FIELDS: [&str; 4] = ["name", "key", "namespace", "optional"];

/// What a record shows of a body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// The text, at most [`BODY_SHOWN_MAX`] characters and the length of the whole.
    pub text: String,
    /// Values of Secrets that the body held, as they stood there, with their keys: for whoever hides known values elsewhere.
    pub secrets: Vec<(String, Secret<String>)>,
}

/// A body as a record may show it; `path` is the one of the request, with or without its query.
///
/// Documents are read as JSON, one or several; other text is shown by [`text`]; of anything else, or of more than
/// [`BODY_READ_MAX`] bytes, the length alone is told.
pub fn body(bytes: &[u8], length: u64, path: &str) -> Shown {
    let size = || Shown { text: format!("{length} bytes"), secrets: Vec::new() };
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) < length {
        return size();
    }
    let of_secrets = path.split('?').next().is_some_and(|path| path.split('/').any(|segment| segment == "secrets"));
    let documents: Result<Vec<Value>, _> = serde_json::Deserializer::from_slice(bytes).into_iter().collect();
    let Ok(mut documents) = documents else {
        let plain = std::str::from_utf8(bytes).ok().filter(|text| !of_secrets && is_prose(text));
        return plain.map_or_else(size, |plain| Shown { text: cut(text(plain.trim_end()), length), secrets: Vec::new() });
    };
    let mut secrets = Vec::new();
    documents.iter_mut().for_each(|document| hide(document, of_secrets, &mut secrets));
    let shown: Vec<String> = documents.iter().map(ToString::to_string).collect();
    Shown { text: cut(shown.join(" "), length), secrets }
}

/// Text that is neither binary nor the half of a document.
fn is_prose(text: &str) -> bool {
    !text.trim_start().starts_with(['{', '[']) && text.chars().all(|c| !c.is_control() || c.is_whitespace())
}

fn cut(text: String, length: u64) -> String {
    match text.char_indices().nth(BODY_SHOWN_MAX) {
        Some((end, _)) => format!("{} … ({length} bytes)", &text[..end]),
        None => text,
    }
}

/// Hides by field; `of_secret` is true inside a Secret, and in every body that goes to or comes from Secrets.
fn hide(value: &mut Value, of_secret: bool, found: &mut Vec<(String, Secret<String>)>) {
    match value {
        Value::String(content) => *content = string(content, found),
        Value::Array(items) => items.iter_mut().for_each(|item| hide(item, of_secret, found)),
        Value::Object(fields) => {
            let of_secret =
                of_secret || fields.get("kind").and_then(Value::as_str).is_some_and(|kind| kind.starts_with("Secret"));
            let named = ["name", "path"].iter().filter_map(|key| fields.get(*key)?.as_str());
            let hidden = of_secret || named.into_iter().any(secret_like::hidden);
            for (key, value) in fields.iter_mut() {
                match key.as_str() {
                    key if of_secret && SECRET_FIELDS.contains(&key) => learn(value, found),
                    "value" if hidden => mask(value),
                    ENGINE_VARIABLES => variables(value),
                    key if is_reference(key, value) => {}
                    key if secret_like::hidden(key) => mask(value),
                    _ => hide(value, of_secret, found),
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A string may hold a document of its own, such as an annotation with the last applied one.
fn string(content: &str, found: &mut Vec<(String, Secret<String>)>) -> String {
    let nested = content.starts_with(['{', '[']).then(|| serde_json::from_str::<Value>(content).ok()).flatten();
    match nested {
        Some(mut document) => {
            hide(&mut document, false, found);
            document.to_string()
        }
        None => text(content),
    }
}

/// Hides the values of a Secret and keeps them for [`Shown::secrets`].
fn learn(value: &mut Value, found: &mut Vec<(String, Secret<String>)>) {
    for (key, value) in value.as_object().into_iter().flatten() {
        found.extend(value.as_str().map(|text| (key.clone(), Secret::new(text.to_owned()))));
    }
    mask(value);
}

/// Hides every string and number, but for what says where a value is.
fn mask(value: &mut Value) {
    match value {
        Value::String(_) | Value::Number(_) => *value = Value::from(MASK),
        Value::Array(items) => items.iter_mut().for_each(mask),
        Value::Object(fields) => {
            fields.iter_mut().filter(|(key, value)| !is_reference(key, value)).for_each(|(_, value)| mask(value));
        }
        Value::Null | Value::Bool(_) => {}
    }
}

fn is_reference(key: &str, value: &Value) -> bool {
    let fields = value.as_object().filter(|_| key.ends_with(REFERENCE));
    fields.is_some_and(|fields| fields.keys().all(|field| REFERENCE_FIELDS.contains(&field.as_str())))
}

fn variables(value: &mut Value) {
    for entry in value.as_array_mut().into_iter().flatten() {
        if let Some((name, _)) = entry.as_str().and_then(|text| text.split_once('=')) {
            *entry = Value::from(format!("{name}={MASK}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn shown(document: &Value, path: &str) -> Shown {
        let bytes = document.to_string();
        body(bytes.as_bytes(), bytes.len() as u64, path)
    }

    /// CLI-3, CLI-34: Secrets, variables and credentials lose their values by the field that holds them; the rest is shown.
    #[test]
    fn fields_hide_their_values() {
        let rows = [
            (json!({"kind": "Secret", "data": {"user": "aHVudGVyMg=="}, "type": "Opaque"}), "/api/v1/x", "Opaque"),
            (
                json!({"type": "ADDED", "object": {"kind": "Secret", "stringData": {"a": "aHVudGVyMg=="}}}),
                "/x?watch=true",
                "ADDED",
            ),
            (json!({"kind": "SecretList", "items": [{"data": {"a": "aHVudGVyMg=="}}]}), "/x", "SecretList"),
            (
                json!({"data": {"a": "aHVudGVyMg=="}, "metadata": {"name": "shop"}}),
                "/api/v1/namespaces/d/secrets/shop?x=y",
                "shop",
            ),
            (json!([{"op": "replace", "path": "/data/a", "value": "aHVudGVyMg=="}]), "/namespaces/d/secrets/shop", "replace"),
            (json!({"spec": {"env": [{"name": "DB_PASSWORD", "value": "aHVudGVyMg=="}]}}), "/x", "DB_PASSWORD"),
            (json!({"credentials": {"literals": {"user": "aHVudGVyMg=="}, "secretRef": {"name": "login"}}}), "/x", "login"),
            (json!({"Env": ["PLAIN=aHVudGVyMg== b", "EMPTY"], "Image": "redis:7"}), "/containers/create", "redis:7"),
            (json!({"Cmd": ["x", "postgres://u:aHVudGVyMg==@h/d"]}), "/containers/create", "postgres://***@h/d"),
            (json!({"metadata": {"annotations": {"last": r#"{"kind":"Secret","data":{"a":"aHVudGVyMg=="}}"#}}}), "/x", "last"),
            (json!({"auth": "aHVudGVyMg==", "serveraddress": "r.example"}), "/auth", "r.example"),
        ];
        for (document, path, kept) in rows {
            let shown = shown(&document, path);
            assert!(!shown.text.contains("aHVudGVyMg"), "{document} -> {}", shown.text);
            assert!(shown.text.contains(kept), "{document} -> {}", shown.text);
        }
    }

    /// CLI-35: what says where a value is stays readable, and so do names.
    #[test]
    fn references_are_shown() {
        let document = json!({"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "shop", "key": "password"}}}]});
        assert_eq!(shown(&document, "/x").text, document.to_string());
    }

    /// CLI-3, CLI-34: what a Secret held is handed over under its key, for who hides known values.
    #[test]
    fn values_of_secrets_are_handed_over() {
        let secrets = shown(&json!({"kind": "Secret", "data": {"password": "eA=="}}), "/x").secrets;
        assert_eq!(secrets, [("password".to_owned(), Secret::new("eA==".to_owned()))]);
    }

    /// CLI-3: a long body is cut at a character, of a longer one than is read, of binary and of a broken document the length is told.
    #[test]
    fn long_and_unreadable_bodies_are_bounded() {
        let long = shown(&json!({"a": "ü".repeat(BODY_SHOWN_MAX)}), "/x").text;
        assert!(long.chars().count() < BODY_SHOWN_MAX + 30 && long.ends_with("bytes)"), "{}", long.len());
        assert_eq!(body(b"{}", 9, "/x").text, "9 bytes");
        assert_eq!(body(b"\x01\x00abc", 5, "/x").text, "5 bytes");
        assert_eq!(body(br#"{"kind":"Secret","da"#, 20, "/x").text, "20 bytes");
        assert_eq!(body(b"page not found\n", 15, "/x").text, "page not found");
        assert_eq!(body(b"aHVudGVyMg==", 12, "/namespaces/d/secrets/x").text, "12 bytes");
        assert_eq!(body(b"", 0, "/x").text, "");
        assert_eq!(body(b"{\"a\":1}\r\n{\"b\":2}\r\n", 20, "/x").text, "20 bytes");
        assert_eq!(body(b"{\"a\":1}\r\n{\"b\":2}\r\n", 18, "/x").text, r#"{"a":1} {"b":2}"#);
    }

    fn documents() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![Just(json!("hunter2hunter2")), any::<i32>().prop_map(|number| json!(number)), Just(Value::Null)];
        leaf.prop_recursive(4, 32, 4, |inner| {
            let name = prop_oneof!["[a-z]{1,6}", Just("data".to_owned()), Just("kind".to_owned()), Just("name".to_owned())];
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map(name, inner, 0..4).prop_map(|map| json!(map)),
            ]
        })
    }

    proptest! {
        /// CLI-34, SEC-11: whatever the shape of the document, no value under a secret-like key or in a Secret's data is shown.
        #[test]
        fn sec_11_no_shape_shows_a_value(document in documents(), key in "(password|apiToken|AUTH|client_secret|cookie)") {
            let under = shown(&json!({(key): document.clone()}), "/x").text;
            prop_assert!(!under.contains("hunter2"), "{}", under);
            let secret = shown(&json!({"kind": "Secret", "data": document}), "/x").text;
            prop_assert!(!secret.contains("hunter2"), "{}", secret);
        }
    }
}
