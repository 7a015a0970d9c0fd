//! Runs that were accepted, for later ones to be compared with.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::files::{self, MAX_REPORT_BYTES};

use super::{
    RunReport, ScenarioReport, StepError, StepReport, TargetKind, Timestamp, UpstreamReport,
    WriteError, diagnose::causes_of_comparison, write,
};
use crate::{
    gate::{Decision, Finding, Rule, Window, against},
    model::usage::RunUsage,
    plan::{Phase, StepLabel},
    record::StepRecord,
    report::host::Host,
};

/// Version of the format: raised when a reader of the previous one would misread the new one.
pub const BASELINE_SCHEMA_VERSION: u32 = 1;

/// Runs that are kept: their spread is then known well enough, and older ones are of older code.
pub const MAX_RUNS: usize = 20;

/// Accepted runs of one scenario on one machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Baseline {
    /// [`BASELINE_SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The scenario.
    pub scenario: String,
    /// A hash of its file.
    pub config: Option<String>,
    /// The machine.
    pub host: Host,
    /// How the target came to run.
    pub target_kind: TargetKind,
    /// The runs, oldest first.
    pub runs: Vec<AcceptedRun>,
}

/// One accepted run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AcceptedRun {
    /// Names the run.
    pub run_id: String,
    /// The commit.
    pub commit: Option<String>,
    /// When it started.
    pub started_at: Timestamp,
    /// All steps of the work together, with every value of every clock.
    pub total: StepReport,
    /// The steps of the work, likewise; absent in baselines of older versions.
    #[serde(default)]
    pub steps: Vec<StepReport>,
    /// What they used, if that was measured.
    #[serde(default)]
    pub usage: Option<RunUsage>,
    /// What the stub of upstreams saw, if there was one.
    #[serde(default)]
    pub upstream: Option<UpstreamReport>,
}

/// Accepted runs, added up.
pub(super) struct Past {
    pub(super) total: StepReport,
    pub(super) steps: Vec<StepReport>,
    pub(super) usage: Option<RunUsage>,
    pub(super) upstream: Option<UpstreamReport>,
}

/// A baseline that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    /// There is none.
    #[error(
        "there is no baseline {path}; make one with `workway compare --accept`",
        path = .0.display()
    )]
    Missing(PathBuf),
    /// It cannot be read.
    #[error("{path}: {error}", path = .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// It is of a later version.
    #[error("{path}: schema version {found} is newer than this program", path = .path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// It is of another scenario than the run.
    #[error(
        "{0}: the scenario has changed since the baseline was accepted; figures of different \
         loads cannot be compared. Accept a new one with `--accept`"
    )]
    Changed(String),
    /// The run did nothing.
    #[error("{0}: the run has no operation of the work")]
    NoOperation(String),
    /// The report does not name a machine.
    #[error("{0}: the report does not say on which machine it was made")]
    NoHost(String),
    /// Histograms of the run or of an accepted one cannot be used.
    #[error("{scenario}: {error}")]
    Histograms {
        /// The scenario.
        scenario: String,
        /// The step, and what is wrong with it.
        error: StepError,
    },
    /// It could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// A run beside its baseline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Comparison {
    /// The scenario.
    pub scenario: String,
    /// Whether it was another machine: then the figures only advise.
    pub advisory: bool,
    /// Earlier runs.
    pub runs: usize,
    /// The verdict.
    pub decision: Decision,
    /// Every metric.
    pub findings: Vec<Finding>,
    /// What the data at hand say of the cause, likeliest first.
    #[serde(default)]
    pub causes: Vec<String>,
}

impl Baseline {
    /// Where the baseline of a scenario is.
    pub fn path(folder: &Path, scenario: &str) -> PathBuf {
        folder.join(Self::file(scenario))
    }

    fn file(scenario: &str) -> String {
        format!("{}.json", scenario.replace('/', "."))
    }

