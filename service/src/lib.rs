//! The WORKWAY API.
//!
//! A request passes `guard` → `routes` → `domain`/`engine` → `store`; the outside world is a set of
//! [`ports`] that [`platform`] implements twice: on Cloudflare Workers and natively. One router,
//! one set of rules and one set of SQL statements serve both.
//!
//! The modules stand in one order, and each uses only modules above it. `tests/invariants`
//! checks that.

pub mod domain;

pub mod ports;

pub mod config;
pub mod sentry;
pub mod store;

pub mod ai;
pub mod backup;
pub mod identity;

pub mod engine;

pub mod objects;

pub mod app;

pub mod guard;

pub mod routes;
pub mod scheduled;

pub mod platform;
