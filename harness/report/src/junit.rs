//! The report as `JUnit` XML, in the shape that the Jenkins and Surefire schemas share.

use std::{collections::BTreeMap, time::Duration};

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::{FailureReport, RunReport, ScenarioReport, ThresholdLine, harmless};
use crate::{
    judge::{ThresholdStatus, Verdict},
    plan::Phase,
};

/// A suite for each scenario; a test case for each step and each threshold.
///
/// # Errors
/// None that this type can cause; a caller reports it as a defect.
pub fn junit(report: &RunReport) -> Result<String, quick_junit::SerializeError> {
    let mut page = Report::new("workway");
    page.set_time(seconds(report.duration_s));
    page.add_test_suites(report.scenarios.iter().map(|scenario| suite(&report.run_id, scenario)));
    Ok(harmless::markup(&without_skipped(&page.to_string()?)))
}

/// The schemas allow the number of skipped cases on a suite, but not on the element around them.
fn without_skipped(xml: &str) -> String {
    let outer = xml.find("<testsuites").and_then(|from| Some(from..from + xml[from..].find('>')?));
    let Some(outer) = outer else { return xml.to_owned() };
    let attribute = xml[outer.clone()].find(" skipped=\"").map(|at| outer.start + at);
    let Some(from) = attribute else { return xml.to_owned() };
    let value = from + " skipped=\"".len();
    let end = xml[value..].find('"').map_or(outer.end, |at| value + at + 1);
    [&xml[..from], &xml[end..]].concat()
}

fn suite(run: &str, scenario: &ScenarioReport) -> TestSuite {
    let mut suite = TestSuite::new(scenario.name.as_str());
    suite.set_time(seconds(scenario.duration_s));
    suite.add_property(("run", run));
    suite.add_property(("file", scenario.file.as_str()));
    if scenario.verdict == Verdict::NotApplicable {
        let mut skipped = TestCaseStatus::skipped();
        skipped.set_message(scenario.reasons_text());
        suite.add_test_case(case(scenario, "scenario", skipped));
        return suite;
    }
    for step in scenario.steps.iter().filter(|step| step.scheduled > 0) {
        let phase = match step.phase {
            Phase::Setup => "setup: ",
            Phase::Work => "",
            Phase::Teardown => "teardown: ",
            Phase::Audit => "audit: ",
        };
        let failures = scenario.failures.iter();
        let failures: Vec<_> =
            failures.filter(|f| f.step == step.name && f.phase == step.phase).collect();
        // In a load a part may fail; whether it is too much, the thresholds say.
        let status = if failures.is_empty() || scenario.generator.is_some() {
            TestCaseStatus::success()
        } else {
            failed(scenario, &failures)
        };
        suite.add_test_case(case(scenario, &format!("{phase}{}", step.name), status));
    }
    for threshold in scenario.threshold_lines() {
        suite.add_test_case(case(scenario, threshold.text, judged(&threshold)));
    }
    suite.add_test_case(case(scenario, "verdict", verdict(scenario)));
    suite
}

fn case(scenario: &ScenarioReport, name: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(name, status);
    case.set_classname(scenario.name.as_str());
    // Schemas want a time on each; a load's steps run side by side, so the scenario's is no sum.
    case.set_time(Duration::ZERO);
    case
}

fn failed(scenario: &ScenarioReport, failures: &[&FailureReport]) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    let places: BTreeMap<_, _> =
        failures.iter().map(|failure| ((failure.line, failure.column), *failure)).collect();
    if let Some(first) = places.values().next() {
        status.set_message(format!("expected {}, was {}", first.expected, first.actual));
    }
    let lines = places.values().map(|failure| {
        let FailureReport { line, column, expected, actual, curl, .. } = failure;
        let file = failure.file.as_ref().unwrap_or(&scenario.file);
        format!("{file}:{line}:{column}: expected {expected}, was {actual}\n{curl}")
    });
    status.set_type("expectation").set_description(lines.collect::<Vec<_>>().join("\n\n"));
    status
}

fn judged(threshold: &ThresholdLine<'_>) -> TestCaseStatus {
    let kind = match threshold.status {
        ThresholdStatus::Passed => return TestCaseStatus::success(),
        ThresholdStatus::Failed => "threshold",
        ThresholdStatus::NoData => "no-data",
    };
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    status.set_type(kind).set_message(threshold.evidence());
    status
}

/// What is neither a step's fault nor a threshold's.
fn verdict(scenario: &ScenarioReport) -> TestCaseStatus {
    let (kind, name) = match scenario.verdict {
        Verdict::Pass | Verdict::NotApplicable => return TestCaseStatus::success(),
        Verdict::Fail(_) => (NonSuccessKind::Failure, "fail"),
        Verdict::Unreachable => (NonSuccessKind::Error, "unreachable"),
        Verdict::Inconclusive => (NonSuccessKind::Error, "inconclusive"),
        Verdict::Interrupted(_) => (NonSuccessKind::Error, "interrupted"),
        Verdict::Defect => (NonSuccessKind::Error, "defect"),
    };
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(name).set_message(scenario.reasons_text());
    if !scenario.causes.is_empty() {
        status.set_description(scenario.causes.join("\n"));
    }
    status
}

/// Never negative, never too large for a duration.
fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_outer_element_loses_its_number_of_skipped() {
        let xml =
            "<testsuites a=\"1\" skipped=\"2\" b=\"3\"><testsuite skipped=\"4\"/></testsuites>";
        let expected = "<testsuites a=\"1\" b=\"3\"><testsuite skipped=\"4\"/></testsuites>";
        assert_eq!(without_skipped(xml), expected);
        assert_eq!(without_skipped(expected), expected);
        assert_eq!(without_skipped(""), "");
    }
}
