//! Pairs of windows → findings.

use rust_decimal::{Decimal, prelude::ToPrimitive};

use super::{
    Decision, Finding, Kind, Pair, Rule, Scale, Shift, Window,
    statistics::{self, Effect, Failures},
};
use crate::{
    plan::{Prices, PricingError, RequestUsage},
    record::float,
};

/// The percentile of the response time that is gated.
pub const GATED_PERCENTILE: f64 = 95.0;

/// Percentiles that are shown beside it.
pub const SHOWN_PERCENTILES: [f64; 4] = [50.0, 90.0, 99.0, 99.9];

/// Percentiles of the plot that shows where a change sits.
pub const SHIFT_PERCENTILES: [f64; 15] =
    [5.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 85.0, 90.0, 95.0, 97.5, 99.0, 99.5];

pub(super) const NANOS_PER_MS: f64 = 1e6;

/// Everything that pairs say.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// The worst of the gated findings.
    pub decision: Decision,
    /// Every metric, the gated ones first.
    pub findings: Vec<Finding>,
    /// Percentile by percentile.
    pub shift: Vec<Shift>,
}

/// Judges all pairs under a rule.
///
/// # Errors
/// Usage that cannot be priced.
pub fn judge(pairs: &[Pair], rule: &Rule, prices: &dyn Prices) -> Result<Judged, PricingError> {
    let mut findings = vec![latency(pairs, GATED_PERCENTILE, rule), errors(pairs, rule)];
    findings.extend(usage(pairs, rule, prices)?);
    decide(&mut findings, rule.alpha);
    for percent in SHOWN_PERCENTILES {
        let mut finding = latency(pairs, percent, rule);
        finding.decision = Decision::Shown;
        finding.bound = None;
        findings.push(finding);
    }
    let percentiles = SHIFT_PERCENTILES.into_iter();
    let shift = percentiles.filter_map(|percent| shift(pairs, percent, rule.alpha)).collect();
    Ok(Judged { decision: overall(&findings), findings, shift })
}

/// Significant and larger than the bound fails; a rise above the bound that is excluded passes.
pub(super) fn decide(findings: &mut [Finding], alpha: f64) {
    let tested: Vec<usize> =
        (0..findings.len()).filter(|index| findings[*index].p.is_some()).collect();
    let p: Vec<f64> = tested.iter().filter_map(|index| findings[*index].p).collect();
    for (index, significant) in tested.into_iter().zip(statistics::holm(&p, alpha)) {
        let finding = &mut findings[index];
        let (Some(change), Some(high), Some(bound)) = (finding.change, finding.high, finding.bound)
        else {
            continue;
        };
        finding.decision = if significant && change > bound {
            Decision::Fail
        } else if high <= bound {
            Decision::Pass
        } else {
            finding.why = Some(if change > bound {
                "the change may be chance: more pairs, or a quieter machine".to_owned()
            } else {
                "a larger change is not excluded: more pairs, or a quieter machine".to_owned()
            });
            Decision::Inconclusive
        };
    }
}

pub(super) fn overall(findings: &[Finding]) -> Decision {
    let any = |decision| findings.iter().any(|finding| finding.decision == decision);
    if any(Decision::Fail) {
        Decision::Fail
    } else if any(Decision::Inconclusive) {
        Decision::Inconclusive
    } else {
        Decision::Pass
    }
}

fn latency(pairs: &[Pair], percent: f64, rule: &Rule) -> Finding {
    let mut finding = empty(format!("p{percent}"), Kind::Latency, Scale::Relative, rule.latency);
    let operations = |side: fn(&Pair) -> &Window| -> u64 {
        pairs.iter().map(|pair| side(pair).total.response.len()).sum()
    };
    let fewest = operations(|pair| &pair.base).min(operations(|pair| &pair.head));
    if !statistics::enough(percent, fewest) {
        let needed = statistics::needed(percent);
        finding.samples = fewest;
        finding.why = Some(format!(
            "{fewest} operations are too few for p{percent}, which needs {needed}: longer windows, \
             more pairs, or a higher rate"
        ));
        return finding;
    }
    let (ratios, base) = log_ratios(pairs, percent);
    finding.samples = pairs.len() as u64;
    match statistics::paired(&ratios, rule.alpha) {
        Some(effect) => fill(&mut finding, &effect, base / NANOS_PER_MS, f64::exp_m1),
        None => finding.why = Some("a window has no answered operation".to_owned()),
    }
    finding
}

/// The logarithm of head over base for each pair, and the geometric mean of base.
fn log_ratios(pairs: &[Pair], percent: f64) -> (Vec<f64>, f64) {
    let logarithm = |window: &Window| window.percentile(percent).map_or(f64::NAN, f64::ln);
    let base: Vec<_> = pairs.iter().map(|pair| logarithm(&pair.base)).collect();
    let head = pairs.iter().map(|pair| logarithm(&pair.head));
    let ratios = head.zip(&base).map(|(head, base)| head - base).collect();
    let mean = base.iter().sum::<f64>() / float(pairs.len().max(1) as u64);
    (ratios, mean.exp())
}

