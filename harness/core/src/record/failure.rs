//! A failure in full, without secrets.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use regex::Regex;

use crate::plan::{Claim, Phase, Span};

/// Characters of a body shown with a failure: a problem document fits, a page does not.
pub const BODY_EXCERPT: usize = 300;

/// One operation that did not go as expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The time of the failure, from the start of the scenario.
    pub at: Duration,
    /// The file, if it is a called one.
    pub file: Option<Arc<str>>,
    /// The rule that the expectation represents.
    pub claim: Claim,
    /// The items of the loops around it, outermost first: `case = {"name":""}`.
    pub items: Vec<String>,
    /// The step's name.
    pub step: String,
    /// The phase that the step belongs to.
    pub phase: Phase,
    /// The expectation in the file, or the step if none was reached.
    pub span: Span,
    /// The expected value.
    pub expected: String,
    /// The actual value.
    pub actual: String,
    /// The places in which the two differ, if they have parts.
    pub differences: Vec<String>,
    /// The request as a command line; secrets are shell variables.
    pub curl: String,
    /// The status, if there was an answer.
    pub status: Option<u16>,
    /// The beginning of the body, if there was one.
    pub body: Option<String>,
}

/// `text` without JSON Web Tokens and without `secret`.
pub fn redact(text: &str, secret: Option<&str>) -> String {
    const PLACEHOLDER: &str = "$TOKEN";
    // The header of every such token starts with `{"`, in base64url.
    static TOKEN: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"eyJ[A-Za-z0-9_-]{8,}(\.[A-Za-z0-9_-]*)*").expect("the pattern is constant")
    });
    let text = match secret {
        Some(secret) if !secret.is_empty() => {
            without_beginning(&text.replace(secret, PLACEHOLDER), secret, PLACEHOLDER)
        }
        _ => text.to_owned(),
    };
    // A regular expression reads `$TOKEN` as a group; `$$` is the dollar itself.
    TOKEN.replace_all(&text, "$$TOKEN").into_owned()
}

/// Also hides a secret of which a cut text shows the beginning.
pub(super) fn without_beginning(text: &str, secret: &str, placeholder: &str) -> String {
    // Fewer characters tell nothing, and may well be chance.
    const TELLING: usize = 6;
    let Some(kept) = text.strip_suffix('…') else { return text.to_owned() };
    let mut beginnings = (TELLING..secret.len()).rev().filter_map(|end| secret.get(..end));
    match beginnings.find_map(|beginning| kept.strip_suffix(beginning)) {
        Some(kept) => format!("{kept}{placeholder}…"),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_do_not_survive() {
        let text = r#"{"token":"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.sig_-x","key":"s3cret"}"#;
        assert_eq!(redact(text, Some("s3cret")), r#"{"token":"$TOKEN","key":"$TOKEN"}"#);
        assert_eq!(redact("cut eyJhbGciOiJIUzI1Ni", None), "cut $TOKEN");
        assert_eq!(redact("eye", Some("")), "eye");
        assert_eq!(redact("key canary-al…", Some("canary-alice")), "key $TOKEN…");
        assert_eq!(redact("key canary-al", Some("canary-alice")), "key canary-al");
        assert_eq!(redact("key can…", Some("canary-alice")), "key can…");
    }
}
