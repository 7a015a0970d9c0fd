//! A bill: amounts of a month at the prices of a book.

use std::collections::BTreeMap;

use rust_decimal::{Decimal, RoundingStrategy};

use super::{
    book::{Entry, PriceBook},
    resource::{Amounts, Resource},
};

/// Where an amount comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Counted by the service while it worked.
    Measured,
    /// Not counted: this was taken for it.
    Assumed(String),
    /// Nobody knows, for this reason; the line is not in the sum.
    Absent(String),
}

/// A line of a bill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What is billed.
    pub resource: Resource,
    /// Units in the month.
    pub amount: Decimal,
    /// How they are known.
    pub origin: Origin,
    /// Dollars, exact. `None` when the book leaves the resource out, or nobody knows how much it was.
    pub cost: Option<Decimal>,
}

/// What a month costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bill {
    /// Paid in any case.
    pub base: Decimal,
    /// In the order of [`Resource::ALL`].
    pub lines: Vec<Line>,
}

/// A resource was used that the book does not know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "price book {book} has no price for `{resource}`, of which {amount} were used: add \
     [prices.{resource}], or say under [unpriced] why it costs nothing"
)]
pub struct UnknownPrice {
    /// The book.
    pub book: String,
    /// The resource.
    pub resource: Resource,
    /// How much was used.
    pub amount: Decimal,
}

/// How amounts of a month are known, where they were not measured.
pub type Origins = BTreeMap<Resource, Origin>;

impl Bill {
    /// The bill for the amounts of one month. Allotments apply once: to the month.
    ///
    /// # Errors
    /// [`UnknownPrice`] for what the book does not know: it is never taken for free.
    pub fn new(
        book: &PriceBook,
        amounts: &Amounts,
        origins: &Origins,
    ) -> Result<Self, UnknownPrice> {
        let mut lines = Vec::new();
        for &resource in Resource::ALL {
            let amount = amounts.get(resource);
            let origin = origins.get(&resource);
            if amount.is_zero() && origin.is_none() {
                continue;
            }
            let origin = origin.cloned().unwrap_or(Origin::Measured);
            let cost = match (&origin, book.entry(resource)) {
                (Origin::Absent(_), _) | (_, Entry::Unpriced(_)) => None,
                (_, Entry::Priced(price)) => Some(price.of(amount)),
                (_, Entry::Unknown) => {
                    return Err(UnknownPrice { book: book.name.clone(), resource, amount });
                }
            };
            lines.push(Line { resource, amount, origin, cost });
        }
        Ok(Self { base: book.base, lines })
    }

    /// Dollars, exact.
    pub fn total(&self) -> Decimal {
        self.lines.iter().filter_map(|line| line.cost).fold(self.base, |sum, cost| sum + cost)
    }

    /// Dollars for one resource.
    pub fn cost(&self, resource: Resource) -> Decimal {
        let line = self.lines.iter().find(|line| line.resource == resource);
        line.and_then(|line| line.cost).unwrap_or_default()
    }
}

/// Dollars for a reader: cents, rounded once, here.
pub fn cents(usd: Decimal) -> Decimal {
    usd.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero)
}
