//! Every error of a file's shape at once.
//!
//! A decoder stops at its first error. This one takes the wrong node out of the tree and decodes
//! again. A key that is missing because of that is not reported; what needed it is taken out too.

use serde::de::DeserializeOwned;

use super::{
    Diagnostic,
    decode::decode,
    error::{DecodeError, Kind},
    node::{Node, NodeValue},
};

/// The most errors of one file. Past these the reader fixes some and runs again; without a limit
/// a file that is no scenario would cost one decoding for each of its keys.
pub const MAX_ERRORS: usize = 20;

/// Decodes `root`, or says everything that is wrong with its shape. Errors that `root.removed`
/// explains are left out: an `Err` may be empty.
pub(super) fn decode_all<T: DeserializeOwned>(mut root: Node) -> Result<T, Vec<Diagnostic>> {
    let mut diagnostics = Vec::new();
    loop {
        let error = match decode::<T>(&root) {
            Ok(value) if diagnostics.is_empty() => return Ok(value),
            Ok(_) => return Err(diagnostics),
            Err(error) => error,
        };
        let path = error.path();
        if !is_ours(&error, root.at(&path)) {
            diagnostics.push(error.into_diagnostic(root.span));
        }
        if diagnostics.len() > MAX_ERRORS || !root.remove(&path) {
            return Err(diagnostics);
        }
    }
}

/// Returns whether the error is only there because the parser took something out of the node.
fn is_ours(error: &DecodeError, node: Option<&Node>) -> bool {
    let Some(Node { value: NodeValue::Map(map), .. }) = node else { return false };
    match error.kind() {
        Kind::MissingKey(name) => map.removed.iter().any(|removed| removed == name),
        Kind::NotOneKey { .. } => !map.removed.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::language::parse;

    fn codes(text: &str) -> Vec<&'static str> {
        parse(text).unwrap_err().into_iter().map(|diagnostic| diagnostic.code).collect()
    }

    #[test]
    fn what_was_taken_out_is_not_missing() {
        let until = "scenario: a\nsteps:\n- until: { within: fast, request: { get: / } }\n";
        assert_eq!(codes(until), ["bad-duration"]);
        let until = "scenario: a\nsteps:\n- until: { within: yes, request: { get: / } }\n";
        assert_eq!(codes(until), ["ambiguous-word"]);
        let profile =
            "scenario: a\nload: { profile: { constant: { rate: 1, for: 2 } }, journeys: {} }";
        assert_eq!(codes(profile), ["bad-rate", "bad-duration"]);
    }

    #[test]
    fn what_was_never_there_is_missing() {
        let text =
            "scenario: a\nsteps:\n- until: { every: fast, request: { get: / } }\n- burst: {}\n";
        assert_eq!(codes(text), ["no-deadline", "bad-duration", "missing-key"]);
    }

    #[test]
    fn errors_above_and_below_a_choice() {
        let text = "scenario: a\nsteps:\n- wiat: 1s\n- wait\n- []\n-\n- { wait: 1s, get: / }\n";
        let expected = ["unknown-choice", "wrong-type", "wrong-type", "wrong-type", "not-one-key"];
        assert_eq!(codes(text), expected);
    }

    #[test]
    fn a_wrong_root_is_one_error() {
        assert_eq!(codes("a text"), ["wrong-type"]);
        assert_eq!(codes("[]"), ["wrong-type"]);
        assert_eq!(codes("{}"), ["missing-key"]);
    }
}
