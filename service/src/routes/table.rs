//! The table of contents: every route, once, with its handler. The router is made of it, and so are
//! the OpenAPI document and the authorization matrix of the tests.

#[cfg(not(target_arch = "wasm32"))]
use axum::Json;
use axum::routing::{MethodFilter, MethodRouter, on};

#[cfg(not(target_arch = "wasm32"))]
use super::openapi::{AnyObject, Content, EventStream, NoContent};
use super::{
    ai, billing, catalogue, connections, costs, events, health, oauth, openapi, runs, sessions,
    usage, workflows,
};
use crate::app::App;
use crate::guard::Scope;
use crate::ports::Platform;
#[cfg(not(target_arch = "wasm32"))]
use crate::{
    app::health::Report,
    domain::{
        run::Run,
        workflow::{Workflow, WorkflowSummary},
    },
    store::CatalogueEntry,
};

/// A route.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// The name of the operation.
    pub operation: Operation,
    /// HTTP method.
    pub method: Method,
    /// Path, with `{id}` for an identifier and `{provider}` for `google` or `notion`.
    pub path: &'static str,
    /// The callers who may use it.
    pub access: Access,
    /// A summary for people.
    pub summary: &'static str,
    /// The input that it takes beside the path.
    pub takes: Takes,
    /// Statuses that are no problems.
    pub answers: &'static [u16],
    /// Problems of its own; those of its access and of what it takes come on top.
    pub problems: &'static [u16],
}

/// The methods in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// GET and HEAD.
    Get,
    /// Creates something, or starts an action.
    Post,
    /// Replaces something.
    Put,
    /// Removes something.
    Delete,
}

/// The callers who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anyone, as often as they like: it costs next to nothing.
    Open,
    /// Senders who signed the request. A request that is not signed is refused before anything is looked
    /// up.
    Signed,
    /// Anyone, within the budget of their address.
    Anyone,
    /// Signed-in callers whose token has this scope, within their budget.
    Caller(Scope),
}

/// The input of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// The route takes no input.
    Nothing,
    /// `limit` and `cursor`.
    Page,
    /// `limit` and `cursor`, and `If-None-Match`.
    CachedPage,
    /// A workflow as JSON.
    Draft,
    /// A workflow as JSON, and `Idempotency-Key`.
    DraftWithKey,
    /// A request for a summary, as JSON.
    Summary,
    /// A search for workflows, as JSON.
    Query,
    /// The choice of a plan, as JSON, and `Idempotency-Key`.
    CheckoutWithKey,
    /// An event of Stripe, signed.
    Event,
    /// `Idempotency-Key`.
    IdempotencyKey,
    /// `Last-Event-ID`.
    LastEventId,
    /// `book`.
    Book,
    /// `return_to`.
    ReturnTo,
    /// The parameters that a provider's consent page adds: `state`, and `code` or `error`.
    Consent,
    /// The cookie with the refresh token.
    RefreshCookie,
}

const READ: Access = Access::Caller(Scope::Read);
const WRITE: Access = Access::Caller(Scope::Write);

impl Method {
    const fn filter(self) -> MethodFilter {
        match self {
            Self::Get => MethodFilter::GET,
            Self::Post => MethodFilter::POST,
            Self::Put => MethodFilter::PUT,
            Self::Delete => MethodFilter::DELETE,
        }
    }
}

