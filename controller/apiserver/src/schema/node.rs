//! The parsed form of a structural schema.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use regex::Regex;
use serde_json::Value;

use super::Members;
use super::cel::CompiledRules;

/// A parsed `openAPIV3Schema`. Cheap to share behind an `Arc`; immutable after parsing.
#[derive(Debug)]
pub struct Schema {
    pub(crate) root: Node,
    id: SchemaId,
}

/// Tells a parsed schema from every other one of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SchemaId(u64);

impl SchemaId {
    fn fresh() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl Schema {
    pub(super) fn of(root: Node) -> Self {
        Self { root, id: SchemaId::fresh() }
    }

    pub(crate) fn id(&self) -> SchemaId {
        self.id
    }

    /// The root node of the schema.
    pub fn root(&self) -> &Node {
        &self.root
    }
}

/// The declared JSON type of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// A JSON object.
    Object,
    /// A JSON array.
    Array,
    /// A string.
    String,
    /// A whole number.
    Integer,
    /// Any number.
    Number,
    /// `true` or `false`.
    Boolean,
}

impl Type {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "object" => Self::Object,
            "array" => Self::Array,
            "string" => Self::String,
            "integer" => Self::Integer,
            "number" => Self::Number,
            "boolean" => Self::Boolean,
            _ => return None,
        })
    }

    /// The type's name as schemas and messages spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::Array => "array",
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
        }
    }
}

/// What `additionalProperties` says.
#[derive(Debug)]
pub enum Extra {
    /// `additionalProperties: true`.
    Any,
    /// `additionalProperties: {…}`.
    Schema(Box<Node>),
}

/// `x-kubernetes-list-type`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListKind {
    /// One value, replaced as a whole.
    Atomic,
    /// Unique scalars.
    Set,
    /// Unique objects, identified by these fields.
    Map(Vec<String>),
}

/// Value validations beside the type.
#[derive(Debug, Default)]
pub struct Bounds {
    pub(crate) values: Vec<Value>,
    pub(crate) minimum: Option<f64>,
    pub(crate) maximum: Option<f64>,
    pub(crate) exclusive_minimum: bool,
    pub(crate) exclusive_maximum: bool,
    pub(crate) multiple_of: Option<f64>,
    pub(crate) min_length: Option<u64>,
    pub(crate) max_length: Option<u64>,
    pub(crate) pattern: Option<Box<Pattern>>,
    pub(crate) format: Option<String>,
    pub(crate) min_items: Option<u64>,
    pub(crate) max_items: Option<u64>,
    pub(crate) unique_items: bool,
    pub(crate) min_properties: Option<u64>,
    pub(crate) max_properties: Option<u64>,
    pub(crate) required: Vec<String>,
}

/// A regular expression, compiled at its first use.
#[derive(Debug)]
pub(crate) struct Pattern {
    pub(crate) text: String,
    compiled: OnceLock<Result<Regex, String>>,
}

impl Pattern {
    pub(crate) fn new(text: &str) -> Self {
        Self { text: text.to_owned(), compiled: OnceLock::new() }
    }

    /// The compiled expression, or why it is none.
    pub(crate) fn regex(&self) -> Result<&Regex, &str> {
        let compiled = self.compiled.get_or_init(|| Regex::new(&self.text).map_err(|error| error.to_string()));
        compiled.as_ref().map_err(String::as_str)
    }
}

/// One entry of `x-kubernetes-validations`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// The CEL expression.
    pub rule: String,
    /// What to say when it is false.
    pub message: String,
    /// A CEL expression that yields the message.
    pub message_expression: String,
    /// Cause reason, `FieldValueInvalid` where empty.
    pub reason: String,
    /// Path of the field to blame, relative to the node.
    pub field_path: String,
    /// Whether a transition rule also runs without an old value.
    pub optional_old_self: bool,
}

impl Rule {
    /// Whether the rule or its message may look at `oldSelf`; a string that spells it counts too.
    pub(crate) fn may_read_old(&self) -> bool {
        self.rule.contains("oldSelf") || self.message_expression.contains("oldSelf")
    }
}

/// One schema node.
#[derive(Debug, Default)]
pub struct Node {
    pub(crate) kind: Option<Type>,
    pub(crate) properties: Members<Node>,
    pub(crate) extra: Option<Extra>,
    pub(crate) items: Option<Box<Node>>,
    pub(crate) nullable: bool,
    pub(crate) default: Option<Box<Value>>,
    pub(crate) preserve_unknown: bool,
    pub(crate) int_or_string: bool,
    pub(crate) embedded: bool,
    pub(crate) list: Option<ListKind>,
    pub(crate) map_atomic: bool,
    pub(crate) bounds: Bounds,
    pub(crate) all_of: Vec<Node>,
    pub(crate) any_of: Vec<Node>,
    pub(crate) one_of: Vec<Node>,
    pub(crate) not: Option<Box<Node>>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) compiled: OnceLock<CompiledRules>,
    /// Whether this node or one below it has rules: walks skip all others.
    pub(crate) has_rules: bool,
    /// Whether one of them may read the old value.
    pub(crate) has_transitions: bool,
    /// Whether this node or one below it is a whole resource.
    pub(crate) has_embedded: bool,
    /// Whether this node or one below it is a list of unique entries.
    pub(crate) has_unique: bool,
}

impl Node {
    /// The schema of `key` below this node, if it is declared or covered by `additionalProperties`.
    pub(crate) fn child(&self, key: &str) -> Option<&Node> {
        self.properties.get(key).or(match &self.extra {
            Some(Extra::Schema(node)) => Some(node),
            Some(Extra::Any) | None => None,
        })
    }

    /// Whether something holds here, or of a node directly below.
    pub(super) fn any_below(&self, here: bool, holds: impl Fn(&Node) -> bool) -> bool {
        here || self.properties.values().chain(&self.all_of).any(&holds)
            || self.items.as_deref().is_some_and(&holds)
            || self.extra_schema().is_some_and(&holds)
    }

    /// The schema of the values of undeclared keys.
    pub(crate) fn extra_schema(&self) -> Option<&Node> {
        match &self.extra {
            Some(Extra::Schema(node)) => Some(node),
            Some(Extra::Any) | None => None,
        }
    }
}
