//! Parses JSON as this API accepts it: I-JSON (RFC 7493) with bounded nesting. Duplicate keys are
//! refused, because two readers of such a document may see different values.

use std::fmt;

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// The deepest nesting of arrays and objects. Real workflows stay below 10. The bound keeps every
/// recursive reader of a document (this service, its tests, a client) off its stack limit.
pub const MAX_DEPTH: usize = 64;

/// A text that is not JSON as this API accepts it. The message names the line and the column.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct InvalidJson(#[from] serde_json::Error);

/// Parses a request body.
///
/// # Errors
/// [`InvalidJson`] at the first mistake.
pub fn parse(bytes: &[u8]) -> Result<Value, InvalidJson> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { depth: 0 }.deserialize(&mut deserializer)?;
    // A deserializer stops after the first value. This refuses text that follows it.
    deserializer.end()?;
    Ok(value)
}

/// Builds a [`Value`] that stands `depth` levels below the top of its document.
#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
}

impl Strict {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            return Err(E::custom(format!("nested deeper than {MAX_DEPTH} levels")));
        }
        Ok(Self { depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(inner)? {
            items.push(item);
        }
        Ok(items.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut members = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            // `serde_json` itself keeps the last value of a duplicate key.
            if members.contains_key(&key) {
                return Err(A::Error::custom(format!("duplicate key `{key}`")));
            }
            let value = map.next_value_seed(inner)?;
            members.insert(key, value);
        }
        Ok(members.into())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_what_serde_json_reads() {
        let text = br#"{"a":[1,-2,1.5,"x\u00e9",true,null],"b":{}}"#;
        assert_eq!(parse(text).unwrap(), json!({"a": [1, -2, 1.5, "xé", true, null], "b": {}}));
    }

    #[test]
    fn refuses_duplicates_trailing_text_and_bad_numbers() {
        assert_eq!(
            parse(br#"{"a":1,"a":2}"#).unwrap_err().to_string(),
            "duplicate key `a` at line 1 column 10"
        );
        for text in ["", " ", "{} x", "{\"a\":1e400}", "{\"a\":\"\\ud800\"}", "[1,]", "NaN"] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(parse(b"\"\xff\"").is_err());
    }

    #[test]
    fn depth_at_the_limit_and_one_past_it() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(parse(nested(MAX_DEPTH).as_bytes()).is_ok());
        let error = parse(nested(MAX_DEPTH + 1).as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with("nested deeper than 64 levels"), "{error}");
        assert!(parse(nested(100_000).as_bytes()).is_err());
    }
}
