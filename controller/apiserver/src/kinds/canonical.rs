//! The bytes of an object version: alphabetical for custom kinds, in the reference's field order for built-in ones,
//! with one gap where the store puts the resourceVersion.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::resource::{CoreKind, Resource};
use crate::go_types::{self, Shape};
use crate::store::{Meta, Object};

/// An encoded object that still lacks its resourceVersion.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    bytes: Vec<u8>,
    gap: usize,
    meta: Option<Arc<Meta>>,
}

impl Draft {
    /// The object as the version `revision`.
    ///
    /// # Errors
    /// Its metadata cannot be read.
    pub(crate) fn object(&self, revision: u64) -> Result<Object, serde_json::Error> {
        let bytes = self.finish(revision);
        match &self.meta {
            Some(meta) => Ok(Object { meta: Arc::clone(meta), revision, bytes, proven: None }),
            None => Object::parse(bytes, revision),
        }
    }

    /// The bytes of the version `revision`.
    pub(crate) fn finish(&self, revision: u64) -> Bytes {
        let digits = revision.to_string();
        let mut out = Vec::with_capacity(self.bytes.len() + digits.len());
        let (head, tail) = self.bytes.split_at(self.gap);
        out.extend_from_slice(head);
        out.extend_from_slice(digits.as_bytes());
        out.extend_from_slice(tail);
        Bytes::from(out)
    }

    /// The bytes without a version: of an object that a dry run would have made.
    pub(crate) fn unversioned(&self) -> Bytes {
        /// The field as it stands around the gap.
        const FIELD: &[u8] = b"\"resourceVersion\":\"\"";
        let start = self.gap + 1 - FIELD.len();
        let (head, tail) = (&self.bytes[..start], &self.bytes[self.gap + 1..]);
        let tail = tail.strip_prefix(b",").unwrap_or(tail);
        Bytes::from([head, tail].concat())
    }
}

/// The order of one object's fields: listed ones first, the others alphabetically behind them.
type Order = &'static [&'static str];

const TOP: Order = &["kind", "apiVersion", "metadata"];
const SERVICE_ACCOUNT: Order = &["kind", "apiVersion", "metadata", "secrets", "imagePullSecrets", "automountServiceAccountToken"];
const METADATA: Order = &[
    "name",
    "generateName",
    "namespace",
    "selfLink",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "labels",
    "annotations",
    "ownerReferences",
    "finalizers",
    "managedFields",
];
const OWNER: Order = &["apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion"];
const MANAGED: Order = &["manager", "operation", "apiVersion", "time", "fieldsType", "fieldsV1", "subresource"];
const REFERENCE: Order = &["kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath"];
const EVENT: Order = &[
    "kind",
    "apiVersion",
    "metadata",
    "involvedObject",
    "reason",
    "message",
    "source",
    "firstTimestamp",
    "lastTimestamp",
    "count",
    "type",
    "eventTime",
    "series",
    "action",
    "related",
    "reportingComponent",
    "reportingInstance",
];
const EVENT_V1: Order = &[
    "kind",
    "apiVersion",
    "metadata",
    "eventTime",
    "series",
    "reportingController",
    "reportingInstance",
    "action",
    "reason",
    "regarding",
    "related",
    "note",
    "type",
    "deprecatedSource",
    "deprecatedFirstTimestamp",
    "deprecatedLastTimestamp",
    "deprecatedCount",
];
const LEASE: Order = &["holderIdentity", "leaseDurationSeconds", "acquireTime", "renewTime", "leaseTransitions"];
const CONDITION: Order = &["type", "status", "lastTransitionTime", "reason", "message"];
const NAMED: Order = &["immutable", "data", "binaryData", "type"];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Top,
    Metadata,
    Below,
    /// Below a kind of the extended mode, whose types say the order.
    Typed(Shape),
}

/// Encodes `value` as an object of `resource`. A missing `metadata.resourceVersion` is put in its place.
pub(crate) fn encode(resource: &Resource, value: &Value) -> Draft {
    /// Room for most objects, so that few are copied while they are written.
    const ROOM_BYTES: usize = 4 * 1024;
    let plain = resource.core() == Some(CoreKind::Plain);
    let root = if plain { go_types::root(&resource.api_version(), &resource.kind) } else { None };
    let mut writer = Writer { out: Vec::with_capacity(ROOM_BYTES), gap: 0, core: resource.core(), root };
    writer.object_or(value, "", Place::Top);
    let meta = value.get("metadata").and_then(|metadata| Meta::deserialize(metadata).ok().map(Arc::new));
    Draft { bytes: writer.out, gap: writer.gap, meta }
}

/// A `PartialObjectMetadata` of an encoded object: its metadata as they stand, in the reference's order of fields. `None` for
/// bytes that hold none.
pub(crate) fn partial(object: &[u8], version: &str) -> Option<Bytes> {
    /// The rest is passed over.
    #[derive(Deserialize)]
    struct Head<'a> {
        #[serde(borrow)]
        metadata: Fields<'a>,
    }
    let head: Head<'_> = serde_json::from_slice(object).ok()?;
    let mut out = Vec::with_capacity(object.len());
    out.extend_from_slice(b"{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/");
    out.extend_from_slice(version.as_bytes());
    out.extend_from_slice(b"\",\"metadata\":");
    copy(&mut out, &head.metadata, METADATA)?;
    out.push(b'}');
    Some(Bytes::from(out))
}

/// Fields whose values are passed on as they stand.
type Fields<'a> = BTreeMap<&'a str, &'a RawValue>;

