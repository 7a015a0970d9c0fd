//! What is well-formed, and may mislead all the same.

use crate::{
    plan::{Capability, JsonTemplate, Span},
    scenario::{
        Diagnostic, Spanned,
        file::{BurstFile, CountFile, Json, MatcherFile},
    },
};

use super::Lowering;

impl Lowering {
    /// A burst that counts refusals: is the limiter exact, and does the burst fall into one window?
    pub(super) fn lint_burst(&mut self, file: &BurstFile, span: Span) {
        let Some(counts) = file.expect.as_ref().and_then(|expect| expect.counts.as_ref()) else {
            return;
        };
        if !counts.iter().any(|count| status(count) == Some(TOO_MANY_REQUESTS)) {
            return;
        }
        let is_exact = |count: &&Spanned<CountFile>| is_exact(count) && status(count).is_some();
        let Some(exact) = counts.iter().find(is_exact) else { return };
        if !self.requires.contains(&Capability::ExactLimiter) {
            let message = "an exact count, of a limiter that may be eventually consistent";
            self.warnings.push(
                Diagnostic::warning("exact-count", message, exact.is.span)
                    .with_help("add `requires: [exact-limiter]`, or give a bound: `{ ge: 100 }`"),
            );
        }
        if !self.scope.steady {
            let message = "an exact count, of a burst that may straddle the end of a window";
            self.warnings.push(Diagnostic::warning("no-align", message, span).with_help(
                "put `align: { window: 60s, remaining: 10s }` or `clock: stop` before it",
            ));
        }
    }
}

/// RFC 6585.
const TOO_MANY_REQUESTS: u64 = 429;

/// The one status that the counted responses have.
fn status(count: &Spanned<CountFile>) -> Option<u64> {
    match count.matching.status.as_ref().map(|status| &status.value) {
        Some(MatcherFile::Other(Json { template: JsonTemplate::Constant(value), .. })) => {
            value.as_u64()
        }
        _ => None,
    }
}

fn is_exact(count: &Spanned<CountFile>) -> bool {
    match &count.is.value {
        MatcherFile::Other(_) => true,
        MatcherFile::Map(operators) => operators.eq.is_some() || operators.one_of.is_some(),
    }
}
