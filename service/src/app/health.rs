//! The last health report, which is used again for a while.

use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use crate::domain::Millis;

/// The last health report. Plain data: it may outlive the request that made it.
#[derive(Debug, Default)]
pub struct HealthMemo(Mutex<Option<Report>>);

// Their doc comments would be descriptions in the OpenAPI document.
#[derive(Clone, Copy, Debug, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub(crate) struct Report {
    pub(crate) status: Status,
    pub(crate) checks: Checks,
    pub(crate) timestamp: Millis,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub(crate) enum Status {
    Healthy,
    Degraded,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub(crate) struct Checks {
    pub(crate) database: bool,
    /// True if the models answered of late, as far as this instance knows; null without any.
    pub(crate) ai: Option<bool>,
    pub(crate) cache: bool,
}

impl HealthMemo {
    /// Returns the last report.
    pub(crate) fn read(&self) -> Option<Report> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps `report`, and returns it.
    pub(crate) fn replace(&self, report: Report) -> Report {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(report);
        report
    }
}
