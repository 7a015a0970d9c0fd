//! The native server over HTTP, as a client sees it.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "a test")]

mod authorization;
mod catalogue;
mod client;
mod guards;
mod idempotency;
mod openapi;
mod runs;
mod usage;
mod workflows;
