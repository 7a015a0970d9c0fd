//! Computes bills: the amounts of a month at the prices of a book.

use std::collections::BTreeMap;

use rust_decimal::{Decimal, RoundingStrategy};

use super::{
    book::{Entry, PriceBook},
    resource::{Amounts, Resource},
};

/// The origin of an amount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The service counted the amount while it worked.
    Measured,
    /// The amount was not counted; the text names the assumption.
    Assumed(String),
    /// The amount is not known, for this reason. The line is not part of the sum.
    Absent(String),
}

/// A line of a bill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The resource that is billed.
    pub resource: Resource,
    /// The number of units in the month.
    pub amount: Decimal,
    /// The origin of the amount.
    pub origin: Origin,
    /// The cost in dollars, exact. It is `None` if the book leaves the resource out, or if the amount
    /// is not known.
    pub cost: Option<Decimal>,
}

/// The bill of a month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bill {
    /// The fee in dollars that is paid whatever is used.
    pub base: Decimal,
    /// The lines, in the order of [`Resource::ALL`].
    pub lines: Vec<Line>,
}

/// The largest amount of a resource in a month: far beyond any, and far within exact arithmetic.
pub const MAX_AMOUNT: u64 = 1_000_000_000_000_000_000;

/// A bill cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BillError {
    /// A resource was used for which the book has no price.
    #[error(
        "price book {book} has no price for `{resource}`, of which {amount} were used: add \
         [prices.{resource}], or say under [unpriced] why it costs nothing"
    )]
    UnknownPrice {
        /// The name of the book.
        book: String,
        /// The resource.
        resource: Resource,
        /// The number of units that were used.
        amount: Decimal,
    },
    /// An amount is beyond exact arithmetic.
    #[error("{amount} of `{resource}` in a month are more than {MAX_AMOUNT}")]
    TooMuch {
        /// The resource.
        resource: Resource,
        /// The number of units.
        amount: Decimal,
    },
}

/// The origins of those amounts of a month that were not measured.
pub type Origins = BTreeMap<Resource, Origin>;

impl Bill {
    /// Computes the bill for the amounts that were counted in one month, by the conversions and the
    /// prices of the book. Allotments apply once, to the month.
    ///
    /// # Errors
    /// [`BillError`], also for a resource that the book does not know: it is never taken to be free.
    pub fn new(book: &PriceBook, counted: &Amounts, known: &Origins) -> Result<Self, BillError> {
        let (amounts, origins) = book.convert(counted, known);
        let mut lines = Vec::new();
        for &resource in Resource::ALL {
            let amount = amounts.get(resource);
            let origin = origins.get(&resource);
            // A resource of which nothing was used still gets a line if somebody says where that zero
            // comes from.
            if amount.is_zero() && origin.is_none() {
                continue;
            }
            if amount > Decimal::from(MAX_AMOUNT) {
                return Err(BillError::TooMuch { resource, amount });
            }
            let origin = origin.cloned().unwrap_or(Origin::Measured);
            let cost = match (&origin, book.entry(resource)) {
                (Origin::Absent(_), _) | (_, Entry::Unpriced(_)) => None,
                (_, Entry::Priced(price)) => Some(price.of(amount)),
                (_, Entry::Unknown) => {
                    let book = book.name.clone();
                    return Err(BillError::UnknownPrice { book, resource, amount });
                }
            };
            lines.push(Line { resource, amount, origin, cost });
        }
        Ok(Self { base: book.base, lines })
    }

    /// Returns the total in dollars, exact.
    pub fn total(&self) -> Decimal {
        self.lines.iter().filter_map(|line| line.cost).fold(self.base, |sum, cost| sum + cost)
    }

    /// Returns the amounts that are billed.
    pub fn amounts(&self) -> Amounts {
        self.lines.iter().map(|line| (line.resource, line.amount)).collect()
    }

    /// Returns the cost of one resource in dollars.
    pub fn cost(&self, resource: Resource) -> Decimal {
        let line = self.lines.iter().find(|line| line.resource == resource);
        line.and_then(|line| line.cost).unwrap_or_default()
    }
}

/// Rounds dollars to cents, for a reader. Nothing else rounds.
pub fn cents(usd: Decimal) -> Decimal {
    usd.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero)
}
