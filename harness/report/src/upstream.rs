//! What the stub of upstreams saw during a load.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::number::rounded;
use crate::{model::stub::Arrivals, record::float};

/// Calls that the target made during a load, by the ledger of the stub.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UpstreamReport {
    /// All of them, repetitions and refused ones too.
    pub calls: u64,
    /// Those that a fault refused.
    pub refused: u64,
    /// Those that were answered, refusals included.
    pub answered: u64,
    /// Milliseconds until they were, together.
    pub busy_ms: f64,
}

impl UpstreamReport {
    pub(super) fn new(arrivals: Arrivals) -> Self {
        let Arrivals { all, refused, answered, busy_us, .. } = arrivals;
        Self { calls: all, refused, answered, busy_ms: rounded(float(busy_us) / 1e3) }
    }

    /// How long a call takes on average, in milliseconds; `None` when none was answered.
    pub fn mean_ms(&self) -> Option<f64> {
        (self.answered > 0).then(|| self.busy_ms / float(self.answered))
    }

    /// Adds what another stub saw, or the same one later.
    pub fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.refused += other.refused;
        self.answered += other.answered;
        self.busy_ms += other.busy_ms;
    }
}
