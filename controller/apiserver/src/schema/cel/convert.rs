//! JSON as CEL sees it through its schema: formats become types, declared names are escaped.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube_cel::cel::objects::{Key, Map};
use kube_cel::cel::{Program, Value as CelValue};
use serde_json::{Number, Value};

use super::super::node::{Extra, Node, Type};

const RESERVED: [&str; 21] = [
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];
/// What rules see of a resource's `metadata`.
const META_NAMES: [&str; 2] = ["name", "generateName"];

static TIMESTAMP: LazyLock<Option<Program>> = LazyLock::new(|| Program::compile("timestamp(text)").ok());
static DURATION: LazyLock<Option<Program>> = LazyLock::new(|| Program::compile("duration(text)").ok());

/// The CEL value of `value`; `resource` marks the root of an object, whose type fields are always there.
pub(super) fn to_cel(value: &Value, node: &Node, resource: bool) -> CelValue {
    match value {
        Value::Null => CelValue::Null,
        Value::Bool(flag) => CelValue::Bool(*flag),
        Value::Number(number) => number_to_cel(number, node.kind),
        Value::String(text) => text_to_cel(text, node),
        Value::Array(items) => {
            let convert = |item| node.items.as_ref().map_or_else(|| plain(item), |schema| to_cel(item, schema, schema.embedded));
            CelValue::List(Arc::new(items.iter().map(convert).collect()))
        }
        Value::Object(fields) => {
            let mut map = HashMap::with_capacity(fields.len());
            for (key, child) in fields {
                if resource && key == "metadata" {
                    continue;
                }
                let (name, child) = match (node.properties.get(key), &node.extra) {
                    (Some(schema), _) => (escape(key), to_cel(child, schema, schema.embedded)),
                    (None, Some(Extra::Schema(schema))) => (key.clone(), to_cel(child, schema, schema.embedded)),
                    (None, Some(Extra::Any)) => (key.clone(), plain(child)),
                    (None, None) => (escape(key), plain(child)),
                };
                // A field named like a word of the language can be read by either name.
                if RESERVED.contains(&key.as_str()) {
                    map.insert(Key::String(Arc::new(key.clone())), child.clone());
                }
                map.insert(Key::String(Arc::new(name)), child);
            }
            if resource {
                map.insert(Key::String(Arc::new("metadata".to_owned())), metadata(fields.get("metadata")));
            }
            CelValue::Map(Map { map: Arc::new(map) })
        }
    }
}

fn metadata(value: Option<&Value>) -> CelValue {
    let fields = META_NAMES.iter().filter_map(|name| {
        let text = value?.get(*name)?;
        Some((Key::String(Arc::new((*name).to_owned())), plain(text)))
    });
    CelValue::Map(Map { map: Arc::new(fields.collect()) })
}

fn plain(value: &Value) -> CelValue {
    to_cel(value, &Node::default(), false)
}

fn number_to_cel(number: &Number, kind: Option<Type>) -> CelValue {
    let float = || CelValue::Float(number.as_f64().unwrap_or(f64::NAN));
    match (kind, number.as_i64()) {
        (Some(Type::Number), _) | (_, None) => float(),
        (_, Some(whole)) => CelValue::Int(whole),
    }
}

fn text_to_cel(text: &str, node: &Node) -> CelValue {
    let plain = || CelValue::String(Arc::new(text.to_owned()));
    if node.int_or_string {
        return plain();
    }
    match node.bounds.format.as_deref() {
        Some("date-time" | "datetime") => evaluate(&TIMESTAMP, text).unwrap_or_else(plain),
        Some("duration") => evaluate(&DURATION, text).unwrap_or_else(plain),
        Some("byte") => STANDARD.decode(text).map_or_else(|_| plain(), |bytes| CelValue::Bytes(Arc::new(bytes))),
        Some(_) | None => plain(),
    }
}

/// Timestamps and durations are made by the language's own functions, so both agree on the syntax.
fn evaluate(program: &Option<Program>, text: &str) -> Option<CelValue> {
    super::with_functions(|functions| {
        let mut scope = functions.new_inner_scope();
        scope.add_variable_from_value("text", CelValue::String(Arc::new(text.to_owned())));
        program.as_ref()?.execute(&scope).ok()
    })
}

/// A field name as CEL spells it.
pub(super) fn escape(name: &str) -> String {
    if RESERVED.contains(&name) {
        return format!("__{name}__");
    }
    if !name.contains(['.', '-', '/']) && !name.contains("__") {
        return name.to_owned();
    }
    name.replace("__", "\u{0}")
        .replace('.', "__dot__")
        .replace('-', "__dash__")
        .replace('/', "__slash__")
        .replace('\u{0}', "__underscores__")
}
