//! Scenarios against one build of the embedded service, with a defect or without.

use std::{sync::Arc, time::Duration};

use crate::cli::run;
use crate::{
    judge::{ThresholdStatus, Verdict},
    plan::{ScenarioPlan, Severity},
    report::{Kill, ScenarioReport},
    run::{Environment, NoProgress, StopFlag},
    target::{SelfCheck, TargetError, TargetOptions, TargetSpec},
};

/// A run that takes longer hangs: the longest family takes a tenth of it.
const RUN_WITHIN: Duration = Duration::from_mins(10);

/// A run of scenarios against one build of the service, which may have a defect.
pub(super) struct MutationRun<'a> {
    /// Names the run: each has users of its own.
    pub(super) name: String,
    /// The defect, if there is one.
    pub(super) defect: Option<&'a str>,
    pub(super) plans: Vec<&'a ScenarioPlan>,
    /// The capabilities of the service without a defect. A defect must not excuse itself.
    pub(super) check: &'a SelfCheck,
    pub(super) seed: u64,
}

/// Says how a mutation run ended.
pub(super) struct MutationResult {
    pub(super) reports: Vec<ScenarioReport>,
    /// The target did not start, died, or hung.
    pub(super) error: Option<String>,
}

impl MutationRun<'_> {
    /// Runs it, on a target of its own.
    pub(super) async fn run(&self) -> MutationResult {
        match tokio::time::timeout(RUN_WITHIN, self.run_to_its_end()).await {
            Ok(Ok(result)) => result,
            Ok(Err(error)) => {
                MutationResult { reports: Vec::new(), error: Some(error.to_string()) }
            }
            Err(_) => {
                let error = format!("it took more than {} s", RUN_WITHIN.as_secs());
                MutationResult { reports: Vec::new(), error: Some(error) }
            }
        }
    }

    async fn run_to_its_end(&self) -> Result<MutationResult, TargetError> {
        let options =
            TargetOptions { defect: self.defect.map(str::to_owned), ..TargetOptions::default() };
        let mut target = TargetSpec::Embedded.start(&options).await?;
        let mut reports = Vec::new();
        for (number, plan) in self.plans.iter().enumerate() {
            let environment = Environment {
                seed: self.seed,
                run_id: self.name.clone(),
                stop: StopFlag::new(),
                progress: Arc::new(NoProgress),
                ..run::environment_of(&mut target, format!("{}-{number}", self.name)).await
            };
            reports.push(run::scenario(plan, environment, &mut target, self.check).await);
        }
        let error = (!target.is_alive()).then(|| "the target died".to_owned());
        target.kill().await;
        Ok(MutationResult { reports, error })
    }
}

impl MutationResult {
    /// Returns the checks that failed, each once.
    pub(super) fn detections(&self) -> Vec<Kill> {
        let mut detections: Vec<_> = self.reports.iter().flat_map(detections_of).collect();
        detections.sort();
        detections.dedup();
        detections
    }
}

fn detections_of(report: &ScenarioReport) -> Vec<Kill> {
    let verdict = report.verdict;
    let kill = |rule, step: String| Kill { rule, scenario: report.name.clone(), step, verdict };
    if !matches!(verdict, Verdict::Fail(_)) {
        return Vec::new();
    }
    let required = report.failures.iter().filter(|failure| failure.severity == Severity::Required);
    let mut detections: Vec<_> = required
        .map(|failure| {
            kill(failure.rule.as_ref().map(|rule| rule.id.clone()), failure.step.clone())
        })
        .collect();
    let costs = report.cost.iter().flat_map(|cost| &cost.thresholds);
    let missed = costs.filter(|threshold| threshold.status == ThresholdStatus::Failed);
    detections.extend(missed.map(|threshold| kill(None, threshold.text.clone())));
    if detections.is_empty() {
        // Every failure counts, also one that nothing but a sentence tells of.
        detections.extend(report.reasons.iter().map(|reason| kill(None, reason.to_string())));
    }
    detections
}
