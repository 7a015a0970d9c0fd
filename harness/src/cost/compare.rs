//! Two runs of the same scenarios: what a change adds, by resource.

use rust_decimal::Decimal;
use workway_price::{Amounts, PriceBook, Resource, UnknownPrice};

use super::{project::Projection, tier::Tiers, unit::UnitUsage};

/// What a change adds to one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The resource.
    pub resource: Resource,
    /// Units for each request of the mix, before.
    pub base: Decimal,
    /// And after.
    pub head: Decimal,
    /// Dollars a month more, by tier, in the order of the tiers; negative for less.
    pub monthly: Vec<Decimal>,
}

/// Every resource of which a request uses another amount, dearest in the largest tier first.
///
/// # Errors
/// [`UnknownPrice`].
pub fn changes(
    base: &UnitUsage,
    head: &UnitUsage,
    tiers: &Tiers,
    book: &PriceBook,
) -> Result<Vec<Change>, UnknownPrice> {
    let months = |unit: &UnitUsage| {
        let month = |tier| Projection::new(unit, tier, tiers, book);
        tiers.tiers.iter().map(month).collect::<Result<Vec<_>, _>>()
    };
    let (before, after) = (months(base)?, months(head)?);
    let mut changes = Vec::new();
    for &resource in Resource::ALL {
        let (base, head) = (per_request(&before, resource), per_request(&after, resource));
        if base != head {
            let pairs = before.iter().zip(&after);
            let monthly =
                pairs.map(|(b, a)| a.bill.cost(resource) - b.bill.cost(resource)).collect();
            changes.push(Change { resource, base, head, monthly });
        }
    }
    changes.sort_by_key(|change| std::cmp::Reverse(change.monthly.last().map(Decimal::abs)));
    Ok(changes)
}

/// In the largest tier; the mix is the same in all unless their parts of AI differ.
fn per_request(months: &[Projection], resource: Resource) -> Decimal {
    let Some(month) = months.last() else { return Decimal::ZERO };
    let amounts: &Amounts = &month.amounts;
    (amounts.get(resource) / Decimal::from(month.tier.requests)).round_dp(6).normalize()
}
