//! Randomness and the log of the operating system.

use std::io::Write as _;

use crate::ports::{PortError, Random};

/// The system's random numbers.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsRandom;

impl Random for OsRandom {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), PortError> {
        getrandom::fill(bytes).map_err(|error| PortError::unavailable("random", error))
    }
}

/// Writes a line to stderr. A closed stderr is no reason to stop serving.
pub(super) fn log(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
