//! The report as Markdown: for a job's summary, and for a comment on a pull request.

mod cost;

use std::fmt::Write as _;

use super::{RunReport, ScenarioReport, StepReport, number};
use crate::{judge::Verdict, plan::Phase};

/// Failures that are shown in full for each scenario; the others are in the JSON.
const FAILURES: usize = 3;

/// The report as Markdown, headings from the third level.
pub fn markdown(report: &RunReport) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let exit = report.exit.map_or(report.verdict.to_string(), |code| format!("exit {code}"));
    let _ = writeln!(text, "### workway: {exit} on {}\n", code(&report.target));
    text.push_str("| | scenario | p50 | p95 | p99 | operations | failed | why |\n");
    text.push_str("|---|---|--:|--:|--:|--:|--:|---|\n");
    for scenario in &report.scenarios {
        row(&mut text, scenario);
    }
    for scenario in &report.scenarios {
        details(&mut text, scenario);
    }
    if let Some(bill) = &report.cost {
        cost::cost(&mut text, bill);
    }
    let RunReport { run_id, seed, duration_s, .. } = report;
    let (run, commit) = (code(run_id), commit(report));
    let _ = writeln!(text, "\nrun {run}, seed {seed}, {duration_s:.1} s, {commit}");
    text
}

fn commit(report: &RunReport) -> String {
    report.commit.as_ref().map_or("no commit".to_owned(), |commit| format!("commit {commit}"))
}

fn row(text: &mut String, scenario: &ScenarioReport) {
    let figures = |step: &StepReport| {
        let time = |value: Option<f64>| value.map_or("-".to_owned(), number::time);
        let bad = step.failed + step.dropped + step.unfinished;
        let latency = &step.response;
        [
            time(latency.p50),
            time(latency.p95),
            time(latency.p99),
            number::count(step.scheduled),
            number::count(bad),
        ]
        .join(" | ")
    };
    let figures = scenario.total.as_ref().map_or_else(|| "- | - | - | - | -".to_owned(), figures);
    let why = escape(&scenario.reasons_text());
    let _ = writeln!(
        text,
        "| {} | {} | {figures} | {why} |",
        mark(scenario.verdict),
        code(&scenario.name)
    );
}

fn details(text: &mut String, scenario: &ScenarioReport) {
    let missed = scenario.missed();
    let mut lines: Vec<String> = missed
        .map(|threshold| format!("{}: {}", code(threshold.text), escape(&threshold.evidence())))
        .collect();
    lines.extend(scenario.causes.iter().map(|cause| format!("likely cause: {}", escape(cause))));
    for failure in scenario.failures.iter().take(FAILURES) {
        let file = failure.file.as_ref().unwrap_or(&scenario.file);
        let place = format!("{file}:{}:{}", failure.line, failure.column);
        let (expected, actual) = (code(&failure.expected), code(&failure.actual));
        let place = code(&place);
        lines.push(format!("{place} expected {expected}, was {actual}"));
    }
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n**{}**\n", escape(&scenario.name));
    for line in lines {
        let _ = writeln!(text, "- {line}");
    }
    steps(text, scenario);
}

fn steps(text: &mut String, scenario: &ScenarioReport) {
    let steps: Vec<_> =
        scenario.steps.iter().filter(|s| s.phase == Phase::Work && s.scheduled > 0).collect();
    if steps.len() < 2 {
        return;
    }
    text.push_str("\n| step | p50 | p95 | operations | failed |\n|---|--:|--:|--:|--:|\n");
    for step in steps {
        let time = |value: Option<f64>| value.map_or("-".to_owned(), number::time);
        let bad = step.failed + step.dropped + step.unfinished;
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {bad} |",
            code(&step.name),
            time(step.response.p50),
            time(step.response.p95),
            step.scheduled
        );
    }
}

const fn mark(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "✅",
        Verdict::Fail(_) | Verdict::Unreachable | Verdict::Defect => "❌",
        Verdict::Inconclusive | Verdict::Interrupted(_) => "❔",
        Verdict::NotApplicable => "➖",
    }
}

/// Text in which nothing is markup: what a target sends must not become a link or an image.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\n' | '\r' => out.push(' '),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '!' | '#' | '~' | '@' => {
                out.push('\\');
                out.push(character);
            }
            _ => out.push(character),
        }
    }
    out
}

/// Text as code. HTML, as backticks in it cannot end it there, nor a `|` the cell.
fn code(text: &str) -> String {
    format!("<code>{}</code>", escape(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_target_sends_is_no_markup() {
        let hostile = "![x](http://evil)|<img src=x>\n# `a` @team";
        let shown = escape(hostile);
        assert_eq!(shown, "\\!\\[x\\](http://evil)\\|&lt;img src=x&gt; \\# \\`a\\` \\@team");
    }
}
