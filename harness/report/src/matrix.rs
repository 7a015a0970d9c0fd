//! Which deliberate defects the scenarios see, by which rules; what `workway lab prove` writes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    gate::statistics::exact_interval,
    judge::{Failed, Verdict},
    report::{Timestamp, host::Host},
};

/// Of [`DetectionMatrix`]. Raised when a reader of the old one would misread the new one.
pub const MATRIX_SCHEMA_VERSION: u32 = 2;
/// Bounds on the share of false alarms are left out with this chance.
const ALPHA: f64 = 0.05;

/// What a defect is about.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
    clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum Area {
    /// Rate limits.
    RateLimit,
    /// Input.
    Validation,
    /// Caches.
    Caching,
    /// Durable runs.
    Workflows,
    /// Tokens, origins, tenants.
    Auth,
    /// Webhooks, quotas, metering.
    Money,
    /// What a request uses.
    Cost,
}

impl Area {
    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RateLimit => "rate-limit",
            Self::Validation => "validation",
            Self::Caching => "caching",
            Self::Workflows => "workflows",
            Self::Auth => "auth",
            Self::Money => "money",
            Self::Cost => "cost",
        }
    }
}

/// The detection matrix.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DetectionMatrix {
    /// Version of this format.
    pub schema_version: u32,
    /// Version of the program.
    pub tool_version: String,
    /// The commit it was made at, if it is known.
    pub commit: Option<String>,
    /// A digest of the catalogue of defects and of every scenario: of those that were measured. A
    /// matrix with another digest says nothing about the suites of today.
    #[serde(default)]
    pub suite: String,
    /// The machine it was made on.
    pub host: Host,
    /// When it was begun.
    pub started_at: Timestamp,
    /// Seconds that it took.
    pub duration_s: f64,
    /// Every defect of the catalogue that was chosen.
    pub defects: Vec<Detection>,
    /// The same scenarios on the service without a defect.
    pub clean: CleanRuns,
    /// What each rule saw.
    pub rules: Vec<RuleDetections>,
    /// Rules that are tested elsewhere, each on a server that breaks it and no other.
    #[serde(default)]
    pub elsewhere: Vec<RuleElsewhere>,
    /// The verdict.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// Exit code of the command that wrote this; absent where no command did.
    #[serde(default)]
    pub exit: Option<u8>,
}

/// A rule that no defect of the catalogue is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RuleElsewhere {
    /// Its name.
    pub id: String,
    /// What must hold.
    pub says: String,
}

/// What became of a defect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Detection {
    /// Its name.
    pub id: String,
    /// What it is about.
    pub area: Area,
    /// What is wrong.
    pub says: String,
    /// What became of it.
    pub outcome: Outcome,
    /// Why there is nothing to see, or what went wrong with the proof.
    pub why: Option<String>,
    /// The rules that should see it; names of scenarios where a threshold should.
    pub expected: Vec<String>,
    /// What saw it.
    pub killed_by: Vec<Kill>,
    /// The scenarios that were run on it.
    pub scenarios: Vec<String>,
    /// Seconds that it took.
    pub duration_s: f64,
}

/// What became of a defect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// A scenario failed.
    Killed,
    /// None did.
    Survived,
    /// The API has nothing that could be wrong like this.
    NotApplicable,
    /// It applies, and is tested where scenarios do not reach.
    Elsewhere,
    /// The proof went wrong: the target did not start, or died.
    Error,
}

impl Outcome {
    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Killed => "killed",
            Self::Survived => "survived",
            Self::NotApplicable => "not applicable",
            Self::Elsewhere => "elsewhere",
            Self::Error => "error",
        }
    }
}

