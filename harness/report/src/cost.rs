//! What it costs, as a document: figures of bills for readers and programs.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use workway_price::Resource;

use super::ChangeReport;
use crate::{
    judge::{CostResult, ThresholdStatus},
    plan::{Comparison, CostFigure},
};

/// Version of the format of [`CostReport`].
pub const COST_SCHEMA_VERSION: u32 = 3;

/// Bills of every tier under every book. Dollars and amounts are decimals in strings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CostReport {
    /// [`COST_SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Other settings than those of the run, as they were given.
    pub settings: Vec<String>,
    /// What to know before believing the figures.
    pub warnings: Vec<String>,
    /// By book.
    pub books: Vec<BookReport>,
    /// Each book against the one before it.
    pub differences: Vec<BookDifference>,
}

/// The difference that another price book makes to each tier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BookDifference {
    /// The name of the one book.
    pub from: String,
    /// The name of the other.
    pub to: String,
    /// The tiers that both price.
    pub tiers: Vec<TierDifference>,
}

/// The difference between two bills of a tier, in dollars a month; negative for less.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TierDifference {
    /// The name of the tier.
    pub tier: String,
    /// The difference of the totals.
    #[schemars(with = "String")]
    pub usd: Decimal,
    /// The part of it that is paid in any case.
    #[schemars(with = "String")]
    pub base_usd: Decimal,
    /// The lines that differ, the largest difference first.
    pub lines: Vec<LineDifference>,
}

/// The difference between two lines of a bill.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LineDifference {
    /// The resource.
    #[schemars(with = "String")]
    pub resource: Resource,
    /// Dollars a month; negative for less.
    #[schemars(with = "String")]
    pub usd: Decimal,
}

/// All tiers under one book.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BookReport {
    /// Its name.
    pub book: String,
    /// Whose prices they are.
    pub publisher: String,
    /// The first day on which they hold, as `2026-12-01`.
    pub valid_from: String,
    /// The last day on which they hold; absent while no end is known.
    pub valid_until: Option<String>,
    /// What to know before believing it.
    pub note: String,
    /// Prices that are known to be wrong, and how.
    #[schemars(with = "BTreeMap<String, String>")]
    pub flags: BTreeMap<Resource, String>,
    /// Resources of which something is free each day.
    #[schemars(with = "Vec<String>")]
    pub daily: Vec<Resource>,
    /// From small to large.
    pub tiers: Vec<TierReport>,
    /// Against another run, by resource, first what changes a bill most; absent without one.
    pub changes: Option<Vec<ChangeReport>>,
}

/// The month of a tier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TierReport {
    /// Its name.
    pub tier: String,
    /// Requests a month.
    pub requests: u64,
    /// AI operations among them.
    pub ai_operations: u64,
    /// Days of the month on which all this is used, in equal parts.
    pub busy_days: u32,
    /// The scenarios that the figures come from.
    pub scenarios: Vec<String>,
    /// Runs that the figures come from.
    pub runs: usize,
    /// Dollars a month, to the cent.
    #[schemars(with = "String")]
    pub usd: Decimal,
    /// Half of its 95 % confidence interval; absent from a single run.
    #[schemars(with = "Option<String>")]
    pub usd_half_width: Option<Decimal>,
    /// The part that is paid in any case.
    #[schemars(with = "String")]
    pub base_usd: Decimal,
    /// By resource.
    pub lines: Vec<LineReport>,
    /// Resources that the book prices, and of which nobody knows how much it was.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub absent: Vec<Resource>,
    /// Volumes about which the run says nothing.
    pub missing: Vec<String>,
    /// Dollars for a thousand requests at list price: no base fee, allotments used up.
    #[schemars(with = "String")]
    pub usd_per_1000_requests: Decimal,
    /// Dollars for one more million requests of the same mix.
    #[schemars(with = "String")]
    pub usd_next_million_requests: Decimal,
    /// Where more of the same begins to cost more, nearest first.
    pub crossings: Vec<CrossingReport>,
    /// Beside the figure of the guide's table.
    pub table: Option<TableReport>,
}

