//! Summaries and search.

use std::collections::HashMap;

use axum::Json;
use serde::Serialize;

use super::Context;
use crate::ai::search;
use crate::ai::{Question, Summarizer, SummaryError, circuit_open};
use crate::domain::{
    Millis,
    ai::{Quality, SearchRequest, SummaryRequest},
    month::Month,
    plan::Metric,
};
use crate::guard::{HANDLER_DEADLINE, Problem, Scope, StrictJson};
use crate::ports::{AI_TIMEOUT, Match, Platform, PortError, PortFailure, VECTOR_TIMEOUT};
use crate::store::{QuotaMonths, SearchStore};

/// A search needs both before its own deadline.
const _: () =
    assert!(AI_TIMEOUT.as_millis() + VECTOR_TIMEOUT.as_millis() < HANDLER_DEADLINE.as_millis());

/// A summary.
#[derive(Debug, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub(super) struct SummaryAnswer {
    /// The text.
    summary: String,
    /// The model that wrote it.
    model: String,
    /// The quality that was requested.
    quality: Quality,
    /// True if the summary was there already and used no AI operation.
    cached: bool,
}

/// The results of a search, the best first.
#[derive(Debug, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub(super) struct SearchAnswer {
    results: Vec<SearchResult>,
}

/// A workflow that was found.
#[derive(Debug, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub(super) struct SearchResult {
    /// Identifier.
    id: String,
    /// Name.
    name: String,
    /// Description.
    description: String,
    /// The time of publication; null for a workflow that is not published, and so the caller's own.
    published_at: Option<Millis>,
    /// True if the workflow is the caller's.
    owned: bool,
    /// The similarity to the query, at most 1.
    score: f64,
}

/// Answers `POST /ai/summarize`.
pub(super) async fn summarize<P: Platform>(
    context: Context<P>,
    StrictJson(body): StrictJson,
) -> Result<Json<SummaryAnswer>, Problem> {
    let owner = context.caller_with(Scope::Write)?;
    let SummaryRequest { content, quality } =
        SummaryRequest::from_json(&body).map_err(Problem::invalid_input)?;
    let question = Question::new(owner, context.app.config.models.of(quality), content);
    let ports = &context.ports;
    let (cache, actors) = (ports.cache(), ports.actors());
    let (clock, breaker) = (ports.clock(), ports.breaker());
    let summarizer = Summarizer { cache, actors, clock, breaker };
    let (summary, cached) =
        summarizer.summarize(&question).await.map_err(|problem| match problem {
            SummaryError::OverQuota => Problem::over_quota(Metric::AiOperations.title()),
            SummaryError::Refused => Problem::refused_content(),
            SummaryError::Failed(error) => error.into(),
        })?;
    Ok(Json(SummaryAnswer { summary: summary.summary, model: summary.model, quality, cached }))
}

/// Answers `POST /search`.
pub(super) async fn search<P: Platform>(
    context: Context<P>,
    StrictJson(body): StrictJson,
) -> Result<Json<SearchAnswer>, Problem> {
    let user = context.caller_with(Scope::Read)?;
    let request = SearchRequest::from_json(&body).map_err(Problem::invalid_input)?;
    let matches = find(&context, user, &request).await?;
    let store = SearchStore::new(context.ports.database());
    let visible = store.visible(user, matches.iter().map(|found| found.id.as_str())).await?;
    let mut by_id: HashMap<_, _> =
        visible.into_iter().map(|workflow| (workflow.id.clone(), workflow)).collect();
    let results = matches.into_iter().filter_map(|Match { id, score }| {
        let workflow = by_id.remove(&id)?;
        let (name, description) = (workflow.name, workflow.description);
        let (published_at, owned) = (workflow.published_at, workflow.owned == 1);
        Some(SearchResult { id, name, description, published_at, owned, score })
    });
    Ok(Json(SearchAnswer { results: results.collect() }))
}

/// Searches the index. It takes an AI operation, and gives it back if the model does not answer.
async fn find<P: Platform>(
    context: &Context<P>,
    user: &str,
    request: &SearchRequest,
) -> Result<Vec<Match>, Problem> {
    let ports = &context.ports;
    let none = || PortError::unavailable("search", "this deployment has none");
    let (ai, vectors) = ports.ai().zip(ports.vectors()).ok_or_else(none)?;
    let permit = ports.breaker().admit(ports.now()).ok_or_else(circuit_open)?;
    let now = ports.now();
    let month = Month::of(now);
    let months = QuotaMonths::new(ports.database());
    let (metric, quotas) = (Metric::AiOperations, &context.app.config.billing.quotas);
    if !months.take(user, now, metric, quotas).await? {
        return Err(Problem::over_quota(metric.title()));
    }
    let embedded = ai.embed(&request.query).await;
    permit.report(&embedded, ports.now());
    let refused = matches!(&embedded, Err(PortError { cause: PortFailure::Refused(_), .. }));
    let found = match embedded {
        Ok(values) => vectors.query(values, search::readers_of(user), request.limit).await,
        Err(error) => Err(error),
    };
    match found {
        Ok(found) => Ok(found),
        Err(error) => {
            if let Err(error) = months.give_back(user, month, metric).await {
                ports.log(&error.to_string());
            }
            Err(if refused { Problem::refused_content() } else { error.into() })
        }
    }
}
