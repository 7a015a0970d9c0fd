//! Bounds the outputs of steps, so that whatever enters a run can be stored and read again.

use serde_json::Value;

use super::json::MAX_DEPTH;

/// The largest number of bytes of an output as JSON, with its escapes. All outputs of a run live in
/// one row: `engine::machine` checks that a run with the largest of everything fits into it.
pub const MAX_OUTPUT_BYTES: usize = 32 * 1024;

/// An output that a run does not keep. It ends the step as failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutputError {
    /// The output is too large as JSON.
    #[error("the output has more than {MAX_OUTPUT_BYTES} bytes as JSON")]
    TooLarge,
    /// The output is nested too deeply. The parser that reads a stored run stops at 128 levels, and
    /// the output is some levels below the top of the run.
    #[error("the output is nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
}

/// Checks an output before it becomes part of a run.
///
/// # Errors
/// [`OutputError`] when it is too large or nested too deeply.
pub fn check(output: &Value) -> Result<(), OutputError> {
    // The depth comes first, because serialising recurses.
    if !fits_depth(output, MAX_DEPTH) {
        return Err(OutputError::TooDeep);
    }
    if output.to_string().len() > MAX_OUTPUT_BYTES {
        return Err(OutputError::TooLarge);
    }
    Ok(())
}

fn fits_depth(value: &Value, levels: usize) -> bool {
    let below = |value| levels > 0 && fits_depth(value, levels - 1);
    match value {
        Value::Array(items) => levels > 0 && items.iter().all(below),
        Value::Object(members) => levels > 0 && members.values().all(below),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn depth_at_the_limit_and_one_past_it() {
        let nested = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!([inner]));
        assert_eq!(check(&nested(MAX_DEPTH)), Ok(()));
        assert_eq!(check(&nested(MAX_DEPTH + 1)), Err(OutputError::TooDeep));
        let empty = (1..MAX_DEPTH).fold(json!({}), |inner, _| json!({ "a": inner }));
        assert_eq!(check(&empty), Ok(()));
        assert_eq!(check(&json!([empty])), Err(OutputError::TooDeep));
    }

    #[test]
    fn bytes_after_escaping_at_the_limit_and_one_past_it() {
        // Two bytes are the quotes. Each of these characters has another size when it is escaped.
        for (character, bytes) in [("x", 1), ("\"", 2), ("\u{0}", 6), ("\u{fffd}", 3)] {
            let room = MAX_OUTPUT_BYTES - 2;
            let fits = character.repeat(room / bytes) + &"x".repeat(room % bytes);
            assert_eq!(check(&json!(fits)), Ok(()), "{character:?}");
            assert_eq!(check(&json!(fits + "x")), Err(OutputError::TooLarge), "{character:?}");
        }
    }
}
