//! [`Node`] to any `Deserialize` type.
//!
//! Lists, maps and choices know their index in the tree, so an error carries the way to its node;
//! [`super::repair`] takes the node out and decodes again to find the next error.

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer, MapAccess, SeqAccess,
    Unexpected, VariantAccess, Visitor,
    value::{StrDeserializer, UsizeDeserializer},
};
use serde::forward_to_deserialize_any;

use super::{
    error::{DecodeError, Kind},
    file::{AS_WRITTEN, BY_KEY, LITERAL},
    matcher::BY_SHAPE,
    node::{Entry, Node, NodeValue},
    scalar::{self, AsWritten, Plain},
    spanned::SPANNED,
};

type Result<T> = std::result::Result<T, DecodeError>;

/// Decodes a tree.
pub(super) fn decode<'de, T: serde::Deserialize<'de>>(node: &'de Node) -> Result<T> {
    T::deserialize(NodeDeserializer(node))
}

#[derive(Clone, Copy)]
struct NodeDeserializer<'n>(&'n Node);

impl<'n> NodeDeserializer<'n> {
    /// Runs `visit` and gives its error this node's place.
    fn here<T>(self, visit: impl FnOnce(&'n NodeValue) -> Result<T>) -> Result<T> {
        visit(&self.0.value).map_err(|error| error.at_node(self.0.span))
    }

    fn must_be<T>(self, what: &str) -> Result<T> {
        Err(DecodeError::value(
            "wrong-type",
            format!("must be {what}, found {}", self.0.describe()),
        ))
    }
}

impl<'de> Deserializer<'de> for NodeDeserializer<'de> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.here(|value| match value {
            NodeValue::Seq(items) => visitor.visit_seq(Items::new(items)),
            NodeValue::Map(map) => visitor.visit_map(Entries::new(&map.entries)),
            NodeValue::Scalar(scalar) => match scalar::resolve(scalar)? {
                Plain::Null => visitor.visit_unit(),
                Plain::Bool(value) => visitor.visit_bool(value),
                Plain::Unsigned(value) => visitor.visit_u64(value),
                Plain::Signed(value) => visitor.visit_i64(value),
                Plain::Float(value) => visitor.visit_f64(value),
                Plain::Text(text) => visitor.visit_borrowed_str(text),
            },
        })
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.here(|value| match value {
            NodeValue::Scalar(scalar) if !scalar.is_null() => {
                visitor.visit_borrowed_str(&scalar.text)
            }
            NodeValue::Scalar(_) => Err(DecodeError::invalid_type(Unexpected::Unit, &visitor)),
            NodeValue::Seq(_) => Err(DecodeError::invalid_type(Unexpected::Seq, &visitor)),
            NodeValue::Map(_) => Err(DecodeError::invalid_type(Unexpected::Map, &visitor)),
        })
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.here(|value| match value {
            NodeValue::Scalar(scalar) => match scalar::resolve(scalar)? {
                Plain::Bool(value) => visitor.visit_bool(value),
                _ => self.must_be("`true` or `false`"),
            },
            _ => self.must_be("`true` or `false`"),
        })
    }

    /// `null` is a value, not an absence: it is up to the type inside.
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value> {
        if name != AS_WRITTEN {
            return visitor.visit_newtype_struct(self);
        }
        self.here(|value| match value {
            NodeValue::Seq(items) => visitor.visit_seq(Items::new(items)),
            NodeValue::Map(map) => visitor.visit_map(Entries::new(&map.entries)),
            NodeValue::Scalar(scalar) => match scalar::as_written(scalar)? {
                AsWritten::Null => visitor.visit_unit(),
                AsWritten::Bool(value) => visitor.visit_bool(value),
                AsWritten::Number(digits) => visitor.visit_bytes(digits.as_bytes()),
                AsWritten::Text(text) => visitor.visit_borrowed_str(text),
            },
        })
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.here(|value| match value {
            NodeValue::Seq(items) => visitor.visit_seq(Items::new(items)),
            _ => self
                .must_be("a list")
                .map_err(|e| e.with_help("a list is `[a, b]`, or lines that start with `- `")),
        })
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.here(|value| match value {
            NodeValue::Map(map) => visitor.visit_map(Entries::new(&map.entries)),
            _ => self.must_be("a map").map_err(|e| {
                e.with_help("a map is `{ key: value }`, or indented lines of `key: value`")
            }),
        })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.deserialize_map(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value> {
        if name == SPANNED {
            visitor.visit_seq(WithSpan { span: self.0.span, value: self, next: 0 })
        } else {
            self.deserialize_seq(visitor)
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        let name = match name {
            BY_SHAPE => {
                let variant = by_shape(&self.0.value, variants);
                return visitor.visit_enum(Whole { variant, node: self.0 });
            }
            BY_KEY if !has_choice(&self.0.value, variants) => {
                return visitor.visit_enum(Whole { variant: LITERAL, node: self.0 });
            }
            BY_KEY => "value",
            name => name,
        };
        self.here(|value| match value {
            NodeValue::Map(map) => match map.entries.as_slice() {
                [entry] => visitor.visit_enum(Choice { entry }).map_err(|error| error.of(name)),
                entries => {
                    Err(DecodeError::new(Kind::NotOneKey { what: name, found: entries.len() }))
                }
            },
            NodeValue::Scalar(scalar) if !scalar.is_null() => {
                visitor.visit_enum(Bare(&scalar.text)).map_err(|error| error.of(name))
            }
            _ => {
                let names = super::suggest::listed(variants.iter().copied());
                self.must_be(&format!("one of {names}"))
            }
        })
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct tuple
        identifier ignored_any
    }
}

/// The items of a list.
struct Items<'n> {
    items: std::iter::Enumerate<std::slice::Iter<'n, Node>>,
}

impl<'n> Items<'n> {
    fn new(items: &'n [Node]) -> Self {
        Self { items: items.iter().enumerate() }
    }
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>> {
        let Some((index, node)) = self.items.next() else { return Ok(None) };
        let value = seed.deserialize(NodeDeserializer(node));
        value.map(Some).map_err(|error| error.in_item(index, node.span))
    }
}

/// The entries of a map.
struct Entries<'n> {
    entries: std::iter::Enumerate<std::slice::Iter<'n, Entry>>,
    current: Option<(usize, &'n Entry)>,
}

impl<'n> Entries<'n> {
    fn new(entries: &'n [Entry]) -> Self {
        Self { entries: entries.iter().enumerate(), current: None }
    }
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        self.current = self.entries.next();
        let Some((index, entry)) = self.current else { return Ok(None) };
        let key = seed.deserialize(KeyDeserializer(entry));
        key.map(Some).map_err(|error| error.at_key(index, &entry.key, entry.key_span))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value> {
        let Some((index, entry)) = self.current else {
            return Err(DecodeError::custom("has a value without a key"));
        };
        let value = seed.deserialize(NodeDeserializer(&entry.value));
        value.map_err(|error| error.under_key(index, &entry.key, entry.key_span))
    }
}

/// A key: text with a place.
#[derive(Clone, Copy)]
struct KeyDeserializer<'n>(&'n Entry);

