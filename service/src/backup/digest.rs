//! Computes the digests that show that two tables are equal, and that a chunk is whole.

use std::{collections::BTreeMap, fmt::Write as _};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// The digest of a sequence of rows: SHA-256 of the digest of the rows before, and of the last row's
/// line. It does not depend on how rows are grouped into chunks, and can be continued from a stored
/// value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest(String);

impl Default for Digest {
    /// Returns the digest of no rows.
    fn default() -> Self {
        Self("0".repeat(64))
    }
}

impl Digest {
    /// Returns the digest with one more row.
    #[must_use]
    pub fn then(&self, line: &str) -> Self {
        Self(hex(&Sha256::new().chain_update(&self.0).chain_update(line).finalize()))
    }
}

/// Formats a row as one line of JSON, with its members in alphabetical order, so that both platforms
/// write the same.
pub fn line(row: &Value) -> String {
    let members: BTreeMap<_, _> = row.as_object().into_iter().flatten().collect();
    // A row has texts and numbers only, so that this cannot fail.
    serde_json::to_string(&members).unwrap_or_default()
}

/// Returns the SHA-256 of a text, in hexadecimal.
pub fn sha256(text: &str) -> String {
    hex(&Sha256::digest(text))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_are_in_order_and_digests_go_on() {
        let row: Value = serde_json::from_str(r#"{"b":1,"a":"é\n","c":null}"#).unwrap();
        assert_eq!(line(&row), r#"{"a":"é\n","b":1,"c":null}"#);
        let one = line(&json!({"a": 1}));
        let two = line(&json!({"a": 2}));
        let both = Digest::default().then(&one).then(&two);
        let written = serde_json::to_string(&Digest::default().then(&one)).unwrap();
        assert_eq!(serde_json::from_str::<Digest>(&written).unwrap().then(&two), both);
        assert_ne!(Digest::default().then(&two).then(&one), both, "the order counts");
    }

    #[test]
    fn a_known_hash() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(sha256(""), empty);
    }
}
