//! Expectations and matchers.

use crate::{
    language::{
        Diagnostic, Spanned,
        file::{ExpectFile, MatcherFile, OperatorsFile},
    },
    plan::{Expectation, JsonTemplate, Matcher, Span, Subject},
};

use super::{Resolver, join, operands::Operand};

impl Resolver {
    /// What one response must be; never empty.
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
            self.check_operands(matcher, Operand::Any, "a value");
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

    fn expectation(
        &mut self,
        subject: Subject,
        matcher: &Spanned<MatcherFile>,
        span: Span,
    ) -> Expectation {
        Expectation { subject, matcher: self.matcher(matcher, matcher.span), span }
    }

    pub(super) fn matcher(&mut self, file: &MatcherFile, span: Span) -> Matcher {
        let operators = match file {
            MatcherFile::Other(json) => return Matcher::Eq(self.json(json)),
            MatcherFile::Map(operators) => operators,
        };
        let mut all = self.operators(operators);
        match (all.pop(), all.is_empty()) {
            (Some(only), true) => only,
            (Some(last), false) => {
                all.push(last);
                Matcher::All(all)
            }
            (None, _) => {
                let message = "no operator is given, so any value would do";
                self.error(Diagnostic::error("empty-matcher", message, span).with_help(
                    "write `{ eq: {} }` for an empty object, `{ exists: true }` for any value",
                ));
                Matcher::All(all)
            }
        }
    }

    fn operators(&mut self, file: &OperatorsFile) -> Vec<Matcher> {
        let values: Option<Vec<JsonTemplate>> = file
            .one_of
            .as_ref()
            .map(|values| values.iter().map(|value| self.json(value)).collect());
        let mut inner = |matcher: &Option<Spanned<Box<MatcherFile>>>| {
            matcher.as_ref().map(|matcher| Box::new(self.matcher(matcher, matcher.span)))
        };
        let (length, distinct) = (inner(&file.length), inner(&file.distinct));
        let each = inner(&file.each);
        [
            file.eq.as_ref().map(|value| Matcher::Eq(self.json(value))),
            file.ne.as_ref().map(|value| Matcher::Ne(self.json(value))),
            file.lt.map(|number| Matcher::Lt(number.0)),
            file.le.map(|number| Matcher::Le(number.0)),
            file.gt.map(|number| Matcher::Gt(number.0)),
            file.ge.map(|number| Matcher::Ge(number.0)),
            values.map(Matcher::In),
            file.matches.as_ref().map(|pattern| Matcher::Matches(pattern.0.clone())),
            file.contains.as_ref().map(|value| Matcher::Contains(self.json(value))),
            file.exists.map(Matcher::Exists),
            length.map(Matcher::Length),
            distinct.map(Matcher::Distinct),
            each.map(Matcher::Each),
            file.sorted.map(Matcher::Sorted),
            file.schema.as_ref().map(|schema| Matcher::Schema(schema.0.clone())),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}