/// Something that saw a defect.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Kill {
    /// The rule that was broken; none for an expectation without one, and for a threshold.
    pub rule: Option<String>,
    /// In which scenario.
    pub scenario: String,
    /// At which step, or which threshold.
    pub step: String,
    /// The verdict on the scenario.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// The scenarios on the service without a defect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CleanRuns {
    /// How often all of them were run.
    pub runs: u64,
    /// How many scenarios one run has.
    pub scenarios: u64,
    /// Runs in which a scenario failed.
    pub alarmed: u64,
    /// Upper end of the exact 95 % interval (Clopper, Pearson; one-sided) of the share of runs that
    /// raise a false alarm.
    pub bound: f64,
    /// What failed.
    pub false_alarms: Vec<Kill>,
    /// Scenarios that could not tell, with the reason; no alarm, and no pass.
    pub inconclusive: Vec<String>,
}

impl CleanRuns {
    /// So many runs, with what failed in each.
    pub fn new(scenarios: u64, runs: Vec<Vec<Kill>>, inconclusive: Vec<String>) -> Self {
        let alarmed = runs.iter().filter(|kills| !kills.is_empty()).count() as u64;
        let count = runs.len() as u64;
        let (_, bound) = exact_interval(alarmed, count, ALPHA);
        let false_alarms = runs.into_iter().flatten().collect();
        Self { runs: count, scenarios, alarmed, bound, false_alarms, inconclusive }
    }
}

/// What a rule saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RuleDetections {
    /// Its id.
    pub id: String,
    /// What it says.
    pub says: String,
    /// How often it held on the service without a defect.
    pub held: u64,
    /// The defects that it saw.
    pub kills: Vec<String>,
}

impl Detection {
    /// Whether something that should see it did; what only others see may be seen by chance.
    pub fn is_seen_as_expected(&self) -> bool {
        let seen = |name: &String| {
            let by = |kill: &Kill| kill.rule.as_ref() == Some(name) || kill.scenario == *name;
            self.killed_by.iter().any(by)
        };
        self.expected.iter().any(seen)
    }
}

impl DetectionMatrix {
    /// Defects that only others saw than those that should.
    pub fn seen_by_others(&self) -> impl Iterator<Item = &Detection> {
        let killed = self.defects.iter().filter(|defect| defect.outcome == Outcome::Killed);
        killed.filter(|defect| !defect.is_seen_as_expected())
    }

    /// How many defects came out so.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.defects.iter().filter(|defect| defect.outcome == outcome).count()
    }

    /// Returns the verdict that the defects and the clean runs lead to.
    pub fn verdict(&self) -> Verdict {
        let trusted = self.count(Outcome::Error) == 0;
        let seen = self.count(Outcome::Survived) == 0 && self.clean.alarmed == 0;
        match (seen, trusted) {
            (false, _) => Verdict::Fail(Failed::Conformance),
            (true, false) => Verdict::Unreachable,
            (true, true) if self.clean.inconclusive.is_empty() => Verdict::Pass,
            (true, true) => Verdict::Inconclusive,
        }
    }

    /// Rules that held and saw no defect.
    pub fn idle_rules(&self) -> impl Iterator<Item = &RuleDetections> {
        self.rules.iter().filter(|rule| rule.held > 0 && rule.kills.is_empty())
    }

    /// The defects that nothing but this rule saw.
    pub fn seen_only_by(&self, rule: &RuleDetections) -> Vec<&str> {
        let only = |defect: &&Detection| {
            let by_it = |kill: &Kill| kill.rule.as_ref() == Some(&rule.id);
            !defect.killed_by.is_empty() && defect.killed_by.iter().all(by_it)
        };
        self.defects.iter().filter(only).map(|defect| defect.id.as_str()).collect()
    }

    /// Rules that see defects, each of which something else sees as well.
    pub fn dispensable_rules(&self) -> impl Iterator<Item = &RuleDetections> {
        let seeing = self.rules.iter().filter(|rule| !rule.kills.is_empty());
        seeing.filter(|rule| self.seen_only_by(rule).is_empty())
    }

    /// Rules that nothing looked at.
    pub fn unexercised_rules(&self) -> impl Iterator<Item = &RuleDetections> {
        self.rules.iter().filter(|rule| rule.held == 0 && rule.kills.is_empty())
    }
}
