//! The engine of `workway`: scenario file → plan → schedule → run → record → judgement.
//!
//! Each module is a station of that flow and hands one type to the next. Nothing here knows a
//! product: what a target can do, how it says what it used, and what that costs are traits that
//! the caller implements.
#![forbid(unsafe_code)]

pub mod check;
pub mod gate;
pub mod generate;
pub mod http;
pub mod import;
pub mod judge;
pub mod language;
pub mod model;
pub mod plan;
pub mod record;
pub mod run;
pub mod schedule;
