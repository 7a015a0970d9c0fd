//! What stands between a request and its route, in the order in which a request passes:
//! request id → authentication → rate limit → body. A refused authentication counts against the
//! address it came from.

mod address;
mod auth;
mod body;
mod observe;
mod problem;
mod token;

pub use address::ClientAddress;
pub use auth::{Caller, Scope, authenticate, limit_by_address};
pub use body::{MAX_BODY_BYTES, StrictJson};
pub use observe::{USAGE_HEADER, observe};
pub use problem::Problem;
pub use token::{AUDIENCE, Claims, ISSUER, LEEWAY_SECONDS, MAX_TOKEN_BYTES, TokenError, verify};
