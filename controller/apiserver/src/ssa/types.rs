//! The types that objects are walked by: atoms with up to three forms, made from schemas.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use serde_json::Value;

use super::builtin;
use super::element::{Element, Step};
use crate::schema::{Extra, ListKind, Members, Node, Schema, Type as JsonType};

/// What a scalar may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scalar {
    Numeric,
    String,
    Boolean,
    Untyped,
}

/// A type by its forms; a value takes the form that fits it.
#[derive(Debug, Default)]
pub(crate) struct Atom {
    pub(crate) scalar: Option<Scalar>,
    pub(crate) list: Option<ListType>,
    pub(crate) map: Option<MapType>,
}

/// How the entries of a list are told apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    Atomic,
    Set,
    Keyed(Vec<Arc<str>>),
}

#[derive(Debug)]
pub(crate) struct ListType {
    pub(crate) element: Type,
    pub(crate) relation: Relation,
}

#[derive(Debug, Default)]
pub(crate) struct MapType {
    pub(crate) fields: Members<Field>,
    /// Type of undeclared members; `None` refuses them.
    pub(crate) element: Option<Type>,
    pub(crate) atomic: bool,
}

#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) ty: Type,
    pub(crate) default: Option<Box<Value>>,
}

/// The name of a member on a walk.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Name<'a> {
    /// As the type has it: a step shares it.
    Declared(&'a Arc<str>),
    Free(&'a str),
}

impl Name<'_> {
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Declared(name) => name,
            Self::Free(name) => name,
        }
    }
}

impl Step for Name<'_> {
    fn order(&self, element: &Element) -> Ordering {
        match element {
            Element::Field(other) => self.text().cmp(other),
            Element::Key(_) | Element::Value(_) | Element::Index(_) => Ordering::Less,
        }
    }

    fn element(&self) -> Element {
        Element::Field(match self {
            Self::Declared(name) => Arc::clone(name),
            Self::Free(name) => Arc::from(*name),
        })
    }
}

/// A reference to an atom. The two recursive ones have names.
#[derive(Clone, Debug)]
pub(crate) enum Type {
    Inline(Arc<Atom>),
    /// A scalar, of which there are hundreds in one schema.
    Scalar(Scalar),
    /// Whatever the value is; maps are granular, lists atomic.
    Deduced,
    /// Whatever the value is, replaced as a whole.
    Untyped,
    /// No type at all: fields that are not in the schema.
    Nothing,
}

static NOTHING: Type = Type::Nothing;
const NO_FORM: Atom = Atom { scalar: None, list: None, map: None };
static NO_ATOM: Atom = NO_FORM;
static NUMERIC: Atom = Atom { scalar: Some(Scalar::Numeric), ..NO_FORM };
static STRING: Atom = Atom { scalar: Some(Scalar::String), ..NO_FORM };
static BOOLEAN: Atom = Atom { scalar: Some(Scalar::Boolean), ..NO_FORM };
static ANY_SCALAR: Atom = Atom { scalar: Some(Scalar::Untyped), ..NO_FORM };
static DEDUCED: LazyLock<Atom> = LazyLock::new(|| free(Type::Deduced, false));
static UNTYPED: LazyLock<Atom> = LazyLock::new(|| free(Type::Untyped, true));

fn free(element: Type, atomic: bool) -> Atom {
    Atom {
        scalar: Some(Scalar::Untyped),
        list: Some(ListType { element: Type::Untyped, relation: Relation::Atomic }),
        map: Some(MapType { fields: Members::default(), element: Some(element), atomic }),
    }
}

impl Type {
    pub(crate) fn none() -> &'static Self {
        &NOTHING
    }

    pub(crate) fn inline(atom: Atom) -> Self {
        Self::Inline(Arc::new(atom))
    }

    pub(crate) fn resolve(&self) -> &Atom {
        match self {
            Self::Inline(atom) => atom,
            Self::Scalar(Scalar::Numeric) => &NUMERIC,
            Self::Scalar(Scalar::String) => &STRING,
            Self::Scalar(Scalar::Boolean) => &BOOLEAN,
            Self::Scalar(Scalar::Untyped) => &ANY_SCALAR,
            Self::Deduced => &DEDUCED,
            Self::Untyped => &UNTYPED,
            Self::Nothing => &NO_ATOM,
        }
    }
}

