//! What it costs: measured usage → unit usage → the month of a tier → bill → comparison.
//!
//! All arithmetic on money is on exact decimals; a bill is rounded once, where it is shown.

mod bill;
mod book;
mod compare;
mod interval;
mod project;
mod resource;
mod tier;
mod unit;
mod usage;

pub use bill::{Bill, Line, Origin, Origins, UnknownPrice, cents};
pub use book::{Band, BookError, Entry, ModelPrice, Price, PriceBook};
pub use compare::{Change, changes};
pub use interval::half_width;
pub use project::{Crossing, Projection, TableComparison, per_1000_requests};
pub use resource::{Amounts, Resource, UnknownResource};
pub use tier::{Assumption, MAX_VOLUME, TableRow, Tier, TierError, Tiers};
pub use unit::{UnitUsage, WhatIf, WhatIfError};
pub use usage::{Counts, RunUsage, StepUsage, Tally, UsageError, parse_header};

#[cfg(test)]
mod tests;
