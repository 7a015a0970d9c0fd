//! Texts that should not stand in a file.

use std::sync::LazyLock;

use regex::Regex;

use super::{Diagnostic, source::Source};

/// Matches the secrets of well-known services, and signed tokens.
static SECRET: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?x)
        \b[sr]k_(?:live|test)_[A-Za-z0-9]{8,}        # Stripe keys
        | \bwhsec_[A-Za-z0-9+/]{16,}                 # webhook secrets
        | \bgh[pousr]_[A-Za-z0-9]{20,}               # GitHub
        | \bxox[abprs]-[A-Za-z0-9-]{10,}             # Slack
        | \bAKIA[0-9A-Z]{16}\b                       # AWS
        | -----BEGIN\ [A-Z\ ]*PRIVATE\ KEY-----
        | \beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{16,}  # signed JWTs
        ",
    )
    .expect("the pattern is constant")
});

/// A warning for each text that looks like a secret.
pub(crate) fn secrets(source: &Source<'_>) -> Vec<Diagnostic> {
    let found = SECRET.find_iter(source.text());
    found
        .map(|found| {
            let span = source.span(found.start(), found.end());
            Diagnostic::warning("secret-literal", "this looks like a secret", span).with_help(
                "take it from the environment: `vars: { key: { secret: { env: STRIPE_KEY } } }`",
            )
        })
        .collect()
}
