//! The variables that lead a local service to the stub.

use super::{cloudflare, stripe};

/// The variables for a stub at `origin`. What is secret among them is published here, and worth
/// nothing elsewhere.
pub fn settings(origin: &str) -> Vec<(&'static str, String)> {
    vec![
        ("HTTP_ALLOWED_ORIGINS", origin.to_owned()),
        ("CLOUDFLARE_API", format!("{origin}/cloudflare")),
        ("CLOUDFLARE_ACCOUNT_ID", cloudflare::ACCOUNT.to_owned()),
        ("CLOUDFLARE_API_TOKEN", cloudflare::API_TOKEN.to_owned()),
        ("STRIPE_API", format!("{origin}/stripe")),
        ("STRIPE_SECRET_KEY", stripe::SECRET_KEY.to_owned()),
        ("STRIPE_WEBHOOK_SECRET", stripe::WEBHOOK_SECRET.to_owned()),
        ("STRIPE_PRICES", stripe::PRICES.to_owned()),
    ]
}
