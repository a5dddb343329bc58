//! A JSON object filled as Go's encoder would: empty texts, lists, maps and zero times are left out.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use k8s_pb::apimachinery::pkg::apis::meta::v1::{MicroTime, Time};
use serde_json::{Map, Value};

#[derive(Default)]
pub(super) struct Fields(pub(super) Map<String, Value>);

impl Fields {
    pub(super) fn text(self, name: &str, text: Option<String>) -> Self {
        self.value(name, text.filter(|text| !text.is_empty()).map(Value::from))
    }

    pub(super) fn flag(self, name: &str, flag: Option<bool>) -> Self {
        self.value(name, flag.map(Value::from))
    }

    /// A number that Go holds by pointer: zero is kept.
    pub(super) fn number(self, name: &str, number: Option<impl Into<i64>>) -> Self {
        self.value(name, number.map(|number| Value::from(number.into())))
    }

    /// A number that Go holds by value: zero is left out.
    pub(super) fn count(self, name: &str, number: Option<impl Into<i64>>) -> Self {
        self.number(name, number.map(Into::into).filter(|number| *number != 0))
    }

    pub(super) fn texts(self, name: &str, texts: Vec<String>) -> Self {
        self.list(name, texts.into_iter().map(Value::from).collect())
    }

    pub(super) fn list(self, name: &str, list: Vec<Value>) -> Self {
        self.value(name, if list.is_empty() { None } else { Some(Value::Array(list)) })
    }

    pub(super) fn map(self, name: &str, map: BTreeMap<String, String>) -> Self {
        self.object(name, Some(map.into_iter().map(|(key, text)| (key, text.into())).collect()))
    }

    pub(super) fn bytes(self, name: &str, map: BTreeMap<String, Vec<u8>>) -> Self {
        self.object(name, Some(map.into_iter().map(|(key, bytes)| (key, STANDARD.encode(bytes).into())).collect()))
    }

    pub(super) fn object(self, name: &str, object: Option<Map<String, Value>>) -> Self {
        self.value(name, object.filter(|object| !object.is_empty()).map(Value::Object))
    }

    pub(super) fn time(self, name: &str, time: Option<Time>) -> Self {
        self.instant(name, time.and_then(|time| Some((time.seconds?, 0))), "%Y-%m-%dT%H:%M:%SZ")
    }

    pub(super) fn micro_time(self, name: &str, time: Option<MicroTime>) -> Self {
        self.instant(name, time.and_then(|time| Some((time.seconds?, time.nanos.unwrap_or(0)))), "%Y-%m-%dT%H:%M:%S.%6fZ")
    }

    fn instant(self, name: &str, time: Option<(i64, i32)>, format: &str) -> Self {
        let time = time.and_then(|(seconds, nanos)| Timestamp::new(seconds, nanos).ok());
        self.value(name, time.map(|time| time.strftime(format).to_string().into()))
    }

    pub(super) fn value(mut self, name: &str, value: Option<Value>) -> Self {
        if let Some(value) = value {
            self.0.insert(name.to_owned(), value);
        }
        self
    }
}