/// Writes fields in this order, the others alphabetically behind them.
fn copy(out: &mut Vec<u8>, fields: &Fields<'_>, order: Order) -> Option<()> {
    let listed = order.iter().filter_map(|name| fields.get_key_value(name));
    let others = fields.iter().filter(|(name, _)| !order.contains(name));
    out.push(b'{');
    for (index, (name, value)) in listed.chain(others).enumerate() {
        if index > 0 {
            out.push(b',');
        }
        serde_json::to_writer(&mut *out, name).ok()?;
        out.push(b':');
        match *name {
            "ownerReferences" => copy_all(out, value, OWNER)?,
            "managedFields" => copy_all(out, value, MANAGED)?,
            _ => out.extend_from_slice(value.get().as_bytes()),
        }
    }
    out.push(b'}');
    Some(())
}

fn copy_all(out: &mut Vec<u8>, list: &RawValue, order: Order) -> Option<()> {
    let entries: Vec<Fields<'_>> = serde_json::from_str(list.get()).ok()?;
    out.push(b'[');
    for (index, entry) in entries.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        copy(out, entry, order)?;
    }
    out.push(b']');
    Some(())
}

struct Writer {
    out: Vec<u8>,
    gap: usize,
    core: Option<CoreKind>,
    /// The type of a kind of the extended mode.
    root: Option<&'static str>,
}

impl Writer {
    fn order(&self, name: &str, place: Place) -> Order {
        let Some(core) = self.core else { return &[] };
        match (place, name) {
            (Place::Top, _) => match core {
                CoreKind::Event => EVENT,
                CoreKind::EventV1 => EVENT_V1,
                CoreKind::ConfigMap
                | CoreKind::CustomResourceDefinition
                | CoreKind::Lease
                | CoreKind::Namespace
                | CoreKind::Plain
                | CoreKind::Pod
                | CoreKind::Review
                | CoreKind::Secret
                | CoreKind::Service => TOP,
                CoreKind::ServiceAccount => SERVICE_ACCOUNT,
            },
            (Place::Metadata, _) => METADATA,
            (Place::Below, "ownerReferences") => OWNER,
            (Place::Below, "managedFields") => MANAGED,
            (Place::Below, "involvedObject" | "regarding" | "related") => REFERENCE,
            (Place::Below, "spec") if core == CoreKind::Lease => LEASE,
            (Place::Below, "conditions") if core == CoreKind::Namespace => CONDITION,
            (Place::Below | Place::Typed(_), _) => &[],
        }
    }

    fn object_or(&mut self, value: &Value, name: &str, place: Place) {
        match value {
            Value::Object(map) => self.object(map, name, place),
            Value::Array(items) => {
                self.out.push(b'[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        self.out.push(b',');
                    }
                    let place = match place {
                        Place::Typed(Shape::List(Some(entry))) => Place::Typed(Shape::Struct(entry)),
                        _ => Place::Below,
                    };
                    self.object_or(item, name, place);
                }
                self.out.push(b']');
            }
            scalar => self.scalar(scalar),
        }
    }

    fn object(&mut self, map: &Map<String, Value>, name: &str, place: Place) {
        let order = self.order(name, place);
        if place == Place::Below && order.is_empty() && map.keys().is_sorted() {
            return self.as_it_stands(map);
        }
        let mut fields: Vec<(&str, Option<&Value>)> = map.iter().map(|(key, field)| (key.as_str(), Some(field))).collect();
        if place == Place::Metadata && !map.contains_key("resourceVersion") {
            fields.push(("resourceVersion", None));
        }
        let typed = match place {
            Place::Top => self.root,
            Place::Typed(Shape::Struct(name)) => Some(name),
            Place::Typed(_) | Place::Metadata | Place::Below => None,
        };
        let named = if place == Place::Top && order == TOP { NAMED } else { &[] };
        let rank = |key: &str| {
            let first = order.iter().position(|entry| *entry == key);
            let behind = || match typed {
                Some(name) => go_types::rank(name, key),
                None => named.iter().position(|entry| *entry == key),
            };
            first.or_else(|| behind().map(|index| order.len() + index)).unwrap_or(usize::MAX)
        };
        if order.is_empty() && named.is_empty() && typed.is_none() {
            fields.sort_unstable_by_key(|(key, _)| *key);
        } else {
            fields.sort_unstable_by(|(left, _), (right, _)| rank(left).cmp(&rank(right)).then_with(|| left.cmp(right)));
        }
        self.out.push(b'{');
        for (index, (key, field)) in fields.into_iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            self.text(key);
            self.out.push(b':');
            if place == Place::Metadata && key == "resourceVersion" {
                self.out.push(b'"');
                self.gap = self.out.len();
                self.out.push(b'"');
            } else if let Some(field) = field {
                let below = match typed.and_then(|name| go_types::member(name, key)) {
                    _ if place == Place::Top && key == "metadata" => Place::Metadata,
                    None | Some(Shape::Scalar) => Place::Below,
                    Some(shape) => Place::Typed(shape),
                };
                self.object_or(field, key, below);
            }
        }
        self.out.push(b'}');
    }

    /// Fields that are in order already, as most are that were stored before.
    fn as_it_stands(&mut self, map: &Map<String, Value>) {
        self.out.push(b'{');
        for (index, (key, field)) in map.iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            self.text(key);
            self.out.push(b':');
            self.object_or(field, key, Place::Below);
        }
        self.out.push(b'}');
    }

    fn text(&mut self, text: &str) {
        // Writing to a vector cannot fail, and a string always has a JSON form.
        let _ = serde_json::to_writer(&mut self.out, text);
    }

    fn scalar(&mut self, value: &Value) {
        let _ = serde_json::to_writer(&mut self.out, value);
    }
}
