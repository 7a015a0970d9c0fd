//! `load`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Entries, Spanned, StepFile};
use crate::scenario::{
    quantity::{Rate, Time, TimeOrZero, Whole},
    text::Name,
};

/// The most iterations at once. Each holds its values and a connection; past this the generator
/// itself is what is measured.
pub const MAX_IN_FLIGHT: u64 = 10_000;

/// The largest weight of a journey: a share of a thousandth is the smallest that a run of usual
/// length shows.
pub const MAX_WEIGHT: u64 = 1000;

/// Iterations that arrive by a schedule, whether or not earlier ones have ended.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename = "load", deny_unknown_fields)]
pub struct LoadFile {
    /// When iterations start.
    pub profile: ProfileFile,
    /// Iterations planned before this are sent and not recorded; 0s by default.
    pub warmup: Option<Spanned<TimeOrZero>>,
    /// How long iterations may still run after the last arrival; 5s by default.
    pub drain: Option<TimeOrZero>,
    /// The most iterations at once; an arrival past it is dropped and counted. 256 by default.
    pub max_in_flight: Option<Whole<1, MAX_IN_FLIGHT>>,
    /// What an iteration does: one of these, by weight.
    pub journeys: Spanned<Entries<Name, JourneyFile>>,
}

/// When iterations start. A new profile is a variant, a type, and an arm in `plan::lower::load`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename = "profile", rename_all = "kebab-case")]
pub enum ProfileFile {
    /// The same rate from start to end.
    Constant(ConstantFile),
}

/// The same rate from start to end.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename = "constant", deny_unknown_fields)]
pub struct ConstantFile {
    /// Iterations per time.
    pub rate: Rate,
    /// How long iterations arrive, warm-up included.
    #[serde(rename = "for")]
    pub duration: Time,
}

/// What one kind of iteration does.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename = "journey", deny_unknown_fields)]
pub struct JourneyFile {
    /// Its share of the iterations, relative to the other weights; 1 by default.
    pub weight: Option<Whole<1, MAX_WEIGHT>>,
    /// The steps, once, in order; the first one that fails ends the iteration.
    pub steps: Spanned<Vec<Spanned<StepFile>>>,
}
