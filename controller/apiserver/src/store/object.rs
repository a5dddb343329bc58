//! One version of one object: its bytes and the few fields that lists, selectors and the collector need.

use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;

use crate::schema::SchemaId;

/// Where an object lives: its resource's storage key and `namespace/name`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(crate) kind: Arc<str>,
    pub(crate) path: String,
}

impl Key {
    /// The key of `name` in `namespace`, which is empty for cluster-scoped objects.
    pub(crate) fn new(kind: &Arc<str>, namespace: &str, name: &str) -> Self {
        Self { kind: Arc::clone(kind), path: format!("{namespace}/{name}") }
    }

    pub(crate) fn namespace(&self) -> &str {
        self.path.split_once('/').map_or("", |(namespace, _)| namespace)
    }

    pub(crate) fn name(&self) -> &str {
        self.path.split_once('/').map_or("", |(_, name)| name)
    }
}

/// An owner reference, as far as the collector needs it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Owner {
    #[serde(default)]
    pub(crate) api_version: String,
    #[serde(default)]
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) uid: String,
    #[serde(default)]
    pub(crate) block_owner_deletion: Option<bool>,
}

/// The indexed part of an object's metadata.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Meta {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) uid: String,
    #[serde(deserialize_with = "sparse")]
    pub(crate) labels: Vec<(String, String)>,
    #[serde(deserialize_with = "optional_list")]
    pub(crate) owner_references: Vec<Owner>,
    #[serde(deserialize_with = "optional_list")]
    pub(crate) finalizers: Vec<String>,
    pub(crate) deletion_timestamp: Option<String>,
}

fn optional_list<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::<Vec<T>>::deserialize(deserializer)?.unwrap_or_default())
}

fn sparse<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<(String, String)>, D::Error> {
    let map = Option::<std::collections::BTreeMap<String, String>>::deserialize(deserializer)?;
    Ok(map.unwrap_or_default().into_iter().collect())
}

/// One version of one object.
#[derive(Debug)]
pub(crate) struct Object {
    /// Shared by all versions that have the same: most writes change a status.
    pub(crate) meta: Arc<Meta>,
    pub(crate) revision: u64,
    pub(crate) bytes: Bytes,
    /// The compiled schema whose rules every value in it is known to keep.
    pub(crate) proven: Option<SchemaId>,
}

impl Object {
    /// Reads the index from `bytes`, which are an object's canonical JSON.
    pub(crate) fn parse(bytes: Bytes, revision: u64) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Head {
            #[serde(default)]
            metadata: Meta,
        }
        let head: Head = serde_json::from_slice(&bytes)?;
        Ok(Self { meta: Arc::new(head.metadata), revision, bytes, proven: None })
    }

    /// The object as a tree. The bytes were written by this server, so a failure is a bug; it shows as `null`.
    pub(crate) fn value(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_default()
    }

    pub(crate) fn path(&self) -> String {
        format!("{}/{}", self.meta.namespace, self.meta.name)
    }

    pub(crate) fn deleting(&self) -> bool {
        self.meta.deletion_timestamp.is_some()
    }
}
