//! Requests whose bodies are made from a JSON Schema. Each is sent by the next person, so that no
//! budget is spent; where one is all the same, nothing is decided.

use std::{cell::Cell, time::Instant};

use crate::model::Value;

use super::{
    attempt::{Attempt, Due, Miss},
    counterexample,
    iteration::{Halt, Iteration},
};
use crate::{
    check::{
        between, clipped,
        expect::{Mismatch, select},
    },
    generate::{Case, Draw, Drawn, accepted, is_about, refused},
    http::Response,
    model::clock,
    plan::{Body, GeneratePlan, JsonTemplate, Outcome, RequestPlan},
};

/// Requests that may be spent on making one failure simpler.
const MAX_SIMPLER: usize = 200;

/// Characters of a body that is shown.
const SHOWN: usize = 300;

/// RFC 6585: a person's budget is spent, which says nothing about the body.
const TOO_MANY_REQUESTS: u16 = 429;

/// The answer to one body.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answered {
    Rightly,
    Wrongly,
    /// The answer decides nothing: the budget of its person is spent.
    Spent,
}

/// The bodies of one step.
struct Bodies<'a> {
    plan: &'a GeneratePlan,
    iteration: &'a Iteration,
    /// Sent so far: the number of the next person.
    sent: Cell<u64>,
    /// The number of those that a spent budget left undecided.
    spent: Cell<u64>,
}

impl Iteration {
    /// Each case is tried, whatever became of the others.
    pub(super) async fn generate(&self, plan: &GeneratePlan) -> Result<Instant, Halt> {
        let bodies = Bodies { plan, iteration: self, sent: Cell::new(0), spent: Cell::new(0) };
        let end = bodies.send().await;
        let (sent, undecided) = (bodies.sent.get(), bodies.spent.get());
        if undecided > 0 {
            let why = format!(
                "generate: {undecided} of {sent} requests were answered with {TOO_MANY_REQUESTS}; give \
                 the user a larger `count`"
            );
            self.worker.recorder.borrow_mut().undecided(why);
        }
        end
    }
}