fn shift(pairs: &[Pair], percentile: f64, alpha: f64) -> Option<Shift> {
    let total = |side: fn(&Pair) -> &Window| -> u64 {
        pairs.iter().map(|pair| side(pair).total.response.len()).sum()
    };
    // The lower tail needs as many operations as the upper.
    let rarer = percentile.max(100.0 - percentile);
    let fewest = total(|pair| &pair.base).min(total(|pair| &pair.head));
    if !statistics::enough(rarer, fewest) {
        return None;
    }
    let (ratios, base) = log_ratios(pairs, percentile);
    let effect = statistics::paired(&ratios, alpha)?;
    let base = base / NANOS_PER_MS;
    Some(Shift {
        percentile,
        base,
        head: base * effect.mean.exp(),
        change: effect.mean.exp_m1(),
        low: effect.low.exp_m1(),
        high: effect.high.exp_m1(),
    })
}

fn errors(pairs: &[Pair], rule: &Rule) -> Finding {
    let mut finding = empty("errors".to_owned(), Kind::Errors, Scale::Absolute, rule.errors);
    let sum = |side: fn(&Pair) -> &Window| {
        pairs.iter().map(|pair| side(pair).failures()).fold(Failures::default(), Failures::with)
    };
    let (base, head) = (sum(|pair| &pair.base), sum(|pair| &pair.head));
    finding.samples = base.of + head.of;
    finding.count(statistics::failures(base, head, rule.alpha), base, head);
    finding
}

/// The cost, and each resource that at least one side uses.
fn usage(pairs: &[Pair], rule: &Rule, prices: &dyn Prices) -> Result<Vec<Finding>, PricingError> {
    let not_judged = |why: &str| {
        let mut finding = empty("cost".to_owned(), Kind::Cost, Scale::Relative, rule.usage);
        finding.decision = Decision::Shown;
        finding.why = Some(why.to_owned());
        Ok(vec![finding])
    };
    let mut units = Vec::new();
    for pair in pairs {
        let (base, head) = (pair.base.unit(prices)?, pair.head.unit(prices)?);
        let (Some(base), Some(head)) = (base, head) else {
            return not_judged("the target does not say what it uses");
        };
        units.push((base, head));
    }
    if units.is_empty() {
        return not_judged("no pair was measured");
    }
    let cost = |side: &RequestUsage| float_of(side.dollars);
    let mut findings = vec![used(&units, "cost", Kind::Cost, rule, cost)];
    let names = units.first().map(|(base, _)| base.amounts.as_slice()).unwrap_or_default();
    for (index, (name, _)) in names.iter().enumerate() {
        // Prices list every resource they know, in the same order each time.
        let of = |side: &RequestUsage| {
            side.amounts.get(index).map_or(0.0, |(_, amount)| float_of(*amount))
        };
        if units.iter().any(|(base, head)| of(base) > 0.0 || of(head) > 0.0) {
            findings.push(used(&units, name, Kind::Usage, rule, of));
        }
    }
    Ok(findings)
}

fn float_of(amount: Decimal) -> f64 {
    amount.to_f64().unwrap_or(0.0)
}

/// A figure that may be zero has no logarithm: its differences are compared, as parts of base.
fn used(
    units: &[(RequestUsage, RequestUsage)],
    metric: &str,
    kind: Kind,
    rule: &Rule,
    of: impl Fn(&RequestUsage) -> f64,
) -> Finding {
    let count = float(units.len().max(1) as u64);
    let base = units.iter().map(|(base, _)| of(base)).sum::<f64>() / count;
    let head = units.iter().map(|(_, head)| of(head)).sum::<f64>() / count;
    // A resource that base does not use at all: any use is as large as it is.
    let whole = if base > 0.0 { base } else { 1.0 };
    let differences: Vec<_> = units.iter().map(|(b, h)| (of(h) - of(b)) / whole).collect();
    let mut finding = empty(metric.to_owned(), kind, Scale::Relative, rule.usage);
    finding.samples = units.len() as u64;
    if let Some(effect) = statistics::paired(&differences, rule.alpha) {
        fill(&mut finding, &effect, base, |change| change);
        finding.head = Some(head);
    }
    if differences.iter().all(|difference| difference.abs() < f64::EPSILON) {
        // Nothing to test, and so no share of alpha to take.
        finding.p = None;
        finding.decision = Decision::Pass;
    }
    finding
}

pub(super) fn fill(finding: &mut Finding, effect: &Effect, base: f64, change: fn(f64) -> f64) {
    finding.base = Some(base);
    finding.head = Some(base * (1.0 + change(effect.mean)));
    finding.change = Some(change(effect.mean));
    finding.low = Some(change(effect.low));
    finding.high = Some(change(effect.high));
    finding.p = Some(effect.p_rise);
}

pub(super) fn empty(metric: String, kind: Kind, scale: Scale, bound: f64) -> Finding {
    Finding {
        metric,
        kind,
        decision: Decision::Inconclusive,
        base: None,
        head: None,
        scale,
        change: None,
        low: None,
        high: None,
        bound: Some(bound),
        p: None,
        samples: 0,
        why: None,
    }
}

#[cfg(test)]
mod tests;
