//! `workway`: scenario file → plan → schedule → run → record → judge → report.
//!
//! Each module is a station of that flow and hands one type to the next.
#![forbid(unsafe_code)]

#[path = "../cloudflare/src/analytics/mod.rs"]
pub mod analytics;
#[cfg(feature = "service")]
#[path = "../lab/src/backup/mod.rs"]
pub mod backup;
pub mod cli;
#[path = "../cloudflare/src/cost/mod.rs"]
pub mod cost;
pub mod doctor;
#[path = "../cloudflare/src/edge/mod.rs"]
pub mod edge;
pub mod exit;
#[path = "../core/src/gate/mod.rs"]
pub mod gate;
#[path = "../core/src/generate/mod.rs"]
pub mod generate;
#[path = "../core/src/http/mod.rs"]
pub mod http;
#[path = "../core/src/import/mod.rs"]
pub mod import;
#[path = "../core/src/judge/mod.rs"]
pub mod judge;
#[path = "../core/src/language/mod.rs"]
pub mod language;
#[path = "../lab/src/launch/mod.rs"]
pub mod launch;
#[path = "../core/src/model/mod.rs"]
pub mod model;
#[path = "../core/src/plan/mod.rs"]
pub mod plan;
#[cfg(feature = "service")]
#[path = "../lab/src/prove/mod.rs"]
pub mod prove;
#[path = "../core/src/record/mod.rs"]
pub mod record;
#[path = "../report/src/lib.rs"]
pub mod report;
#[path = "../core/src/run/mod.rs"]
pub mod run;
#[path = "../core/src/schedule/mod.rs"]
pub mod schedule;
#[path = "../cloudflare/src/target/mod.rs"]
pub mod target;
#[path = "../lab/src/token.rs"]
pub mod token;
#[path = "../lab/src/upstream/mod.rs"]
pub mod upstream;
