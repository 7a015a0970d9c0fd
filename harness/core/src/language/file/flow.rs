//! Steps that hold steps, and steps that send nothing to the target.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Entries, Json, MatcherFile, Spanned, StepFile};
use crate::{
    language::{
        quantity::{Time, Whole},
        text::{FilePath, HeaderText, Name, PathText, RuleId, StepName},
    },
    model::Severity,
};

/// The most repetitions: what needs more is a load.
pub const MAX_REPEATS: u64 = 10_000;

/// The same steps several times, one after another.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename = "repeat", deny_unknown_fields)]
pub struct RepeatFile {
    /// How often.
    pub times: Whole<1, MAX_REPEATS>,
    /// A name for the number of the repetition, from 0.
    #[serde(rename = "as")]
    pub name: Option<Spanned<Name>>,
    /// What is repeated.
    pub steps: Spanned<Vec<Spanned<StepFile>>>,
}

/// The same steps for each item of a list. Each item is tried, whatever became of the others.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename = "for-each", deny_unknown_fields)]
pub struct ForEachFile {
    /// A name for the item; `${{ item.key }}` is a part of it.
    #[serde(rename = "as")]
    pub name: Spanned<Name>,
    /// The list: written here, or a name such as `${{ cases }}`.
    #[serde(rename = "in")]
    pub items: Json,
    /// What is done with each.
    pub steps: Spanned<Vec<Spanned<StepFile>>>,
}

/// What must hold of a value that is known already.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename = "check", deny_unknown_fields)]
pub struct CheckFile {
    /// For failures; `check` by default.
    pub name: Option<Spanned<StepName>>,
    /// The value, with names in it.
    pub value: Json,
    /// What it must be.
    pub is: Spanned<MatcherFile>,
    /// The rule that it stands for.
    pub rule: Option<Spanned<RuleId>>,
    /// How bad it is when it does not hold.
    pub severity: Option<Severity>,
}

/// Another scenario, as a step. What it captures ends with it, but for what is kept.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename = "call", deny_unknown_fields)]
pub struct CallFile {
    /// Its file, relative to this one.
    pub scenario: Spanned<FilePath>,
    /// Values for its `vars`, in place of those that it gives them.
    #[serde(rename = "with")]
    pub given: Option<Entries<Name, Json>>,
    /// What is kept of it: a name here, and its name there.
    pub capture: Option<Entries<Name, Spanned<Name>>>,
}

/// Waits until the current window has enough left, so that what follows falls into one.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename = "align", deny_unknown_fields)]
pub struct AlignFile {
    /// The length of a window, counted from 1970.
    pub window: Time,
    /// What must be left of it.
    pub remaining: Spanned<Time>,
}

/// What is done to the clock of the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename = "clock", rename_all = "kebab-case")]
pub enum ClockFile {
    /// It stands still; it goes on at the end of the scenario.
    Stop,
    /// It goes on.
    Go,
}

/// What is done to the process of the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename = "target", rename_all = "kebab-case")]
pub enum TargetFile {
    /// It ends as in a crash.
    Kill,
    /// It is killed, unless that was done, and started again on the same state.
    Restart,
    /// Its cron fires.
    Cron,
}

/// The most calls that one fault meets.
pub const MAX_FAULT_TIMES: u64 = 1_000_000;

/// What the upstream stub does to calls. Faults end with the scenario.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename = "fault", deny_unknown_fields)]
pub struct FaultFile {
    /// Which calls: a path, in which `*` stands for anything.
    pub path: Spanned<PathText>,
    /// Answer only after this long; the effect is there before.
    pub latency: Option<Time>,
    /// Answer with this status; the call has no effect then.
    pub status: Option<Spanned<Whole<400, 599>>>,
    /// A value for `Retry-After`.
    pub retry_after: Option<Spanned<HeaderText>>,
    /// How many calls; all by default.
    pub times: Option<Whole<1, MAX_FAULT_TIMES>>,
    /// How many calls pass before that.
    pub skip: Option<Whole<1, MAX_FAULT_TIMES>>,
}

/// What the upstream stub was sent.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename = "ledger", deny_unknown_fields)]
pub struct LedgerFile {
    /// Its name in reports.
    pub name: Option<Spanned<StepName>>,
    /// Which calls: a path, in which `*` stands for anything.
    pub path: Spanned<PathText>,
    /// How many effects: calls without those that repeat an idempotency key.
    pub effects: Option<Spanned<MatcherFile>>,
    /// How many calls were taken, repetitions included.
    pub deliveries: Option<Spanned<MatcherFile>>,
    /// How many calls a fault refused.
    pub refused: Option<Spanned<MatcherFile>>,
    /// Parts of the effects by JSON path: `$.calls[*].body`, `.path`, `.key`, `.method`.
    pub body: Option<Entries<crate::language::text::JsonPath, Spanned<MatcherFile>>>,
    /// Ask again until it holds, for this long; once by default.
    pub within: Option<Time>,
    /// The rule that it stands for.
    pub rule: Option<Spanned<RuleId>>,
    /// How bad it is when it does not hold.
    pub severity: Option<Severity>,
}
