//! What a gate found, for a terminal and for Markdown.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use super::{GateReport, cost_figures::change_text, number};
use crate::gate::{Decision, Finding, Kind, Scale};

/// Columns of a metric's name: `vector_dimensions_written / request` has 35.
const NAME: usize = 36;
/// Columns of a figure.
const FIGURE: usize = 14;

/// The report as text. Its first six lines hold the metric that decides, base, head, the interval,
/// the rule, and the command that does it again.
pub fn gate_text(report: &GateReport, color: bool) -> String {
    let mut text = String::new();
    for (label, value) in head_lines(report) {
        line(&mut text, &format!("{label:<9}  {value}"));
    }
    line(&mut text, "");
    let mut heading = format!("{:<NAME$}", "metric");
    for title in ["base", "head", "change"] {
        // Writing to a String cannot fail.
        let _ = write!(heading, "{title:>FIGURE$}");
    }
    line(&mut text, &format!("{heading}  interval"));
    for finding in &report.findings {
        line(&mut text, &row(finding));
    }
    notes(&mut text, report);
    let exit = report.exit.map_or(String::new(), |code| format!(" (exit {code})"));
    let verdict = format!("{}{exit}", word(report.decision));
    let style: Style = match report.decision {
        Decision::Pass | Decision::Shown => AnsiColor::Green,
        Decision::Fail => AnsiColor::Red,
        Decision::Inconclusive => AnsiColor::Yellow,
    }
    .on_default()
    .bold();
    let verdict = if color { format!("{style}{verdict}{style:#}") } else { verdict };
    line(&mut text, &verdict);
    text
}

/// The report as Markdown, for a job's summary or a comment on a pull request.
pub fn gate_markdown(report: &GateReport) -> String {
    let mut text = format!("### {} {}\n\n", mark(report.decision), summary(report));
    text.push_str("```text\n");
    for (label, value) in head_lines(report) {
        line(&mut text, &format!("{label:<9}  {value}"));
    }
    text.push_str(
        "```\n\n| metric | base | head | change | interval | |\n|---|--:|--:|--:|---|---|\n",
    );
    for finding in &report.findings {
        let Row { metric, base, head, change, interval } = Row::new(finding);
        let word = word(finding.decision);
        line(
            &mut text,
            &format!("| {metric} | {base} | {head} | {change} | {interval} | {word} |"),
        );
    }
    let mut notes_text = String::new();
    notes(&mut notes_text, report);
    if !notes_text.trim().is_empty() {
        text.push('\n');
        for note in notes_text.lines().filter(|line| !line.trim().is_empty()) {
            line(&mut text, &format!("- {}", super::markdown::escape(note.trim())));
        }
    }
    text
}

/// Runs beside their baselines.
pub fn comparison_text(comparisons: &[super::Comparison]) -> String {
    let mut text = String::new();
    for comparison in comparisons {
        let super::Comparison { scenario, runs, decision, .. } = comparison;
        let note = if comparison.advisory { " (another machine: advice only)" } else { "" };
        line(&mut text, &format!("{} {scenario}, {runs} earlier runs{note}", word(*decision)));
        for finding in &comparison.findings {
            line(&mut text, &format!("  {}", row(finding)));
            if let Some(why) = &finding.why {
                line(&mut text, &format!("    {why}"));
            }
        }
        for cause in &comparison.causes {
            line(&mut text, &format!("  likely cause: {cause}"));
        }
    }
    text
}

/// One line that says how it ended and why.
pub(crate) fn summary(report: &GateReport) -> String {
    let verdict = word(report.decision);
    match report.deciding() {
        Some(finding) => {
            let row = Row::new(finding);
            format!("{verdict}: {} {} ({})", row.metric, row.change, row.interval)
        }
        None => verdict.to_owned(),
    }
}

