//! What it costs: measured usage → unit usage → the month of a tier → bill → comparison.
//!
//! Prices and bills are those of `workway_price`, with which the service prices a month, too.

mod assess;
mod cheapest;
mod compare;
mod interval;
mod project;
mod tier;
mod unit;
mod usage;

pub use assess::{Assessment, CostError, Mix, Question, assess};
pub use cheapest::{Alternative, Choice, Choices, Combination, MAX_COMBINATIONS, choices};
pub use compare::{Change, TierChange, changes};
pub use interval::half_width;
pub use project::{Crossing, Projection, TableComparison, per_1000_requests};
pub use tier::{Assumption, MAX_VOLUME, TableRow, Tier, TierError, Tiers};
pub use unit::{UnitUsage, WhatIf, WhatIfError};
pub use usage::{
    Counts, RunUsage, Source, StepUsage, Tallies, Tally, USAGE_HEADER, UsageError, parse_header,
};
pub use workway_price::{
    Amounts, BOOKS, Bill, BookError, BuiltIn, Entry, Line, Origin, Origins, PriceBook, Resource,
    UnknownPrice, UnknownResource, cents,
};

/// The tiers that come with the program.
pub const TIERS: &str = include_str!("../../../../fixtures/tiers.toml");

#[cfg(test)]
mod golden;
#[cfg(test)]
mod tests;
