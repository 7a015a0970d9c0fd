//! The Worker under Node: the `fetch` and `scheduled` events and the classes of our objects, as
//! wasm-bindgen exports them, over hand-made bindings. `worker/*.js` say how those differ from the
//! real ones. Not here: the real runtime's gates, alarms and limits, which need workerd.
//!
//! Needs Node 24 and `wasm-bindgen-test-runner` on PATH:
//! `cargo test -p workway-service --target wasm32-unknown-unknown --test worker`
#![cfg(target_arch = "wasm32")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

#[path = "worker/adapters.rs"]
mod adapters;
#[path = "worker/api.rs"]
mod api;
#[path = "worker/backup.rs"]
mod backup;
#[path = "worker/identity.rs"]
mod identity;
#[path = "worker/models.rs"]
mod models;
#[path = "worker/runs.rs"]
mod runs;
#[path = "worker/world.rs"]
mod world;
