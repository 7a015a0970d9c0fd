//! The report in the Prometheus text format, for a push gateway or a textfile collector.

use std::{fmt, sync::atomic::AtomicU64};

use prometheus_client::{
    encoding::text::encode,
    metrics::{family::Family, gauge::Gauge},
    registry::{Registry, Unit},
};

use super::{LatencyReport, RunReport, ScenarioReport, StepReport};
use crate::{
    judge::{ThresholdStatus, Verdict},
    plan::Phase,
};

type Labels = Vec<(String, String)>;
type Figures = Family<Labels, Gauge<f64, AtomicU64>>;

/// Gauges of a finished run: everything has a value once, at its end.
///
/// # Errors
/// None that this type can cause; a caller reports it as a defect.
pub fn prometheus(report: &RunReport) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("workway");
    let latency = Figures::default();
    let operations = Figures::default();
    let rate = Figures::default();
    let verdict = Figures::default();
    let held = Figures::default();
    let exit = Figures::default();
    registry.register_with_unit(
        "latency",
        "Latency of a step by clock and quantile; quantile 1 is the largest",
        Unit::Seconds,
        latency.clone(),
    );
    registry.register(
        "operations",
        "Operations of a step by what became of them",
        operations.clone(),
    );
    registry.register("achieved_rate", "Operations per second of the measured time", rate.clone());
    registry.register("passed", "Whether a scenario passed, 1 or 0", verdict.clone());
    registry.register("threshold_held", "Whether a threshold held, 1 or 0", held.clone());
    let run = Figures::default();
    registry.register("run", "The run that the figures are of; always 1", run.clone());
    run.get_or_create(&vec![("id".to_owned(), report.run_id.clone())]).set(1.0);
    registry.register("exit_code", "Exit code of the command", exit.clone());
    if let Some(code) = report.exit {
        exit.get_or_create(&Labels::new()).set(f64::from(code));
    }
    for scenario in &report.scenarios {
        let name = ("scenario".to_owned(), scenario.name.clone());
        verdict.get_or_create(&vec![name.clone()]).set(flag(scenario.verdict == Verdict::Pass));
        for threshold in scenario.threshold_lines() {
            let text = ("threshold".to_owned(), threshold.text.to_owned());
            let passed = threshold.status == ThresholdStatus::Passed;
            held.get_or_create(&vec![name.clone(), text]).set(flag(passed));
        }
        for step in scenario.steps.iter().filter(|step| step.scheduled > 0) {
            let labels = vec![
                name.clone(),
                ("step".to_owned(), step.name.clone()),
                ("phase".to_owned(), phase(step.phase).to_owned()),
            ];
            of_step(step, &labels, &latency, &operations);
            if let Some(achieved) = achieved(scenario, step) {
                rate.get_or_create(&labels).set(achieved);
            }
        }
    }
    let mut text = String::new();
    encode(&mut text, &registry)?;
    // The end mark is OpenMetrics'; to the older format it is a comment.
    Ok(sorted(&text))
}

/// The samples of each metric in order: the same report is the same text.
fn sorted(text: &str) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    for samples in lines.split_mut(|line| line.starts_with('#')) {
        samples.sort_unstable();
    }
    lines.join("\n") + "\n"
}

fn of_step(step: &StepReport, labels: &Labels, latency: &Figures, operations: &Figures) {
    let with = |more: &[(&str, &str)]| -> Labels {
        let more = more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        labels.iter().cloned().chain(more).collect()
    };
    for (clock, figures) in
        [("response", &step.response), ("service", &step.service), ("lag", &step.lag)]
    {
        for (quantile, value) in quantiles(figures) {
            // A figure that is not known is left out: 0 would be a lie.
            if let Some(milliseconds) = value {
                let labels = with(&[("clock", clock), ("quantile", quantile)]);
                latency.get_or_create(&labels).set(milliseconds / 1e3);
            }
        }
    }
    for (outcome, count) in [
        ("ok", step.ok),
        ("failed", step.failed),
        ("dropped", step.dropped),
        ("unfinished", step.unfinished),
    ] {
        let labels = with(&[("outcome", outcome)]);
        operations.get_or_create(&labels).set(crate::record::float(count));
    }
}

const fn quantiles(latency: &LatencyReport) -> [(&'static str, Option<f64>); 6] {
    let LatencyReport { p50, p90, p95, p99, p99_9, max, .. } = latency;
    [("0.5", *p50), ("0.9", *p90), ("0.95", *p95), ("0.99", *p99), ("0.999", *p99_9), ("1", *max)]
}

fn achieved(scenario: &ScenarioReport, step: &StepReport) -> Option<f64> {
    let has = scenario.generator.is_some() && scenario.window_s > 0.0;
    has.then(|| crate::record::float(step.in_window) / scenario.window_s)
}

const fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Setup => "setup",
        Phase::Work => "work",
        Phase::Teardown => "teardown",
        Phase::Audit => "audit",
    }
}

const fn flag(yes: bool) -> f64 {
    if yes { 1.0 } else { 0.0 }
}
