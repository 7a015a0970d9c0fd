//! Steps.

use std::time::Duration;

use crate::{
    language::{
        Diagnostic, Operand, Spanned,
        file::{BurstFile, CountFile, DistinctFile, StepFile, UntilFile},
        quantity::Whole,
    },
    plan::{
        BurstPlan, CountExpectation, DistinctExpectation, Expectation, Matcher, Span, Step,
        Subject, UntilPlan,
    },
};

use super::Resolver;

/// The largest number of steps of a scenario, those of called scenarios included for each call. A
/// chain of files that call each other ten times would have ten thousand million otherwise.
pub(super) const MAX_STEPS: usize = 20_000;

/// Requests of a burst at once when the file does not say.
const DEFAULT_CONCURRENCY: usize = 8;

/// The pause of a poll when the file does not say.
const DEFAULT_EVERY: Duration = Duration::from_millis(100);

impl Resolver {
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
        self.expanded += 1;
        if self.expanded > MAX_STEPS {
            // The whole scenario is refused in the end: what follows is not resolved.
            return None;
        }
        Some(match &step.value {
            StepFile::Request(file) => Step::Request(Box::new(self.request(file, span)?)),
            StepFile::Burst(file) => Step::Burst(Box::new(self.burst(file, span)?)),
            StepFile::Until(file) => Step::Until(Box::new(self.until(file, span)?)),
            StepFile::Wait(wait) => self.wait(*wait, span),
            StepFile::Parallel(branches) => self.parallel(branches),
            StepFile::Repeat(file) => self.repeat(file),
            StepFile::ForEach(file) => self.for_each(file),
            StepFile::Vars(values) => Step::Vars(self.values(values)),
            _ if self.scope.in_journey => {
                let message = "this step has no place in a journey";
                self.error(Diagnostic::error("not-in-journey", message, span).with_help(
                    "a load asks and measures; put it into `setup`, `audit` or `teardown`",
                ));
                return None;
            }
            StepFile::Generate(file) => Step::Generate(Box::new(self.generate(file, span)?)),
            StepFile::Check(file) => self.check(file, span),
            StepFile::UpstreamCalls(file) => self.upstream_calls(file, span)?,
            StepFile::Control(file) => self.control(file, span),
            StepFile::Model(file) => self.model(file, span)?,
            StepFile::Call(file) => Step::Call(Box::new(self.call(file, span)?)),
        })
    }

    fn burst(&mut self, file: &BurstFile, span: Span) -> Option<BurstPlan> {
        self.scope.in_burst = true;
        let request = self.request(&file.request, span);
        self.scope.in_burst = false;
        let counts = self.counts(file);
        let distinct = file.expect.iter().flat_map(|expect| expect.distinct.iter().flatten());
        let distinct = distinct.map(|distinct| self.distinct(distinct)).collect();
        self.lint_burst(file, span);
        let mut request = request?;
        if !counts.is_empty() && !file.request.expects_status() {
            expect_any_status(&mut request.expect, span);
        }
        Some(BurstPlan {
            request,
            count: file.count.count(),
            concurrency: file.concurrency.map_or(DEFAULT_CONCURRENCY, Whole::count),
            counts,
            distinct,
        })
    }

    fn counts(&mut self, file: &BurstFile) -> Vec<CountExpectation> {
        let Some(expect) = &file.expect else { return Vec::new() };
        let some = |list: Option<usize>| list.is_some_and(|length| length > 0);
        let counts = expect.counts.as_ref().map(Vec::len);
        if !some(counts) && !some(expect.distinct.as_ref().map(Vec::len)) {
            let what =
                if counts.is_some() { "`counts` is empty" } else { "nothing is expected here" };
            let error = Diagnostic::error("empty-expect", what, expect.span);
            self.error(error.with_help("expect something, or remove it"));
        }
        expect.counts.iter().flatten().map(|count| self.count(count)).collect()
    }

    fn count(&mut self, file: &Spanned<CountFile>) -> CountExpectation {
        self.check_operands(&file.is, Operand::Count, "a number of responses");
        CountExpectation {
            matching: self.expectations(&file.matching),
            is: self.matcher(&file.is),
            span: file.span,
            claim: self.claim(file.rule.as_ref(), file.severity),
        }
    }

    fn distinct(&mut self, file: &Spanned<DistinctFile>) -> DistinctExpectation {
        self.check_operands(&file.is, Operand::Count, "a number of values");
        DistinctExpectation {
            subject: file.of.0.clone(),
            is: self.matcher(&file.is),
            span: file.span,
            claim: self.claim(file.rule.as_ref(), file.severity),
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
    expect.push(Expectation { subject: Subject::Status, matcher: Matcher::exists(true), span });
}
