//! Thresholds as text: `p95(create) < 250 ms`.

use std::time::Duration;

use crate::model::{Clock, Comparison, Metric, Quantity};

use super::{
    error::Problem,
    node::clip,
    quantity::{duration, is_number, rate},
    suggest::{closest, did_you_mean},
    text::{FromText, written_as_text},
};

/// A threshold whose step is still a name.
#[derive(Clone, Debug, PartialEq)]
pub struct ThresholdText {
    /// The text as it is written.
    pub text: String,
    /// The metric that is measured.
    pub metric: Metric,
    /// The step that it covers; all steps of the work when there is none.
    pub step: Option<String>,
    /// The comparison.
    pub comparison: Comparison,
    /// The bound.
    pub bound: Quantity,
}

written_as_text!(ThresholdText);

impl ThresholdText {
    /// Reads a threshold that was written down; `None` when it is none.
    pub fn parse(text: &str) -> Option<Self> {
        Self::from_text(text).ok()
    }
}

const METRICS: [&str; 7] = ["p95", "mean", "max", "error_rate", "share", "rate", "count"];
const CLOCKS: [(&str, Clock); 3] =
    [("response", Clock::Response), ("service", Clock::Service), ("lag", Clock::Lag)];

impl FromText for ThresholdText {
    const WHAT: &'static str = "a threshold such as `p95(create) < 250 ms`";
    const PATTERN: &'static str = "(<|<=|>|>=)";

    fn from_text(text: &str) -> Result<Self, Problem> {
        let (left, comparison, right) = split(text, Self::WHAT)?;
        let (metric, step) = figure(left)?;
        let bound = bound(metric, right)?;
        Ok(Self { text: text.to_owned(), metric, step, comparison, bound })
    }
}

fn problem(message: impl Into<String>) -> Problem {
    Problem::new("bad-threshold", message)
}

/// Figure, comparison, bound. The comparison is the last one: names of steps may hold `<`.
pub(super) fn split<'a>(
    text: &'a str,
    what: &str,
) -> Result<(&'a str, Comparison, &'a str), Problem> {
    let close = text.rfind(')').map_or(0, |at| at + 1);
    let wrong = || {
        problem(format!("must be {what}, found `{}`", clip(text)))
            .with_help("a threshold is a figure, one of `<`, `<=`, `>`, `>=`, and a bound")
    };
    let at = text[close..].find(['<', '>']).ok_or_else(wrong)? + close;
    let (left, rest) = (text[..at].trim(), &text[at..]);
    let (comparison, right) = [
        ("<=", Comparison::AtMost),
        (">=", Comparison::AtLeast),
        ("<", Comparison::Below),
        (">", Comparison::Above),
    ]
    .into_iter()
    .find_map(|(sign, comparison)| Some((comparison, rest.strip_prefix(sign)?.trim())))
    .ok_or_else(wrong)?;
    if left.is_empty() || right.is_empty() || right.contains(['<', '>', '=']) {
        return Err(wrong());
    }
    Ok((left, comparison, right))
}

/// `service.p95(create)`
fn figure(text: &str) -> Result<(Metric, Option<String>), Problem> {
    let (name, argument) = match text.split_once('(') {
        None => (text, None),
        Some((name, rest)) => {
            let inner = rest
                .strip_suffix(')')
                .ok_or_else(|| problem(format!("has `(` without `)` in `{}`", clip(text))))?;
            (name.trim(), Some(inner.trim()))
        }
    };
    if argument.is_some_and(str::is_empty) {
        return Err(problem(format!("has nothing between the parentheses of `{}`", clip(text)))
            .with_help("name a step, or remove the parentheses for all steps"));
    }
    if name == "share" {
        return share(argument);
    }
    Ok((metric(name)?, argument.map(str::to_owned)))
}

/// `share(429)` or `share(429, create)`
fn share(argument: Option<&str>) -> Result<(Metric, Option<String>), Problem> {
    let (status, step) = match argument.unwrap_or_default().split_once(',') {
        None => (argument.unwrap_or_default(), None),
        Some((status, step)) => (status.trim(), Some(step.trim().to_owned())),
    };
    match status.parse::<u16>() {
        Ok(code) if (100..=599).contains(&code) => Ok((Metric::StatusShare(code), step)),
        _ => Err(problem("must name a status from 100 to 599, such as `share(429) <= 5%`")),
    }
}

fn metric(text: &str) -> Result<Metric, Problem> {
    let (clock, name) = match text.split_once('.') {
        Some((prefix, name)) if !prefix.starts_with('p') => (Some(prefix), name),
        _ => (None, text),
    };
    let metric = match name {
        "error_rate" => Metric::ErrorRate,
        "rate" => Metric::Rate,
        "count" => Metric::Count,
        "mean" => Metric::Mean(named_clock(clock)?),
        "max" => Metric::Max(named_clock(clock)?),
        _ => return percentile(name, clock),
    };
    match (metric, clock) {
        (Metric::ErrorRate | Metric::Rate | Metric::Count, Some(clock)) => {
            Err(problem(format!("must be `{name}` alone: `{}.` is for latencies", clip(clock))))
        }
        _ => Ok(metric),
    }
}

fn percentile(name: &str, clock: Option<&str>) -> Result<Metric, Problem> {
    let digits = name.strip_prefix('p').filter(|digits| is_number(digits));
    let Some(value) = digits.and_then(|digits| digits.parse::<f64>().ok()) else {
        return Err(unknown_metric(name));
    };
    if value > 0.0 && value <= 100.0 {
        Ok(Metric::Percentile(named_clock(clock)?, value))
    } else {
        Err(problem(format!(
            "must have a percentile above 0 and up to 100, found `{}`",
            clip(name)
        )))
    }
}

