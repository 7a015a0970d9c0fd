//! Steps.

use std::time::Duration;

use crate::{
    plan::{BurstPlan, CountExpectation, Expectation, Matcher, Span, Step, Subject, UntilPlan},
    scenario::{
        Diagnostic, Spanned,
        file::{BurstFile, CountFile, StepFile, UntilFile},
        quantity::Whole,
    },
};

use super::{Lowering, operands::Operand};

/// Requests of a burst at once when the file does not say.
const DEFAULT_CONCURRENCY: usize = 8;

/// The pause of a poll when the file does not say.
const DEFAULT_EVERY: Duration = Duration::from_millis(100);

impl Lowering {
    /// The steps of work, of which there must be at least one.
    pub(super) fn some_steps(&mut self, steps: &Spanned<Vec<Spanned<StepFile>>>) -> Vec<Step> {
        if steps.is_empty() {
            self.error(
                Diagnostic::error("no-steps", "`steps` is empty", steps.span)
                    .with_help("add a step, such as `- request: { get: /health }`"),
            );
        }
        self.steps(steps)
    }

    pub(super) fn steps(&mut self, steps: &[Spanned<StepFile>]) -> Vec<Step> {
        steps.iter().filter_map(|step| self.step(step)).collect()
    }

    /// `None` after an error.
    fn step(&mut self, step: &Spanned<StepFile>) -> Option<Step> {
        let span = step.span;
        Some(match &step.value {
            StepFile::Request(file) => Step::Request(Box::new(self.request(file, span)?)),
            StepFile::Burst(file) => Step::Burst(Box::new(self.burst(file, span)?)),
            StepFile::Until(file) => Step::Until(Box::new(self.until(file, span)?)),
            StepFile::Wait(time) => Step::Wait(time.0),
        })
    }

    fn burst(&mut self, file: &BurstFile, span: Span) -> Option<BurstPlan> {
        if let Some(capture) = &file.request.capture {
            let message = "a burst has many responses, so nothing can be captured from it";
            self.error(
                Diagnostic::error("capture-in-burst", message, capture.span)
                    .with_help("capture from a request before or after it"),
            );
        }
        self.scope.in_burst = true;
        let request = self.request(&file.request, span);
        self.scope.in_burst = false;
        let counts = self.counts(file);
        let mut request = request?;
        if !counts.is_empty() && !file.request.expects_status() {
            expect_any_status(&mut request.expect, span);
        }
        Some(BurstPlan {
            request,
            count: file.count.count(),
            concurrency: file.concurrency.map_or(DEFAULT_CONCURRENCY, Whole::count),
            counts,
        })
    }

    fn counts(&mut self, file: &BurstFile) -> Vec<CountExpectation> {
        let Some(expect) = &file.expect else { return Vec::new() };
        if expect.counts.is_empty() {
            let error = Diagnostic::error("empty-expect", "`counts` is empty", expect.span);
            self.error(error.with_help("expect something, or remove it"));
        }
        expect.counts.iter().map(|count| self.count(count)).collect()
    }

    fn count(&mut self, file: &Spanned<CountFile>) -> CountExpectation {
        self.check_operands(&file.is, Operand::Count, "a number of responses");
        CountExpectation {
            matching: self.expectations(&file.matching),
            is: self.matcher(&file.is, file.is.span),
            span: file.span,
        }
    }

    fn until(&mut self, file: &UntilFile, span: Span) -> Option<UntilPlan> {
        if file.request.expect.is_none() {
            let message = "`until` does not say what it waits for: its request has no `expect`";
            self.error(
                Diagnostic::error("until-without-expect", message, span)
                    .with_help("add for example `expect: { body: { \"$.state\": done } }`"),
            );
        }
        Some(UntilPlan {
            request: self.request(&file.request, span)?,
            within: file.within.0,
            every: file.every.map_or(DEFAULT_EVERY, |time| time.0),
        })
    }
}

/// The counts of a burst say which statuses are right, so each single one may have any.
fn expect_any_status(expect: &mut Vec<Expectation>, span: Span) {
    expect.retain(|expectation| expectation.subject != Subject::Status);
    expect.push(Expectation { subject: Subject::Status, matcher: Matcher::Exists(true), span });
}