impl Route {
    const fn new(
        operation: Operation,
        method: Method,
        (path, access, summary): (&'static str, Access, &'static str),
    ) -> Self {
        let (takes, answers, problems) = (Takes::Nothing, &[200], &[]);
        Self { operation, method, path, access, summary, takes, answers, problems }
    }

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

/// Declares the routes. An entry has the name of the operation, its handler, the type of its answers
/// with a body, the method, and then path, access and summary. What follows, if anything, says what
/// the route takes, the statuses of its answers (200 if it does not say), and its own problems.
macro_rules! routes {
    ($(
        $operation:ident($handler:expr) -> $answer:ty:
            $method:ident($path:expr, $access:expr, $summary:expr) $(.$with:ident($what:expr))*;
    )*) => {
        /// The operations, by the names that clients generate code from.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[expect(missing_docs, reason = "the summaries of the table describe them")]
        pub enum Operation {
            $($operation,)*
        }

        /// Every route.
        pub const ROUTES: &[Route] = &[$(
            Route::new(Operation::$operation, Method::$method, ($path, $access, $summary))
                $(.$with($what))*,
        )*];

        /// Returns what answers the requests of a route.
        pub(super) fn handler<P: Platform>(route: &Route) -> MethodRouter<App<P>> {
            let method = route.method.filter();
            match route.operation {
                $(Operation::$operation => on(method, $handler),)*
            }
        }

        /// Returns the media type and the schema of the answers with a body.
        #[cfg(not(target_arch = "wasm32"))]
        pub(super) fn content(
            operation: Operation,
            schemas: &mut schemars::SchemaGenerator,
        ) -> Option<(&'static str, serde_json::Value)> {
            match operation {
                $(Operation::$operation => <$answer>::content(schemas),)*
            }
        }
    };
}

routes! {
    GetHealth(health::health::<P>) -> Json<Report>:
        Get("/health", Access::Open, "Whether the dependencies answer")
            .answers(&[200, 503]);

    GetLiveness(health::live) -> AnyObject:
        Get("/health/live", Access::Open, "Whether the service answers");

    GetOpenapi(openapi::show) -> AnyObject:
        Get("/openapi.json", Access::Open, "This document");

    ListPublishedWorkflows(catalogue::list::<P>) -> Json<workflows::WorkflowList<CatalogueEntry>>:
        Get(
            "/api/workflows",
            Access::Anyone,
            "The catalogue of published workflows, up to five minutes old"
        )
            .takes(Takes::CachedPage)
            .answers(&[200, 304]);

    CreateWorkflow(workflows::create::<P>) -> Json<Workflow>:
        Post("/workflows", WRITE, "Create a workflow")
            .takes(Takes::DraftWithKey)
            .answers(&[201]);

    ListWorkflows(workflows::list::<P>) -> Json<workflows::WorkflowList<WorkflowSummary>>:
        Get("/workflows", READ, "The caller's workflows, newest first")
            .takes(Takes::Page);

    GetWorkflow(workflows::show::<P>) -> Json<Workflow>:
        Get("/workflows/{id}", READ, "A workflow");

    UpdateWorkflow(workflows::update::<P>) -> Json<Workflow>:
        Put("/workflows/{id}", WRITE, "Replace a workflow")
            .takes(Takes::Draft);

    DeleteWorkflow(workflows::delete::<P>) -> NoContent:
        Delete("/workflows/{id}", WRITE, "Delete a workflow; its runs stay")
            .answers(&[204]);

    PublishWorkflow(workflows::publish::<P>) -> Json<Workflow>:
        Post("/workflows/{id}/publish", WRITE, "Show a workflow to everyone");

    StartRun(runs::create::<P>) -> Json<Run>:
        Post("/workflows/{id}/runs", WRITE, "Run a workflow")
            .takes(Takes::IdempotencyKey)
            .answers(&[202])
            .problems(&[402]);

    ListRunsOfWorkflow(runs::list_of_workflow::<P>) -> Json<runs::RunList>:
        Get("/workflows/{id}/runs", READ, "The runs of a workflow, newest first")
            .takes(Takes::Page);

    ListRuns(runs::list::<P>) -> Json<runs::RunList>:
        Get("/runs", READ, "The caller's runs, newest first")
            .takes(Takes::Page);

    GetRun(runs::show::<P>) -> Json<Run>:
        Get("/runs/{id}", READ, "A run");

    CancelRun(runs::cancel::<P>) -> Json<Run>:
        Post("/runs/{id}/cancel", WRITE, "End a run")
            .answers(&[200, 202])
            .problems(&[409]);

    FollowRun(events::stream::<P>) -> EventStream:
        Get("/runs/{id}/events", READ, "What happens to a run, as it happens")
            .takes(Takes::LastEventId)
            .answers(&[200, 204]);

    GetUsage(usage::show::<P>) -> Json<usage::UsageReport>:
        Get("/usage", READ, "What the caller used this calendar month (UTC)");

    GetCosts(costs::show::<P>) -> Json<costs::CostReport>:
        Get("/usage/costs", READ, "What that costs at the list prices of a price book")
            .takes(Takes::Book);

    AuthorizeProvider(oauth::authorize::<P>) -> NoContent:
        Get(
            "/oauth/{provider}/authorize",
            Access::Anyone,
            "Send a browser to a provider: Google signs in, Notion is connected by who has"
        )
            .takes(Takes::ReturnTo)
            .answers(&[302])
            .problems(&[401]);

    ReturnFromProvider(oauth::callback::<P>) -> Json<oauth::Arrived>:
        Get(
            "/oauth/{provider}/callback",
            Access::Anyone,
            "Where a provider sends the browser back to"
        )
            .takes(Takes::Consent)
            .answers(&[200, 303])
            .problems(&[502]);

    RefreshSession(sessions::refresh::<P>) -> Json<sessions::Issued>:
        Post(
            "/auth/refresh",
            Access::Anyone,
            "The next access token; the refresh token in the cookie is used up and replaced"
        )
            .takes(Takes::RefreshCookie)
            .problems(&[401, 403]);

    EndSession(sessions::logout::<P>) -> NoContent:
        Post("/auth/logout", Access::Anyone, "End the session of the cookie")
            .takes(Takes::RefreshCookie)
            .answers(&[204])
            .problems(&[403]);

    GetMe(sessions::me::<P>) -> Json<sessions::Me>:
        Get("/me", READ, "Who the caller is");

    ListConnections(connections::list::<P>) -> Json<connections::ConnectionList>:
        Get("/connections", READ, "The caller's connections");

    DeleteConnection(connections::delete::<P>) -> Json<connections::Disconnected>:
        Delete(
            "/connections/{provider}",
            WRITE,
            "Forget a connection, and ask the provider to revoke it"
        )
            .problems(&[404]);

    Summarize(ai::summarize::<P>) -> Json<ai::SummaryAnswer>:
        Post("/ai/summarize", WRITE, "Summarize a text")
            .takes(Takes::Summary)
            .problems(&[402, 422]);

    Search(ai::search::<P>) -> Json<ai::SearchAnswer>:
        Post(
            "/search",
            READ,
            "Find workflows by what they are about: the caller's and published ones, as they were a moment ago"
        )
            .takes(Takes::Query)
            .problems(&[402, 422]);

    CreateCheckout(billing::checkout::<P>) -> Json<billing::Checkout>:
        Post("/billing/checkout", WRITE, "Buy a plan, on a page of Stripe's")
            .takes(Takes::CheckoutWithKey)
            .answers(&[201]);

    GetPlan(billing::plan::<P>) -> Json<billing::PlanReport>:
        Get("/billing/plan", READ, "The caller's plan, its quota, and what is used");

    ReceiveStripeEvent(billing::webhook::<P>) -> Json<billing::Received>:
        Post(
            "/webhooks/stripe",
            Access::Signed,
            "Take an event of Stripe's, signed in Stripe-Signature"
        )
            .takes(Takes::Event);
}
