//! Defines the part of a scenario file about cost.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::language::{
    Spanned,
    cost_threshold::CostThresholdText,
    text::{FilePath, Name, StepName},
};

/// Usage is measured, and a month is projected from it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename = "cost", deny_unknown_fields)]
pub struct CostFile {
    /// The tier of the file of tiers that this mix of journeys stands for; any by default.
    pub tier: Option<Spanned<Name>>,
    /// The steps whose requests are the AI operations of a tier, by name.
    pub ai: Option<Vec<Spanned<StepName>>>,
    /// The price book of the thresholds: the name of one that comes with the program, or a `.toml`
    /// file, relative to this one; Cloudflare's book of the day by default.
    pub book: Option<Spanned<FilePath>>,
    /// A file of tiers, relative to this one, in place of those that come with the program.
    pub tiers: Option<Spanned<FilePath>>,
    /// Set to ask the service for its own total afterwards and compare it with the sum of its
    /// answers; true by default. Set it to false where answers come from several machines, whose
    /// totals are late.
    pub audit: Option<bool>,
    /// The conditions on the cost.
    pub thresholds: Option<Vec<Spanned<CostThresholdText>>>,
}