impl<'de> Deserializer<'de> for KeyDeserializer<'de> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_borrowed_str(&self.0.key)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value> {
        visitor.visit_seq(WithSpan { span: self.0.key_span, value: self, next: 0 })
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct seq tuple map struct enum identifier ignored_any
    }
}

/// A one-key map whose key chooses the type of its value.
struct Choice<'n> {
    entry: &'n Entry,
}

impl<'de> EnumAccess<'de> for Choice<'de> {
    type Error = DecodeError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self)> {
        let key: StrDeserializer<'_, DecodeError> = self.entry.key.as_str().into_deserializer();
        match seed.deserialize(key) {
            Ok(variant) => Ok((variant, self)),
            Err(error) => Err(error.at_node(self.entry.key_span)),
        }
    }
}

impl<'de> VariantAccess<'de> for Choice<'de> {
    type Error = DecodeError;

    fn unit_variant(self) -> Result<()> {
        let message = "is a choice without a value; write it without `:`";
        let error = DecodeError::value("wrong-type", message).named(&self.entry.key);
        Err(error.at_node(self.entry.key_span))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value> {
        let value = seed.deserialize(NodeDeserializer(&self.entry.value));
        value.map_err(|error| error.under_key(0, &self.entry.key, self.entry.key_span))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value> {
        NodeDeserializer(&self.entry.value)
            .deserialize_seq(visitor)
            .map_err(|error| error.under_key(0, &self.entry.key, self.entry.key_span))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        NodeDeserializer(&self.entry.value)
            .deserialize_map(visitor)
            .map_err(|error| error.under_key(0, &self.entry.key, self.entry.key_span))
    }
}

/// A choice that is written as its name alone.
struct Bare<'n>(&'n str);

