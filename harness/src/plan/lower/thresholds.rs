//! `thresholds`: which step is meant.

use crate::{
    plan::{Phase, Span, StepId, Threshold},
    scenario::{Diagnostic, ScenarioFile, clip},
};

use super::{Found, Lowering, scope::suggest};

impl Lowering {
    pub(super) fn thresholds(&mut self, file: &ScenarioFile) -> Vec<Threshold> {
        let mut thresholds = Vec::new();
        for threshold in file.thresholds.iter().flatten() {
            let step = threshold.step.as_deref().and_then(|name| {
                let found = self.judged_step(name, threshold.span);
                self.ok(found)
            });
            thresholds.push(Threshold {
                text: threshold.text.clone(),
                span: threshold.span,
                metric: threshold.metric,
                step,
                comparison: threshold.comparison,
                bound: threshold.bound,
            });
        }
        thresholds
    }

    fn judged_step(&self, name: &str, span: Span) -> Found<StepId> {
        let labels = self.labels.list();
        let Some(index) = labels.iter().position(|label| label.name == name) else {
            let message = format!("the threshold is for an unknown step `{}`", clip(name));
            let error = Diagnostic::error("unknown-step", message, span).with_focus(name);
            let work = labels.iter().filter(|label| label.phase == Phase::Work);
            let names = work.map(|label| label.name.as_str());
            return Err(suggest(error, name, names, "steps").into());
        };
        let phase = match labels[index].phase {
            Phase::Work => return Ok(StepId(index)),
            Phase::Setup => "setup",
            Phase::Audit => "audit",
            Phase::Teardown => "teardown",
        };
        let message = format!("`{}` is a step of `{phase}`, which is not judged", clip(name));
        Err(Diagnostic::error("step-not-judged", message, span)
            .with_help("thresholds are for steps of the work")
            .with_focus(name)
            .into())
    }
}
