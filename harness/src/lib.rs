//! `workway`: scenario file → plan → schedule → execute → record → judge → report.
//!
//! Each module is a station of that flow and hands one type to the next.
#![forbid(unsafe_code)]

pub mod cli;
pub mod cost;
pub mod execute;
pub mod exit;
pub mod glob;
pub mod judge;
pub mod plan;
pub mod record;
pub mod report;
pub mod scenario;
pub mod schedule;
pub mod target;
pub mod tls;
pub mod token;
pub mod upstream;
