//! The table of contents: every route, once. The router is built from it, and so are the OpenAPI
//! document and the authorization matrix of the tests.

use crate::guard::Scope;

/// A route.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// What answers it.
    pub operation: Operation,
    /// HTTP method.
    pub method: Method,
    /// Path, with `{id}` for an identifier and `{provider}` for `google` or `notion`.
    pub path: &'static str,
    /// Who may.
    pub access: Access,
    /// For people.
    pub summary: &'static str,
    /// What it takes beside the path.
    pub takes: Takes,
    /// Statuses that are no problems.
    pub answers: &'static [u16],
    /// Problems of its own; those of its access and of what it takes come on top.
    pub problems: &'static [u16],
}

/// The methods in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// And HEAD.
    Get,
    /// To make, or to do.
    Post,
    /// To replace.
    Put,
    /// To remove.
    Delete,
}

/// Who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anyone, as often as they like: it costs next to nothing.
    Open,
    /// Who signed the request. What is not signed is refused before anything is looked up.
    Signed,
    /// Anyone, within the budget of their address.
    Anyone,
    /// Signed-in callers whose token has this scope, within their budget.
    Caller(Scope),
}

/// What a request brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Nothing.
    Nothing,
    /// `limit` and `cursor`.
    Page,
    /// `limit` and `cursor`, and `If-None-Match`.
    CachedPage,
    /// A workflow as JSON.
    Draft,
    /// A workflow as JSON, and `Idempotency-Key`.
    DraftOnce,
    /// A wish for a summary as JSON.
    Summary,
    /// A wish to find workflows as JSON.
    Query,
    /// A wish to buy a plan as JSON, and `Idempotency-Key`.
    CheckoutOnce,
    /// A signed event.
    Event,
    /// `Idempotency-Key`.
    Once,
    /// `Last-Event-ID`.
    LastEventId,
    /// `book`.
    Book,
    /// `return_to`.
    ReturnTo,
    /// What a provider's consent page adds: `state`, and `code` or `error`.
    Consent,
    /// The cookie with the refresh token.
    RefreshCookie,
}

/// What a route does: the name of its handler, and of its operation for clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the table says it")]
pub enum Operation {
    GetHealth,
    GetLiveness,
    GetOpenapi,
    ListPublishedWorkflows,
    CreateWorkflow,
    ListWorkflows,
    GetWorkflow,
    UpdateWorkflow,
    DeleteWorkflow,
    PublishWorkflow,
    StartRun,
    ListRunsOfWorkflow,
    ListRuns,
    GetRun,
    CancelRun,
    FollowRun,
    GetUsage,
    GetCosts,
    AuthorizeProvider,
    ReturnFromProvider,
    RefreshSession,
    EndSession,
    GetMe,
    ListConnections,
    DeleteConnection,
    Summarize,
    Search,
    CreateCheckout,
    GetPlan,
    ReceiveStripeEvent,
}

const READ: Access = Access::Caller(Scope::Read);
const WRITE: Access = Access::Caller(Scope::Write);

