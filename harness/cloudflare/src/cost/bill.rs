//! Bills as a document: fills the types of the report from assessments.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use workway_core::plan::{Pricing, ScenarioPlan};
use workway_price::{Entry, Line, Origin, PriceBook};
use workway_report::{
    Billing, BookDifference, BookReport, COST_SCHEMA_VERSION, ChangeReport, CheapestReport,
    ChoiceReport, CostReport, CrossingReport, LineDifference, LineReport, ScenarioReport,
    TableReport, TierChangeReport, TierChoices, TierDifference, TierReport, plain, scaled, usd,
};

use super::{
    Alternative, Assessment, Change, Choice, Choices, CloudflarePrices, CloudflarePricing,
    Combination, CostError, Crossing, Mix, Question, Resource, TIERS, TableComparison, TierChange,
    Tiers, WhatIf, assess, choices, today,
};

/// Makes bills with the books and tiers of this program.
#[derive(Clone, Copy, Debug, Default)]
pub struct CloudflareBilling;

impl Billing for CloudflareBilling {
    fn bill(&self, scenarios: &[ScenarioReport]) -> Option<CostReport> {
        of_run(scenarios)
    }

    fn pricing(&self) -> &dyn Pricing {
        &CloudflarePricing
    }
}

/// Returns the monthly cost of those scenarios of a run that measured their usage, in every tier
/// under Cloudflare's prices of today. `None` if none measured it.
pub fn of_run(scenarios: &[ScenarioReport]) -> Option<CostReport> {
    let tiers = Tiers::parse(TIERS, "of this program").ok()?;
    let books: Vec<_> = today().into_iter().collect();
    priced(scenarios, &tiers, &books)
}

/// Does the same as [`of_run`] with the tiers and the books that the scenarios name themselves:
/// their books are added to that of today, their tiers replace the program's.
pub fn of_plans(plans: &[ScenarioPlan], scenarios: &[ScenarioReport]) -> Option<CostReport> {
    let costs = plans.iter().filter_map(|plan| plan.cost.as_ref());
    let costs: Vec<_> = costs.filter_map(|cost| CloudflarePrices::of(&*cost.prices)).collect();
    let own = Tiers::parse(TIERS, "of this program").ok()?;
    let tiers = costs.first().map_or(&own, |first| &*first.tiers);
    let agreed = costs.iter().all(|cost| *cost.tiers == *tiers);
    let mut books: Vec<_> = today().into_iter().collect();
    for cost in &costs {
        if !books.contains(&cost.book) {
            books.push(PriceBook::clone(&cost.book));
        }
    }
    let mut report = priced(scenarios, if agreed { tiers } else { &own }, &books)?;
    if !agreed {
        report.warnings.push(
            "the scenarios name different tiers: the bill is of those of the program".to_owned(),
        );
    }
    Some(report)
}

fn priced(scenarios: &[ScenarioReport], tiers: &Tiers, books: &[PriceBook]) -> Option<CostReport> {
    let mixes = mixes(scenarios);
    if mixes.is_empty() {
        return None;
    }
    let whatif = WhatIf::default();
    let question = Question { tiers, only: &[], whatif: &whatif };
    let runs = [mixes];
    let mut report = CostReport { warnings: warnings(&runs), ..CostReport::default() };
    for book in books {
        match assess(&runs, &question, book) {
            Ok(assessments) => report.books.push(book_report(book, &assessments, None)),
            Err(why) => report.warnings.push(why.to_string()),
        }
    }
    report.differences = differences(&report.books);
    Some(report)
}

/// Returns the mixes of a run: its scenarios that measured usage.
pub fn mixes(scenarios: &[ScenarioReport]) -> Vec<Mix> {
    let mix = |scenario: &ScenarioReport| {
        let cost = scenario.cost.as_ref().filter(|cost| !cost.usage.is_empty())?;
        let (scenario, tier) = (scenario.name.clone(), cost.tier.clone());
        Some(Mix { scenario, tier, usage: cost.usage.clone() })
    };
    scenarios.iter().filter_map(mix).collect()
}

/// Returns warnings that a reader should know before believing figures from these runs.
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

/// Reports the tiers under a book; `changes` come from a comparison.
pub fn book_report(
    book: &PriceBook,
    assessments: &[Assessment],
    changes: Option<&[Change]>,
) -> BookReport {
    BookReport {
        book: book.name.clone(),
        publisher: book.publisher.clone(),
        valid_from: book.valid_from.to_string(),
        valid_until: book.valid_until.map(|last| last.to_string()),
        note: book.note.clone(),
        flags: book.flags().map(|(resource, why)| (resource, why.to_owned())).collect(),
        daily: book.daily().collect(),
        tiers: assessments.iter().map(|tier| tier_report(tier, book)).collect(),
        changes: changes.map(|changes| changes.iter().map(change_report).collect()),
    }
}

/// Compares the bills under each book with those under the book before it, line by line.
pub fn differences(books: &[BookReport]) -> Vec<BookDifference> {
    let pairs = books.windows(2).filter_map(|pair| Some((pair.first()?, pair.last()?)));
    pairs.map(|(before, after)| difference(before, after)).collect()
}

