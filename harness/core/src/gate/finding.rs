//! Holds the finding of a gate about one metric.

use serde::{Deserialize, Serialize};

use super::statistics::{FailureChange, Failures};

/// Three verdicts: not knowing is neither good nor bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// A rise above the bound is excluded.
    Pass,
    /// There is a rise, it is not chance, and it is above the bound.
    Fail,
    /// The measurement can neither show nor exclude it.
    Inconclusive,
    /// Shown, but not judged.
    Shown,
}

/// What a metric is about; it decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A percentile of the response time, in milliseconds.
    Latency,
    /// The part of operations that failed, 0 to 1.
    Errors,
    /// Units of a resource for each request.
    Usage,
    /// Dollars for a thousand requests.
    Cost,
}

/// How a change is expressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Scale {
    /// As a part of base: 0.05 is 5 % more.
    Relative,
    /// As head minus base.
    Absolute,
}

/// One metric, base against head.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Finding {
    /// `p95`, `errors`, `rows_read`, `cost`.
    pub metric: String,
    /// What it is about, and so its unit.
    pub kind: Kind,
    /// The verdict.
    pub decision: Decision,
    /// Base's figure; absent when it is not known.
    pub base: Option<f64>,
    /// Head's figure.
    pub head: Option<f64>,
    /// How the next four are expressed.
    pub scale: Scale,
    /// The change from base to head.
    pub change: Option<f64>,
    /// Lower end of its confidence interval, which leaves out alpha on either side.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// The largest change that is allowed.
    pub bound: Option<f64>,
    /// The probability of such a rise by chance, before Holm's correction.
    pub p: Option<f64>,
    /// Pairs, or operations of both sides where counts are compared.
    pub samples: u64,
    /// Why it is inconclusive or not judged.
    pub why: Option<String>,
}

impl Finding {
    /// Takes counts over, or says that there are none.
    pub(super) fn count(&mut self, change: Option<FailureChange>, base: Failures, head: Failures) {
        let Some(change) = change else {
            self.why = Some("a side has no operation".to_owned());
            return;
        };
        self.base = Some(base.share());
        self.head = Some(head.share());
        self.change = Some(change.rise);
        self.low = Some(change.low);
        self.high = Some(change.high);
        self.p = Some(change.p_rise);
    }
}

/// The change of one percentile, for the plot of all of them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Shift {
    /// 0 to 100.
    pub percentile: f64,
    /// Base, in milliseconds: the geometric mean of its windows.
    pub base: f64,
    /// Head, likewise.
    pub head: f64,
    /// The change as a part of base.
    pub change: f64,
    /// Lower end of its interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}
