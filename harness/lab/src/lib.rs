//! Holds the parts that belong to the reference service of this workspace: its targets, the stub of
//! its upstreams, deliberate defects, its rules, the audit of its usage, backups and the launch
//! checklist.
#![forbid(unsafe_code)]

use workway_cloudflare::{cost, process, wrangler};
use workway_core::{http, judge, model, plan, run};
use workway_report as report;

#[cfg(feature = "service")]
pub mod backup;
#[cfg(test)]
mod cost_tests;
pub mod launch;
#[cfg(feature = "service")]
pub mod prove;
pub mod rules;
pub mod target;
pub mod token;
pub mod upstream;
mod usage_audit;

pub use usage_audit::ServiceAudit;

use workway_core::plan::{Catalog, RunPaths};

/// The paths of our service's runs.
const RUN_PATHS: RunPaths = RunPaths {
    start: "/workflows/*/runs",
    show: "/runs/*",
    cancel: "/runs/*/cancel",
    events: "/runs/*/events",
};

/// Returns everything that scenarios may name without defining it: our rules, Cloudflare's
/// resources and prices, and where our service has its runs.
pub fn catalog() -> Catalog {
    Catalog {
        rules: rules::all().to_vec(),
        pricing: Some(std::sync::Arc::new(cost::CloudflarePricing)),
        runs: Some(RUN_PATHS),
    }
}
