//! Implements keyset pagination: a page continues after the last item that the client has seen, so
//! that items inserted meanwhile neither shift nor repeat others.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::MAX_INTEGER;
use super::{Issue, Millis};

/// The number of items on a page when the client names no limit.
pub const DEFAULT_LIMIT: u32 = 20;
/// The largest number of items on a page. The largest item has less than 4 KB (see
/// [`super::workflow::MAX_SUMMARY_BYTES`]), so that a page stays below 400 KB.
pub const MAX_LIMIT: u32 = 100;

/// The part of a list that a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The largest number of items.
    pub limit: u32,
    /// The position after which the page begins, newest first; the start of the list if absent.
    pub after: Option<Position>,
}

/// A position in a list that is ordered by creation, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The time of creation of the last item that the client has seen.
    pub created_at: Millis,
    /// The identifier of that item, which breaks ties.
    pub id: String,
}

impl Page {
    /// Reads `limit` and `cursor` of a query.
    ///
    /// # Errors
    /// An [`Issue`] for each that is not valid.
    pub fn from_query(limit: Option<&str>, cursor: Option<&str>) -> Result<Self, Vec<Issue>> {
        let mut issues = Vec::new();
        let limit = match limit.map(str::parse::<u32>) {
            None => DEFAULT_LIMIT,
            Some(Ok(limit)) if (1..=MAX_LIMIT).contains(&limit) => limit,
            Some(_) => {
                issues
                    .push(Issue::new("limit", format!("must be an integer from 1 to {MAX_LIMIT}")));
                DEFAULT_LIMIT
            }
        };
        let after = cursor.and_then(|text| {
            let position = Position::decode(text);
            if position.is_none() {
                issues.push(Issue::new("cursor", "must be a `next` value of an earlier page"));
            }
            position
        });
        if issues.is_empty() { Ok(Self { limit, after }) } else { Err(issues) }
    }

    /// Returns the cursor of the page after this one, which holds `items`. Only a full page may
    /// have a successor.
    pub fn next<T>(&self, items: &[T], position: impl Fn(&T) -> Position) -> Option<String> {
        let full = items.len() == self.limit as usize;
        items.last().filter(|_| full).map(|last| position(last).encode())
    }

    /// Returns the query that asks for this page, in its canonical form.
    pub fn to_query(&self) -> String {
        let limit = format!("limit={}", self.limit);
        match &self.after {
            Some(position) => format!("cursor={}&{limit}", position.encode()),
            None => limit,
        }
    }
}

impl Position {
    /// Returns the cursor that clients get, which is opaque and URL-safe.
    pub fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(format!("{}.{}", self.created_at, self.id))
    }

    fn decode(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        let (created_at, id) = text.split_once('.')?;
        // The database would refuse a larger integer, and a forged cursor would look like its fault.
        let created_at = created_at.parse().ok().filter(|at| (0..=MAX_INTEGER).contains(at))?;
        super::id::is_id(id).then(|| Self { created_at, id: id.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_at_the_bounds_and_past_them() {
        for good in ["1", "100"] {
            assert!(Page::from_query(Some(good), None).is_ok());
        }
        for bad in ["0", "101", "-1", "x", "", "1e9", "99999999999"] {
            assert_eq!(Page::from_query(Some(bad), None).unwrap_err()[0].path, "limit", "{bad}");
        }
        assert_eq!(Page::from_query(None, None).unwrap().limit, DEFAULT_LIMIT);
    }

    #[test]
    fn cursors_round_trip_and_forged_ones_are_refused() {
        let position = Position { created_at: 12, id: super::super::id::new(12, [1; 10]) };
        let page = Page::from_query(None, Some(&position.encode())).unwrap();
        assert_eq!(page.after, Some(position));
        for bad in ["", "x", "AAAA", &URL_SAFE_NO_PAD.encode("1.' OR 1=1")] {
            assert_eq!(Page::from_query(None, Some(bad)).unwrap_err()[0].path, "cursor", "{bad}");
        }
    }

    #[test]
    fn a_cursor_past_the_largest_integer_is_refused_before_the_database_does() {
        let at =
            |created_at| Position { created_at, id: super::super::id::new(0, [1; 10]) }.encode();
        assert!(Page::from_query(None, Some(&at(MAX_INTEGER))).is_ok());
        for forged in [MAX_INTEGER + 1, i64::MAX, -1, i64::MIN] {
            assert!(Page::from_query(None, Some(&at(forged))).is_err(), "{forged}");
        }
    }
}
