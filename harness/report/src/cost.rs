//! What it costs, as a document: the figures of [`crate::cost`] for readers and programs.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ChangeReport, ScenarioReport};
use crate::{
    cost::{
        self, Assessment, BOOKS, Change, Crossing, Entry, Line, Mix, PriceBook, Question, Resource,
        TIERS, TableComparison, Tiers, WhatIf, assess, cents,
    },
    judge::{CostResult, ThresholdStatus},
    plan::{Comparison, CostFigure, ScenarioPlan},
};

/// Version of the format of [`CostReport`].
pub const COST_SCHEMA_VERSION: u32 = 2;

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
}

/// All tiers under one book.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BookReport {
    /// Its name.
    pub book: String,
    /// The day for which its prices hold.
    pub date: String,
    /// What to know before believing it.
    pub note: String,
    /// Prices that are known to be wrong, and how.
    #[schemars(with = "BTreeMap<String, String>")]
    pub flags: BTreeMap<Resource, String>,
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

impl CostReport {
    /// What the scenarios of a run that measured their usage cost a month, in every tier under every
    /// book that comes with the program. `None` if none measured it.
    pub(super) fn of_run(scenarios: &[ScenarioReport]) -> Option<Self> {
        let tiers = Tiers::parse(TIERS, "of this program").ok()?;
        let books: Vec<_> = BOOKS.iter().filter_map(|book| book.open().ok()).collect();
        Self::priced(scenarios, &tiers, &books)
    }

    /// The same with the tiers and the books that the scenarios name themselves: their books beside
    /// those of the program, their tiers in place of them.
    pub fn of_plans(plans: &[ScenarioPlan], scenarios: &[ScenarioReport]) -> Option<Self> {
        let costs: Vec<_> = plans.iter().filter_map(|plan| plan.cost.as_ref()).collect();
        let own = Tiers::parse(TIERS, "of this program").ok()?;
        let tiers = costs.first().map_or(&own, |first| &*first.tiers);
        let agreed = costs.iter().all(|cost| *cost.tiers == *tiers);
        let mut books: Vec<_> = BOOKS.iter().filter_map(|book| book.open().ok()).collect();
        for cost in &costs {
            if !books.contains(&cost.book) {
                books.push(PriceBook::clone(&cost.book));
            }
        }
        let mut report = Self::priced(scenarios, if agreed { tiers } else { &own }, &books)?;
        if !agreed {
            report.warnings.push(
                "the scenarios name different tiers: the bill is of those of the program"
                    .to_owned(),
            );
        }
        Some(report)
    }

    fn priced(scenarios: &[ScenarioReport], tiers: &Tiers, books: &[PriceBook]) -> Option<Self> {
        let mixes = mixes(scenarios);
        if mixes.is_empty() {
            return None;
        }
        let whatif = WhatIf::default();
        let question = Question { tiers, only: &[], whatif: &whatif };
        let runs = [mixes];
        let mut report = Self { warnings: warnings(&runs), ..Self::default() };
        for book in books {
            match assess(&runs, &question, book) {
                Ok(assessments) => report.books.push(BookReport::new(book, &assessments, None)),
                Err(why) => report.warnings.push(why.to_string()),
            }
        }
        Some(report)
    }
}

impl Default for CostReport {
    fn default() -> Self {
        let (settings, warnings, books) = (Vec::new(), Vec::new(), Vec::new());
        Self { schema_version: COST_SCHEMA_VERSION, settings, warnings, books }
    }
}

/// The mixes of a run: its scenarios that measured usage.
pub fn mixes(scenarios: &[ScenarioReport]) -> Vec<Mix> {
    let mix = |scenario: &ScenarioReport| {
        let cost = scenario.cost.as_ref().filter(|cost| !cost.usage.is_empty())?;
        let (scenario, tier) = (scenario.name.clone(), cost.tier.clone());
        Some(Mix { scenario, tier, usage: cost.usage.clone() })
    };
    scenarios.iter().filter_map(mix).collect()
}

/// What to know before believing figures from these runs.
pub fn warnings(runs: &[Vec<Mix>]) -> Vec<String> {
    let mut warnings = Vec::new();
    for Mix { scenario, usage, .. } in runs.iter().flatten() {
        let unmetered = usage.unmetered();
        if unmetered > 0 {
            warnings.push(format!(
                "{scenario}: {unmetered} answers did not say what they used; the bill is a lower bound"
            ));
        }
        warnings.extend(usage.disagreements.iter().map(|why| format!("{scenario}: {why}")));
    }
    warnings.extend(runs.iter().flat_map(|mixes| of_several(mixes)));
    warnings
}

