//! Warns about scenarios that are well-formed, but may mislead.

use crate::{
    language::{
        Diagnostic, ScenarioFile, Spanned,
        file::{BurstFile, CountFile, Json},
    },
    model::Capability,
    plan::{JsonTemplate, Span},
};

use super::Resolver;

impl Resolver {
    /// A burst that a limiter may refuse, and that says exactly how much of it: is the limiter exact,
    /// and does the burst fall into one window?
    pub(super) fn lint_burst(&mut self, file: &BurstFile, span: Span) {
        let Some(counts) = file.expect.as_ref().and_then(|expect| expect.counts.as_ref()) else {
            return;
        };
        if !counts.iter().any(|count| status(count) == Some(TOO_MANY_REQUESTS))
            && !may_be_refused(file, counts)
        {
            return;
        }
        let is_exact = |count: &&Spanned<CountFile>| is_exact(count) && status(count).is_some();
        let Some(exact) = counts.iter().find(is_exact) else { return };
        if !self.requires().contains(&Capability::ExactLimiter) {
            let message = "an exact count, of a limiter that may be eventually consistent";
            self.warnings.push(
                Diagnostic::warning("exact-count", message, exact.is.span)
                    .with_help("add `requires: [exact-limiter]`, or give a bound: `{ ge: 100 }`"),
            );
        }
        if !self.scope.steady {
            let message = "an exact count, of a burst that may straddle the end of a window";
            self.warnings.push(Diagnostic::warning("no-window", message, span).with_help(
                "put `control: { wait-for-window: { window: 60s, remaining: 10s } }` or \
                 `control: { clock: stop }` before it",
            ));
        }
    }

    /// Warns about a capability that the steps need anyway: a reader would look for another reason
    /// to list it.
    pub(super) fn lint_requires(&mut self, file: &ScenarioFile) {
        for written in file.requires.iter().flatten() {
            if self.needed.contains(&written.value) {
                let name = written.value.name();
                let message =
                    format!("`{name}` is required anyway: what the scenario does needs it");
                let warning = Diagnostic::warning("redundant-requires", message, written.span);
                self.warnings.push(warning.with_help(
                    "remove it; `requires` is for what the steps do not tell, such as \
                     `exact-limiter`",
                ));
            }
        }
    }

    /// Warns about placeholders of other tools, which are text here, and most likely a mistake.
    pub(super) fn lint_lookalike(&mut self, text: &str, span: Span) {
        let name = text.trim_matches(['$', '{', '}']).trim();
        let message = format!("`{text}` is text here; did you mean `${{{{ {name} }}}}`?");
        let mut warning = Diagnostic::warning("not-a-name", message, span).with_focus(text);
        if !self.scope.knows(name) {
            warning = warning.with_help(format!(
                "no value is called `{name}`: define it under `vars`, or capture it"
            ));
        }
        self.warnings.push(warning);
    }

    /// The text `uuid` was most likely meant to be one.
    pub(super) fn lint_uuid(&mut self, name: &str, json: &Json) {
        if json.value == "uuid" {
            let message = format!("`{name}` is the text `uuid`");
            let warning = Diagnostic::warning("uuid-text", message, json.span);
            self.warnings.push(warning.with_help("a fresh one is `\"${{ uuid }}\"`"));
        }
    }
}

/// Returns whether a burst sends more than it expects to succeed, or expects refusals of single
/// requests.
fn may_be_refused(file: &BurstFile, counts: &[Spanned<CountFile>]) -> bool {
    let mut allowed = file.request.expected().iter().filter_map(|expect| expect.status.as_ref());
    let allows = allowed.any(|status| {
        let one_of = status.value.0.one_of.iter().flat_map(|all| all.iter());
        let mut values = one_of.chain(&status.value.0.eq);
        values.any(|one| number(&one.template) == Some(TOO_MANY_REQUESTS))
    });
    let fewer = |count: &Spanned<CountFile>| {
        let succeeds = status(count).is_some_and(|status| (200..300).contains(&status));
        let exactly = exactly(count);
        succeeds && exactly.is_some_and(|exactly| exactly < file.count.count() as u64)
    };
    let others = counts.iter().filter_map(status).any(|status| status >= FIRST_ERROR);
    allows || (!others && counts.iter().any(fewer))
}

fn number(template: &JsonTemplate) -> Option<u64> {
    match template {
        JsonTemplate::Constant(value) => value.as_u64(),
        _ => None,
    }
}

/// The number that a count must be.
fn exactly(count: &Spanned<CountFile>) -> Option<u64> {
    number(&count.is.value.0.eq.as_ref()?.template)
}

/// RFC 9110.
const FIRST_ERROR: u64 = 400;

/// RFC 6585.
const TOO_MANY_REQUESTS: u64 = 429;

/// The one status that the counted responses have.
fn status(count: &Spanned<CountFile>) -> Option<u64> {
    let status = count.matching.status.as_ref()?;
    number(&status.value.0.eq.as_ref()?.template)
}

fn is_exact(count: &Spanned<CountFile>) -> bool {
    let operators = &count.is.value.0;
    operators.eq.is_some() || operators.one_of.is_some()
}
