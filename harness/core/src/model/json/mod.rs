//! JSON values that keep what was written: the digits of numbers, and the order of members.
//!
//! `serde_json` reads a number into 64 bits and sorts members by name. An API that is tested must
//! be sent what the author wrote, and a report must show what the answer said.

mod number;
mod read;

use std::{
    fmt::{self, Display, Write as _},
    ops::Index,
};

use indexmap::IndexMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::Error as _};
use serde_json::value::RawValue;

pub use number::Number;
pub use read::{JsonError, MAX_DEPTH};

/// Characters of a value that are shown; a whole body would hide the rest.
const SHOWN: usize = 200;

/// The members of an object, in the order in which they were written.
pub type Object = IndexMap<String, Value>;

/// A JSON value.
///
/// Values are equal as JSON: 1 and 1.0 are the same number, and the order of members does not
/// matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Value {
    /// `null`.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A text.
    String(String),
    /// A list.
    Array(Vec<Value>),
    /// An object.
    Object(Object),
}

/// Gives values that are missing; see [`Value`]'s `Index`.
static NULL: Value = Value::Null;

impl Value {
    /// Reads a JSON text. Where an object has a member twice, the last one counts, as for most
    /// readers.
    ///
    /// # Errors
    /// [`JsonError`], with the place in the text.
    pub fn parse(text: &[u8]) -> Result<Self, JsonError> {
        read::read(text)
    }

    /// Returns what `value` is in JSON.
    ///
    /// # Errors
    /// If it cannot be written as JSON.
    pub fn of(value: &impl Serialize) -> Result<Self, JsonError> {
        Self::parse(serde_json::to_string(value).map_err(JsonError::Syntax)?.as_bytes())
    }

    /// Returns the value for a reader that has 64 bits for a number: what does not fit is rounded.
    pub fn to_serde(&self) -> serde_json::Value {
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Bool(value) => (*value).into(),
            Self::Number(number) => serde_json::Value::Number(number.rounded()),
            Self::String(text) => text.as_str().into(),
            Self::Array(items) => items.iter().map(Self::to_serde).collect(),
            Self::Object(members) => members
                .iter()
                .map(|(name, value)| (name.clone(), value.to_serde()))
                .collect::<serde_json::Map<_, _>>()
                .into(),
        }
    }

    /// Returns about how many bytes the value takes as JSON: those of its texts, and one for each value.
    pub fn size(&self) -> usize {
        let inside = match self {
            Self::Null | Self::Bool(_) | Self::Number(_) => 0,
            Self::String(text) => text.len(),
            Self::Array(items) => items.iter().map(Self::size).sum(),
            Self::Object(members) => {
                members.iter().map(|(name, value)| name.len() + value.size()).sum()
            }
        };
        inside + 1
    }

    /// Returns the member of that name, if the value is an object that has it.
    pub fn get(&self, name: &str) -> Option<&Self> {
        self.as_object()?.get(name)
    }

    /// Returns the member of that name, to change it.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Self> {
        match self {
            Self::Object(members) => members.get_mut(name),
            _ => None,
        }
    }

    /// Returns the item at `index`, if the value is a list that has it.
    pub fn item(&self, index: usize) -> Option<&Self> {
        self.as_array()?.get(index)
    }

    /// Returns the item at `index`, to change it.
    pub fn item_mut(&mut self, index: usize) -> Option<&mut Self> {
        match self {
            Self::Array(items) => items.get_mut(index),
            _ => None,
        }
    }

    /// Returns the text, if the value is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the number, if the value is one.
    pub fn as_number(&self) -> Option<&Number> {
        match self {
            Self::Number(number) => Some(number),
            _ => None,
        }
    }

    /// Returns the whole number from 0, if the value is one that 64 bits can hold.
    pub fn as_u64(&self) -> Option<u64> {
        self.as_number()?.to_string().parse().ok()
    }

    /// Returns the whole number, if the value is one that 64 bits can hold.
    pub fn as_i64(&self) -> Option<i64> {
        self.as_number()?.as_i64()
    }

    /// Returns the items, if the value is a list.
    pub fn as_array(&self) -> Option<&Vec<Self>> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// Returns the members, if the value is an object.
    pub fn as_object(&self) -> Option<&Object> {
        match self {
            Self::Object(members) => Some(members),
            _ => None,
        }
    }

    /// Returns whether the value is `null`.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Returns whether the value is `true` or `false`.
    pub fn is_boolean(&self) -> bool {
        matches!(self, Self::Bool(_))
    }

    /// Returns whether the value is a number.
    pub fn is_number(&self) -> bool {
        matches!(self, Self::Number(_))
    }

    /// Returns whether the value is a text.
    pub fn is_string(&self) -> bool {
        matches!(self, Self::String(_))
    }

    /// Returns whether the value is a list.
    pub fn is_array(&self) -> bool {
        matches!(self, Self::Array(_))
    }

    /// Returns whether the value is an object.
    pub fn is_object(&self) -> bool {
        matches!(self, Self::Object(_))
    }

    /// Returns a text that is the same for equal values, and for no others.
    pub fn canonical(&self) -> String {
        match self {
            Self::Number(number) => number.canonical(),
            Self::Array(items) => {
                let items: Vec<_> = items.iter().map(Self::canonical).collect();
                format!("[{}]", items.join(","))
            }
            Self::Object(members) => {
                let member = |(name, value): (&String, &Self)| {
                    format!("{}:{}", quoted(name), value.canonical())
                };
                let mut members: Vec<_> = members.iter().map(member).collect();
                members.sort_unstable();
                format!("{{{}}}", members.join(","))
            }
            other => other.to_string(),
        }
    }

    /// Writes the value; every level of `indent` begins a line, and `None` keeps it on one.
    fn write(&self, out: &mut fmt::Formatter<'_>, indent: Option<usize>) -> fmt::Result {
        match self {
            Self::Null => out.write_str("null"),
            Self::Bool(value) => write!(out, "{value}"),
            Self::Number(number) => write!(out, "{number}"),
            Self::String(text) => out.write_str(&quoted(text)),
            Self::Array(items) => {
                list(out, indent, ['[', ']'], items.iter(), |out, item, inner| {
                    item.write(out, inner)
                })
            }
            Self::Object(members) => {
                list(out, indent, ['{', '}'], members.iter(), |out, (name, value), inner| {
                    out.write_str(&quoted(name))?;
                    out.write_str(if indent.is_some() { ": " } else { ":" })?;
                    value.write(out, inner)
                })
            }
        }
    }
}