impl MapType {
    /// The type of member `key`, and its name as a step.
    pub(crate) fn step<'a>(&'a self, key: &'a str) -> (Option<&'a Type>, Name<'a>) {
        match self.fields.entry(key) {
            Some((name, field)) => (Some(&field.ty), Name::Declared(name)),
            None => (self.element.as_ref(), Name::Free(key)),
        }
    }

    /// The type of member `key`: declared, or that of undeclared members.
    pub(crate) fn member(&self, key: &str) -> Option<&Type> {
        self.fields.get(key).map(|field| &field.ty).or(self.element.as_ref())
    }
}

/// The type of one kind at one version.
#[derive(Clone, Debug)]
pub struct TypeInfo {
    pub(crate) root: Type,
}

impl TypeInfo {
    /// The type that a custom resource's schema describes; `apiVersion`, `kind` and `metadata` are those of every object.
    pub fn from_schema(schema: &Schema) -> Self {
        Self { root: from_node(schema.root(), true, false) }
    }

    /// The type of a built-in kind: Secret, ConfigMap, Namespace, ServiceAccount, Event (both groups), Lease, CustomResourceDefinition.
    pub fn builtin(api_version: &str, kind: &str) -> Option<Self> {
        builtin::root(api_version, kind).map(|root| Self { root })
    }
}

/// The types of a kind at each version that is served.
#[derive(Clone, Debug)]
pub struct Types {
    versions: BTreeMap<String, TypeInfo>,
}

impl Types {
    /// A kind of one version; `api_version` is `group/version`, or `v1`.
    pub fn single(api_version: &str, info: TypeInfo) -> Self {
        Self { versions: BTreeMap::from([(api_version.to_owned(), info)]) }
    }

    /// Adds the type of another version.
    #[must_use]
    pub fn with(mut self, api_version: &str, info: TypeInfo) -> Self {
        self.versions.insert(api_version.to_owned(), info);
        self
    }

    pub(crate) fn get(&self, api_version: &str) -> Option<&Type> {
        self.versions.get(api_version).map(|info| &info.root)
    }
}

fn from_node(node: &Node, resource: bool, preserve: bool) -> Type {
    let preserve = preserve || node.preserve_unknown;
    let map = || map_type(node, resource || node.embedded, preserve);
    let list = || list_type(node, preserve);
    let atom = match node.kind {
        None => Atom { scalar: Some(Scalar::Untyped), list: Some(list()), map: Some(map()) },
        Some(JsonType::Object) => Atom { map: Some(map()), ..Atom::default() },
        Some(JsonType::Array) => Atom { list: Some(list()), ..Atom::default() },
        Some(JsonType::Integer | JsonType::Number) => return Type::Scalar(Scalar::Numeric),
        Some(JsonType::Boolean) => return Type::Scalar(Scalar::Boolean),
        Some(JsonType::String) => {
            let plain = node.bounds.format.as_deref().is_none_or(|format| format == "byte");
            return Type::Scalar(if plain { Scalar::String } else { Scalar::Untyped });
        }
    };
    Type::inline(atom)
}

fn map_type(node: &Node, resource: bool, preserve: bool) -> MapType {
    let field = |child: &Node| Field { ty: from_node(child, false, preserve), default: child.default.clone() };
    let declared = node.properties.entries().map(|(name, child)| (Arc::clone(name), field(child)));
    let fixed = if resource { builtin::resource_fields().to_vec() } else { Vec::new() };
    let fixed = fixed.into_iter().map(|(name, ty)| (Arc::from(name), Field { ty, default: None }));
    let element = match &node.extra {
        Some(Extra::Schema(child)) => Some(from_node(child, false, preserve)),
        Some(Extra::Any) => Some(Type::Deduced),
        None if preserve || node.properties.is_empty() => Some(Type::Deduced),
        None => None,
    };
    MapType { fields: declared.chain(fixed).collect(), element, atomic: node.map_atomic }
}

fn list_type(node: &Node, preserve: bool) -> ListType {
    let relation = match &node.list {
        Some(ListKind::Set) => Relation::Set,
        Some(ListKind::Map(keys)) => Relation::Keyed(keys.iter().map(|key| Arc::from(key.as_str())).collect()),
        Some(ListKind::Atomic) | None => Relation::Atomic,
    };
    let element = node.items.as_ref().map_or(Type::Untyped, |items| from_node(items, false, preserve));
    ListType { element, relation }
}
