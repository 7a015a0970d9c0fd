//! A scenario file, as its author wrote it: shapes and places, nothing resolved.
//!
//! Every choice is a map with one key. There is no untagged, flattened or internally tagged type:
//! they would lose the places of errors.

mod cost;
mod entries;
mod flow;
mod generate;
mod json;
mod load;
mod model;
mod profile;
mod step;
mod users;
mod value;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::model::Capability;

use super::{
    Matcher, Spanned,
    text::{FilePath, Name, RuleId, ScenarioName, Tag},
    threshold::ThresholdText,
};

pub use cost::CostFile;
pub use entries::Entries;
pub use flow::{
    CallFile, CheckFile, ClockFile, ControlFile, FaultFile, ForEachFile, MAX_FAULT_TIMES,
    MAX_REPEATS, RepeatFile, TargetFile, UpstreamCallsFile, WaitClock, WaitFile, WindowFile,
};
pub use generate::{GenerateFile, MAX_RANDOM};
pub(super) use json::AS_WRITTEN;
pub use json::Json;
pub use load::{JourneyFile, LoadFile, MAX_IN_FLIGHT, MAX_WEIGHT};
pub use model::{
    Algorithm, CacheFile, EffectsFile, MAX_EFFECTS_EACH, MAX_RATE_LIMIT, ModelFile, RateLimitFile,
    RunsFile,
};
pub use profile::{
    ConstantFile, MAX_ITERATIONS, ProfileFile, RampFile, SearchFile, SpikeFile, UsersFile,
};
pub use step::{
    BurstExpectFile, BurstFile, CountFile, DistinctFile, ExpectFile, Expectations, MAX_BURST,
    MAX_CONCURRENCY, RequestFile, StepFile, UntilFile,
};
pub use users::{MAX_USERS, TokenFile, UserFile};
pub(super) use value::{BY_KEY, LITERAL};
pub use value::{
    HmacFile, JwtFile, KeyFile, MAX_TEXT_REPEATS, NowFile, RepeatTextFile, SecretFile, SelectFile,
    StripeSignatureFile, ValueFile,
};

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
    /// The capabilities that the target must offer besides those that the steps need; on another
    /// target the scenario is not applicable.
    pub requires: Option<Vec<Spanned<Capability>>>,
    /// The users who send requests.
    pub users: Option<Entries<Name, UserFile>>,
    /// Rules of one's own, by id, that expectations may name.
    pub rules: Option<Entries<RuleId, RuleFile>>,
    /// Lists in files, as values: CSV with a heading (a list of objects), or a JSON array.
    pub feeds: Option<Entries<Name, Spanned<FilePath>>>,
    /// Values that are given or computed once before `setup`, in order.
    pub vars: Option<Entries<Name, Spanned<ValueFile>>>,
    /// Steps before the work; when one fails, the work is skipped.
    pub setup: Option<Vec<Spanned<StepFile>>>,
    /// The work, once. Either `steps` or `load`.
    pub steps: Option<Spanned<Vec<Spanned<StepFile>>>>,
    /// The work, as iterations that arrive by a schedule. Either `steps` or `load`.
    pub load: Option<Spanned<LoadFile>>,
    /// Checks over the whole run, after the work; each is made.
    pub audit: Option<Vec<Spanned<StepFile>>>,
    /// Steps after the work, whatever happened.
    pub teardown: Option<Vec<Spanned<StepFile>>>,
    /// The conditions on the numbers of the run.
    pub thresholds: Option<Vec<Spanned<ThresholdText>>>,
    /// Measure what is used, and project what it costs.
    pub cost: Option<Spanned<CostFile>>,
}

/// A rule that a target keeps or breaks.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename = "rule", deny_unknown_fields)]
pub struct RuleFile {
    /// The rule that must hold.
    pub description: Spanned<String>,
    /// The place where the rule is written.
    pub source: Spanned<String>,
}

impl ScenarioFile {
    /// Every list of steps in the file, but for those in steps.
    pub fn step_lists(&self) -> Vec<&[Spanned<StepFile>]> {
        let journeys = self.load.iter().flat_map(|load| load.journeys.iter());
        let mut lists: Vec<&[Spanned<StepFile>]> = vec![
            self.setup.as_deref().unwrap_or_default(),
            self.steps.as_ref().map(|steps| steps.value.as_slice()).unwrap_or_default(),
            self.audit.as_deref().unwrap_or_default(),
            self.teardown.as_deref().unwrap_or_default(),
        ];
        lists.extend(journeys.map(|(_, journey)| journey.steps.value.as_slice()));
        lists
    }
}
