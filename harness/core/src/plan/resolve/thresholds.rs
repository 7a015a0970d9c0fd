//! `thresholds`: which step is meant.

use crate::{language::ScenarioFile, plan::Threshold};

use super::Resolver;

impl Resolver {
    pub(super) fn thresholds(&mut self, file: &ScenarioFile) -> Vec<Threshold> {
        let mut thresholds = Vec::new();
        for threshold in file.thresholds.iter().flatten() {
            let step = threshold.step.as_deref().and_then(|name| {
                let found = self.labels.of_work(name, threshold.span, "the threshold is for");
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
}
