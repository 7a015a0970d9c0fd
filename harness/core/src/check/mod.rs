//! Checks of what was seen: responses against expectations, and requests against models of the
//! target. Everything here is pure.

pub mod cache;
mod difference;
mod equal;
pub mod expect;
pub mod limiter;
mod matcher;
pub mod oracle;
pub mod runs;

pub use difference::between;
pub use matcher::clipped;
