//! The native server over HTTP, as a client sees it.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "a test")]

mod authorization;
mod browser;
mod canary;
mod catalogue;
mod client;
mod guards;
mod hostile_bodies;
mod hostile_clients;
mod hostile_framing;
mod hostile_steps;
mod hostile_tokens;
mod idempotency;
mod oauth;
mod openapi;
mod provider_steps;
mod runs;
mod sentry;
mod sessions;
mod stop;
mod tokens;
mod usage;
mod wire;
mod workflows;
