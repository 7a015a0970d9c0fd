//! The native server over HTTP, as a client sees it.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "a test")]

mod ai;
mod authorization;
mod billing;
mod catalogue;
mod client;
mod guards;
mod idempotency;
mod openapi;
mod quotas;
mod runs;
mod search;
mod stand_in;
mod usage;
mod workflows;
