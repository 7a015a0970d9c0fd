//! Checks of what was seen: responses against expectations, and requests against models of the
//! target. Everything here is pure.

pub mod cache;
mod difference;
pub mod expect;
pub mod limiter;
pub mod oracle;
pub mod runs;

pub use crate::model::clipped;
pub use difference::between;
