//! Steps that hold steps, and steps that send nothing to the target.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

use super::{Entries, Json, Matcher, Spanned, StepFile};
use crate::{
    language::{
        quantity::{Time, Whole},
        text::{FilePath, HeaderText, Name, PathText, RuleId, StepName},
    },
    model::Severity,
};

/// The most repetitions: what needs more is a load.
pub const MAX_REPEATS: u64 = 10_000;

/// Repeats the same steps several times, one after another.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename = "repeat", deny_unknown_fields)]
pub struct RepeatFile {
    /// The number of repetitions.
    pub times: Whole<1, MAX_REPEATS>,
    /// A name for the number of the repetition, from 0.
    #[serde(rename = "as")]
    pub name: Option<Spanned<Name>>,
    /// The steps to repeat.
    pub steps: Spanned<Vec<Spanned<StepFile>>>,
}

/// Runs the same steps for each item of a list. Every item is tried, even if another one fails.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename = "for-each", deny_unknown_fields)]
pub struct ForEachFile {
    /// A name for the item; `${{ item.key }}` is a part of it.
    #[serde(rename = "as")]
    pub name: Spanned<Name>,
    /// The list: written here, or a name such as `${{ cases }}`.
    #[serde(rename = "in")]
    pub items: Json,
    /// The steps to run for each item.
    pub steps: Spanned<Vec<Spanned<StepFile>>>,
}

/// Checks a value that is known already.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename = "check", deny_unknown_fields)]
pub struct CheckFile {
    /// The name in failures; `check` by default.
    pub name: Option<Spanned<StepName>>,
    /// The value, with names in it.
    pub value: Json,
    /// The conditions that the value must meet.
    pub is: Spanned<Matcher>,
    /// The rule that it stands for.
    pub rule: Option<Spanned<RuleId>>,
    /// The severity of a failure.
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
    /// The values to keep from it: a name here, and its name there.
    pub capture: Option<Entries<Name, Spanned<Name>>>,
}

/// A time to wait, and the clock that measures it.
#[derive(Clone, Copy, Debug)]
pub struct WaitFile {
    /// The time to wait.
    pub duration: Time,
    /// The clock that measures it.
    pub clock: WaitClock,
}

/// The clock that a wait is measured on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename = "clock", rename_all = "kebab-case")]
#[schemars(rename = "wait-clock")]
pub enum WaitClock {
    /// The clock of the target, which is moved where that is possible; elsewhere, and in journeys
    /// of a load, the same as `real`.
    #[default]
    Target,
    /// The clock on the wall.
    Real,
}

/// The two ways to write a [`WaitFile`]. The deserializer chooses by the shape of the node.
#[derive(Deserialize)]
#[serde(rename = "$workway::ByShape", rename_all = "lowercase")]
enum WaitShape {
    Map(WaitMap),
    Other(Time),
}

/// A wait on a clock.
#[derive(Deserialize, JsonSchema)]
#[serde(rename = "wait", deny_unknown_fields)]
struct WaitMap {
    /// The time to wait.
    #[serde(rename = "for")]
    duration: Time,
    /// The clock that measures it; `target` by default.
    clock: Option<WaitClock>,
}

impl<'de> Deserialize<'de> for WaitFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match WaitShape::deserialize(deserializer)? {
            WaitShape::Map(WaitMap { duration, clock }) => {
                Self { duration, clock: clock.unwrap_or_default() }
            }
            WaitShape::Other(duration) => Self { duration, clock: WaitClock::default() },
        })
    }
}

impl JsonSchema for WaitFile {
    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("wait-for")
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (time, map) = (generator.subschema_for::<Time>(), generator.subschema_for::<WaitMap>());
        json_schema!({ "anyOf": [time, map] })
    }
}

/// Something that is done to the target, or to what it calls, rather than asked of it. The
/// scenario requires what that takes.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename = "control", rename_all = "kebab-case")]
pub enum ControlFile {
    /// Stop the clock of the target, or let it go on.
    Clock(ClockFile),
    /// End the target, start it again, or fire its cron.
    Target(TargetFile),
    /// Changes how the upstream stub responds to calls from now on.
    Fault(FaultFile),
    /// Wait until the current window has enough left.
    WaitForWindow(WindowFile),
}

/// Waits until the current window has enough left, so that what follows falls into one.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename = "wait-for-window", deny_unknown_fields)]
pub struct WindowFile {
    /// The length of a window, counted from 1970.
    pub window: Time,
    /// The least time that must be left in the window.
    pub remaining: Spanned<Time>,
}

/// Changes the clock of the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename = "clock", rename_all = "kebab-case")]
pub enum ClockFile {
    /// It stands still; it goes on at the end of the scenario.
    Stop,
    /// It goes on.
    Go,
}

/// Changes the process of the target.
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

/// Changes how the upstream stub responds to calls. Faults end with the scenario.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename = "fault", deny_unknown_fields)]
pub struct FaultFile {
    /// The path of the affected calls, in which `*` stands for anything.
    pub path: Spanned<PathText>,
    /// Answer only after this long; the effect is there before.
    pub latency: Option<Time>,
    /// Answer with this status; the call has no effect then.
    pub status: Option<Spanned<Whole<400, 599>>>,
    /// A value for `Retry-After`.
    pub retry_after: Option<Spanned<HeaderText>>,
    /// The number of affected calls; all by default.
    pub times: Option<Whole<1, MAX_FAULT_TIMES>>,
    /// The number of calls that pass before that.
    pub skip: Option<Whole<1, MAX_FAULT_TIMES>>,
}

/// Checks the calls that the upstream stub received.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename = "upstream-calls", deny_unknown_fields)]
pub struct UpstreamCallsFile {
    /// Its name in reports.
    pub name: Option<Spanned<StepName>>,
    /// The path of the calls, in which `*` stands for anything.
    pub path: Spanned<PathText>,
    /// The number of effects: calls without those that repeat an idempotency key.
    pub effects: Option<Spanned<Matcher>>,
    /// The number of calls that were accepted, repetitions included.
    pub deliveries: Option<Spanned<Matcher>>,
    /// The number of calls that a fault refused.
    pub refused: Option<Spanned<Matcher>>,
    /// Parts of the effects by JSON path: `$.calls[*].body`, `.path`, `.key`, `.method`.
    pub body: Option<Entries<crate::language::text::JsonPath, Spanned<Matcher>>>,
    /// Ask again until it holds, for this long; once by default.
    pub within: Option<Time>,
    /// The rule that it stands for.
    pub rule: Option<Spanned<RuleId>>,
    /// The severity of a failure.
    pub severity: Option<Severity>,
}
