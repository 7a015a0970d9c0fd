//! Expectations and matchers.

use crate::{
    language::{Diagnostic, Matcher, Operand, Spanned, clip, file::ExpectFile},
    model::Query,
    plan::{Expectation, Span, Subject},
};

use super::{Resolver, join};

impl Resolver {
    /// Resolves the expectations on one response; never empty.
    pub(super) fn expectations(&mut self, file: &Spanned<ExpectFile>) -> Vec<Expectation> {
        let mut all = Vec::new();
        if let Some(status) = &file.status {
            self.check_operands(status, Operand::Status, "a status");
            all.push(self.expectation(Subject::Status, status, status.span));
        }
        for (name, matcher) in file.headers.iter().flatten() {
            self.check_operands(matcher, Operand::Text, "a header");
            let span = join(name.span, matcher.span);
            all.push(self.expectation(Subject::Header(name.0.clone()), matcher, span));
        }
        for (path, matcher) in file.body.iter().flatten() {
            self.check_selected(&path.0, matcher);
            let span = join(path.span, matcher.span);
            all.push(self.expectation(Subject::Json(path.0.clone()), matcher, span));
        }
        if let Some(text) = &file.text {
            self.check_operands(text, Operand::Text, "the text of a body");
            all.push(self.expectation(Subject::Text, text, text.span));
        }
        if all.is_empty() {
            let message = "nothing is expected here";
            self.error(
                Diagnostic::error("empty-expect", message, file.span)
                    .with_help("expect something, such as `status: 200`, or remove it"),
            );
        }
        all
    }

    /// Checks a matcher against what a query gives.
    pub(super) fn check_selected(&mut self, path: &str, matcher: &Matcher) {
        if Query::parse(path).is_ok_and(|query| query.is_singular()) {
            self.check_operands(matcher, Operand::Any, "a value");
        } else {
            self.check_operands(matcher, Operand::List, &format!("`{}`", clip(path)));
        }
    }

    fn expectation(
        &mut self,
        subject: Subject,
        matcher: &Spanned<Matcher>,
        span: Span,
    ) -> Expectation {
        Expectation { subject, matcher: self.matcher(matcher), span }
    }

    /// A matcher whose names have values.
    pub(super) fn matcher(&mut self, matcher: &Spanned<Matcher>) -> Matcher {
        self.no_empty_matcher(matcher, matcher.span);
        for json in matcher.operands() {
            self.json(json);
        }
        matcher.value.clone()
    }

    fn no_empty_matcher(&mut self, matcher: &Matcher, span: Span) {
        if matcher.is_empty() {
            let message = "no operator is given, so any value would do";
            self.error(Diagnostic::error("empty-matcher", message, span).with_help(
                "write `{ eq: {} }` for an empty object, `{ exists: true }` for any value",
            ));
        }
        for inner in matcher.inner() {
            self.no_empty_matcher(&inner.value, inner.span);
        }
    }

    /// Checks a matcher against what it is compared with; `subject` is how that is called.
    pub(super) fn check_operands(&mut self, matcher: &Matcher, kind: Operand, subject: &str) {
        self.errors.extend(matcher.never_holds(kind, subject));
    }
}
