//! The `ai.summarize` step.

use std::time::Duration;

use futures_util::future::{Either, select};
use serde_json::{Value, json};

use super::machine::{ATTEMPT_TIMEOUT, Failure};
use crate::ai::{Desk, NoSummary, Question};
use crate::domain::{
    ai::{Models, SummaryRequest},
    workflow::Step,
};
use crate::ports::{ActorContext, Clock, ObjectPorts};

/// Asks for the summary of a step. What goes on after the attempt ran out of time is not lost: the
/// next attempt finds it.
pub(super) async fn attempt<C: ActorContext>(
    ports: &ObjectPorts<'_, C>,
    models: Models,
    owner: &str,
    step: &Step,
) -> Result<Value, Failure> {
    let request = SummaryRequest::from_json(&Value::Object(step.config.clone()));
    let SummaryRequest { content, quality } = request.map_err(|issues| {
        let problems =
            issues.iter().map(|issue| format!("config.{} {}", issue.path, issue.message));
        failure(problems.collect::<Vec<_>>().join("; "), false)
    })?;
    let question = Question::new(owner, models.of(quality), content);
    let (cache, actors) = (ports.cache(), ports.actors());
    let (clock, breaker) = (ports.clock(), ports.breaker());
    let desk = Desk { cache, actors, clock, breaker };
    let timeout = Duration::from_millis(ATTEMPT_TIMEOUT.unsigned_abs());
    let summary = std::pin::pin!(desk.summarize(&question));
    let summary = match select(summary, std::pin::pin!(clock.sleep(timeout))).await {
        Either::Left((summary, _)) => summary,
        Either::Right(_) => return Err(failure("no answer in time", true)),
    };
    match summary {
        Ok((summary, _)) => Ok(json!({"summary": summary.summary, "model": summary.model})),
        Err(NoSummary::OverQuota) => {
            Err(failure("the AI operations of this month are used up", false))
        }
        Err(NoSummary::Refused) => Err(failure("the model refused the content", false)),
        Err(NoSummary::Failed(error)) => {
            ports.log(&format!("ai.summarize: {error}"));
            Err(failure("the model gave no answer", true))
        }
    }
}

fn failure(message: impl Into<String>, retry: bool) -> Failure {
    Failure { message: message.into(), retry }
}
