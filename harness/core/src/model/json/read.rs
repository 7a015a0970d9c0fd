//! Reads JSON text.

use std::str::Utf8Error;

use serde::de::IgnoredAny;

use super::{
    Object, Value,
    number::{Number, length},
};

/// The deepest that lists and objects may be in each other: reading recurses, and what people send
/// is far flatter. `serde_json` has the same limit.
pub const MAX_DEPTH: usize = 128;

/// The reasons why a text is no JSON.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// It is not UTF-8.
    #[error(transparent)]
    NotUtf8(#[from] Utf8Error),
    /// It has something that JSON does not have there.
    #[error(transparent)]
    Syntax(serde_json::Error),
    /// Lists and objects are in each other deeper than [`MAX_DEPTH`].
    #[error("lists and objects are in each other deeper than {MAX_DEPTH} levels")]
    TooDeep,
}

pub(super) fn read(text: &[u8]) -> Result<Value, JsonError> {
    let text = std::str::from_utf8(text)?;
    let mut reader = Reader { text, at: 0, is_too_deep: false };
    let value = reader.whole();
    value.ok_or_else(|| match serde_json::from_str::<IgnoredAny>(text) {
        Err(error) => JsonError::Syntax(error),
        Ok(_) if reader.is_too_deep => JsonError::TooDeep,
        // `IgnoredAny` does not look into texts.
        Ok(_) => match serde_json::from_str::<serde_json::Value>(text) {
            Err(error) => JsonError::Syntax(error),
            Ok(_) => JsonError::TooDeep,
        },
    })
}

/// Stops at the first error; its place and reason are then those that `serde_json` gives.
struct Reader<'t> {
    text: &'t str,
    at: usize,
    is_too_deep: bool,
}

impl Reader<'_> {
    fn whole(&mut self) -> Option<Value> {
        let value = self.value(0)?;
        self.space();
        (self.at == self.text.len()).then_some(value)
    }

    fn rest(&self) -> &[u8] {
        &self.text.as_bytes()[self.at..]
    }

    fn space(&mut self) {
        let is_space = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        self.at += self.rest().iter().take_while(is_space).count();
    }

    /// Steps over `word`, after space, if it comes next.
    fn take(&mut self, word: &str) -> Option<()> {
        self.space();
        let found = self.rest().starts_with(word.as_bytes());
        self.at += if found { word.len() } else { 0 };
        found.then_some(())
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        self.space();
        let first = *self.rest().first()?;
        if matches!(first, b'[' | b'{') && depth == MAX_DEPTH {
            self.is_too_deep = true;
            return None;
        }
        match first {
            b'n' => self.take("null").map(|()| Value::Null),
            b't' => self.take("true").map(|()| Value::Bool(true)),
            b'f' => self.take("false").map(|()| Value::Bool(false)),
            b'"' => self.string().map(Value::String),
            b'[' => self.array(depth).map(Value::Array),
            b'{' => self.object(depth).map(Value::Object),
            _ => self.number().map(Value::Number),
        }
    }

    fn number(&mut self) -> Option<Number> {
        let length = length(self.rest())?;
        let text = &self.text[self.at..self.at + length];
        self.at += length;
        Some(Number::written(text))
    }

    fn string(&mut self) -> Option<String> {
        let inner = self.rest().strip_prefix(b"\"")?;
        let (mut end, mut is_plain) = (0, true);
        loop {
            match inner.get(end)? {
                b'"' => break,
                b'\\' => {
                    is_plain = false;
                    end += 2;
                }
                // Control characters are escaped.
                0..0x20 => return None,
                _ => end += 1,
            }
        }
        let quoted = &self.text[self.at..self.at + end + 2];
        self.at += quoted.len();
        if is_plain {
            return Some(quoted[1..=end].to_owned());
        }
        serde_json::from_str(quoted).ok()
    }

    fn array(&mut self, depth: usize) -> Option<Vec<Value>> {
        self.take("[")?;
        let mut items = Vec::new();
        if self.take("]").is_some() {
            return Some(items);
        }
        loop {
            items.push(self.value(depth + 1)?);
            if self.take(",").is_none() {
                return self.take("]").map(|()| items);
            }
        }
    }

    fn object(&mut self, depth: usize) -> Option<Object> {
        self.take("{")?;
        let mut members = Object::new();
        if self.take("}").is_some() {
            return Some(members);
        }
        loop {
            self.space();
            let name = self.string()?;
            self.take(":")?;
            let value = self.value(depth + 1)?;
            members.insert(name, value);
            if self.take(",").is_none() {
                return self.take("}").map(|()| members);
            }
        }
    }
}
