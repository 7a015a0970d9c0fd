//! Models: what was seen so far, held against what must have been.

use super::{
    attempt::Due,
    iteration::{Halt, Iteration},
    observer::Overflow,
};
use crate::{
    check::{
        cache,
        expect::Mismatch,
        limiter::{self, Key},
        oracle::Finding,
        runs::{Evidence, Happened, events},
    },
    http::Response,
    model::{
        clock,
        stub::{Call, Calls},
    },
    plan::{
        CachePlan, Claim, EffectsPlan, Limiter, ModelOf, ModelPlan, RateLimitPlan, RequestPlan,
        RunPaths, RunsPlan, THE_RUN, UserId,
    },
    record::Seen,
};

/// Runs whose events are asked for when something is wrong: the failures show no more.
const MAX_TOLD: usize = 10;

/// Says why something is not known that a model needs, so that it cannot decide.
#[derive(Debug, thiserror::Error)]
enum Unknown {
    /// Not every answer was kept.
    #[error(transparent)]
    Overflow(#[from] Overflow),
    /// The stub keeps fewer calls than it counted.
    #[error("the stub does not show all of {0} calls")]
    MoreCalls(u64),
    /// The stub does not answer.
    #[error("the stub does not say what reached it")]
    NoCalls,
    /// Runs could not be asked for again.
    #[error("{0} acknowledged runs could not be looked at again")]
    Runs(usize),
}

impl Iteration {
    /// Judges everything that was seen until now. What cannot be decided fails no step: it makes the
    /// scenario inconclusive.
    pub(super) async fn model(&self, model: &ModelPlan) -> Result<(), Halt> {
        match &model.of {
            ModelOf::RateLimit(plan) => self.rate_limit(model, plan),
            ModelOf::Runs(plan) => self.runs(model, plan).await,
            ModelOf::Cache(plan) => self.cache(model, plan).await,
        }
    }

    fn rate_limit(&self, model: &ModelPlan, plan: &RateLimitPlan) -> Result<(), Halt> {
        let world = &self.worker.context;
        let users = &self.worker.context.plan.users;
        let all = match world.observer.seen() {
            Ok(all) => all,
            Err(why) => {
                return self.found(model, &plan.claim, Finding::Undecided(why.to_string()));
            }
        };
        let mut result = Ok(());
        for user in &plan.keys {
            let seen: Vec<&Seen> = all.iter().filter(|seen| seen.user == Some(*user)).collect();
            let key = Key {
                name: &users[user.0].name,
                limiter: plan.limiter.or(world.limiter).unwrap_or(Limiter::AtLeast),
                skew: plan.skew.unwrap_or(world.skew),
                seen: &seen,
            };
            if let Some(overshoot) = limiter::overshoot(plan, &key) {
                self.worker.recorder.borrow_mut().remark(overshoot);
            }
            let finding = limiter::judge(plan, &key, &self.worker.context.plan.labels);
            result = result.and(self.found(model, &plan.claim, finding));
        }
        result
    }

    async fn cache(&self, model: &ModelPlan, plan: &CachePlan) -> Result<(), Halt> {
        let calls = self.calls(&plan.calls).await?;
        let world = &self.worker.context;
        // Those of earlier scenarios are not this one's. Both clocks are the harness's.
        let ours = |call: &&Call| call.last_at >= world.origin_millis;
        let asked = calls.map(|calls| calls.iter().filter(ours).count());
        let skew = i64::try_from(world.skew.as_millis()).unwrap_or_default();
        let finding = match (asked, world.observer.seen().map_err(Unknown::from)) {
            (Ok(asked), Ok(seen)) => {
                cache::judge(plan, &self.worker.context.plan, &seen, skew, asked)
            }
            (Err(why), _) | (_, Err(why)) => Finding::Undecided(why.to_string()),
        };
        self.found(model, &plan.claim, finding)
    }

    /// Returns the calls that reached the stub, one by one; or the reason why they are not known.
    async fn calls(&self, request: &RequestPlan) -> Result<Result<Vec<Call>, Unknown>, Halt> {
        let answer = self.ask(request).await?;
        let calls = answer.and_then(|answer| serde_json::from_slice::<Calls>(&answer.body).ok());
        Ok(match calls {
            Some(calls) if calls.calls.len() as u64 == calls.effects => Ok(calls.calls),
            Some(calls) => Err(Unknown::MoreCalls(calls.effects)),
            None => Err(Unknown::NoCalls),
        })
    }