impl<'de> EnumAccess<'de> for Bare<'de> {
    type Error = DecodeError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self)> {
        Ok((seed.deserialize(StrDeserializer::<DecodeError>::new(self.0))?, self))
    }
}

impl Bare<'_> {
    fn has_no_value<T>(self) -> Result<T> {
        let error = DecodeError::value("wrong-type", "is there without what belongs to it");
        Err(error.with_help(format!("write `{}: …`", self.0)).named(self.0))
    }
}

impl<'de> VariantAccess<'de> for Bare<'de> {
    type Error = DecodeError;

    fn unit_variant(self) -> Result<()> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _seed: T) -> Result<T::Value> {
        self.has_no_value()
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, _visitor: V) -> Result<V::Value> {
        self.has_no_value()
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value> {
        self.has_no_value()
    }
}

/// The variant for the shape of a node: `map`, `list` or `other`, of those that there are.
fn by_shape(value: &NodeValue, variants: &'static [&'static str]) -> &'static str {
    let shape = match value {
        NodeValue::Map(_) => "map",
        NodeValue::Seq(_) => "list",
        NodeValue::Scalar(_) => "other",
    };
    let find = |shape: &str| variants.iter().copied().find(|variant| *variant == shape);
    find(shape).or_else(|| find("other")).unwrap_or("map")
}

/// Returns whether a map has one key, and that chooses a variant. A key that was most likely meant
/// to be one, with a map below it, counts too, so that a slip is not taken as a value.
fn has_choice(value: &NodeValue, variants: &'static [&'static str]) -> bool {
    let NodeValue::Map(map) = value else { return false };
    let [Entry { key, value, .. }] = map.entries.as_slice() else { return false };
    let words = || variants.iter().copied().filter(|word| *word != LITERAL);
    let is_slip = || {
        let word = super::suggest::closest(key, words());
        word.is_some_and(|word| word.len() >= SHORTEST_SLIP)
            && matches!(value.value, NodeValue::Map(_))
    };
    words().any(|word| word == key) || is_slip()
}

/// Shorter words are too close to others that people choose as keys: `now` to `row`.
const SHORTEST_SLIP: usize = 4;

/// A variant with the whole node.
struct Whole<'n> {
    variant: &'static str,
    node: &'n Node,
}

impl<'de> EnumAccess<'de> for Whole<'de> {
    type Error = DecodeError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self)> {
        Ok((seed.deserialize(StrDeserializer::<DecodeError>::new(self.variant))?, self))
    }
}

impl<'de> VariantAccess<'de> for Whole<'de> {
    type Error = DecodeError;

    fn unit_variant(self) -> Result<()> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value> {
        seed.deserialize(NodeDeserializer(self.node))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value> {
        NodeDeserializer(self.node).deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        NodeDeserializer(self.node).deserialize_map(visitor)
    }
}

/// Deserializes the fields that [`super::Spanned`] requests: start, end, line, column, value.
struct WithSpan<D> {
    span: crate::model::Span,
    value: D,
    next: usize,
}

impl<'de, D: Deserializer<'de, Error = DecodeError> + Copy> SeqAccess<'de> for WithSpan<D> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>> {
        let index = self.next;
        self.next += 1;
        match number(self.span, index) {
            Some(value) => seed.deserialize(value).map(Some),
            None => seed.deserialize(self.value).map(Some),
        }
    }
}

/// The `index`th number of a span; past them comes the value.
fn number(span: crate::model::Span, index: usize) -> Option<UsizeDeserializer<DecodeError>> {
    let numbers = [span.start, span.end, span.line, span.column];
    numbers.get(index).map(|&value| value.into_deserializer())
}
