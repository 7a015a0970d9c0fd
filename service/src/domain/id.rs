//! Makes and recognises identifiers. They are `UUIDv7`, so that they sort by their time of creation
//! and index well.

use uuid::{Builder, Uuid};

use super::Millis;

/// The number of random bytes that [`new`] needs.
pub const ENTROPY: usize = 10;

/// Makes an identifier from the time and random bytes.
pub fn new(now: Millis, entropy: [u8; ENTROPY]) -> String {
    // A clock before 1970 still gives an identifier, which is unique and only sorts wrong.
    let millis = u64::try_from(now).unwrap_or(0);
    Builder::from_unix_timestamp_millis(millis, &entropy).into_uuid().to_string()
}

/// Returns true if `text` is an identifier as this API writes it: a lower-case hyphenated UUID.
/// Anything else names nothing, so the database need not be asked for it.
pub fn is_id(text: &str) -> bool {
    Uuid::try_parse(text).is_ok_and(|id| id.hyphenated().to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_by_creation() {
        let early = new(1_000, [255; ENTROPY]);
        let late = new(1_001, [0; ENTROPY]);
        assert!(early < late);
        assert!(is_id(&early));
    }

    #[test]
    fn refuses_other_spellings() {
        for text in ["", "x", "0190B3C4-0000-7000-8000-000000000000", "' OR 1=1 --", "../x"] {
            assert!(!is_id(text), "{text}");
        }
    }
}
