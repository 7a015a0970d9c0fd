//! Holds the settings of a local service with which it finds the stub where the real upstreams
//! would be. All of it is published here, and so worth nothing: the service listens on loopback
//! only.

use super::{cloudflare, stripe};

/// Encrypts tokens of the stub.
const TOKEN_ENCRYPTION_KEY: &str = "bG9jYWwta2V5LXB1Ymxpc2hlZC1mb3ItbG9vcGJhY2s=";

/// The origin whose pages may read answers of a local service: nobody's, as `.example` names no
/// site (RFC 2606).
pub const PAGE_ORIGIN: &str = "https://app.workway.example";

/// Variables and secrets of a service at `api` (its URL) whose upstreams are at `stub`.
pub fn settings(api: &str, stub: &str) -> Vec<(&'static str, String)> {
    let (api, stub) = (api.trim_end_matches('/'), stub.trim_end_matches('/'));
    let authority = stub.split_once("://").map_or(stub, |(_, authority)| authority);
    vec![
        ("HTTP_ALLOWED_ORIGINS", stub.to_owned()),
        ("CORS_ALLOWED_ORIGINS", PAGE_ORIGIN.to_owned()),
        ("PUBLIC_URL", api.to_owned()),
        ("TOKEN_ENCRYPTION_KEY", TOKEN_ENCRYPTION_KEY.to_owned()),
        ("GOOGLE_BASE_URL", format!("{stub}/google")),
        ("GOOGLE_CLIENT_ID", "workway-local".to_owned()),
        ("GOOGLE_CLIENT_SECRET", "published".to_owned()),
        ("NOTION_BASE_URL", format!("{stub}/notion")),
        ("NOTION_CLIENT_ID", "workway-local".to_owned()),
        ("NOTION_CLIENT_SECRET", "published".to_owned()),
        ("SENTRY_DSN", format!("http://published@{authority}/sentry/1")),
        // What a run measures is the same whatever falls into a sample.
        ("SENTRY_TRACES_SAMPLE_RATE", "0".to_owned()),
        ("CLOUDFLARE_API", format!("{stub}/cloudflare")),
        ("CLOUDFLARE_ACCOUNT_ID", cloudflare::ACCOUNT.to_owned()),
        ("CLOUDFLARE_API_TOKEN", cloudflare::API_TOKEN.to_owned()),
        ("STRIPE_API", format!("{stub}/stripe")),
        ("STRIPE_SECRET_KEY", stripe::SECRET_KEY.to_owned()),
        ("STRIPE_WEBHOOK_SECRET", stripe::WEBHOOK_SECRET.to_owned()),
        ("STRIPE_PRICES", stripe::PRICES.to_owned()),
    ]
}