fn list<'f, T>(
    out: &mut fmt::Formatter<'f>,
    indent: Option<usize>,
    [open, close]: [char; 2],
    items: impl ExactSizeIterator<Item = T>,
    each: impl Fn(&mut fmt::Formatter<'f>, T, Option<usize>) -> fmt::Result,
) -> fmt::Result {
    let line = |out: &mut fmt::Formatter<'f>, level: Option<usize>| match level {
        Some(level) => write!(out, "\n{:width$}", "", width = 2 * level),
        None => Ok(()),
    };
    let (count, inner) = (items.len(), indent.map(|level| level + 1));
    out.write_char(open)?;
    for (index, item) in items.enumerate() {
        out.write_str(if index == 0 { "" } else { "," })?;
        line(out, inner)?;
        each(out, item, inner)?;
    }
    if count > 0 {
        line(out, indent)?;
    }
    out.write_char(close)
}

/// Returns a text in quotes, as JSON has it.
pub fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// As JSON: `{}` on one line, `{:#}` with a line for each member and item.
impl Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, f.alternate().then_some(0))
    }
}

/// Exact only where the serializer writes JSON text.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(self.to_string()).map_err(S::Error::custom)?.serialize(serializer)
    }
}

/// Reads JSON text only.
impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        Self::parse(text.get().as_bytes()).map_err(D::Error::custom)
    }
}

impl Index<&str> for Value {
    type Output = Self;

    /// The member of that name, or `null`.
    fn index(&self, name: &str) -> &Self {
        self.get(name).unwrap_or(&NULL)
    }
}

impl Index<usize> for Value {
    type Output = Self;

    /// The item at that index, or `null`.
    fn index(&self, index: usize) -> &Self {
        self.item(index).unwrap_or(&NULL)
    }
}

macro_rules! from {
    ($($type:ty => $variant:ident),+ $(,)?) => {$(
        impl From<$type> for Value {
            fn from(value: $type) -> Self {
                Self::$variant(value.into())
            }
        }
    )+};
}

from! {
    bool => Bool,
    u16 => Number,
    u32 => Number,
    u64 => Number,
    usize => Number,
    i32 => Number,
    i64 => Number,
    Number => Number,
    &str => String,
    String => String,
    Object => Object,
}

impl<const N: usize> From<[(&str, Value); N]> for Value {
    fn from(members: [(&str, Value); N]) -> Self {
        members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    /// Nothing is `null`.
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(items: Vec<T>) -> Self {
        items.into_iter().collect()
    }
}

impl From<serde_json::Value> for Value {
    fn from(value: serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(value) => Self::Bool(value),
            serde_json::Value::Number(number) => Self::Number(number.into()),
            serde_json::Value::String(text) => Self::String(text),
            serde_json::Value::Array(items) => items.into_iter().collect(),
            serde_json::Value::Object(members) => members.into_iter().collect(),
        }
    }
}

impl<T: Into<Value>> FromIterator<T> for Value {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Self::Array(items.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<Value>> FromIterator<(String, T)> for Value {
    fn from_iter<I: IntoIterator<Item = (String, T)>>(members: I) -> Self {
        Self::Object(members.into_iter().map(|(name, value)| (name, value.into())).collect())
    }
}

impl PartialEq<str> for Value {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == Some(other)
    }
}

impl PartialEq<&str> for Value {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == Some(*other)
    }
}

impl PartialEq<i64> for Value {
    fn eq(&self, other: &i64) -> bool {
        self.as_number().is_some_and(|number| *number == Number::from(*other))
    }
}

/// The number in a header or a text, if it is one.
pub(crate) fn read_number(text: &str) -> Option<Value> {
    Number::parse(text.trim()).map(Value::Number)
}

/// A value as text, cut.
pub(crate) fn shown(value: &Value) -> String {
    clipped(value, SHOWN)
}

/// A value as text, at most so many characters of it.
pub fn clipped(value: &impl Display, most: usize) -> String {
    let text = value.to_string();
    match text.char_indices().nth(most) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text,
    }
}

#[cfg(test)]
pub(crate) mod tests;
