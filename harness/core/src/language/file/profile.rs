//! `load.profile`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{MAX_IN_FLIGHT, Spanned};
use crate::language::quantity::{Factor, Rate, Time, TimeOrZero, Whole};

/// The most iterations of users: as many as a day at the highest rate has.
pub const MAX_ITERATIONS: u64 = 86_400_000_000;

/// The profile by which iterations start. A new profile is a variant, a type, and an arm in
/// `plan::resolve::profile`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename = "profile", rename_all = "kebab-case")]
pub enum ProfileFile {
    /// Keeps the same rate from start to end.
    Constant(ConstantFile),
    /// A rate that changes evenly.
    Ramp(RampFile),
    /// Rates one after another.
    Steps(Vec<ConstantFile>),
    /// A rate with a higher one in between.
    Spike(SpikeFile),
    /// Keeps the same rate on average; each iteration arrives at random.
    Poisson(ConstantFile),
    /// Users who start again when they are done; iterations do not arrive by a schedule.
    Users(UsersFile),
    /// Rates one after another until a threshold falls.
    Search(SearchFile),
}

/// Keeps the same rate from start to end.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename = "constant", deny_unknown_fields)]
pub struct ConstantFile {
    /// Iterations per time.
    pub rate: Rate,
    /// The time during which iterations arrive, warm-up included.
    #[serde(rename = "for")]
    pub duration: Time,
}

/// A rate that changes evenly.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename = "ramp", deny_unknown_fields)]
pub struct RampFile {
    /// Iterations per time at the beginning.
    pub from: Rate,
    /// Iterations per time at the end.
    pub to: Rate,
    /// The time during which iterations arrive, warm-up included.
    #[serde(rename = "for")]
    pub duration: Time,
}

/// A rate with a higher one in between.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename = "spike", deny_unknown_fields)]
pub struct SpikeFile {
    /// Iterations per time before and after the spike.
    pub rate: Rate,
    /// Iterations per time in it.
    pub peak: Rate,
    /// The time at which the spike begins.
    pub at: Time,
    /// The duration of the spike.
    pub lasts: Time,
    /// The time during which iterations arrive, warm-up and spike included.
    #[serde(rename = "for")]
    pub duration: Spanned<Time>,
}

/// Users who start again when they are done.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename = "users", deny_unknown_fields)]
pub struct UsersFile {
    /// The number of users.
    pub count: Spanned<Whole<1, MAX_IN_FLIGHT>>,
    /// The time during which they start iterations, warm-up included. Give either this or
    /// `iterations`.
    #[serde(rename = "for")]
    pub duration: Option<Time>,
    /// The number of iterations that all of them do together.
    pub iterations: Option<Spanned<Whole<1, MAX_ITERATIONS>>>,
    /// The pause between the end of an iteration and the next; 0s by default.
    pub think: Option<TimeOrZero>,
}

/// Rates one after another until a threshold falls.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename = "search", deny_unknown_fields)]
pub struct SearchFile {
    /// The first rate.
    pub from: Rate,
    /// The last rate.
    pub to: Spanned<Rate>,
    /// The amount by which the rate rises at each level. Give either this or `factor`.
    pub step: Option<Rate>,
    /// The factor by which the rate rises at each level; 1.5 by default.
    pub factor: Option<Spanned<Factor>>,
    /// The time for which each rate is held, warm-up included.
    pub hold: Time,
}
