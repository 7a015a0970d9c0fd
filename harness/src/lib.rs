//! The command `workway`: parses arguments, calls one function of a crate below, prints what it
//! returns.
#![forbid(unsafe_code)]

pub mod cli;
pub mod config;
pub mod doctor;
pub mod exit;

pub use workway_cloudflare::{analytics, cost, edge};
pub use workway_core::{
    gate, generate, http, import, judge, language, model, plan, record, run, schedule,
};
pub use workway_lab::{ServiceAudit, catalog, launch, rules, target, token, upstream};
#[cfg(feature = "service")]
pub use workway_lab::{backup, prove};
pub use workway_report as report;
