//! `workway`: scenario file → plan → schedule → execute → record → judge → report.
//!
//! Each module is a station of that flow and hands one type to the next.
#![forbid(unsafe_code)]

pub mod execute;
pub mod exit;
pub mod judge;
pub mod plan;
pub mod record;
pub mod report;
pub mod schedule;
