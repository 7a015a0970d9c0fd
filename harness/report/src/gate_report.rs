//! What a gate found: the one serialised type of `workway gate`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ChangeReport, StepReport, Timestamp, UpstreamReport};
use crate::{
    gate::{Decision, Finding, Kind, Rule, Shift, Window},
    judge::{Failed, Verdict},
    model::usage::RunUsage,
    plan::{Phase, ScenarioPlan, StepLabel},
    report::host::Host,
};

/// Version of the format: raised when a reader of the previous one would misread the new one.
pub const GATE_SCHEMA_VERSION: u32 = 3;

/// Two versions of a target, compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GateReport {
    /// [`GATE_SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Version of the tool that wrote it.
    pub tool_version: String,
    /// When it began.
    pub started_at: Timestamp,
    /// Seconds that it took.
    pub duration_s: f64,
    /// The machine.
    pub host: Host,
    /// What every random choice was drawn from.
    pub seed: u64,
    /// The scenario, as the user named it.
    pub file: String,
    /// Its name.
    pub scenario: String,
    /// A hash of the file.
    pub config: Option<String>,
    /// What is known.
    pub base: SideReport,
    /// What is judged.
    pub head: SideReport,
    /// Pairs of windows that were judged.
    pub pairs: usize,
    /// Pairs that were thrown away and made again, and why: the generator, not the target, was
    /// slow.
    pub remade: Vec<String>,
    /// Measured seconds of a window.
    pub window_s: f64,
    /// Seconds before them that are thrown away.
    pub warmup_s: f64,
    /// When a change is too much.
    pub rule: Rule,
    /// Where the rule comes from.
    pub rule_from: String,
    /// What the figures say.
    pub decision: Decision,
    /// The verdict, which may also be that the gate could not come to its end.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// Exit code of the command that wrote this; absent where no command did.
    #[serde(default)]
    pub exit: Option<u8>,
    /// Why it could not be decided, if it was not the figures.
    pub reasons: Vec<String>,
    /// Every metric, the gated ones first.
    pub findings: Vec<Finding>,
    /// Percentile by percentile.
    pub shift: Vec<Shift>,
    /// What the data at hand say of the cause, likeliest first.
    pub causes: Vec<String>,
    /// What a month costs more, by resource.
    pub cost: Vec<ChangeReport>,
    /// The command that does it again.
    pub reproduce: String,
}

/// One version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SideReport {
    /// As the user named it.
    pub target: String,
    /// The commit, if it is one of this repository.
    pub commit: Option<String>,
    /// The steps of all its windows, and all of them together at the end.
    pub steps: Vec<StepReport>,
    /// What they used, if that is known.
    #[serde(default)]
    pub usage: Option<RunUsage>,
    /// What the stub of upstreams saw, if there is one.
    #[serde(default)]
    pub upstream: Option<UpstreamReport>,
}

impl SideReport {
    /// Of all windows of one side, added up.
    pub fn new(
        target: String,
        commit: Option<String>,
        plan: &ScenarioPlan,
        windows: &Window,
    ) -> Self {
        let steps = plan.labels.iter().zip(&windows.steps);
        let mut steps: Vec<_> = steps
            .filter(|(label, _)| label.phase == Phase::Work)
            .map(|(label, step)| StepReport::new(label, step))
            .collect();
        let all = StepLabel { name: "all".to_owned(), phase: Phase::Work };
        steps.push(StepReport::new(&all, &windows.total));
        let (usage, upstream) = (windows.usage.clone(), windows.upstream.map(UpstreamReport::new));
        Self { target, commit, steps, usage, upstream }
    }

    /// Its name with the beginning of its commit.
    pub fn label(&self) -> String {
        const SHORT: usize = 10;
        match &self.commit {
            Some(commit) if !self.target.starts_with(commit.as_str()) => {
                let short: String = commit.chars().take(SHORT).collect();
                format!("{} ({short})", self.target)
            }
            _ => self.target.clone(),
        }
    }
}

impl GateReport {
    /// Returns the verdict that the findings lead to: a failure of latency or errors outweighs one
    /// of cost.
    pub fn verdict(decision: Decision, findings: &[Finding]) -> Verdict {
        let failed = |finding: &&Finding| finding.decision == Decision::Fail;
        let performance = |finding: &Finding| matches!(finding.kind, Kind::Latency | Kind::Errors);
        match decision {
            Decision::Pass | Decision::Shown => Verdict::Pass,
            Decision::Inconclusive => Verdict::Inconclusive,
            Decision::Fail if findings.iter().filter(failed).any(performance) => {
                Verdict::Fail(Failed::Threshold)
            }
            Decision::Fail => Verdict::Fail(Failed::Cost),
        }
    }

    /// The finding that decides: the worst, and of those the first.
    pub fn deciding(&self) -> Option<&Finding> {
        let rank = |finding: &&Finding| match finding.decision {
            Decision::Fail => 0,
            Decision::Inconclusive => 1,
            Decision::Pass => 2,
            Decision::Shown => 3,
        };
        self.findings.iter().min_by_key(rank)
    }
}