impl Bodies<'_> {
    async fn send(&self) -> Result<Instant, Halt> {
        let plan = self.plan;
        let right = match plan.valid.render(&self.iteration.scope.at(0)) {
            Ok(right) if plan.schema.is_valid(&right) => right,
            Ok(other) => return self.no_base(&clipped(&other, SHOWN)),
            Err(error) => return self.no_base(&error.to_string()),
        };
        let mut cases = refused(&plan.shape, &right);
        cases.extend(accepted(&plan.shape, &right));
        let mut result = Ok(());
        for case in &cases {
            let end = self.case(case).await.map(drop);
            if end == Err(Halt::Absent) {
                return Err(Halt::Absent);
            }
            result = result.and(end);
        }
        let random = self.random().await;
        result.and(random).map(|()| clock::now())
    }

    fn no_base(&self, found: &str) -> Result<Instant, Halt> {
        let span = self.plan.valid_span;
        let mismatch = Mismatch::new("a body that is valid by `schema`", found, span);
        self.iteration.note("generate", &self.plan.accepted.claim, mismatch, span);
        Err(Halt::Failed)
    }

    /// Random bodies, the first that fails made as simple as it can be.
    async fn random(&self) -> Result<(), Halt> {
        let worker = &self.iteration.worker;
        let mut draw = Draw::new(&self.plan.shape, worker.context.seed);
        for _ in 0..self.plan.random {
            // A shape without values cannot be drawn from; its lattice says so.
            let Ok(drawn) = draw.draw() else { break };
            let body = drawn.body();
            match self.tried(&body).await? {
                Answered::Spent => continue,
                Answered::Rightly => {
                    worker.recorder.borrow_mut().claimed(&self.plan.outcome(&body).claim, true);
                    continue;
                }
                Answered::Wrongly => {}
            }
            let simplest = self.simplest(drawn).await?;
            let name = format!("random body {}", clipped(&simplest, SHOWN));
            let case = Case { name, body: simplest, breaks: None };
            // It is sent once more: what fails now and then is no counterexample.
            let answered = self.case(&case).await?;
            if answered == Answered::Rightly {
                let why = format!("{} was answered wrongly once, and then rightly", case.name);
                worker.recorder.borrow_mut().undecided(format!("generate: {why}"));
            }
            return Ok(());
        }
        Ok(())
    }

    async fn simplest(&self, mut drawn: Drawn) -> Result<Value, Halt> {
        let mut simplest = drawn.body();
        let mut failed = true;
        for _ in 0..MAX_SIMPLER {
            if !drawn.next(failed) {
                break;
            }
            let body = drawn.body();
            match self.tried(&body).await? {
                // What is not known to fail leads nowhere simpler.
                Answered::Spent => break,
                answered => failed = answered == Answered::Wrongly,
            }
            if failed {
                simplest = body;
            }
        }
        Ok(simplest)
    }

    /// Sends a body and returns how it was answered. Nothing is recorded.
    async fn tried(&self, body: &Value) -> Result<Answered, Halt> {
        let request = self.plan.request(body);
        let person = self.next_person();
        let due = Due { at: clock::now(), index: 0, timeout: request.timeout };
        let attempt = person.send_request(&request, due).await;
        let checked = attempt.check();
        let spent = self.is_spent(&attempt, checked.is_err());
        attempt.record_pending();
        match checked {
            Ok(()) => Ok(Answered::Rightly),
            Err(miss) if miss.halt() == Halt::Absent => Err(Halt::Absent),
            Err(_) if spent => Ok(Answered::Spent),
            Err(_) => Ok(Answered::Wrongly),
        }
    }

    /// Returns whether an answer is wrong because of a spent budget, and so says nothing about the
    /// body.
    fn is_spent(&self, attempt: &Attempt<'_>, wrong: bool) -> bool {
        let refused =
            attempt.outcome.as_ref().is_ok_and(|r| r.status.as_u16() == TOO_MANY_REQUESTS);
        let spent = wrong && refused;
        self.spent.set(self.spent.get() + u64::from(spent));
        spent
    }

    /// Sends one case, and notes what becomes of it.
    async fn case(&self, case: &Case) -> Result<Answered, Halt> {
        let plan = self.plan;
        let request = plan.request(&case.body);
        let person = self.next_person();
        person.scope.items().borrow_mut().push(case.name.clone());
        let before = self.look(&person, case).await?;
        let due = Due { at: clock::now(), index: 0, timeout: request.timeout };
        let attempt = person.send_request(&request, due).await;
        let mut checked = attempt.check();
        if let (Ok(()), Ok(response), Some(place)) = (&checked, &attempt.outcome, &case.breaks) {
            checked = named(plan, response, place).map_err(Miss::Mismatch);
        }
        if self.is_spent(&attempt, checked.is_err()) {
            attempt.record_pending();
            return Ok(Answered::Spent);
        }
        if let Err(Miss::Mismatch(mismatch)) = &mut checked {
            let pointer = plan.pointer.as_ref().map(|(path, _)| path.as_str());
            let written = counterexample::write(&person, &request, case, pointer);
            mismatch.differences.extend(written);
        }
        attempt.record(checked)?;
        self.as_before(&person, case, before).await.map(|()| Answered::Rightly)
    }

    /// Returns the state before a body that must leave nothing behind; afterwards it is the same.
    async fn look(&self, person: &Iteration, case: &Case) -> Result<Option<Value>, Halt> {
        match &self.plan.unchanged {
            Some(look) if !self.plan.schema.is_valid(&case.body) => {
                let answer = person.ask(look).await?.filter(|answer| answer.status.is_success());
                Ok(answer.and_then(|answer| Value::parse(&answer.body).ok()))
            }
            _ => Ok(None),
        }
    }

    async fn as_before(
        &self,
        person: &Iteration,
        case: &Case,
        before: Option<Value>,
    ) -> Result<(), Halt> {
        let (Some(before), Some(look)) = (before, &self.plan.unchanged) else { return Ok(()) };
        // Who cannot look any more has not seen a change.
        let Some(after) = self.look(person, case).await? else { return Ok(()) };
        let claim = &self.plan.refused.claim;
        person.worker.recorder.borrow_mut().claimed(claim, before == after);
        if before == after {
            return Ok(());
        }
        let expected = format!("that a refused body leaves nothing: {}", clipped(&before, SHOWN));
        let mismatch = Mismatch {
            differences: between(&before, &after),
            ..Mismatch::new(expected, clipped(&after, SHOWN), look.span)
        };
        person.note("generate", claim, mismatch, look.span);
        if claim.is_required() { Err(Halt::Failed) } else { Ok(()) }
    }

    /// The iteration as the next person.
    fn next_person(&self) -> Iteration {
        let number = self.sent.replace(self.sent.get() + 1);
        self.iteration.with_scope(self.iteration.scope.fork_as(number))
    }
}

impl GeneratePlan {
    fn outcome(&self, body: &Value) -> &Outcome {
        if self.schema.is_valid(body) { &self.accepted } else { &self.refused }
    }

    fn request(&self, body: &Value) -> RequestPlan {
        let Outcome { expect, claim } = self.outcome(body).clone();
        let body = Body::Json(JsonTemplate::Constant(body.clone()));
        RequestPlan { body, expect, claim, ..self.request.clone() }
    }
}

/// Returns whether a refusal names the place.
fn named(plan: &GeneratePlan, response: &Response, place: &str) -> Result<(), Mismatch> {
    let Some((path, span)) = &plan.pointer else { return Ok(()) };
    let body = Value::parse(&response.body).unwrap_or_default();
    let found = match select(&body, path) {
        Ok(Some(Value::Array(items))) => items,
        Ok(Some(one)) => vec![one],
        Ok(None) | Err(_) => Vec::new(),
    };
    if found.iter().filter_map(Value::as_str).any(|named| is_about(named, place)) {
        return Ok(());
    }
    let expected = format!("{path} names `{place}`, or what holds it");
    Err(Mismatch::new(expected, clipped(&Value::from(found), SHOWN), *span))
}
