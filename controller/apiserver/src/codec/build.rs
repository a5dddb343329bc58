//! A visitor that builds a [`Value`] and remembers repeated keys.

use std::fmt::{self, Write as _};
use std::marker::PhantomData;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::Spanned;

use super::{Duplicate, MAX_DEPTH};

/// Up to here every whole float is a whole number.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

/// What was met on the way.
#[derive(Default)]
pub(super) struct State {
    pub(super) duplicates: Vec<Duplicate>,
    /// The path of each key, where they are wanted.
    pub(super) keys: Option<Vec<String>>,
    pub(super) too_deep: bool,
    path: String,
    depth: usize,
}

impl State {
    /// A state that keeps the path of each key.
    pub(super) fn with_keys() -> Self {
        Self { keys: Some(Vec::new()), ..Self::default() }
    }
}

/// An object key as one format delivers it.
pub(super) trait Key {
    /// The key's text and its line, 0 where the format has none.
    fn into_parts(self) -> (String, u64);
}

/// A JSON key.
#[derive(serde::Deserialize)]
#[serde(transparent)]
pub(super) struct PlainKey(String);

impl Key for PlainKey {
    fn into_parts(self) -> (String, u64) {
        (self.0, 0)
    }
}

/// A YAML key: any scalar, with its place.
#[derive(serde::Deserialize)]
#[serde(transparent)]
pub(super) struct PlacedKey(Spanned<Scalar>);

impl Key for PlacedKey {
    fn into_parts(self) -> (String, u64) {
        (self.0.value.0, self.0.defined.line())
    }
}

struct Scalar(String);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        let text = match Value::deserialize(reader)? {
            Value::String(text) => text,
            value @ (Value::Number(_) | Value::Bool(_)) => value.to_string(),
            Value::Null => "null".to_owned(),
            Value::Array(_) | Value::Object(_) => {
                return Err(D::Error::custom("a key must be a scalar"));
            }
        };
        Ok(Self(text))
    }
}

/// The seed for one value at the state's current path.
pub(super) struct Build<'a, K> {
    state: &'a mut State,
    key: PhantomData<K>,
}

impl<'a, K> Build<'a, K> {
    pub(super) fn new(state: &'a mut State) -> Self {
        Self { state, key: PhantomData }
    }

    fn enter<E: serde::de::Error>(&mut self) -> Result<(), E> {
        self.state.depth += 1;
        if self.state.depth > MAX_DEPTH {
            self.state.too_deep = true;
            return Err(E::custom("nested too deeply"));
        }
        Ok(())
    }
}

impl<'de, K: Key + Deserialize<'de>> DeserializeSeed<'de> for Build<'_, K> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de, K: Key + Deserialize<'de>> Visitor<'de> for Build<'_, K> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Value, E> {
        // The reference prints 2.0 as 2, so that is what is stored.
        if number.fract() == 0.0 && number.abs() <= MAX_EXACT {
            return Ok((number as i64).into());
        }
        Number::from_f64(number).map(Value::Number).ok_or_else(|| E::custom("a number must be finite"))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        self.deserialize(reader)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Value, A::Error> {
        self.enter()?;
        let length = self.state.path.len();
        let mut list = Vec::new();
        loop {
            // Writing to a string cannot fail.
            let _ = write!(self.state.path, "[{}]", list.len());
            let item = items.next_element_seed(Build::<K>::new(self.state))?;
            self.state.path.truncate(length);
            match item {
                Some(item) => list.push(item),
                None => break,
            }
        }
        self.state.depth -= 1;
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut fields: A) -> Result<Value, A::Error> {
        self.enter()?;
        let length = self.state.path.len();
        let mut map = Map::new();
        while let Some(key) = fields.next_key::<K>()? {
            let (key, line) = key.into_parts();
            if length > 0 {
                self.state.path.push('.');
            }
            self.state.path.push_str(&key);
            if let Some(keys) = &mut self.state.keys {
                keys.push(self.state.path.clone());
            }
            if map.contains_key(&key) {
                self.state.duplicates.push(Duplicate { path: self.state.path.clone(), key: key.clone(), line });
            }
            let value = fields.next_value_seed(Build::<K>::new(self.state))?;
            self.state.path.truncate(length);
            map.insert(key, value);
        }
        self.state.depth -= 1;
        Ok(Value::Object(map))
    }
}
