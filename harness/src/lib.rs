//! `workway`: scenario file → plan → schedule → execute → record → judge → report.
//!
//! Each module is a station of that flow and hands one type to the next.
#![forbid(unsafe_code)]

pub mod analytics;
#[cfg(feature = "service")]
pub mod backup;
pub mod cli;
pub mod cost;
pub mod doctor;
pub mod edge;
pub mod execute;
pub mod exit;
pub mod gate;
pub mod generate;
pub mod glob;
pub mod host;
pub mod import;
pub mod judge;
pub mod launch;
pub mod plan;
#[cfg(feature = "service")]
pub mod prove;
pub mod record;
pub mod report;
pub mod scenario;
pub mod schedule;
pub mod target;
pub mod tls;
pub mod token;
pub mod upstream;
