//! The native server over HTTP, as a client sees it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "a test")]

mod ai;
mod authorization;
mod billing;
mod browser;
mod canary;
mod catalogue;
mod client;
mod costs;
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
mod quotas;
mod retention;
mod runs;
mod search;
mod sentry;
mod sessions;
pub(crate) mod stand_in;
mod stop;
mod tokens;
mod usage;
mod wire;
mod workflows;
