//! Carries out the `ai.summarize` step.

use std::time::Duration;

use futures_util::future::{Either, select};
use serde_json::{Value, json};

use super::{failure::Failure, machine::ATTEMPT_TIMEOUT};
use crate::ai::{Question, Summarizer, SummaryError};
use crate::domain::{
    ai::{Models, SummaryRequest},
    workflow::Step,
};
use crate::ports::{ActorContext, Clock, ObjectPorts};

/// Asks for the summary of a step. When the attempt runs out of time the model goes on, and the
/// next attempt finds its answer.
pub(super) async fn attempt<C: ActorContext>(
    ports: &ObjectPorts<'_, C>,
    models: Models,
    owner: &str,
    step: &Step,
) -> Result<Value, Failure> {
    let request = SummaryRequest::from_json(&Value::Object(step.config.clone()));
    let SummaryRequest { content, quality } = request.map_err(Failure::Summary)?;
    let question = Question::new(owner, models.of(quality), content);
    let clock = ports.clock();
    let summarizer = Summarizer {
        cache: ports.cache(),
        actors: ports.actors(),
        clock,
        breaker: ports.breaker(),
    };
    let timeout = Duration::from_millis(ATTEMPT_TIMEOUT.unsigned_abs());
    let summary = std::pin::pin!(summarizer.summarize(&question));
    let summary = match select(summary, std::pin::pin!(clock.sleep(timeout))).await {
        Either::Left((summary, _)) => summary,
        Either::Right(_) => return Err(Failure::Timeout),
    };
    match summary {
        Ok((summary, _)) => Ok(json!({"summary": summary.summary, "model": summary.model})),
        Err(SummaryError::OverQuota) => Err(Failure::OverQuota),
        Err(SummaryError::Refused) => Err(Failure::ModelRefused),
        Err(SummaryError::Failed(error)) => {
            ports.log(&format!("ai.summarize: {error}"));
            Err(Failure::ModelUnavailable)
        }
    }
}
