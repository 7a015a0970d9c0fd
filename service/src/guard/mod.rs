//! What stands between a request and its route, in the order in which a request passes:
//! request id, log, CORS, deadline → authentication → rate limit → idempotency → body. A refused authentication counts against the
//! address it came from.

mod address;
mod auth;
mod billing;
mod body;
mod cors;
mod idempotency;
mod observe;
mod problem;
mod session_token;
mod stripe;
mod token;

pub use address::ClientAddress;
pub use auth::{Caller, Scope, authenticate, caller_of, limit_by_address};
pub use billing::{FLUSH_DELAY, FlushTimer, WRITE_DEADLINE, bill};
pub use body::{BODY_DEADLINE, MAX_BODY_BYTES, StrictJson, read as read_body};
pub use idempotency::{CLAIM_TIMEOUT, ClaimedId, MAX_KEY, RETENTION, once};
pub use observe::{HANDLER_DEADLINE, USAGE_HEADER, observe};
pub use problem::Problem;
pub use session_token::{ACCESS_LIFETIME_SECONDS, REFRESH_AUDIENCE, SessionToken};
pub use stripe::{MAX_SIGNATURE_BYTES, TOLERANCE_SECONDS, is_signed};
pub use token::{AUDIENCE, Claims, ISSUER, LEEWAY_SECONDS, MAX_TOKEN_BYTES, TokenError, verify};
