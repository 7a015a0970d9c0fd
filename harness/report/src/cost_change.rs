//! What a change adds to a bill, by resource and tier.

use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use workway_price::Resource;

/// What a change adds to one resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChangeReport {
    /// The resource.
    #[schemars(with = "String")]
    pub resource: Resource,
    /// In the order of the tiers.
    pub tiers: Vec<TierChangeReport>,
}

/// What a change adds to one resource in a tier, with the tier's own mix.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TierChangeReport {
    /// The tier.
    pub tier: String,
    /// Units for each request, before.
    #[schemars(with = "String")]
    pub base: Decimal,
    /// And after.
    #[schemars(with = "String")]
    pub head: Decimal,
    /// Dollars a month more; negative for less.
    #[schemars(with = "String")]
    pub usd: Decimal,
}

impl ChangeReport {
    /// The tier whose bill changes most; the larger one of two that change alike.
    pub fn most(&self) -> Option<&TierChangeReport> {
        self.tiers.iter().max_by_key(|tier| tier.usd.abs())
    }
}