fn difference(before: &BookReport, after: &BookReport) -> BookDifference {
    let of_tier = |tier: &TierReport| {
        let same = before.tiers.iter().find(|other| other.tier == tier.tier)?;
        let cost = |tier: &TierReport, resource| {
            let line = tier.lines.iter().find(|line| line.resource == resource);
            line.and_then(|line| line.usd).unwrap_or_default()
        };
        let line = |&resource: &Resource| {
            let usd = cost(tier, resource) - cost(same, resource);
            (!usd.is_zero()).then_some(LineDifference { resource, usd })
        };
        let mut lines: Vec<_> = Resource::ALL.iter().filter_map(line).collect();
        lines.sort_by_key(|line| std::cmp::Reverse(line.usd.abs()));
        let (usd, base_usd) = (tier.usd - same.usd, tier.base_usd - same.base_usd);
        Some(TierDifference { tier: tier.tier.clone(), usd, base_usd, lines })
    };
    BookDifference {
        from: before.book.clone(),
        to: after.book.clone(),
        tiers: after.tiers.iter().filter_map(of_tier).collect(),
    }
}

fn tier_report(assessment: &Assessment, book: &PriceBook) -> TierReport {
    let projection = &assessment.projection;
    let total = projection.bill.total();
    let priced = |line: &&Line| matches!(book.entry(line.resource), Entry::Priced(_));
    let absent = projection.bill.lines.iter().filter(priced);
    let absent = absent.filter(|line| matches!(line.origin, Origin::Absent(_)));
    TierReport {
        tier: projection.tier.name.clone(),
        requests: projection.tier.requests,
        ai_operations: projection.tier.ai_operations,
        busy_days: projection.tier.busy_days,
        scenarios: assessment.scenarios.clone(),
        runs: assessment.runs,
        usd: usd(total),
        usd_half_width: assessment.half_width.map(usd),
        base_usd: usd(projection.bill.base),
        lines: projection.bill.lines.iter().map(|line| line_report(line, total)).collect(),
        absent: absent.map(|line| line.resource).collect(),
        missing: projection.missing.clone(),
        usd_per_1000_requests: plain(assessment.per_1000_requests),
        usd_next_million_requests: usd(projection.next_million),
        crossings: projection.crossings.iter().map(crossing_report).collect(),
        table: projection.table.as_ref().map(table_report),
    }
}

fn line_report(line: &Line, total: Decimal) -> LineReport {
    let (origin, why) = match &line.origin {
        Origin::Measured => (workway_report::Origin::Measured, None),
        Origin::Assumed(why) => (workway_report::Origin::Assumed, Some(why.clone())),
        Origin::Absent(why) => (workway_report::Origin::Absent, Some(why.clone())),
    };
    let share = |cost| (!total.is_zero()).then(|| cost * Decimal::ONE_HUNDRED / total);
    LineReport {
        resource: line.resource,
        amount: plain(line.amount),
        origin,
        why,
        usd: line.cost.map(usd),
        percent: line.cost.and_then(share).map(|share| scaled(share.round_dp(1), 1)),
    }
}

fn crossing_report(crossing: &Crossing) -> CrossingReport {
    CrossingReport {
        resource: crossing.resource,
        requests: crossing.requests.round(),
        units: plain(crossing.units),
    }
}

fn table_report(table: &TableComparison) -> TableReport {
    let share = |share: Decimal| share.round_dp(3).normalize();
    TableReport {
        usd: usd(table.usd),
        difference_usd: usd(table.difference),
        write_share: table.write_share.map(share),
        explaining_write_share: table.explaining_write_share.map(share),
    }
}

/// Reports what a change adds to one resource.
pub fn change_report(change: &Change) -> ChangeReport {
    let of_tier = |change: &TierChange| TierChangeReport {
        tier: change.tier.clone(),
        base: plain(change.base),
        head: plain(change.head),
        usd: usd(change.usd),
    };
    let tiers = change.tiers.iter().map(of_tier).collect();
    ChangeReport { resource: change.resource, tiers }
}

/// Reports the alternatives under every book.
///
/// # Errors
/// [`CostError`].
pub fn cheapest_report(
    alternatives: &[Alternative],
    combinations: &[Combination],
    asked: (&Tiers, &[String]),
    books: &[PriceBook],
    settings: &[String],
) -> Result<CheapestReport, CostError> {
    let (mut tiers, mut notes) = (Vec::new(), Vec::new());
    if !settings.is_empty() {
        notes.push(
            "times are those of the runs: another model or cache answers at another speed"
                .to_owned(),
        );
    }
    for book in books {
        let Choices { tiers: found, left_out } = choices(alternatives, combinations, asked, book)?;
        for (tier, found) in found {
            let choices: Vec<_> = found.into_iter().map(choice_report).collect();
            let cheapest = choices.first().filter(|first| first.against.is_empty());
            let cheapest = cheapest.map(ChoiceReport::name);
            tiers.push(TierChoices { book: book.name.clone(), tier, cheapest, choices });
        }
        notes.extend(left_out);
    }
    notes.dedup();
    let (schema_version, settings) = (COST_SCHEMA_VERSION, settings.to_vec());
    Ok(CheapestReport { schema_version, settings, tiers, notes })
}

fn choice_report(choice: Choice) -> ChoiceReport {
    let Choice { scenario, settings, runs, usd: total, half_width, against } = choice;
    let usd_half_width = half_width.map(usd);
    ChoiceReport { scenario, settings, runs, usd: usd(total), usd_half_width, against }
}