fn head_lines(report: &GateReport) -> [(&'static str, String); 6] {
    let empty = Row::default();
    let row = report.deciding().map_or(empty, Row::new);
    let rule = &report.rule;
    let percent = |part: f64| number::percent(part);
    [
        ("metric", format!("{} of {}", row.metric, report.scenario)),
        ("base", format!("{}  {}", row.base, report.base.label())),
        ("head", format!("{}  {}", row.head, report.head.label())),
        (
            "interval",
            format!(
                "{} ({} within {} at {}, {} pairs)",
                word(report.decision),
                row.change,
                row.interval,
                percent(1.0 - 2.0 * rule.alpha),
                report.pairs
            ),
        ),
        (
            "rule",
            format!(
                "fails when significant (alpha {}, Holm) and above: p95 +{}, errors +{}, usage and \
                 cost +{} ({})",
                rule.alpha,
                percent(rule.latency),
                percent(rule.errors),
                percent(rule.usage),
                report.rule_from
            ),
        ),
        ("reproduce", report.reproduce.clone()),
    ]
}

fn notes(text: &mut String, report: &GateReport) {
    line(text, "");
    for reason in &report.reasons {
        line(text, &format!("reason: {reason}"));
    }
    for cause in &report.causes {
        line(text, &format!("likely cause: {cause}"));
    }
    for finding in &report.findings {
        if let Some(why) = &finding.why {
            line(text, &format!("{}: {why}", finding.metric));
        }
    }
    for change in &report.cost {
        line(text, &change_text(change));
    }
    if !report.remade.is_empty() {
        let (count, why) = (report.remade.len(), &report.remade[0]);
        line(text, &format!("{count} pairs were made again, as the generator was slow: {why}"));
    }
}

fn row(finding: &Finding) -> String {
    let Row { metric, base, head, change, interval } = Row::new(finding);
    let word = word(finding.decision);
    format!("{metric:<NAME$}{base:>FIGURE$}{head:>FIGURE$}{change:>FIGURE$}  {interval:<22} {word}")
}

/// A finding for a reader.
#[derive(Default)]
pub(super) struct Row {
    pub(super) metric: String,
    pub(super) base: String,
    pub(super) head: String,
    pub(super) change: String,
    pub(super) interval: String,
}

impl Row {
    pub(super) fn new(finding: &Finding) -> Self {
        let figure = |value: Option<f64>| {
            value.map_or("-".to_owned(), |value| match finding.kind {
                Kind::Latency => number::time(value),
                Kind::Errors => number::percent(value),
                Kind::Usage => format!("{value:.3}"),
                Kind::Cost => format!("{value:.6} USD"),
            })
        };
        let interval = match (finding.low, finding.high) {
            (Some(low), Some(high)) => {
                format!("{} to {}", change(finding.scale, low), change(finding.scale, high))
            }
            _ => "-".to_owned(),
        };
        let metric = match finding.kind {
            Kind::Latency | Kind::Errors => finding.metric.clone(),
            Kind::Usage => format!("{} / request", finding.metric),
            Kind::Cost => "cost / 1000".to_owned(),
        };
        Self {
            metric,
            base: figure(finding.base),
            head: figure(finding.head),
            change: finding.change.map_or("-".to_owned(), |part| change(finding.scale, part)),
            interval,
        }
    }
}

/// `+3.2 %`, or `+0.40 pp` of two parts.
fn change(scale: Scale, part: f64) -> String {
    let unit = match scale {
        Scale::Relative => "%",
        Scale::Absolute => "pp",
    };
    format!("{:+.2} {unit}", part * 100.0)
}

pub(super) const fn word(decision: Decision) -> &'static str {
    match decision {
        Decision::Pass => "PASS",
        Decision::Fail => "FAIL",
        Decision::Inconclusive => "INCONCLUSIVE",
        Decision::Shown => "not judged",
    }
}

const fn mark(decision: Decision) -> &'static str {
    match decision {
        Decision::Pass | Decision::Shown => "✅",
        Decision::Fail => "❌",
        Decision::Inconclusive => "❔",
    }
}

fn line(text: &mut String, line: &str) {
    text.push_str(line.trim_end());
    text.push('\n');
}
