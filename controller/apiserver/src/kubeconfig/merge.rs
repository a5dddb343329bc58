//! The stable context in the user's own kubeconfig: merged on demand, undone exactly, never over somebody else's.
//!
//! Pure functions on text. The result is read back and compared with what was meant before it is given out, so that a
//! layout that the line editor does not know is refused instead of damaged.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::KubeconfigError;
use super::splice::Lines;

/// What the merged context points to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextEntry {
    /// The name of context, cluster and user: `koan`, or `koan-<name>` for another state directory.
    pub name: String,
    /// `https://127.0.0.1:<port>`.
    pub server: String,
    /// The certificate authority, in PEM.
    pub ca_pem: String,
    /// The file that holds the token of the running server. It also tells whose an entry is.
    pub token_file: PathBuf,
}

/// The lists of a kubeconfig, in the order in which they are written.
const SECTIONS: [(&str, &str); 3] = [("clusters", "cluster"), ("contexts", "context"), ("users", "user")];

impl ContextEntry {
    fn body(&self, section: &str) -> Value {
        use base64::Engine as _;
        let ca = base64::engine::general_purpose::STANDARD.encode(&self.ca_pem);
        match section {
            "clusters" => json!({"certificate-authority-data": ca, "server": self.server}),
            "contexts" => json!({"cluster": self.name, "user": self.name}),
            _ => json!({"tokenFile": self.token_file.to_string_lossy()}),
        }
    }

    fn lines(&self, section: &str, field: &str) -> Vec<String> {
        let body = self.body(section);
        let fields = body.as_object().into_iter().flatten();
        // JSON strings are YAML strings, whatever a path or name holds.
        let mut lines = vec![format!("- {field}:")];
        lines.extend(fields.map(|(key, value)| format!("    {key}: {value}")));
        lines.push(format!("  name: {}", json!(self.name)));
        lines
    }

    /// A complete kubeconfig with this context alone.
    #[must_use]
    pub fn print(&self) -> String {
        let mut text = "apiVersion: v1\nkind: Config\n".to_owned();
        for (section, field) in SECTIONS {
            text.push_str(&format!("{section}:\n{}\n", self.lines(section, field).join("\n")));
        }
        text.push_str(&format!("current-context: {}\n", json!(self.name)));
        text
    }

    /// `text` with this context, and with it as the current one if `current` is set. An entry of the same name that is
    /// ours is replaced in place.
    ///
    /// # Errors
    /// The text is no kubeconfig, has a layout that cannot be edited, or has a context of this name that is not ours.
    pub fn merge(&self, text: &str, current: bool) -> Result<String, KubeconfigError> {
        let before = parse(text)?;
        self.check_owner(&before)?;
        let mut expected = if before.is_null() { json!({"apiVersion": "v1", "kind": "Config"}) } else { before.clone() };
        let mut lines = Lines::new(if before.is_null() { "apiVersion: v1\nkind: Config\n" } else { text });
        for (section, field) in SECTIONS {
            lines.put(section, &self.name, &self.lines(section, field));
            let entry = json!({field: self.body(section), "name": self.name});
            let list = expected[section].as_array().cloned().unwrap_or_default();
            expected[section] = Value::Array(put(list, &self.name, entry));
        }
        if current && before["current-context"] != self.name.as_str() {
            lines.set("current-context", &json!(self.name).to_string());
            expected["current-context"] = json!(self.name);
        }
        let merged = verified(lines.text(false), &expected)?;
        let was_ours = SECTIONS.iter().any(|(section, _)| named(&before, section, &self.name).is_some());
        // Whoever merges may want to have it undone.
        if !was_ours && !text.trim().is_empty() && self.remove(&merged)? != text {
            return Err(KubeconfigError::Layout);
        }
        Ok(merged)
    }

    /// `text` without this context: what it was before the merge, where nobody else has changed it since.
    ///
    /// # Errors
    /// The text is no kubeconfig, has a layout that cannot be edited, or the context of this name is not ours.
    pub fn remove(&self, text: &str) -> Result<String, KubeconfigError> {
        let before = parse(text)?;
        self.check_owner(&before)?;
        let mut lines = Lines::new(text);
        for (section, _) in SECTIONS {
            lines.take(section, &self.name);
        }
        if before["current-context"] == self.name.as_str() {
            lines.unset("current-context");
        }
        let after = lines.text(true);
        let left = parse(&after)?;
        for (section, _) in SECTIONS {
            let list = |value: &Value| value[section].as_array().cloned().unwrap_or_default();
            let others: Vec<Value> = list(&before).into_iter().filter(|entry| entry["name"] != self.name.as_str()).collect();
            if list(&left) != others {
                return Err(KubeconfigError::Layout);
            }
        }
        Ok(after)
    }

    /// Whether `text` has this context as ours.
    #[must_use]
    pub fn is_merged(&self, text: &str) -> bool {
        parse(text).is_ok_and(|value| named(&value, "users", &self.name).is_some() && self.check_owner(&value).is_ok())
    }

    fn check_owner(&self, config: &Value) -> Result<(), KubeconfigError> {
        if SECTIONS.iter().all(|(section, _)| named(config, section, &self.name).is_none()) {
            return Ok(());
        }
        let user = named(config, "users", &self.name).map(|entry| entry["user"]["tokenFile"].clone()).unwrap_or_default();
        if user == *self.token_file.to_string_lossy() {
            return Ok(());
        }
        let server =
            named(config, "clusters", &self.name).and_then(|entry| entry["cluster"]["server"].as_str().map(str::to_owned));
        Err(KubeconfigError::Occupied {
            name: self.name.clone(),
            server: server.unwrap_or_else(|| "an unknown server".to_owned()),
        })
    }
}

fn named<'a>(config: &'a Value, section: &str, name: &str) -> Option<&'a Value> {
    config[section].as_array()?.iter().find(|entry| entry["name"] == name)
}

fn put(mut list: Vec<Value>, name: &str, entry: Value) -> Vec<Value> {
    match list.iter_mut().find(|found| found["name"] == name) {
        Some(found) => *found = entry,
        None => list.push(entry),
    }
    list
}

fn parse(text: &str) -> Result<Value, KubeconfigError> {
    if text.trim().is_empty() {
        return Ok(Value::Null);
    }
    let value: Value = serde_saphyr::from_str(text).map_err(|error| KubeconfigError::Malformed { cause: error.to_string() })?;
    if value.is_object() { Ok(value) } else { Err(KubeconfigError::Malformed { cause: "it is not a mapping".to_owned() }) }
}

/// `text`, if it reads as `expected`.
fn verified(text: String, expected: &Value) -> Result<String, KubeconfigError> {
    match parse(&text) {
        Ok(value) if value == *expected => Ok(text),
        Ok(_) | Err(_) => Err(KubeconfigError::Layout),
    }
}
