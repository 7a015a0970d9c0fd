//! Every route against everyone who may not: the rows come from the table that the router is built
//! from, so that a new route is in it.

use reqwest::{Method as HttpMethod, Response};
use serde_json::json;
use workway_service::{
    guard::Scope,
    routes::{Access, Method, Operation, ROUTES, Route, Takes},
};

use super::{
    client::{Api, token, token_of},
    stand_in,
};

/// Things of Ann, which Bob asks for.
struct Things {
    workflow: String,
    run: String,
}

async fn send(api: &Api, route: &Route, things: &Things, token: &str) -> Response {
    let id = if route.path.starts_with("/runs") { &things.run } else { &things.workflow };
    let method = match route.method {
        Method::Get => HttpMethod::GET,
        Method::Post => HttpMethod::POST,
        Method::Put => HttpMethod::PUT,
        Method::Delete => HttpMethod::DELETE,
    };
    let steps = json!([{"type": "transform", "config": {"value": 1}}]);
    let draft = json!({"name": "n", "description": "d", "steps": steps});
    let path = route.path.replace("{id}", id).replace("{provider}", "google");
    let body = match route.takes {
        Takes::Draft | Takes::DraftWithKey => Some(draft),
        Takes::Summary => Some(json!({"content": "A text."})),
        Takes::Query => Some(json!({"query": "a workflow"})),
        Takes::CheckoutWithKey => Some(json!({"plan": "growth"})),
        Takes::Event => Some(json!({"id": "evt_1"})),
        Takes::Nothing
        | Takes::Page
        | Takes::CachedPage
        | Takes::IdempotencyKey
        | Takes::LastEventId
        | Takes::RefreshCookie
        | Takes::Book
        | Takes::ReturnTo
        | Takes::Consent => None,
    };
    api.send(method, &path, token, body).await
}

/// What a caller with every scope gets for an identifier of somebody else. A route without a row
/// does not compile.
fn of_a_foreign_id(operation: Operation) -> Option<u16> {
    match operation {
        Operation::GetWorkflow
        | Operation::UpdateWorkflow
        | Operation::DeleteWorkflow
        | Operation::PublishWorkflow
        | Operation::StartRun
        | Operation::ListRunsOfWorkflow
        | Operation::GetRun
        | Operation::CancelRun
        | Operation::FollowRun => Some(404),
        // They name nothing that could be somebody else's.
        Operation::GetHealth
        | Operation::GetLiveness
        | Operation::GetOpenapi
        | Operation::ListPublishedWorkflows
        | Operation::CreateWorkflow
        | Operation::ListWorkflows
        | Operation::ListRuns
        | Operation::GetUsage
        | Operation::GetCosts
        | Operation::AuthorizeProvider
        | Operation::ReturnFromProvider
        | Operation::RefreshSession
        | Operation::EndSession
        | Operation::GetMe
        | Operation::ListConnections
        | Operation::DeleteConnection
        | Operation::Summarize
        | Operation::Search
        | Operation::CreateCheckout
        | Operation::GetPlan
        | Operation::ReceiveStripeEvent => None,
    }
}

/// What somebody gets who brings nothing that the route could work with: no state of a provider, no
/// cookie, no connection.
fn of_nothing(operation: Operation) -> Option<u16> {
    match operation {
        Operation::ReturnFromProvider => Some(400),
        Operation::RefreshSession => Some(401),
        Operation::DeleteConnection => Some(404),
        _ => None,
    }
}

#[tokio::test]
async fn nobody_passes_without_the_right_to() {
    let api = Api::start_with(stand_in::VARS).await;
    stand_in::fine(&api.upstream).await;
    let (ann, bob) = (token("ann"), token("bob"));
    let workflow = api.workflow(&ann, api.http_step()).await;
    let things = Things { run: api.run(&ann, &workflow).await, workflow };
    let forged = format!("{}x", token("ann"));
    for route in ROUTES {
        let status = async |token: &str| send(&api, route, &things, token).await.status().as_u16();
        match route.access {
            Access::Open | Access::Anyone => {
                for token in ["", &forged, &bob] {
                    let answer = status(token).await;
                    let expected = of_nothing(route.operation);
                    let fits =
                        expected.map_or(route.answers.contains(&answer), |other| other == answer);
                    assert!(fits, "{route:?}: {answer}");
                }
            }
            Access::Signed => {
                for token in ["", &forged, &bob] {
                    assert_eq!(status(token).await, 400, "{route:?}");
                }
            }
            Access::Caller(scope) => {
                let other = if scope == Scope::Read { "write meter" } else { "read meter" };
                assert_eq!(status("").await, 401, "{route:?}");
                assert_eq!(status(&forged).await, 401, "{route:?}");
                assert_eq!(status(&token_of("ann", other)).await, 403, "{route:?}");
                assert_eq!(status(&token_of("ann", "")).await, 403, "{route:?}");
                let foreign = of_a_foreign_id(route.operation);
                assert_eq!(foreign.is_some(), route.path.contains("{id}"), "{route:?}");
                let answer = status(&bob).await;
                let expected = foreign.or(of_nothing(route.operation));
                let fits =
                    expected.map_or(route.answers.contains(&answer), |other| other == answer);
                assert!(fits, "{route:?}: {answer}");
            }
        }
    }
    let (_, still) = api.get(&format!("/workflows/{}", things.workflow), &ann).await;
    assert_eq!((&still["name"], &still["published_at"]), (&json!("n"), &json!(null)));
}
