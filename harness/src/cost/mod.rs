//! What it costs: measured usage → unit usage → the month of a tier → bill → comparison.
//!
//! All arithmetic on money is on exact decimals; a bill is rounded once, where it is shown.

mod assess;
mod bill;
mod book;
mod cheapest;
mod compare;
mod interval;
mod project;
mod resource;
mod tier;
mod unit;
mod usage;

pub use assess::{Assessment, CostError, Mix, Question, assess};
pub use bill::{Bill, Line, Origin, Origins, UnknownPrice, cents};
pub use book::{Band, BookError, Entry, ModelPrice, Price, PriceBook};
pub use cheapest::{Alternative, Choice, choices};
pub use compare::{Change, changes};
pub use interval::half_width;
pub use project::{Crossing, Projection, TableComparison, per_1000_requests};
pub use resource::{Amounts, Resource, UnknownResource};
pub use tier::{Assumption, MAX_VOLUME, TableRow, Tier, TierError, Tiers};
pub use unit::{UnitUsage, WhatIf, WhatIfError};
pub use usage::{
    Counts, RunUsage, StepUsage, Tallies, Tally, USAGE_HEADER, UsageError, parse_header,
};

/// The books that come with the program, by name.
pub const BOOKS: [(&str, &str); 2] = [
    ("cloudflare-2026-11", include_str!("../../../fixtures/prices/cloudflare-2026-11.toml")),
    ("workway-guide", include_str!("../../../fixtures/prices/workway-guide.toml")),
];
/// The tiers that come with the program.
pub const TIERS: &str = include_str!("../../../fixtures/tiers.toml");

#[cfg(test)]
mod tests;
