//! The native server over HTTP, as a client sees it.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "a test")]

mod authorization;
mod browser;
mod canary;
mod catalogue;
mod client;
mod guards;
mod idempotency;
mod oauth;
mod openapi;
mod provider_steps;
mod runs;
mod sentry;
mod sessions;
mod tokens;
mod usage;
mod workflows;
