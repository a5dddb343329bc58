//! The table of types, read on first use.

use std::collections::HashMap;
use std::sync::LazyLock;

/// One block `:<type>` for each struct, then one line for each field: JSON name, number, kind, flags, the type of its scalars. `hack/api-types` says more.
const TABLE: &str = include_str!("types.txt");

static TYPES: LazyLock<HashMap<&'static str, Vec<Field>>> = LazyLock::new(read);

/// One field of a struct.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) number: u32,
    pub(super) kind: Kind,
    /// Go holds it by pointer: a zero is kept, `null` is none.
    pub(super) pointer: bool,
    /// Left out where it is empty.
    pub(super) omits_empty: bool,
    /// Left out where everything in it is zero.
    pub(super) omits_zero: bool,
    /// Its fields stand in JSON among those of its owner.
    pub(super) inline: bool,
    /// The type of its scalars, where that is one of their own.
    pub(super) scalar: Option<&'static str>,
}

/// What a field holds.
#[derive(Debug)]
pub(super) enum Kind {
    Text,
    Flag,
    Integer,
    Bytes,
    Struct(&'static str),
    Time,
    MicroTime,
    IntegerOrText,
    Quantity,
    /// Any JSON.
    Raw,
    /// JSON of a `managedFields` entry.
    Owned,
    /// A list of texts that is a message of its own.
    Extra,
    List(Box<Kind>),
    Map(Box<Kind>),
}

fn read() -> HashMap<&'static str, Vec<Field>> {
    let mut types = HashMap::new();
    let mut current: Option<(&'static str, Vec<Field>)> = None;
    for line in TABLE.lines() {
        if let Some(name) = line.strip_prefix(':') {
            types.extend(current.replace((name, Vec::new())));
        } else if let (Some((_, fields)), Some(field)) = (&mut current, field(line)) {
            fields.push(field);
        }
    }
    types.extend(current);
    types
}

fn field(line: &'static str) -> Option<Field> {
    let mut words = line.split(' ');
    let (name, number, kind, flags) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let scalar = words.next();
    let has = |flag: char| flags.contains(flag);
    Some(Field {
        name,
        number: number.parse().ok()?,
        kind: kind_of(kind)?,
        pointer: has('p'),
        omits_empty: has('o'),
        omits_zero: has('z'),
        inline: has('n'),
        scalar,
    })
}

fn kind_of(word: &'static str) -> Option<Kind> {
    if let Some(inner) = word.strip_prefix("[]") {
        return Some(Kind::List(Box::new(kind_of(inner)?)));
    }
    if let Some(inner) = word.strip_prefix("{}") {
        return Some(Kind::Map(Box::new(kind_of(inner)?)));
    }
    if let Some(name) = word.strip_prefix('@') {
        return Some(Kind::Struct(name));
    }
    Some(match word {
        "s" => Kind::Text,
        "b" => Kind::Flag,
        "i" => Kind::Integer,
        "y" => Kind::Bytes,
        "time" => Kind::Time,
        "micro" => Kind::MicroTime,
        "intstr" => Kind::IntegerOrText,
        "quantity" => Kind::Quantity,
        "raw" => Kind::Raw,
        "fields" => Kind::Owned,
        "extra" => Kind::Extra,
        _ => return None,
    })
}

/// The place of a field among those of the type `name` and the types inlined in it.
pub(crate) fn rank(name: &str, key: &str) -> Option<usize> {
    fn count(name: &str, key: &str, before: &mut usize) -> bool {
        fields(name).iter().any(|field| match (&field.kind, field.inline) {
            (Kind::Struct(inner), true) => count(inner, key, before),
            _ if field.name == key => true,
            _ => {
                *before += 1;
                false
            }
        })
    }
    let mut before = 0;
    count(name, key, &mut before).then_some(before)
}

/// What sort of value a field holds, as far as patches look into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Struct(&'static str),
    Map,
    /// A list, and the struct that its entries are.
    List(Option<&'static str>),
    /// What has no fields and no entries.
    Scalar,
}

impl Shape {
    /// What Go calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Struct(_) => "struct",
            Self::Map => "map",
            Self::List(_) => "slice",
            Self::Scalar => "string",
        }
    }
}

/// The shape of a field of the type `name`, or of one inlined in it; `None` where there is none.
pub(crate) fn member(name: &str, key: &str) -> Option<Shape> {
    // Every kind says what it is.
    if matches!(key, "apiVersion" | "kind") {
        return Some(Shape::Scalar);
    }
    fields(name).iter().find_map(|field| match (&field.kind, field.inline) {
        (Kind::Struct(inner), true) => member(inner, key),
        (kind, _) => (field.name == key).then_some(match kind {
            Kind::Struct(name) => Shape::Struct(name),
            Kind::Map(_) => Shape::Map,
            Kind::List(entry) => Shape::List(match &**entry {
                Kind::Struct(name) => Some(name),
                _ => None,
            }),
            _ => Shape::Scalar,
        }),
    })
}

/// The fields of a type in the order of Go; none for a type that is not in the table.
pub(super) fn fields(name: &str) -> &'static [Field] {
    TYPES.get(name).map(Vec::as_slice).unwrap_or_default()
}

/// The type of a kind, where the table has it.
pub(crate) fn root(api_version: &str, kind: &str) -> Option<&'static str> {
    let (group, version) = api_version.split_once('/').unwrap_or(("core", api_version));
    let package = group.split('.').next().unwrap_or_default();
    let plain = format!("{package}.{version}.{kind}");
    let aggregated = format!("kube-aggregator.pkg.apis.{plain}");
    [plain, aggregated].iter().find_map(|name| TYPES.get_key_value(name.as_str())).map(|(name, _)| *name)
}

#[cfg(test)]
pub(super) fn names() -> Vec<&'static str> {
    TYPES.keys().copied().collect()
}
