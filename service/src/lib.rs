//! The WORKWAY API.
//!
//! A request passes `guard` → `routes` → `domain`/`engine` → `store`; the outside world is a set of
//! [`ports`] that [`platform`] implements twice: on Cloudflare Workers and natively. One router,
//! one set of rules and one set of SQL statements serve both.

pub mod ai;
pub mod backup;
pub mod config;
pub mod domain;
pub mod engine;
pub mod guard;
pub mod identity;
pub mod objects;
pub mod platform;
pub mod ports;
pub mod routes;
pub mod sentry;
pub mod store;
pub mod upkeep;