const fn route(
    operation: Operation,
    (method, path): (Method, &'static str),
    access: Access,
    summary: &'static str,
) -> Route {
    let (takes, answers, problems) = (Takes::Nothing, &[200], &[]);
    Route { operation, method, path, access, summary, takes, answers, problems }
}

impl Route {
    const fn takes(self, takes: Takes) -> Self {
        Self { takes, ..self }
    }

    const fn answers(self, answers: &'static [u16]) -> Self {
        Self { answers, ..self }
    }

    const fn problems(self, problems: &'static [u16]) -> Self {
        Self { problems, ..self }
    }
}

use Method::{Delete, Get, Post, Put};
use Operation as O;

/// Every route.
pub const ROUTES: &[Route] = &[
    route(O::GetHealth, (Get, "/health"), Access::Open, "Whether the dependencies answer")
        .answers(&[200, 503]),
    route(O::GetLiveness, (Get, "/health/live"), Access::Open, "Whether the service answers"),
    route(O::GetOpenapi, (Get, "/openapi.json"), Access::Open, "This document"),
    route(
        O::ListPublishedWorkflows,
        (Get, "/api/workflows"),
        Access::Anyone,
        "The catalogue of published workflows, up to five minutes old",
    )
    .takes(Takes::CachedPage)
    .answers(&[200, 304]),
    route(O::CreateWorkflow, (Post, "/workflows"), WRITE, "Create a workflow")
        .takes(Takes::DraftOnce)
        .answers(&[201]),
    route(O::ListWorkflows, (Get, "/workflows"), READ, "The caller's workflows, newest first")
        .takes(Takes::Page),
    route(O::GetWorkflow, (Get, "/workflows/{id}"), READ, "A workflow"),
    route(O::UpdateWorkflow, (Put, "/workflows/{id}"), WRITE, "Replace a workflow")
        .takes(Takes::Draft),
    route(
        O::DeleteWorkflow,
        (Delete, "/workflows/{id}"),
        WRITE,
        "Delete a workflow; its runs stay",
    )
    .answers(&[204]),
    route(
        O::PublishWorkflow,
        (Post, "/workflows/{id}/publish"),
        WRITE,
        "Show a workflow to everyone",
    ),
    route(O::StartRun, (Post, "/workflows/{id}/runs"), WRITE, "Run a workflow")
        .takes(Takes::Once)
        .answers(&[202])
        .problems(&[402]),
    route(
        O::ListRunsOfWorkflow,
        (Get, "/workflows/{id}/runs"),
        READ,
        "The runs of a workflow, newest first",
    )
    .takes(Takes::Page),
    route(O::ListRuns, (Get, "/runs"), READ, "The caller's runs, newest first").takes(Takes::Page),
    route(O::GetRun, (Get, "/runs/{id}"), READ, "A run"),
    route(O::CancelRun, (Post, "/runs/{id}/cancel"), WRITE, "End a run")
        .answers(&[200, 202])
        .problems(&[409]),
    route(O::FollowRun, (Get, "/runs/{id}/events"), READ, "What happens to a run, as it happens")
        .takes(Takes::LastEventId)
        .answers(&[200, 204]),
    route(O::GetUsage, (Get, "/usage"), READ, "What the caller used this calendar month (UTC)"),
    route(
        O::GetCosts,
        (Get, "/usage/costs"),
        READ,
        "What that costs at the list prices of a price book",
    )
    .takes(Takes::Book),
    route(
        O::AuthorizeProvider,
        (Get, "/oauth/{provider}/authorize"),
        Access::Anyone,
        "Send a browser to a provider: Google signs in, Notion is connected by who has",
    )
    .takes(Takes::ReturnTo)
    .answers(&[302])
    .problems(&[401]),
    route(
        O::ReturnFromProvider,
        (Get, "/oauth/{provider}/callback"),
        Access::Anyone,
        "Where a provider sends the browser back to",
    )
    .takes(Takes::Consent)
    .answers(&[200, 303])
    .problems(&[502]),
    route(
        O::RefreshSession,
        (Post, "/auth/refresh"),
        Access::Anyone,
        "The next access token; the refresh token in the cookie is used up and replaced",
    )
    .takes(Takes::RefreshCookie)
    .problems(&[401, 403]),
    route(O::EndSession, (Post, "/auth/logout"), Access::Anyone, "End the session of the cookie")
        .takes(Takes::RefreshCookie)
        .answers(&[204])
        .problems(&[403]),
    route(O::GetMe, (Get, "/me"), READ, "Who the caller is"),
    route(O::ListConnections, (Get, "/connections"), READ, "The caller's connections"),
    route(
        O::DeleteConnection,
        (Delete, "/connections/{provider}"),
        WRITE,
        "Forget a connection, and ask the provider to revoke it",
    )
    .problems(&[404]),
    route(O::Summarize, (Post, "/ai/summarize"), WRITE, "Summarize a text")
        .takes(Takes::Summary)
        .problems(&[402, 422]),
    route(
        O::Search,
        (Post, "/search"),
        READ,
        "Find workflows by what they are about: the caller's and published ones, as they were a moment ago",
    )
    .takes(Takes::Query)
    .problems(&[402, 422]),
    route(O::CreateCheckout, (Post, "/billing/checkout"), WRITE, "Buy a plan, on a page of Stripe's")
        .takes(Takes::CheckoutOnce)
        .answers(&[201]),
    route(O::GetPlan, (Get, "/billing/plan"), READ, "The caller's plan, its quota, and what is used"),
    route(
        O::ReceiveStripeEvent,
        (Post, "/webhooks/stripe"),
        Access::Signed,
        "Take an event of Stripe's, signed in Stripe-Signature",
    )
    .takes(Takes::Event),
];
