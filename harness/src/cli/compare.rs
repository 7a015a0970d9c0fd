//! `workway compare`

use std::path::PathBuf;

use clap::Args;

use super::output::{self, Format};
use crate::{
    exit::{self, Exit},
    gate::{Decision, Rule},
    judge::Verdict,
    report::{Baseline, BaselineError, Comparison, RunReport, comparison_text, read_run},
};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A report of `workway run --out`: the file, or the folder that it is in.
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// Folder of the baselines, a file for each scenario.
    #[arg(long, value_name = "DIR", default_value = "reports/baseline")]
    baseline: PathBuf,
    /// Add the run to the baselines instead of judging it.
    #[arg(long)]
    accept: bool,
    /// Format of the result on stdout.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn compare(arguments: &Arguments) -> Exit {
    let report = match read_run(&arguments.run) {
        Ok(report) => report,
        Err(error) => return output::fail(Exit::Usage, &error.to_string()),
    };
    let done =
        if arguments.accept { accept(arguments, &report) } else { judge(arguments, &report) };
    done.unwrap_or_else(|error| {
        let exit = match error {
            BaselineError::Write(_) => Exit::ReportNotWritten,
            _ => Exit::Usage,
        };
        output::fail(exit, &error.to_string())
    })
}

/// Accepts a run as a baseline only if it passed, because later ones should be like it.
fn accept(arguments: &Arguments, report: &RunReport) -> Result<Exit, BaselineError> {
    if report.verdict != Verdict::Pass {
        let exit = exit::code(report.verdict);
        let message = format!("the run ended with exit {exit}; only a pass is a baseline");
        return Ok(output::fail(Exit::Usage, &message));
    }
    for scenario in report.scenarios.iter().filter(|scenario| scenario.generator.is_some()) {
        let path = Baseline::accept(&arguments.baseline, report, scenario)?;
        output::say(&format!("accepted: {}", path.display()));
    }
    Ok(Exit::Pass)
}

fn judge(arguments: &Arguments, report: &RunReport) -> Result<Exit, BaselineError> {
    let mut comparisons = Vec::new();
    for scenario in report.scenarios.iter().filter(|scenario| scenario.generator.is_some()) {
        let baseline = Baseline::read(&arguments.baseline, &scenario.name)?;
        comparisons.push(baseline.compare(report, scenario, &Rule::default())?);
    }
    if comparisons.is_empty() {
        let message = "the run has no load; there is nothing to compare";
        return Ok(output::fail(Exit::NothingSelected, message));
    }
    Ok(match output::show(arguments.format, &comparisons, |all| comparison_text(all)) {
        Exit::Pass => Exit::worst(comparisons.iter().map(exit_of)),
        failed => failed,
    })
}

/// Figures of another machine decide nothing.
fn exit_of(comparison: &Comparison) -> Exit {
    match comparison.decision {
        _ if comparison.advisory => Exit::Pass,
        Decision::Fail => Exit::Threshold,
        Decision::Inconclusive => Exit::Inconclusive,
        Decision::Pass | Decision::Shown => Exit::Pass,
    }
}
