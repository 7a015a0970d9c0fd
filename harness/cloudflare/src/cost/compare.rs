//! Two projections of the same tiers: what a change adds, by resource and tier.

use rust_decimal::Decimal;
use workway_price::Resource;

use super::project::Projection;

/// Holds the amounts that a change adds to one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The resource.
    pub resource: Resource,
    /// The tiers in their order; only those of which both sides have a month.
    pub tiers: Vec<TierChange>,
}

/// Holds the amounts that a change adds to one resource in a tier, with the tier's own mix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TierChange {
    /// The tier.
    pub tier: String,
    /// Units for each request, before.
    pub base: Decimal,
    /// The cost after the change.
    pub head: Decimal,
    /// Dollars a month more; negative for less.
    pub usd: Decimal,
}

/// Returns every resource of which a request uses another amount in some tier; first the one that
/// changes a bill most.
pub fn changes(base: &[Projection], head: &[Projection]) -> Vec<Change> {
    let same = |after: &Projection| base.iter().find(|before| before.tier == after.tier);
    let months: Vec<_> = head.iter().filter_map(|after| Some((same(after)?, after))).collect();
    let of_resource = |&resource: &Resource| {
        let of_tier = |(before, after): &(&Projection, &Projection)| TierChange {
            tier: after.tier.name.clone(),
            base: before.per_request(resource),
            head: after.per_request(resource),
            usd: after.bill.cost(resource) - before.bill.cost(resource),
        };
        let tiers: Vec<_> = months.iter().map(of_tier).collect();
        let differs = tiers.iter().any(|tier| tier.base != tier.head || !tier.usd.is_zero());
        differs.then_some(Change { resource, tiers })
    };
    let mut changes: Vec<_> = Resource::ALL.iter().filter_map(of_resource).collect();
    changes.sort_by_key(|change| {
        std::cmp::Reverse(change.tiers.iter().map(|tier| tier.usd.abs()).max())
    });
    changes
}