fn unknown_metric(name: &str) -> Problem {
    let mut message = format!("has an unknown figure `{}`", clip(name));
    if let Some(close) = closest(name, METRICS.into_iter()) {
        message += &did_you_mean(close);
    }
    problem(message).with_help(
        "figures are `p50`, `p99.9` and the like, `mean`, `max`, `error_rate`, `share(429)`, \
         `rate`, `count`",
    )
}

fn named_clock(name: Option<&str>) -> Result<Clock, Problem> {
    let Some(name) = name else { return Ok(Clock::Response) };
    CLOCKS.into_iter().find(|(known, _)| *known == name).map(|(_, clock)| clock).ok_or_else(|| {
        problem(format!("has an unknown clock `{}`", clip(name))).with_help(
            "clocks are `response` (from the planned time), `service` (from sending) and `lag`",
        )
    })
}

fn bound(metric: Metric, text: &str) -> Result<Quantity, Problem> {
    let found = clip(text);
    match metric {
        Metric::Percentile(..) | Metric::Mean(_) | Metric::Max(_) => {
            time(text).map(Quantity::Time).ok_or_else(|| {
                problem(format!(
                    "must compare a latency with a duration such as `250 ms`, found `{found}`"
                ))
            })
        }
        Metric::ErrorRate | Metric::StatusShare(_) => {
            percentage(text).map(Quantity::Share).ok_or_else(|| {
                problem(format!(
                    "must compare a share with a percentage from 0% to 100%, found `{found}`"
                ))
            })
        }
        Metric::Rate => rate(text).map(Quantity::Rate).map_err(|_| {
            problem(format!("must compare a rate with a rate such as `39/s`, found `{found}`"))
        }),
        Metric::Count => text.parse().map(Quantity::Count).map_err(|_| {
            problem(format!("must compare a count with a whole number, found `{found}`"))
        }),
    }
}

fn time(text: &str) -> Option<Duration> {
    duration(text).ok()
}

/// `1%` is 0.01.
fn percentage(text: &str) -> Option<f64> {
    let number = text.strip_suffix('%')?.trim_end();
    let value = is_number(number).then(|| number.parse::<f64>().ok()).flatten()?;
    (value <= 100.0).then_some(value / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> ThresholdText {
        ThresholdText::from_text(text).unwrap()
    }

    fn refused(text: &str) -> String {
        ThresholdText::from_text(text).unwrap_err().message
    }

    #[test]
    fn every_figure() {
        let p95 = parse("p95 < 250 ms");
        assert_eq!(p95.metric, Metric::Percentile(Clock::Response, 95.0));
        assert_eq!(p95.comparison, Comparison::Below);
        assert_eq!(p95.bound, Quantity::Time(Duration::from_millis(250)));
        assert_eq!(parse("p99.9<1s").metric, Metric::Percentile(Clock::Response, 99.9));
        assert_eq!(parse("service.p50(a) <= 1s").metric, Metric::Percentile(Clock::Service, 50.0));
        assert_eq!(parse("lag.max < 1s").metric, Metric::Max(Clock::Lag));
        assert_eq!(parse("mean < 20 ms").metric, Metric::Mean(Clock::Response));
        assert_eq!(parse("error_rate < 1%").bound, Quantity::Share(0.01));
        assert_eq!(parse("share(429) <= 5%").metric, Metric::StatusShare(429));
        assert_eq!(parse("share(429, create) <= 5%").step.as_deref(), Some("create"));
        assert_eq!(parse("rate > 39/s").bound, Quantity::Rate(39.0));
        assert_eq!(parse("count >= 100").bound, Quantity::Count(100));
        assert_eq!(parse("p95(POST /w (2)) < 1s").step.as_deref(), Some("POST /w (2)"));
        assert_eq!(parse("p95(a < b) < 1s").step.as_deref(), Some("a < b"));
    }

    #[test]
    fn percentiles_at_the_limits_and_past_them() {
        assert!(ThresholdText::from_text("p100 < 1s").is_ok());
        assert!(refused("p100.1 < 1s").contains("up to 100"));
        assert!(refused("p101 < 1s").contains("up to 100"));
        assert!(refused("p0 < 1s").contains("above 0"));
        assert!(ThresholdText::from_text("error_rate <= 100%").is_ok());
        assert!(refused("error_rate <= 100.1%").contains("0% to 100%"));
    }

    #[test]
    fn refuses_nonsense() {
        for text in [
            "",
            "p95",
            "p95 <",
            "< 1s",
            "p95 = 1s",
            "p95 == 1s",
            "p95 => 1s",
            "p95 < 1%",
            "p95 < NaN",
            "p95 < nan ms",
            "p95 < 10",
            "p(95) < 1s",
            "p95( < 1s",
            "p95() < 1s",
            "pp < 1s",
            "rate > 5%",
            "rate > 39",
            "count >= 1.5",
            "count > -1",
            "error_rate < 0.01",
            "share < 5%",
            "share(99) < 5%",
            "wall.p95 < 1s",
            "lag.count > 1",
            "median < 1s",
            "p95 < 1s < 2s",
        ] {
            assert!(ThresholdText::from_text(text).is_err(), "{text}");
        }
        assert!(refused("eror_rate < 1%").contains("did you mean `error_rate`?"));
    }
}
