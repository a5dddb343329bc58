//! Random objects of a type: mostly valid, small alphabets so that fields meet.

use serde_json::{Map, Value, json};

use crate::ssa::types::{Atom, ListType, MapType, Relation, Scalar, Type};

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// A seeded generator (SplitMix64): the same seed gives the same sequence everywhere.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    pub(super) fn one_in(&mut self, chance: u64) -> bool {
        self.below(chance) == 0
    }

    pub(super) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[usize::try_from(self.below(from.len() as u64)).unwrap()]
    }
}

/// How objects are made.
#[derive(Clone, Copy)]
pub(super) struct Style {
    /// Whether sets and map lists may repeat entries, as live objects may.
    pub(super) duplicates: bool,
    /// One value in this many is of a wrong type; 0 for none.
    pub(super) wrong: u64,
}

pub(super) fn value(ty: &Type, random: &mut Random, style: Style, depth: u32) -> Value {
    if style.wrong > 0 && random.one_in(style.wrong) {
        return random.pick(&[json!(null), json!("w"), json!(1), json!([1]), json!({"w": 1}), json!(true)]).clone();
    }
    if random.one_in(20) {
        return Value::Null;
    }
    let atom = ty.resolve();
    let forms = [atom.scalar.is_some(), atom.list.is_some() && depth < 6, atom.map.is_some() && depth < 6];
    let open: Vec<usize> = (0..3).filter(|form| forms[*form]).collect();
    if open.is_empty() {
        return Value::Null;
    }
    match random.pick(&open) {
        0 => scalar(atom, random),
        1 => atom.list.as_ref().map_or(Value::Null, |list| self::list(list, random, style, depth)),
        _ => atom.map.as_ref().map_or(Value::Null, |map| self::map(map, random, style, depth)),
    }
}

fn scalar(atom: &Atom, random: &mut Random) -> Value {
    let number = i64::try_from(random.below(3)).unwrap();
    match atom.scalar {
        Some(Scalar::Numeric) if random.one_in(6) => json!(1.5),
        Some(Scalar::Numeric) => json!(number),
        Some(Scalar::String) => json!(random.pick(&NAMES)),
        Some(Scalar::Boolean) => json!(number == 0),
        Some(Scalar::Untyped) | None => random.pick(&[json!("s"), json!(2), json!(true), json!(0.5)]).clone(),
    }
}

fn map(map: &MapType, random: &mut Random, style: Style, depth: u32) -> Value {
    let mut out = Map::new();
    for (name, field) in map.fields.iter() {
        if random.below(3) < 2 {
            out.insert(name.to_owned(), value(&field.ty, random, style, depth + 1));
        }
    }
    if let Some(element) = &map.element {
        for _ in 0..random.below(3) {
            out.insert((*random.pick(&NAMES)).to_owned(), value(element, random, style, depth + 1));
        }
    } else if style.wrong > 0 && random.one_in(style.wrong) {
        out.insert("undeclared".to_owned(), json!(1));
    }
    Value::Object(out)
}

fn list(list: &ListType, random: &mut Random, style: Style, depth: u32) -> Value {
    let mut out: Vec<Value> = Vec::new();
    let mut seen: Vec<String> = Vec::new();
    for _ in 0..random.below(5) {
        let mut entry = value(&list.element, random, style, depth + 1);
        if let (Relation::Keyed(keys), Some(fields)) = (&list.relation, entry.as_object_mut()) {
            for (position, key) in keys.iter().enumerate() {
                if position == 0 || random.one_in(2) {
                    fields.insert(key.to_string(), json!(random.pick(&NAMES)));
                }
            }
        }
        let address = match &list.relation {
            Relation::Atomic => out.len().to_string(),
            Relation::Set => entry.to_string(),
            Relation::Keyed(keys) => keys.iter().map(|key| format!("{:?}/", entry.get(&**key))).collect(),
        };
        let plain = list.relation == Relation::Atomic || style.wrong > 0 || (!entry.is_null() && !entry.is_array());
        if plain && (style.duplicates || !seen.contains(&address)) {
            seen.push(address);
            out.push(entry);
        }
    }
    Value::Array(out)
}
