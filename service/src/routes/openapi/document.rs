//! Makes the document.

use axum::Json;
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};
use workway_price::BOOKS;

use crate::domain::{
    Issue,
    ai::{DEFAULT_RESULTS, MAX_CONTENT, MAX_QUERY, MAX_RESULTS},
    page::{DEFAULT_LIMIT, MAX_LIMIT},
    provider::Provider,
    run::RunEvent,
    workflow::{MAX_DESCRIPTION, MAX_NAME, MAX_STEPS, Step},
};
use crate::guard::MAX_KEY;

use crate::routes::{Access, Method, Operation, ROUTES, Route, Takes, table::content};

/// Builds the document, as it should be checked in.
pub fn document() -> Value {
    let settings = SchemaSettings::draft2020_12();
    let mut schemas =
        settings.with(|s| s.definitions_path = "/components/schemas".into()).into_generator();
    let mut paths: Map<String, Value> = Map::new();
    for route in ROUTES {
        let item = paths.entry(route.path).or_insert_with(|| json!({}));
        item[method(route.method)] = operation(route, &mut schemas);
    }
    schemas.subschema_for::<RunEvent>();
    let step = schemas.subschema_for::<Step>();
    let issue = schemas.subschema_for::<Issue>();
    let mut components = schemas.take_definitions(true);
    components.insert("Draft".to_owned(), draft(&json!(step)));
    components.insert("Problem".to_owned(), problem(&json!(issue)));
    let scheme = json!({"type": "http", "scheme": "bearer", "bearerFormat": "JWT"});
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "WORKWAY",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Workflows, run durably. Instants are milliseconds since 1970, UTC.",
        },
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": {"bearer": scheme}},
    })
}

const fn method(method: Method) -> &'static str {
    match method {
        Method::Get => "get",
        Method::Post => "post",
        Method::Put => "put",
        Method::Delete => "delete",
    }
}

fn operation(route: &Route, schemas: &mut SchemaGenerator) -> Value {
    let mut responses = Map::new();
    for status in route.answers {
        responses.insert(status.to_string(), answer(route.operation, *status, schemas));
    }
    let content = json!({"application/problem+json": {"schema": reference("Problem")}});
    for status in problems(route) {
        let problem = json!({"description": reason(status), "content": content});
        responses.entry(status.to_string()).or_insert(problem);
    }
    let mut operation = json!({
        "operationId": format!("{:?}", route.operation),
        "summary": route.summary,
        "parameters": parameters(route),
        "responses": responses,
    });
    if let Some(schema) = body(route.takes) {
        let content = json!({"application/json": {"schema": schema}});
        operation["requestBody"] = json!({"required": true, "content": content});
    }
    if let Access::Caller(scope) = route.access {
        operation["security"] = json!([{"bearer": [scope.name()]}]);
    }
    operation
}

/// Returns the status of every problem that a route can answer with: its own, those of its guards,
/// and those of its input.
fn problems(route: &Route) -> Vec<u16> {
    let mut problems = route.problems.to_vec();
    match route.access {
        Access::Open => {}
        // Not signed.
        Access::Signed => problems.push(400),
        Access::Anyone => problems.push(429),
        Access::Caller(_) => problems.extend([401, 403, 429]),
    }
    if route.path.contains('{') {
        problems.push(404);
    }
    match route.takes {
        Takes::Nothing | Takes::RefreshCookie => {}
        Takes::Page
        | Takes::CachedPage
        | Takes::LastEventId
        | Takes::Book
        | Takes::ReturnTo
        | Takes::Consent => problems.push(400),
        Takes::Draft | Takes::Summary | Takes::Query => problems.extend([400, 408, 413, 415]),
        Takes::Event => problems.extend([408, 413]),
        Takes::DraftWithKey | Takes::CheckoutWithKey => {
            problems.extend([400, 408, 409, 413, 415, 422]);
        }
        Takes::IdempotencyKey => problems.extend([400, 408, 409, 413, 422]),
    }
    problems.extend([500, 503]);
    problems.sort_unstable();
    problems.dedup();
    problems
}

fn parameters(route: &Route) -> Vec<Value> {
    let mut parameters = Vec::new();
    if route.path.contains("{id}") {
        let schema = json!({"type": "string", "format": "uuid"});
        parameters.push(json!({"name": "id", "in": "path", "required": true, "schema": schema}));
    }
    if route.path.contains("{provider}") {
        let schema = json!({"type": "string", "enum": Provider::ALL.map(Provider::name)});
        let parameter =
            json!({"name": "provider", "in": "path", "required": true, "schema": schema});
        parameters.push(parameter);
    }
    parameters.extend(query(route.takes));
    if route.takes == Takes::Book {
        let names = BOOKS.map(|book| book.name);
        let schema = json!({"type": "string", "enum": names, "default": names[0]});
        let description = "Whose prices.";
        parameters.push(
            json!({"name": "book", "in": "query", "description": description, "schema": schema}),
        );
    }
    if matches!(route.takes, Takes::Page | Takes::CachedPage) {
        let limit = json!({
            "type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT,
        });
        parameters.push(json!({"name": "limit", "in": "query", "schema": limit}));
        let cursor = "The `next` of an earlier page.";
        let text = json!({"type": "string"});
        parameters
            .push(json!({"name": "cursor", "in": "query", "description": cursor, "schema": text}));
    }
    let mut header = |name: &str, description: &str| {
        let schema = json!({"type": "string"});
        let parameter =
            json!({"name": name, "in": "header", "description": description, "schema": schema});
        parameters.push(parameter);
    };
    match route.takes {
        Takes::CachedPage => header("If-None-Match", "An `ETag` that the client has."),
        Takes::LastEventId => header("Last-Event-ID", "The last event that the client has."),
        Takes::Event => header("Stripe-Signature", "`t=…,v1=…`, over the body."),
        Takes::IdempotencyKey | Takes::DraftWithKey | Takes::CheckoutWithKey => {
            let text = format!("In double quotes, 1 to {MAX_KEY} characters: carried out once.");
            header("Idempotency-Key", &text);
        }
        Takes::RefreshCookie => {
            let description = "With the refresh token, which signing in has set.";
            let schema = json!({"type": "string"});
            parameters.push(json!({
                "name": "__Host-workway-refresh", "in": "cookie", "description": description,
                "schema": schema,
            }));
        }
        Takes::Nothing
        | Takes::Page
        | Takes::Draft
        | Takes::Book
        | Takes::ReturnTo
        | Takes::Consent
        | Takes::Summary
        | Takes::Query => {}
    }
    parameters
}

