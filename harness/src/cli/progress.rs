//! Reports progress on stderr: live on a terminal, as lines elsewhere.

use std::{
    fmt::Write as _,
    io::{self, IsTerminal as _},
    sync::{Arc, Mutex, PoisonError},
};

use indicatif::{ProgressBar, ProgressStyle};

use super::output;
use crate::{
    plan::{Clock, Metric, Quantity, ScenarioPlan, Threshold, Work},
    run::{LoadTick, Progress, ProgressEvent},
};

/// Returns the progress display for a terminal, or for a log.
pub(super) fn watcher() -> Arc<dyn Progress + Send + Sync> {
    let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    if io::stderr().is_terminal() && !dumb { Arc::new(Live::default()) } else { Arc::new(Lines) }
}

/// A line for each scenario, and for each second of a load.
#[derive(Debug)]
struct Lines;

impl Progress for Lines {
    fn event(&self, event: ProgressEvent<'_>) {
        match event {
            ProgressEvent::Started(plan) => output::say(&format!("running {}", plan.name)),
            ProgressEvent::Load(tick) => output::say(&format!("  {}", line(&tick))),
            ProgressEvent::Finished(..) => {}
        }
    }
}

fn line(tick: &LoadTick) -> String {
    format!(
        "{:>3.0}{} s: {:.0}/s, {} in flight, {} failed",
        tick.elapsed.as_secs_f64(),
        tick.total.map_or(String::new(), |t| format!(" of {:.0}", t.as_secs_f64())),
        tick.per_second,
        tick.in_flight,
        tick.failed
    )
}

/// A bar with the figures so far, and how the thresholds stand.
#[derive(Debug, Default)]
struct Live(Mutex<Option<Scene>>);

/// One scenario on the screen.
#[derive(Debug)]
struct Scene {
    bar: ProgressBar,
    thresholds: Vec<Threshold>,
}

impl Progress for Live {
    fn event(&self, event: ProgressEvent<'_>) {
        let mut scene = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            ProgressEvent::Started(plan) => *scene = Some(Scene::new(plan)),
            ProgressEvent::Load(tick) => scene.iter().for_each(|scene| scene.show(&tick)),
            ProgressEvent::Finished(..) => {
                if let Some(scene) = scene.take() {
                    scene.bar.finish_and_clear();
                }
            }
        }
    }

    fn wants_percentiles(&self) -> bool {
        true
    }
}

impl Scene {
    fn new(plan: &ScenarioPlan) -> Self {
        let bar = ProgressBar::new(0);
        // Both templates are constant; without them the bar has its default look.
        let template = match plan.work {
            Work::Load(_) => "{prefix} [{wide_bar}] {elapsed_precise}{msg}",
            Work::Once(_) => "{prefix} {elapsed_precise}{msg}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(plan.name.clone());
        bar.tick();
        Self { bar, thresholds: plan.thresholds.clone() }
    }

    fn show(&self, tick: &LoadTick) {
        if let Some(total) = tick.total {
            let seconds = |time: std::time::Duration| time.as_secs();
            self.bar.set_length(seconds(total).max(1));
            self.bar.set_position(seconds(tick.elapsed.min(total)));
        }
        self.bar.set_message(message(tick, &self.thresholds));
        self.bar.tick();
    }
}

/// Returns the figures, the time left, and a line for each threshold.
fn message(tick: &LoadTick, thresholds: &[Threshold]) -> String {
    let left = tick.total.map_or(String::new(), |total| {
        format!(", {:.0} s left", total.saturating_sub(tick.elapsed).as_secs_f64())
    });
    let time = |name, time: Option<std::time::Duration>| {
        time.map_or(String::new(), |time| format!("  {name} {:.1} ms", time.as_secs_f64() * 1e3))
    };
    let figures = [time("p50", tick.p50), time("p95", tick.p95), time("p99", tick.p99)].concat();
    let (rate, flying, failed) = (tick.per_second, tick.in_flight, tick.failed);
    let mut text = format!(
        "{left}\n  {rate:.0}/s{figures}  {flying} in flight  {failed} of {} failed",
        tick.ended
    );
    for threshold in thresholds {
        let mark = match state(tick, threshold) {
            Some(true) => "✓",
            Some(false) => "✗",
            None => "…",
        };
        // Writing to a String cannot fail.
        let _ = write!(text, "\n  {mark} {}", threshold.text);
    }
    text
}

/// Returns whether a threshold holds so far; `None` when only the end tells. Warm-up counts here,
/// so the end may still say otherwise.
fn state(tick: &LoadTick, threshold: &Threshold) -> Option<bool> {
    if threshold.step.is_some() || tick.ended == 0 {
        return None;
    }
    let float = crate::record::float;
    let measured = match threshold.metric {
        Metric::Percentile(Clock::Response, percent) => {
            let known = [(50.0, tick.p50), (95.0, tick.p95), (99.0, tick.p99)];
            let (_, time) = known.into_iter().find(|(p, _)| (percent - p).abs() < f64::EPSILON)?;
            Quantity::Time(time?)
        }
        Metric::ErrorRate => Quantity::Share(float(tick.failed) / float(tick.ended)),
        _ => return None,
    };
    threshold.comparison.holds(measured, threshold.bound)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::plan::{Comparison, Span};

    fn threshold(text: &str, metric: Metric, bound: Quantity) -> Threshold {
        let comparison = Comparison::Below;
        Threshold {
            text: text.into(),
            span: Span::default(),
            metric,
            step: None,
            comparison,
            bound,
        }
    }

    #[test]
    fn the_screen_has_the_figures_the_time_left_and_the_thresholds() {
        let ms = Duration::from_millis;
        let tick = LoadTick {
            elapsed: ms(3000),
            total: Some(ms(10_000)),
            per_second: 40.0,
            ended: 100,
            failed: 2,
            in_flight: 1,
            p50: Some(ms(5)),
            p95: Some(ms(20)),
            p99: None,
        };
        let p95 = |n| Metric::Percentile(Clock::Response, n);
        let thresholds = [
            threshold("p95 < 30 ms", p95(95.0), Quantity::Time(ms(30))),
            threshold("error_rate < 1%", Metric::ErrorRate, Quantity::Share(0.01)),
            threshold("p99.9 < 1 s", p95(99.9), Quantity::Time(ms(1000))),
        ];
        let text = message(&tick, &thresholds);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            lines,
            [
                ", 7 s left",
                "  40/s  p50 5.0 ms  p95 20.0 ms  1 in flight  2 of 100 failed",
                "  ✓ p95 < 30 ms",
                "  ✗ error_rate < 1%",
                "  … p99.9 < 1 s",
            ]
        );
        assert_eq!(line(&tick), "  3 of 10 s: 40/s, 1 in flight, 2 failed");
    }
}