/// Where an amount of a bill comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// The run measured it.
    Measured,
    /// Something is assumed that the run says nothing about.
    Assumed,
    /// Nobody knows it.
    Absent,
}

/// A line of a bill.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LineReport {
    /// The resource.
    #[schemars(with = "String")]
    pub resource: Resource,
    /// Units a month.
    #[schemars(with = "String")]
    pub amount: Decimal,
    /// Where the amount comes from.
    pub origin: Origin,
    /// What was assumed, or why it is absent.
    pub why: Option<String>,
    /// Dollars a month; absent when the book leaves the resource out.
    #[schemars(with = "Option<String>")]
    pub usd: Option<Decimal>,
    /// Percent of the month's total.
    #[schemars(with = "Option<String>")]
    pub percent: Option<Decimal>,
}

/// A volume at which a resource reaches its next price.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CrossingReport {
    /// The resource.
    #[schemars(with = "String")]
    pub resource: Resource,
    /// Requests a month.
    #[schemars(with = "String")]
    pub requests: Decimal,
    /// Units of the resource then.
    #[schemars(with = "String")]
    pub units: Decimal,
}

/// A bill beside the figure of a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TableReport {
    /// Dollars in the table.
    #[schemars(with = "String")]
    pub usd: Decimal,
    /// Dollars of the bill more than that; negative for less.
    #[schemars(with = "String")]
    pub difference_usd: Decimal,
    /// The part of writes among rows that was measured.
    #[schemars(with = "Option<String>")]
    pub write_share: Option<Decimal>,
    /// The part of writes among the table's database operations with which this book comes to the
    /// table's figure; absent when none does.
    #[schemars(with = "Option<String>")]
    pub explaining_write_share: Option<Decimal>,
}

/// A threshold on cost and what was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CostThresholdReport {
    /// As the author wrote it.
    pub text: String,
    /// Line in the file.
    pub line: usize,
    /// Column in the file.
    pub column: usize,
    /// What is compared.
    pub figure: CostFigure,
    /// How: `<`, `<=`, `>` or `>=`.
    pub comparison: Comparison,
    /// With what: dollars, or units of a resource.
    #[schemars(with = "String")]
    pub bound: Decimal,
    /// How it came out.
    pub status: ThresholdStatus,
    /// The figure: dollars, or units of a resource.
    #[schemars(with = "Option<String>")]
    pub measured: Option<Decimal>,
    /// What it is made of, dearest first, or why there is none.
    pub why: String,
    /// Operations the figure stands on.
    pub samples: u64,
}

impl CostThresholdReport {
    pub(super) fn new(result: &CostResult) -> Self {
        let CostResult { threshold, status, measured, why, samples } = result;
        Self {
            text: threshold.text.clone(),
            line: threshold.span.line,
            column: threshold.span.column,
            figure: threshold.figure.clone(),
            comparison: threshold.comparison,
            bound: threshold.bound,
            status: *status,
            measured: measured.map(plain),
            why: why.clone(),
            samples: *samples,
        }
    }
}

impl Default for CostReport {
    fn default() -> Self {
        Self {
            schema_version: COST_SCHEMA_VERSION,
            settings: Vec::new(),
            warnings: Vec::new(),
            books: Vec::new(),
            differences: Vec::new(),
        }
    }
}

impl TierReport {
    /// Dollars a month for a reader: at least so many, where the run says nothing of a part of it.
    pub(super) fn total(&self) -> String {
        let mark = if self.missing.is_empty() { "" } else { "≥" };
        format!("{mark}{}", self.usd)
    }
}

/// Rounds dollars to the cent, with two decimals.
pub fn usd(amount: Decimal) -> Decimal {
    scaled(workway_price::cents(amount), 2)
}

/// Rounds to six decimals, without zeros at the end.
pub fn plain(amount: Decimal) -> Decimal {
    amount.round_dp(6).normalize()
}

/// Writes an amount with exactly so many decimals.
pub fn scaled(mut amount: Decimal, decimals: u32) -> Decimal {
    amount.rescale(decimals);
    amount
}
