//! Computes costs: measured usage → unit usage → the month of a tier → bill → comparison.
//!
//! Prices and bills are those of `workway_price`, with which the service prices a month, too.

mod assess;
mod bill;
mod cheapest;
mod compare;
mod interval;
mod pricing;
mod project;
mod tier;
mod unit;
mod usage;

pub use assess::{Assessment, CostError, Mix, Question, assess};
pub use bill::{
    CloudflareBilling, book_report, change_report, cheapest_report, differences, mixes, of_plans,
    of_run, warnings,
};
pub use cheapest::{Alternative, Choice, Choices, Combination, MAX_COMBINATIONS, choices};
pub use compare::{Change, TierChange, changes};
pub use interval::half_width;
pub use pricing::{CloudflarePrices, CloudflarePricing, today};
pub use project::{Crossing, Projection, TableComparison, per_1000_requests};
pub use tier::{Assumption, MAX_VOLUME, TableRow, Tier, TierError, Tiers};
pub use unit::{UnitUsage, WhatIf, WhatIfError};
pub use usage::{
    Counts, HeaderMeter, RunUsage, Source, StepUsage, Tallies, Tally, USAGE_HEADER, UsageError,
    amounts, mean, parse_header, silent_about,
};
pub use workway_price::{
    Amounts, BOOKS, Bill, BillError, BookError, BuiltIn, Date, Entry, Line, NoBook, Origin,
    Origins, Overlap, PriceBook, Resource, UnknownResource, cents, day, in_order, on,
};

/// The tiers that come with the program.
pub const TIERS: &str = include_str!("../../../../fixtures/tiers.toml");

#[cfg(test)]
mod golden;
#[cfg(test)]
mod tests;
