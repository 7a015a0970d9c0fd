//! The middleware between a request and its route, in the order in which a request passes it: request
//! id, log, CORS and deadline, authentication, rate limit, idempotency, body. A refused authentication
//! counts against the address it came from.

mod address;
mod auth;
mod bill;
mod body;
mod cors;
mod idempotency;
mod observe;
mod problem;
mod session_token;
mod stripe;
mod token;

use axum::http::Extensions;

use crate::app::App;
use crate::ports::{Platform, Ports};

pub use address::ClientAddress;
pub use auth::{Caller, Scope, authenticate, caller_of, limit_by_address};
pub use body::{BODY_DEADLINE, MAX_BODY_BYTES, StrictJson, read as read_body};
pub use idempotency::{CLAIM_TIMEOUT, ClaimedId, MAX_KEY, RETENTION, idempotent};
pub use observe::{HANDLER_DEADLINE, USAGE_HEADER, observe};
pub use problem::Problem;
pub use session_token::{ACCESS_LIFETIME_SECONDS, REFRESH_AUDIENCE, SessionToken};
pub use stripe::{MAX_SIGNATURE_BYTES, TOLERANCE_SECONDS, is_signed};
pub use token::{AUDIENCE, Claims, ISSUER, LEEWAY_SECONDS, MAX_TOKEN_BYTES, TokenError, verify};

/// Returns the ports of a request, which [`observe()`] has made. What they use is on its bill.
pub fn ports_of<P: Platform>(app: &App<P>, extensions: &Extensions) -> Ports<P> {
    extensions.get().cloned().unwrap_or_else(|| Ports::new(app.platform.clone()))
}
