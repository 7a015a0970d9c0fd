//! Defines the exit codes of the command: one number for each kind of ending, part of the public
//! interface.

use crate::{
    judge::{Failed, Verdict},
    language::DiscoverError,
    run::Signal,
    target::TargetError,
};

/// Exit codes. Across scenarios the first that applies of 130/143, 70, 9, 7, 1, 5, 6, 8 is
/// returned; 2, 3 and 4 end the command before any request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exit {
    /// Everything asked for was shown to hold.
    Pass,
    /// An expectation of a scenario was violated.
    Conformance,
    /// The command line, the configuration or a file is wrong or missing.
    Usage,
    /// A scenario file is invalid.
    Scenario,
    /// No scenario was selected, or none is applicable to this target.
    NothingSelected,
    /// A performance threshold failed or had no data.
    Threshold,
    /// A cost threshold failed.
    Cost,
    /// The target could not be reached, or died.
    Unreachable,
    /// The run cannot tell: the generator was the bottleneck.
    Inconclusive,
    /// A report could not be written.
    ReportNotWritten,
    /// A defect of this program.
    Internal,
    /// Ctrl-C.
    Interrupted,
    /// SIGTERM.
    Terminated,
}

impl Exit {
    /// Returns the number given to the shell.
    pub const fn code(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Conformance => 1,
            Self::Usage => 2,
            Self::Scenario => 3,
            Self::NothingSelected => 4,
            Self::Threshold => 5,
            Self::Cost => 6,
            Self::Unreachable => 7,
            Self::Inconclusive => 8,
            Self::ReportNotWritten => 9,
            Self::Internal => 70,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }

    /// Returns the exit code that decides for several scenarios; [`Exit::Pass`] when there are
    /// none.
    pub fn worst(exits: impl IntoIterator<Item = Self>) -> Self {
        exits.into_iter().max_by_key(|exit| exit.rank()).unwrap_or(Self::Pass)
    }

    /// The order of precedence, the highest last.
    const ORDER: [Self; 13] = [
        Self::Pass,
        Self::Inconclusive,
        Self::Cost,
        Self::Threshold,
        Self::Conformance,
        Self::Unreachable,
        Self::ReportNotWritten,
        Self::Internal,
        Self::Terminated,
        Self::Interrupted,
        Self::NothingSelected,
        Self::Scenario,
        Self::Usage,
    ];

    /// Returns the position in [`Self::ORDER`].
    fn rank(self) -> usize {
        Self::ORDER.iter().position(|exit| *exit == self).unwrap_or(0)
    }
}

impl From<Verdict> for Exit {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::NotApplicable => Self::NothingSelected,
            Verdict::Pass => Self::Pass,
            Verdict::Inconclusive => Self::Inconclusive,
            Verdict::Fail(Failed::Cost) => Self::Cost,
            Verdict::Fail(Failed::Threshold) => Self::Threshold,
            Verdict::Fail(Failed::Conformance) => Self::Conformance,
            Verdict::Unreachable => Self::Unreachable,
            Verdict::Defect => Self::Internal,
            Verdict::Interrupted(Signal::Terminate) => Self::Terminated,
            Verdict::Interrupted(Signal::Interrupt) => Self::Interrupted,
        }
    }
}

impl From<&TargetError> for Exit {
    fn from(error: &TargetError) -> Self {
        match error {
            TargetError::Remote(_) | TargetError::Missing(_) => Self::Usage,
            TargetError::Unreachable { .. } | TargetError::Process(_) => Self::Unreachable,
        }
    }
}

impl From<&DiscoverError> for Exit {
    fn from(error: &DiscoverError) -> Self {
        match error {
            DiscoverError::Missing(_) | DiscoverError::Unreadable(..) => Self::Usage,
            DiscoverError::NoScenarios(_) => Self::NothingSelected,
        }
    }
}

/// Returns the exit code that a verdict means for the command.
pub fn code(verdict: Verdict) -> u8 {
    Exit::from(verdict).code()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heavier_verdict_has_the_exit_that_takes_precedence() {
        let verdicts = [
            Verdict::Pass,
            Verdict::Inconclusive,
            Verdict::Fail(Failed::Cost),
            Verdict::Fail(Failed::Threshold),
            Verdict::Fail(Failed::Conformance),
            Verdict::Unreachable,
            Verdict::Defect,
            Verdict::Interrupted(Signal::Terminate),
            Verdict::Interrupted(Signal::Interrupt),
        ];
        for pair in verdicts.windows(2) {
            let exits = [Exit::from(pair[0]), Exit::from(pair[1])];
            assert_eq!(Exit::worst(exits), exits[1], "{pair:?}");
        }
    }

    #[test]
    fn the_documented_precedence() {
        assert_eq!(Exit::worst([]), Exit::Pass);
        assert_eq!(Exit::worst([Exit::Pass, Exit::Inconclusive]), Exit::Inconclusive);
        assert_eq!(Exit::worst([Exit::Cost, Exit::Inconclusive]), Exit::Cost);
        assert_eq!(Exit::worst([Exit::Cost, Exit::Threshold]), Exit::Threshold);
        assert_eq!(Exit::worst([Exit::Threshold, Exit::Conformance]), Exit::Conformance);
        assert_eq!(Exit::worst([Exit::Conformance, Exit::Unreachable]), Exit::Unreachable);
        assert_eq!(
            Exit::worst([Exit::Unreachable, Exit::ReportNotWritten]),
            Exit::ReportNotWritten
        );
        assert_eq!(Exit::worst([Exit::ReportNotWritten, Exit::Internal]), Exit::Internal);
        assert_eq!(Exit::worst([Exit::Internal, Exit::Interrupted]), Exit::Interrupted);
    }
}
