//! A run against earlier runs, where both versions cannot be had at once.

use super::{
    Decision, Finding, GATED_PERCENTILE, Kind, Rule, Scale, Window,
    judge::{NANOS_PER_MS, decide, empty, fill, overall},
    statistics::{self, Failures},
};

/// Earlier runs below which the spread between runs is a guess.
pub const FEWEST_RUNS: usize = 5;

/// Compares a run with earlier ones of the same machine. It uses a prediction interval, as the run
/// is one more draw from the same distribution: weaker than a gate, which has both versions at
/// once.
pub fn against(earlier: &[Window], run: &Window, rule: &Rule) -> (Decision, Vec<Finding>) {
    let mut findings = vec![latency(earlier, run, rule), errors(earlier, run, rule)];
    decide(&mut findings, rule.alpha);
    (overall(&findings), findings)
}

fn latency(earlier: &[Window], run: &Window, rule: &Rule) -> Finding {
    let percent = GATED_PERCENTILE;
    let mut finding = empty(format!("p{percent}"), Kind::Latency, Scale::Relative, rule.latency);
    finding.samples = earlier.len() as u64;
    let windows = || earlier.iter().chain([run]);
    if earlier.len() < FEWEST_RUNS {
        let (have, need) = (earlier.len(), FEWEST_RUNS);
        finding.why = Some(format!("{have} earlier runs; {need} are needed to know their spread"));
        return finding;
    }
    if let Some(few) = windows().find(|w| !statistics::enough(percent, w.total.response.len())) {
        let (have, needed) = (few.total.response.len(), statistics::needed(percent));
        finding.why = Some(format!("a run of {have} operations is too short: {needed} are needed"));
        return finding;
    }
    let logarithm = |window: &Window| window.percentile(percent).map_or(f64::NAN, f64::ln);
    let known: Vec<f64> = earlier.iter().map(logarithm).collect();
    if let Some((effect, mean)) = statistics::predicted(&known, logarithm(run), rule.alpha) {
        fill(&mut finding, &effect, mean.exp() / NANOS_PER_MS, f64::exp_m1);
    }
    finding
}

fn errors(earlier: &[Window], run: &Window, rule: &Rule) -> Finding {
    let mut finding = empty("errors".to_owned(), Kind::Errors, Scale::Absolute, rule.errors);
    let base = earlier.iter().map(Window::failures).fold(Failures::default(), Failures::with);
    let head = run.failures();
    finding.samples = base.of + head.of;
    finding.count(statistics::failures(base, head, rule.alpha), base, head);
    finding
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::record::StepRecord;

    fn window(milliseconds: f64) -> Window {
        const OPERATIONS: u64 = 2000;
        let mut total = StepRecord { scheduled: OPERATIONS, ok: OPERATIONS, ..Default::default() };
        for _ in 0..OPERATIONS {
            total.response.record(Duration::from_secs_f64(milliseconds / 1e3));
        }
        Window { total, ..Window::default() }
    }

    fn decision(earlier: usize, milliseconds: f64) -> Decision {
        let known = [10.0, 10.1, 9.9, 10.05, 9.95, 10.0];
        let earlier: Vec<_> = known.iter().take(earlier).map(|ms| window(*ms)).collect();
        against(&earlier, &window(milliseconds), &Rule::default()).0
    }

    #[test]
    fn a_run_out_of_the_spread_fails_and_within_it_passes() {
        assert_eq!(decision(6, 10.0), Decision::Pass);
        assert_eq!(decision(6, 12.0), Decision::Fail);
    }

    #[test]
    fn too_few_earlier_runs_decide_nothing() {
        assert_eq!(decision(FEWEST_RUNS - 1, 12.0), Decision::Inconclusive);
        assert_eq!(decision(FEWEST_RUNS, 12.0), Decision::Fail);
    }
}
