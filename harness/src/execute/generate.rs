//! Requests whose bodies are made from a JSON Schema.

use std::time::Instant;

use serde_json::Value;

use super::{
    Response, clock, counterexample,
    iteration::{Call, Halt, Iteration, Miss},
};
use crate::{
    generate::{Case, Draw, Drawn, accepted, is_about, refused},
    judge::{
        clipped,
        expect::{Mismatch, select},
    },
    plan::{Body, GeneratePlan, JsonTemplate, Outcome, RequestPlan},
};

/// Requests that may be spent on making one failure simpler.
const MAX_SIMPLER: usize = 200;

/// Characters of a body that is shown.
const SHOWN: usize = 300;

/// RFC 6585: a person's budget is spent, which says nothing about the body.
const TOO_MANY_REQUESTS: u16 = 429;

impl Iteration {
    /// Each case is tried, whatever became of the others.
    pub(super) async fn generate(&self, plan: &GeneratePlan) -> Result<Instant, Halt> {
        let right = match plan.valid.render(&self.scope.at(0)) {
            Ok(right) if plan.schema.0.is_valid(&right) => right,
            Ok(other) => return self.no_base(plan, &clipped(&other, SHOWN)),
            Err(error) => return self.no_base(plan, &error.to_string()),
        };
        let mut cases = refused(&plan.shape, &right);
        cases.extend(accepted(&plan.shape, &right));
        let mut result = Ok(());
        for (number, case) in cases.iter().enumerate() {
            let end = self.case(plan, case, number).await;
            if end == Err(Halt::Absent) {
                return Err(Halt::Absent);
            }
            result = result.and(end);
        }
        let random = self.random(plan, cases.len()).await;
        result.and(random).map(|()| clock::now())
    }

    fn no_base(&self, plan: &GeneratePlan, found: &str) -> Result<Instant, Halt> {
        let span = plan.valid_span;
        let mismatch = Mismatch::new("a body that is valid by `schema`", found, span);
        self.note("generate", &plan.accepted.claim, mismatch, span);
        Err(Halt::Failed)
    }

    /// Random bodies, the first that fails made as simple as it can be.
    async fn random(&self, plan: &GeneratePlan, first: usize) -> Result<(), Halt> {
        let mut draw = Draw::new(&plan.shape, self.lane.world.seed);
        for number in first..first + plan.random {
            // A shape without values cannot be drawn from; its lattice says so.
            let Ok(drawn) = draw.draw() else { break };
            let body = drawn.body();
            if !self.fails(plan, &body, number).await? {
                self.lane.recorder.borrow_mut().claimed(&plan.outcome(&body).claim, true);
                continue;
            }
            let simplest = self.simplest(plan, drawn, number).await?;
            let name = format!("random body {}", clipped(&simplest, SHOWN));
            let case = Case { name, body: simplest, breaks: None };
            // It is sent once more: what fails now and then is no counterexample.
            let end = self.case(plan, &case, number).await;
            if end.is_ok() {
                let why = format!("{} was answered wrongly once, and then rightly", case.name);
                self.lane.recorder.borrow_mut().undecided(format!("generate: {why}"));
            }
            return end;
        }
        Ok(())
    }

    async fn simplest(
        &self,
        plan: &GeneratePlan,
        mut drawn: Drawn,
        number: usize,
    ) -> Result<Value, Halt> {
        let mut simplest = drawn.body();
        let mut failed = true;
        for _ in 0..MAX_SIMPLER {
            if !drawn.next(failed) {
                break;
            }
            let body = drawn.body();
            failed = self.fails(plan, &body, number).await?;
            if failed {
                simplest = body;
            }
        }
        Ok(simplest)
    }

    /// Whether a body is answered wrongly. Nothing is noted.
    async fn fails(&self, plan: &GeneratePlan, body: &Value, number: usize) -> Result<bool, Halt> {
        let request = plan.request(body);
        let person = self.as_person(number);
        let call = Call { planned: clock::now(), index: 0, timeout: request.timeout };
        let done = person.exchange(&request, &call).await;
        let found = person.examine(&request, None, 0, &done);
        let spent = done.outcome.as_ref().is_ok_and(|r| r.status.as_u16() == TOO_MANY_REQUESTS);
        done.pending();
        match found {
            Err(miss) if miss.halt() == Halt::Absent => Err(Halt::Absent),
            found => Ok(found.is_err() && !spent),
        }
    }

    /// Sends one case, and notes what becomes of it.
    async fn case(&self, plan: &GeneratePlan, case: &Case, number: usize) -> Result<(), Halt> {
        let request = plan.request(&case.body);
        let person = self.as_person(number);
        person.scope.items().borrow_mut().push(case.name.clone());
        let call = Call { planned: clock::now(), index: 0, timeout: request.timeout };
        let done = person.exchange(&request, &call).await;
        let mut found = person.examine(&request, None, 0, &done);
        if let (Ok(()), Ok(response), Some(place)) = (&found, &done.outcome, &case.breaks) {
            found = named(plan, response, place).map_err(Miss::Mismatch);
        }
        if let Err(Miss::Mismatch(mismatch)) = &mut found {
            mismatch.differences.extend(counterexample::write(&person, &request, case));
        }
        person.settle(&request, 0, done, found)
    }

    /// This iteration as the next person.
    fn as_person(&self, number: usize) -> Self {
        self.with_scope(self.scope.fork_as(number as u64))
    }
}

impl GeneratePlan {
    fn outcome(&self, body: &Value) -> &Outcome {
        if self.schema.0.is_valid(body) { &self.accepted } else { &self.refused }
    }

    fn request(&self, body: &Value) -> RequestPlan {
        let Outcome { expect, claim } = self.outcome(body).clone();
        let body = Body::Json(JsonTemplate::Constant(body.clone()));
        RequestPlan { body, expect, claim, ..self.request.clone() }
    }
}

/// Whether a refusal names the place.
fn named(plan: &GeneratePlan, response: &Response, place: &str) -> Result<(), Mismatch> {
    let Some((path, span)) = &plan.pointer else { return Ok(()) };
    let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
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