    async fn runs(&self, model: &ModelPlan, plan: &RunsPlan) -> Result<(), Halt> {
        let gathered = self.evidence(plan).await?;
        let judge = |evidence: &Evidence| -> Vec<Finding> {
            plan.checks.iter().map(|(check, _)| evidence.judge(*check)).collect()
        };
        let findings = match gathered {
            Err(why) => vec![Finding::Undecided(why.to_string()); plan.checks.len()],
            Ok(mut evidence) => {
                let findings = judge(&evidence);
                if findings.iter().any(|finding| matches!(finding, Finding::Violated { .. })) {
                    self.engine(plan, &mut evidence).await?;
                    judge(&evidence)
                } else {
                    findings
                }
            }
        };
        let mut result = Ok(());
        for ((_, claim), finding) in plan.checks.iter().zip(findings) {
            result = result.and(self.found(model, claim, finding));
        }
        result
    }

    /// Everything that is known about runs, those looked at again that may have gone on; or why that
    /// is not enough.
    async fn evidence(&self, plan: &RunsPlan) -> Result<Result<Evidence, Unknown>, Halt> {
        let first = match self.seen_of_runs(&plan.paths) {
            Ok(evidence) => evidence,
            Err(why) => return Ok(Err(why.into())),
        };
        let mut unknown = 0;
        for index in first.to_look_at() {
            let run = &first.histories[index].run;
            let answer = self.ask_about(&plan.look, run, first.owners[index]).await?;
            let known = answer.is_some_and(|answer| matches!(answer.status.as_u16(), 200 | 404));
            unknown += usize::from(!known);
        }
        if unknown > 0 {
            return Ok(Err(Unknown::Runs(unknown)));
        }
        let evidence = self.seen_of_runs(&plan.paths).map_err(Unknown::from);
        let Some(EffectsPlan { calls, each }) = &plan.effects else { return Ok(evidence) };
        let calls = self.calls(calls).await?;
        Ok(evidence.and_then(|evidence| Ok(Evidence { calls: calls?, each: *each, ..evidence })))
    }

    fn seen_of_runs(&self, paths: &RunPaths) -> Result<Evidence, Overflow> {
        let world = &self.worker.context;
        let seen = world.observer.seen()?;
        let happened = world.observer.happened();
        Ok(Evidence { happened, origin: world.origin_millis, ..Evidence::new(&seen, paths) })
    }

    /// Adds what the engine says of runs that ended, for their timelines.
    async fn engine(&self, plan: &RunsPlan, evidence: &mut Evidence) -> Result<(), Halt> {
        for index in 0..evidence.histories.len().min(MAX_TOLD) {
            let history = &evidence.histories[index];
            if !history.last().is_some_and(|last| last.status.is_final()) {
                // Its events have no end yet.
                continue;
            }
            let run = history.run.clone();
            let answer = self.ask_about(&plan.events, &run, evidence.owners[index]).await?;
            let text = answer.map(|answer| String::from_utf8_lossy(&answer.body).into_owned());
            for (at, what) in events(&text.unwrap_or_default()) {
                let at = self.worker.context.observer.when(at).unwrap_or_else(clock::now);
                let at = self.worker.context.offset(at);
                evidence.happened.push(Happened { at, what, is_crash: false, run: run.clone() });
            }
        }
        Ok(())
    }

    /// Asks as its owner about a run.
    async fn ask_about(
        &self,
        request: &RequestPlan,
        run: &str,
        owner: Option<UserId>,
    ) -> Result<Option<Response>, Halt> {
        let request = RequestPlan { auth: owner, ..request.clone() };
        self.scope.capture(THE_RUN, run.into());
        let answer = self.ask(&request).await;
        self.scope.restore(THE_RUN, None);
        answer
    }

    /// Sends a request of the harness itself. The iteration ends only if nobody listens at the
    /// target.
    pub(super) async fn ask(&self, request: &RequestPlan) -> Result<Option<Response>, Halt> {
        let due = Due { at: clock::now(), index: 0, timeout: request.timeout };
        let attempt = self.send_request(request, due).await;
        let answer = attempt.outcome.as_ref().ok().cloned();
        let checked = attempt.check();
        match attempt.record(checked) {
            Err(Halt::Absent) => Err(Halt::Absent),
            _ => Ok(answer),
        }
    }

    /// Notes what a model found.
    fn found(&self, model: &ModelPlan, claim: &Claim, finding: Finding) -> Result<(), Halt> {
        let (expected, actual, differences) = match finding {
            Finding::Holds => {
                self.worker.recorder.borrow_mut().claimed(claim, true);
                return Ok(());
            }
            Finding::Undecided(why) => {
                let why = format!("{}: {why}", model.name);
                self.worker.recorder.borrow_mut().undecided(why);
                return Ok(());
            }
            Finding::Violated { expected, actual, differences } => (expected, actual, differences),
        };
        self.worker.recorder.borrow_mut().claimed(claim, false);
        let mismatch = Mismatch { differences, ..Mismatch::new(expected, actual, model.span) };
        self.note(&model.name, claim, mismatch, model.span);
        if claim.is_required() { Err(Halt::Failed) } else { Ok(()) }
    }
}