/// Parameters of the query, by name and meaning.
fn query(takes: Takes) -> Vec<Value> {
    let named: &[_] = match takes {
        Takes::ReturnTo => &[(
            "return_to",
            "Where the browser goes then: a URL of an origin that \
                                            this API answers to.",
        )],
        Takes::Consent => &[
            ("state", "As it was sent along."),
            ("code", "For tokens."),
            ("error", "Why there is no code."),
        ],
        _ => &[],
    };
    let parameter = |(name, description): &(&str, &str)| {
        let schema = json!({"type": "string"});
        json!({"name": name, "in": "query", "description": description, "schema": schema})
    };
    named.iter().map(parameter).collect()
}

fn answer(operation: Operation, status: u16, schemas: &mut SchemaGenerator) -> Value {
    let description = reason(status);
    let has_body = ![204, 302, 303, 304].contains(&status);
    match content(operation, schemas).filter(|_| has_body) {
        Some((kind, schema)) => {
            json!({"description": description, "content": {kind: {"schema": schema}}})
        }
        None => json!({"description": description}),
    }
}

/// The type of an answer, as the document describes it.
pub(in crate::routes) trait Content {
    /// Returns the media type and the schema; `None` for answers without a body.
    fn content(schemas: &mut SchemaGenerator) -> Option<(&'static str, Value)>;
}

impl<T: JsonSchema> Content for Json<T> {
    fn content(schemas: &mut SchemaGenerator) -> Option<(&'static str, Value)> {
        Some(("application/json", json!(schemas.subschema_for::<T>())))
    }
}

/// An answer whose members the document does not list.
pub(in crate::routes) struct AnyObject;

impl Content for AnyObject {
    fn content(_: &mut SchemaGenerator) -> Option<(&'static str, Value)> {
        Some(("application/json", json!({"type": "object"})))
    }
}

/// Server-Sent Events.
pub(in crate::routes) struct EventStream;

impl Content for EventStream {
    fn content(_: &mut SchemaGenerator) -> Option<(&'static str, Value)> {
        Some(("text/event-stream", json!({"type": "string"})))
    }
}

/// An answer without a body.
pub(in crate::routes) struct NoContent;

impl Content for NoContent {
    fn content(_: &mut SchemaGenerator) -> Option<(&'static str, Value)> {
        None
    }
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn reason(status: u16) -> &'static str {
    let status = axum::http::StatusCode::from_u16(status).ok();
    status.and_then(|status| status.canonical_reason()).unwrap_or("")
}

/// Returns the schema of a request body.
fn body(takes: Takes) -> Option<Value> {
    let object = |required: &[&str], properties: Value| json!({"type": "object", "required": required, "properties": properties});
    match takes {
        Takes::Draft | Takes::DraftWithKey => Some(reference("Draft")),
        Takes::Summary => {
            let content = json!({"type": "string", "minLength": 1, "maxLength": MAX_CONTENT});
            let quality = json!({"enum": ["simple", "balanced", "complex"], "default": "balanced"});
            Some(object(&["content"], json!({"content": content, "quality": quality})))
        }
        Takes::Query => {
            let query = json!({"type": "string", "minLength": 1, "maxLength": MAX_QUERY});
            let limit = json!({
                "type": "integer", "minimum": 1, "maximum": MAX_RESULTS, "default": DEFAULT_RESULTS,
            });
            Some(object(&["query"], json!({"query": query, "limit": limit})))
        }
        Takes::CheckoutWithKey => {
            let plan = json!({"enum": ["startup", "growth", "scale", "enterprise"]});
            Some(object(&["plan"], json!({ "plan": plan })))
        }
        Takes::Event => Some(json!({"type": "object", "description": "An event of Stripe's."})),
        Takes::Nothing
        | Takes::Page
        | Takes::CachedPage
        | Takes::IdempotencyKey
        | Takes::LastEventId
        | Takes::Book
        | Takes::ReturnTo
        | Takes::Consent
        | Takes::RefreshCookie => None,
    }
}

fn draft(step: &Value) -> Value {
    json!({
        "description": "A workflow as its owner writes it. Other members are ignored.",
        "type": "object",
        "required": ["name", "description", "steps"],
        "properties": {
            "name": {"type": "string", "minLength": 1, "maxLength": MAX_NAME},
            "description": {"type": "string", "maxLength": MAX_DESCRIPTION},
            "steps": {"type": "array", "minItems": 1, "maxItems": MAX_STEPS, "items": step},
        },
    })
}

fn problem(issue: &Value) -> Value {
    json!({
        "description": "RFC 9457",
        "type": "object",
        "required": ["error", "type", "status", "title"],
        "properties": {
            "error": {"type": "string"},
            "type": {"type": "string", "format": "uri"},
            "status": {"type": "integer"},
            "title": {"type": "string"},
            "detail": {"type": "string"},
            "issues": {"type": "array", "items": issue},
        },
    })
}
