//! A scenario file, as its author wrote it: shapes and places, nothing resolved.
//!
//! Every choice is a map with one key. There is no untagged, flattened or internally tagged type:
//! they would lose the places of errors.

mod cost;
mod entries;
mod json;
mod load;
mod matcher;
mod profile;
mod step;
mod users;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::plan::Capability;

use super::{
    Spanned,
    text::{Name, ScenarioName, Tag},
    threshold::ThresholdText,
};

pub use cost::CostFile;
pub use entries::Entries;
pub use json::Json;
pub use load::{JourneyFile, LoadFile, MAX_IN_FLIGHT, MAX_WEIGHT};
pub(super) use matcher::BY_SHAPE;
pub use matcher::{MatcherFile, Number, OperatorsFile};
pub use profile::{
    ConstantFile, MAX_ITERATIONS, ProfileFile, RampFile, SearchFile, SpikeFile, UsersFile,
};
pub use step::{
    BurstExpectFile, BurstFile, CountFile, ExpectFile, MAX_BURST, MAX_CONCURRENCY, RequestFile,
    StepFile, UntilFile,
};
pub use users::{MAX_USERS, TokenFile, UserFile};

/// A scenario file.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename = "scenario", deny_unknown_fields)]
pub struct ScenarioFile {
    /// A unique name: `family/name`.
    pub scenario: Spanned<ScenarioName>,
    /// One sentence for the reader of a report.
    pub about: Option<String>,
    /// Words to select the scenario by.
    pub tags: Option<Vec<Spanned<Tag>>>,
    /// What the target must offer; on another target the scenario is not applicable.
    pub requires: Option<Vec<Spanned<Capability>>>,
    /// Who sends requests.
    pub users: Option<Entries<Name, UserFile>>,
    /// Values computed once before `setup`, in order.
    pub vars: Option<Entries<Name, Json>>,
    /// Steps before the work; when one fails, the work is skipped.
    pub setup: Option<Vec<Spanned<StepFile>>>,
    /// The work, once. Either `steps` or `load`.
    pub steps: Option<Spanned<Vec<Spanned<StepFile>>>>,
    /// The work, as iterations that arrive by a schedule. Either `steps` or `load`.
    pub load: Option<Spanned<LoadFile>>,
    /// Steps after the work, whatever happened.
    pub teardown: Option<Vec<Spanned<StepFile>>>,
    /// What the numbers of the run must satisfy.
    pub thresholds: Option<Vec<Spanned<ThresholdText>>>,
    /// Measure what is used, and project what it costs.
    pub cost: Option<Spanned<CostFile>>,
}
