//! Recognizes secrets, which must not go from a recording into a file.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

/// Stands where something was.
pub(super) const REDACTED: &str = "REDACTED";

static NAMES: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let words = "auth|token|secret|passw|pwd|api[-_]?key|apikey|session|cookie|credential|\
                 signature|\\bsig\\b|otp|\\bpin\\b|\\bcode\\b|jwt|private";
    Regex::new(&format!("(?i){words}")).ok()
});
static VALUES: LazyLock<Option<Regex>> = LazyLock::new(|| {
    // JSON Web Tokens, and keys of the kind `sk_live_…`, `ghp_…`, `AKIA…`.
    let kinds =
        r"eyJ[\w-]{8,}\.[\w-]+\.[\w-]*|\b(sk|pk|rk|whsec|ghp|gho|xox[abp])[-_]\w{8,}|AKIA\w{12,}";
    Regex::new(kinds).ok()
});

/// Returns whether a value with this name should not be written down.
pub(super) fn is_name(name: &str) -> bool {
    NAMES.as_ref().is_none_or(|names| names.is_match(name))
}

/// Returns whether a value looks like a key or a token, whatever its name.
pub(super) fn is_value(value: &str) -> bool {
    VALUES.as_ref().is_none_or(|values| values.is_match(value))
}

/// Takes secrets out of JSON; whether there were any.
pub(super) fn redact(value: &mut Value) -> bool {
    match value {
        Value::Object(members) => members.iter_mut().fold(false, |found, (name, value)| {
            let replaced = is_name(name) && !value.is_null() && !value.is_boolean();
            if replaced {
                *value = Value::from(REDACTED);
            }
            found | replaced | redact(value)
        }),
        Value::Array(items) => items.iter_mut().fold(false, |found, item| found | redact(item)),
        Value::String(text) if is_value(text) => {
            REDACTED.clone_into(text);
            true
        }
        _ => false,
    }
}

/// A query, or a form, with its secrets taken out; whether there were any.
pub(super) fn redact_pairs(text: &str) -> (String, bool) {
    let mut found = false;
    let pairs = text.split('&').map(|pair| match pair.split_once('=') {
        Some((name, value)) if !value.is_empty() && (is_name(name) || is_value(value)) => {
            found = true;
            format!("{name}={REDACTED}")
        }
        _ => pair.to_owned(),
    });
    (pairs.collect::<Vec<_>>().join("&"), found)
}
