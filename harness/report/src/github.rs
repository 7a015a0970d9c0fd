//! Annotations for GitHub Actions: lines on stdout that show at the line of the scenario.

use std::fmt::Write as _;

use super::{RunReport, ScenarioReport, harmless};
use crate::judge::Verdict;

/// GitHub shows ten of each kind for a step; more would push others out.
const MOST: usize = 10;

/// One line for each threshold that was missed, each failure, and each scenario that did not pass;
/// before them one that names the run, which GitHub shows to who debugs a job only.
pub fn github(report: &RunReport) -> String {
    let mut lines = Vec::new();
    for scenario in &report.scenarios {
        annotations(&mut lines, scenario);
    }
    lines.truncate(MOST);
    format!("::debug::workway run {}\n{}", data(&report.run_id), lines.concat())
}

fn annotations(lines: &mut Vec<String>, scenario: &ScenarioReport) {
    let level = match scenario.verdict {
        Verdict::Pass | Verdict::NotApplicable => return,
        Verdict::Inconclusive | Verdict::Interrupted(_) => "warning",
        Verdict::Fail(_) | Verdict::Unreachable | Verdict::Defect => "error",
    };
    let mut add = |file: &str, place: Option<(usize, usize)>, title: &str, text: &str| {
        let mut line = format!("::{level} file={}", property(file));
        if let Some((row, column)) = place {
            // Writing to a String cannot fail.
            let _ = write!(line, ",line={row},col={column}");
        }
        let (name, title) = (property(&scenario.name), property(title));
        let _ = writeln!(line, ",title={name}%3A {title}::{}", data(text));
        lines.push(line);
    };
    for threshold in scenario.missed() {
        let text = format!("{}: {}", threshold.text, threshold.evidence());
        add(&scenario.file, Some((threshold.line, threshold.column)), "threshold missed", &text);
    }
    for failure in &scenario.failures {
        let text = format!("expected {}, was {}", failure.expected, failure.actual);
        let file = failure.file.as_ref().unwrap_or(&scenario.file);
        add(file, Some((failure.line, failure.column)), &failure.step, &text);
    }
    let causes = scenario.causes.iter().map(|cause| format!("likely cause: {cause}"));
    let all: Vec<_> = scenario.reasons.iter().map(ToString::to_string).chain(causes).collect();
    if !all.is_empty() {
        add(&scenario.file, None, "verdict", &all.join("\n"));
    }
}

/// As the runner unescapes messages.
fn data(text: &str) -> String {
    let text = text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    harmless::line(&text).into_owned()
}

/// As the runner unescapes properties.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_ends_an_annotation_early() {
        assert_eq!(data("a\r\n::error::x 5%"), "a%0D%0A::error::x 5%25");
        assert_eq!(property("a:b,c"), "a%3Ab%2Cc");
    }
}
