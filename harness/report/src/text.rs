//! The report for a terminal, 100 columns wide at most where names and values allow it.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use super::{
    FailureReport, LatencyReport, LevelReport, RuleReport, RunReport, ScenarioReport, StepReport,
    ThresholdLine, cost_text::cost_text, number, series::series, spark::Sparks,
};
use crate::{
    judge::{ThresholdStatus, Verdict},
    plan::{Phase, Severity},
};

/// Columns of a step's name at most; what is longer is cut.
const NAME: usize = 26;
/// Columns of a number of operations.
const COUNT: usize = 9;
/// Columns of a latency: `≥ 12.3 ms`.
const TIME: usize = 10;

/// The report as text, in colour if asked for.
pub fn text(report: &RunReport, color: bool) -> String {
    let mut page = Page { text: String::new(), color };
    for scenario in &report.scenarios {
        page.scenario(scenario);
    }
    if let Some(cost) = &report.cost {
        page.text.push_str(&cost_text(cost));
    }
    page.summary(report);
    page.text
}

/// Text in the making.
struct Page {
    text: String,
    color: bool,
}

impl Page {
    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn paint(&self, style: Style, text: &str) -> String {
        if self.color { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    fn dim(&self, text: &str) -> String {
        self.paint(Style::new().dimmed(), text)
    }

    fn verdict(&self, verdict: Verdict) -> String {
        let (word, color) = match verdict {
            Verdict::Pass => ("PASS", AnsiColor::Green),
            Verdict::Fail(_) => ("FAIL", AnsiColor::Red),
            Verdict::Unreachable => ("UNREACHABLE", AnsiColor::Red),
            Verdict::Defect => ("DEFECT", AnsiColor::Red),
            Verdict::Inconclusive => ("INCONCLUSIVE", AnsiColor::Yellow),
            Verdict::Interrupted(_) => ("INTERRUPTED", AnsiColor::Yellow),
            Verdict::NotApplicable => ("NOT APPLICABLE", AnsiColor::Cyan),
        };
        self.paint(color.on_default().bold(), word)
    }

    fn scenario(&mut self, scenario: &ScenarioReport) {
        if scenario.verdict == Verdict::NotApplicable {
            // The summary says all there is to say.
            return;
        }
        let name = self.paint(Style::new().bold(), &scenario.name);
        let file = self.dim(&format!("{}  {}", scenario.file, seconds(scenario.duration_s)));
        let verdict = self.verdict(scenario.verdict);
        self.line(&format!("{verdict} {name}  {file}"));
        self.steps(scenario);
        self.timeline(scenario);
        self.books(scenario);
        self.levels(&scenario.levels);
        let thresholds = scenario.threshold_lines();
        let width = thresholds.iter().map(|line| line.text.chars().count()).max().unwrap_or(0);
        for threshold in &thresholds {
            self.threshold(threshold, width);
        }
        for cause in &scenario.causes {
            self.line(&format!("  likely cause: {}", printable(cause)));
        }
        for remark in &scenario.remarks {
            self.line(&format!("  note: {}", printable(remark)));
        }
        self.rules(&scenario.rules);
        for failure in &scenario.failures {
            self.failure(&scenario.file, failure);
        }
        self.line("");
    }

    fn steps(&mut self, scenario: &ScenarioReport) {
        let mut steps: Vec<_> = scenario.steps.iter().filter(|step| step.scheduled > 0).collect();
        if steps.is_empty() {
            return;
        }
        if steps.iter().filter(|step| step.phase == Phase::Work).count() > 1 {
            steps.extend(&scenario.total);
        }
        let names: Vec<_> = steps.iter().map(|step| shorten(&name(step), NAME)).collect();
        let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        let sparks = Sparks::new(&steps);
        let mut heading = format!("  {:width$}{:>COUNT$}", "step", "n");
        for title in ["p50", "p95", "p99", "max"] {
            let _ = write!(heading, "{title:>TIME$}");
        }
        let heading = self.dim(&format!("{heading}  {}", sparks.scale()));
        self.line(&heading);
        for (index, (step, name)) in steps.iter().zip(&names).enumerate() {
            let mut row = format!("  {name:width$}{:>COUNT$}", number::count(step.scheduled));
            for figure in figures(&step.response) {
                let _ = write!(row, "{figure:>TIME$}");
            }
            let line = sparks.line(index);
            let spark = self.paint(AnsiColor::Cyan.on_default(), &line);
            self.line(&format!("{row}  {spark}"));
        }
    }

    /// The load over time.
    fn timeline(&mut self, scenario: &ScenarioReport) {
        for line in series(&scenario.timeline) {
            let bars = self.paint(AnsiColor::Cyan.on_default(), &line.bars);
            let range = self.dim(&line.range);
            self.line(&format!("  {:7}{bars}  {range}", line.label));
        }
    }

    fn books(&mut self, scenario: &ScenarioReport) {
        let Some(total) = &scenario.total else { return };
        let StepReport { scheduled, ok, failed, dropped, unfinished, .. } = total;
        let count = |number: &u64| number::count(*number);
        self.line(&format!(
            "  scheduled {} = ok {} + failed {} + dropped {} + unfinished {}",
            count(scheduled),
            count(ok),
            count(failed),
            count(dropped),
            count(unfinished)
        ));
        if let Some(share) = total.share_of_429
            && share > 0.0
        {
            self.line(&format!("  429: {} of all answers", number::percent(share)));
        }
        let errors: Vec<_> =
            total.errors.iter().map(|(kind, n)| format!("{kind} {}", number::count(*n))).collect();
        if !errors.is_empty() {
            self.line(&format!("  errors: {}", errors.join(", ")));
        }
    }

    /// What a search found: a line for each rate, and the knee.
    fn levels(&mut self, levels: &[LevelReport]) {
        for level in levels {
            let p95 = level.p95.map_or("-".to_owned(), number::time);
            let word = match (level.held, level.generator_bound) {
                (true, _) => "held",
                (false, true) => "the generator could not keep up",
                (false, false) => "fell",
            };
            self.line(&format!("  {:>8.1}/s  p95 {p95:>TIME$}  {word}", level.rate));
        }
        let Some(last) = levels.last() else { return };
        let held = levels.iter().rev().find(|level| level.held);
        self.line(&match (held, last.held || last.generator_bound) {
            (None, _) => "  knee: below the first rate".to_owned(),
            (Some(held), true) => format!("  knee: above {:.1}/s", held.rate),
            (Some(held), false) => {
                format!("  knee: between {:.1}/s and {:.1}/s", held.rate, last.rate)
            }
        });
    }

    fn threshold(&mut self, threshold: &ThresholdLine<'_>, width: usize) {
        let mark = self.mark(threshold.status);
        let ThresholdLine { text, measured, rule, why, .. } = threshold;
        let rest = self.dim(format!("({rule}) {why}").trim_end());
        self.line(&format!("  {mark} {text:width$}  {measured:>TIME$}  {rest}"));
    }

    /// The rules that do not hold, and those that nothing looked at.
    fn rules(&mut self, rules: &[RuleReport]) {
        for rule in rules.iter().filter(|rule| rule.broken > 0 || rule.held == 0) {
            let (mark, color) = match (rule.broken, rule.severity) {
                (0, _) => ("?", AnsiColor::Yellow),
                (_, Severity::Required) => ("✗", AnsiColor::Red),
                _ => ("!", AnsiColor::Yellow),
            };
            let mark = self.paint(color.on_default(), mark);
            let seen = match rule.broken {
                0 => "not exercised".to_owned(),
                broken => format!("broken {broken} of {}", broken + rule.held),
            };
            let severity = match rule.severity {
                Severity::Required => "",
                Severity::Optimal => " (optimal)",
                Severity::Check => " (check)",
            };
            let source = self.dim(&format!("[{}]", rule.source));
            self.line(&format!("  {mark} {}{severity}: {}: {seen}  {source}", rule.id, rule.says));
        }
    }

    fn mark(&self, status: ThresholdStatus) -> String {
        let (mark, color) = match status {
            ThresholdStatus::Passed => ("✓", AnsiColor::Green),
            ThresholdStatus::Failed => ("✗", AnsiColor::Red),
            ThresholdStatus::NoData => ("?", AnsiColor::Yellow),
        };
        self.paint(color.on_default(), mark)
    }

    fn failure(&mut self, file: &str, failure: &FailureReport) {
        let file = failure.file.as_deref().unwrap_or(file);
        let place = format!("{file}:{}:{}", failure.line, failure.column);
        let place = self.paint(Style::new().bold(), &place);
        let severity = match failure.severity {
            Severity::Required => "",
            Severity::Optimal => "  (optimal)",
            Severity::Check => "  (check)",
        };
        self.line(&format!("  {place}  {}{severity}", failure.step));
        let status = failure.status.map(|status| status.to_string());
        let status = status.filter(|status| *status != failure.actual);
        let rule = failure.rule.as_ref();
        let rule = rule.map(|rule| format!("{}: {} [{}]", rule.id, rule.says, rule.source));
        let items = failure.items.join(", ");
        let filled = |text: &String| !text.is_empty();
        self.field("rule", rule.as_ref());
        self.field("with", Some(&items).filter(|items| filled(items)));
        self.field("expected", Some(&failure.expected));
        self.field("actual", Some(&failure.actual));
        for difference in &failure.differences {
            self.field("", Some(difference));
        }
        self.field("status", status.as_ref());
        self.field("body", failure.body.as_ref());
        self.field("request", Some(&failure.curl).filter(|curl| filled(curl)));
    }

    fn field(&mut self, label: &str, value: Option<&String>) {
        if let Some(value) = value {
            let label = self.dim(&format!("{label:8}"));
            self.line(&format!("    {label}  {}", printable(value)));
        }
    }

    fn summary(&mut self, report: &RunReport) {
        for scenario in &report.scenarios {
            let verdict = self.verdict(scenario.verdict);
            let mut reasons = scenario.reasons_text();
            if !reasons.is_empty() {
                reasons = format!(": {}", printable(&reasons));
            }
            let exit = scenario.exit.map_or(String::new(), |code| format!(" (exit {code})"));
            self.line(&format!("{verdict} {}{reasons}{exit}", scenario.name));
        }
        let RunReport { run_id, target, seed, .. } = report;
        let duration = seconds(report.duration_s);
        let exit = report.exit.map_or(String::new(), |code| format!(", exit {code}"));
        let line = format!("run {run_id}, target {target}, seed {seed}, {duration}{exit}");
        self.line(&self.dim(&line));
    }
}

fn seconds(seconds: f64) -> String {
    number::time(seconds * 1e3)
}

fn name(step: &StepReport) -> String {
    match step.phase {
        Phase::Setup => format!("{} (setup)", step.name),
        Phase::Work => step.name.clone(),
        Phase::Audit => format!("{} (audit)", step.name),
        Phase::Teardown => format!("{} (teardown)", step.name),
    }
}

fn shorten(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width - 1).chain(['…']).collect()
}

fn figures(latency: &LatencyReport) -> [String; 4] {
    let LatencyReport { p50, p95, p99, max, at_least, .. } = latency;
    [("p50", p50), ("p95", p95), ("p99", p99), ("max", max)].map(|(name, figure)| {
        match (figure, at_least.get(name)) {
            (Some(known), _) => number::time(*known),
            (None, Some(bound)) => format!("≥ {}", number::time(*bound)),
            (None, None) => "-".to_owned(),
        }
    })
}

/// Without control characters: what a target sends must not steer the reader's terminal.
fn printable(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, character| {
        if character.is_control() {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
        out
    })
}

#[cfg(test)]
mod tests;
