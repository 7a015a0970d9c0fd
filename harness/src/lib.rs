//! `workway`: scenario file → plan → schedule → execute → record → judge → report.
//!
//! Each module is a station of that flow and hands one type to the next.
#![forbid(unsafe_code)]

pub mod cli;
pub mod exit;
pub mod plan;
pub mod scenario;
pub mod target;
pub mod tls;
pub mod token;
pub mod upstream;
