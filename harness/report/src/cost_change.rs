//! What a change adds to a bill, by resource and tier.

use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a change adds to one resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChangeReport {
    /// The resource.
    pub resource: String,
    /// In the order of the tiers.
    pub tiers: Vec<TierChangeReport>,
}

/// What a change adds to one resource in a tier, with the tier's own mix.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TierChangeReport {
    /// The tier.
    pub tier: String,
    /// Units for each request, before.
    pub base: String,
    /// And after.
    pub head: String,
    /// Dollars a month more; negative for less.
    pub usd: String,
}

impl ChangeReport {
    /// The tier whose bill changes most; the larger one of two that change alike.
    pub fn most(&self) -> Option<&TierChangeReport> {
        let change = |tier: &&TierChangeReport| {
            tier.usd.parse::<Decimal>().map(|usd| usd.abs()).unwrap_or_default()
        };
        self.tiers.iter().max_by_key(change)
    }
}