    /// Reads the baseline of a scenario.
    ///
    /// # Errors
    /// [`BaselineError`].
    pub fn read(folder: &Path, scenario: &str) -> Result<Self, BaselineError> {
        let path = Self::path(folder, scenario);
        let unreadable = |error| BaselineError::Unreadable { path: path.clone(), error };
        let bytes = match files::read(&path, MAX_REPORT_BYTES) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(BaselineError::Missing(path));
            }
            read => read.map_err(unreadable)?,
        };
        let baseline: Self =
            serde_json::from_slice(&bytes).map_err(|error| unreadable(error.into()))?;
        if baseline.schema_version > BASELINE_SCHEMA_VERSION {
            let found = baseline.schema_version;
            return Err(BaselineError::Newer { path, found });
        }
        Ok(baseline)
    }

    /// Adds a run to the baseline in `folder`, and writes it. One of another machine, target or
    /// state of the scenario begins anew.
    ///
    /// # Errors
    /// [`BaselineError`].
    pub fn accept(
        folder: &Path,
        report: &RunReport,
        scenario: &ScenarioReport,
    ) -> Result<PathBuf, BaselineError> {
        let run = AcceptedRun::new(report, scenario)?;
        let host = host_of(report, scenario)?;
        let kept = match Self::read(folder, &scenario.name) {
            Ok(kept) if kept.fits(report, scenario) && kept.host.is_same(&host) => kept.runs,
            Ok(_) | Err(BaselineError::Missing(_)) => Vec::new(),
            Err(error) => return Err(error),
        };
        let mut runs = kept;
        runs.retain(|kept| kept.run_id != run.run_id);
        runs.push(run);
        runs.drain(..runs.len().saturating_sub(MAX_RUNS));
        let baseline = Self {
            schema_version: BASELINE_SCHEMA_VERSION,
            scenario: scenario.name.clone(),
            config: scenario.config.clone(),
            host,
            target_kind: report.target_kind,
            runs,
        };
        let json = serde_json::to_vec_pretty(&baseline).map_err(|error| {
            let path = Self::path(folder, &scenario.name);
            BaselineError::Unreadable { path, error: error.into() }
        })?;
        Ok(write(folder, &Self::file(&scenario.name), &json)?)
    }

    fn fits(&self, report: &RunReport, scenario: &ScenarioReport) -> bool {
        self.config == scenario.config && self.target_kind == report.target_kind
    }

    /// A run beside it.
    ///
    /// # Errors
    /// [`BaselineError`].
    pub fn compare(
        &self,
        report: &RunReport,
        scenario: &ScenarioReport,
        rule: &Rule,
    ) -> Result<Comparison, BaselineError> {
        if !self.fits(report, scenario) {
            return Err(BaselineError::Changed(scenario.name.clone()));
        }
        let window = |step: &StepReport| {
            let scenario = scenario.name.clone();
            let total = step.record();
            let total = total.map_err(|error| BaselineError::Histograms { scenario, error })?;
            Ok(Window { total, ..Window::default() })
        };
        let run = AcceptedRun::new(report, scenario)?;
        let kept: Vec<_> = self.runs.iter().filter(|kept| kept.run_id != run.run_id).collect();
        let earlier =
            kept.iter().map(|run| window(&run.total)).collect::<Result<Vec<_>, BaselineError>>()?;
        let (decision, findings) = against(&earlier, &window(&run.total)?, rule);
        let past = Past::new(&kept);
        let causes =
            past.map_or_else(Vec::new, |past| causes_of_comparison(scenario, &past, &findings));
        Ok(Comparison {
            scenario: scenario.name.clone(),
            advisory: !self.host.is_same(&host_of(report, scenario)?),
            runs: earlier.len(),
            decision,
            findings,
            causes,
        })
    }
}

impl AcceptedRun {
    fn new(report: &RunReport, scenario: &ScenarioReport) -> Result<Self, BaselineError> {
        let missing = || BaselineError::NoOperation(scenario.name.clone());
        Ok(Self {
            run_id: report.run_id.clone(),
            commit: report.commit.clone(),
            started_at: report.started_at,
            total: scenario.total.clone().ok_or_else(missing)?,
            steps: work(&scenario.steps).cloned().collect(),
            usage: scenario.cost.as_ref().map(|cost| cost.usage.clone()),
            upstream: scenario.upstream,
        })
    }
}

fn work(steps: &[StepReport]) -> impl Iterator<Item = &StepReport> {
    steps.iter().filter(|step| step.phase == Phase::Work && step.scheduled > 0)
}

impl Past {
    /// Nothing of nothing.
    fn new(runs: &[&AcceptedRun]) -> Option<Self> {
        let first = runs.first()?;
        let sum = |name: &str, of: &dyn Fn(&AcceptedRun) -> Option<StepRecord>| {
            let mut sum = StepRecord::default();
            runs.iter().filter_map(|run| of(run)).for_each(|one| sum.merge(&one));
            let label = StepLabel { name: name.to_owned(), phase: Phase::Work };
            StepReport::new(&label, &sum)
        };
        // A histogram that cannot be read is told by the comparison itself.
        let steps = first.steps.iter().map(|step| {
            let same = |run: &AcceptedRun| {
                run.steps.iter().find(|mine| mine.name == step.name)?.record().ok()
            };
            sum(&step.name, &same)
        });
        let mut usage: Option<RunUsage> = None;
        let mut upstream: Option<UpstreamReport> = None;
        for run in runs {
            if let Some(used) = &run.usage {
                usage.get_or_insert_default().add(used);
            }
            if let Some(seen) = &run.upstream {
                upstream.get_or_insert_default().add(seen);
            }
        }
        let total = sum(&first.total.name, &|run| run.total.record().ok());
        Some(Self { total, steps: steps.collect(), usage, upstream })
    }
}

fn host_of(report: &RunReport, scenario: &ScenarioReport) -> Result<Host, BaselineError> {
    report.host.clone().ok_or_else(|| BaselineError::NoHost(scenario.name.clone()))
}