/// Tiers whose month is that of several scenarios together: each should have one mix.
fn of_several(mixes: &[Mix]) -> Vec<String> {
    let mut tiers = BTreeMap::<&str, Vec<&str>>::new();
    for mix in mixes {
        if let Some(tier) = &mix.tier {
            tiers.entry(tier).or_default().push(&mix.scenario);
        }
    }
    let several = tiers.into_iter().filter(|(_, scenarios)| scenarios.len() > 1);
    several
        .map(|(tier, scenarios)| {
            format!(
                "{tier}: its mix is that of several scenarios together: {}",
                scenarios.join(", ")
            )
        })
        .collect()
}

impl BookReport {
    /// The tiers under a book. `changes` come from a comparison.
    pub fn new(book: &PriceBook, assessments: &[Assessment], changes: Option<&[Change]>) -> Self {
        Self {
            book: book.name.clone(),
            date: book.date.clone(),
            note: book.note.clone(),
            flags: book.flags().map(|(resource, why)| (resource, why.to_owned())).collect(),
            tiers: assessments.iter().map(|tier| TierReport::new(tier, book)).collect(),
            changes: changes.map(|changes| changes.iter().map(ChangeReport::new).collect()),
        }
    }
}

impl TierReport {
    fn new(assessment: &Assessment, book: &PriceBook) -> Self {
        let projection = &assessment.projection;
        let total = projection.bill.total();
        let priced = |line: &&Line| matches!(book.entry(line.resource), Entry::Priced(_));
        let absent = projection.bill.lines.iter().filter(priced);
        let absent = absent.filter(|line| matches!(line.origin, cost::Origin::Absent(_)));
        Self {
            tier: projection.tier.name.clone(),
            requests: projection.tier.requests,
            ai_operations: projection.tier.ai_operations,
            scenarios: assessment.scenarios.clone(),
            runs: assessment.runs,
            usd: usd(total),
            usd_half_width: assessment.half_width.map(usd),
            base_usd: usd(projection.bill.base),
            lines: projection.bill.lines.iter().map(|line| LineReport::new(line, total)).collect(),
            absent: absent.map(|line| line.resource).collect(),
            missing: projection.missing.clone(),
            usd_per_1000_requests: plain(assessment.per_1000_requests),
            usd_next_million_requests: usd(projection.next_million),
            crossings: projection.crossings.iter().map(CrossingReport::new).collect(),
            table: projection.table.as_ref().map(TableReport::new),
        }
    }

    /// Dollars a month for a reader: at least so many, where the run says nothing of a part of it.
    pub(super) fn total(&self) -> String {
        let mark = if self.missing.is_empty() { "" } else { "≥" };
        format!("{mark}{}", self.usd)
    }
}

impl LineReport {
    fn new(line: &Line, total: Decimal) -> Self {
        let (origin, why) = match &line.origin {
            cost::Origin::Measured => (Origin::Measured, None),
            cost::Origin::Assumed(why) => (Origin::Assumed, Some(why.clone())),
            cost::Origin::Absent(why) => (Origin::Absent, Some(why.clone())),
        };
        let share = |cost| (!total.is_zero()).then(|| cost * Decimal::ONE_HUNDRED / total);
        Self {
            resource: line.resource,
            amount: plain(line.amount),
            origin,
            why,
            usd: line.cost.map(usd),
            percent: line.cost.and_then(share).map(|share| scaled(share.round_dp(1), 1)),
        }
    }
}

impl CrossingReport {
    fn new(crossing: &Crossing) -> Self {
        Self {
            resource: crossing.resource,
            requests: crossing.requests.round(),
            units: plain(crossing.units),
        }
    }
}

impl TableReport {
    fn new(table: &TableComparison) -> Self {
        let share = |share: Decimal| share.round_dp(3).normalize();
        Self {
            usd: usd(table.usd),
            difference_usd: usd(table.difference),
            write_share: table.write_share.map(share),
            explaining_write_share: table.explaining_write_share.map(share),
        }
    }
}

/// Dollars to the cent, both of whose digits are written.
pub(super) fn usd(amount: Decimal) -> Decimal {
    scaled(cents(amount), 2)
}

/// To six decimals, without zeros at the end.
pub(super) fn plain(amount: Decimal) -> Decimal {
    amount.round_dp(6).normalize()
}

/// Written with so many decimals.
fn scaled(mut amount: Decimal, decimals: u32) -> Decimal {
    amount.rescale(decimals);
    amount
}
