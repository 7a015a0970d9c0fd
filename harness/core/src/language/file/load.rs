//! `load`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Entries, ProfileFile, Spanned, StepFile};
use crate::{
    language::{
        quantity::{Time, TimeOrZero, Whole},
        text::Name,
    },
    model::{Connections, Pacing},
};

/// The most iterations at once. Each holds its values and a connection; past this the generator
/// itself is what is measured.
pub const MAX_IN_FLIGHT: u64 = 10_000;

/// The largest weight of a journey: a share of a thousandth is the smallest that a run of usual
/// length shows.
pub const MAX_WEIGHT: u64 = 1000;

/// Many iterations: those that arrive by a schedule, whether or not earlier ones have ended, or
/// those of a number of users.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename = "load", deny_unknown_fields)]
pub struct LoadFile {
    /// The profile by which iterations start.
    pub profile: Spanned<ProfileFile>,
    /// Iterations planned before this are sent and not recorded; 0s by default.
    pub warmup: Option<Spanned<TimeOrZero>>,
    /// The time that iterations may still run after the last arrival; 5s by default.
    pub drain: Option<TimeOrZero>,
    /// The most iterations at once; an arrival past it is dropped and counted. 256 by default.
    pub max_in_flight: Option<Spanned<Whole<1, MAX_IN_FLIGHT>>>,
    /// The sharing of connections between requests; `reuse` by default.
    pub connections: Option<Connections>,
    /// The most connections at once; a request that finds none free waits, and its waiting is
    /// response time. As many as requests in flight by default.
    pub max_connections: Option<Whole<1, MAX_IN_FLIGHT>>,
    /// The precision with which iterations start; `exact` up to 1000/s and `tick` above by default.
    pub pacing: Option<Spanned<Pacing>>,
    /// The lag of the generator that its figures may have: 99 of 100 operations are sent no later than
    /// this after they were due. A threshold that is missed by less than the lag is undecided where the
    /// lag was larger. 5ms by default.
    pub allowed_lag: Option<Time>,
    /// The time after which the load ends when a threshold that bounds a latency, an error rate or
    /// a share from above is missed.
    pub abort_after: Option<Time>,
    /// The journeys, of which each iteration takes one, by weight.
    pub journeys: Spanned<Entries<Name, JourneyFile>>,
}

/// The steps and the weight of one kind of iteration.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename = "journey", deny_unknown_fields)]
pub struct JourneyFile {
    /// Its share of the iterations, relative to the other weights; 1 by default.
    pub weight: Option<Whole<1, MAX_WEIGHT>>,
    /// The steps, once, in order; the first one that fails ends the iteration.
    pub steps: Spanned<Vec<Spanned<StepFile>>>,
}
