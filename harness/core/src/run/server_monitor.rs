//! Monitors a development server under a load.

use std::{collections::BTreeSet, fmt, sync::Arc};

use crate::record::Drift;

/// The state of a development server at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerStats {
    /// Memory of all its processes, in bytes.
    pub memory: u64,
    /// Numbers of the processes that serve.
    pub processes: BTreeSet<u32>,
    /// Errors of its own, not the program's that it runs, that it wrote down so far.
    pub errors: u64,
}

/// A development server that can be looked at. Somebody else's may slow down, leak and restart
/// under a load, and the figures are then its own, not those of the program that it runs.
pub trait Monitored: fmt::Debug {
    /// Returns the current state; `None` if that cannot be told.
    fn vitals(&self) -> Option<ServerStats>;
}

/// Looks at a server now and then.
#[derive(Debug)]
pub(super) struct ServerMonitor {
    patient: Arc<dyn Monitored + Send + Sync>,
    first: ServerStats,
    drift: Drift,
}

impl ServerMonitor {
    /// Takes a first look; `None` if there is nothing to look at.
    pub(super) fn of(patient: Option<&Arc<dyn Monitored + Send + Sync>>) -> Option<Self> {
        let patient = Arc::clone(patient?);
        let first = patient.vitals()?;
        let drift = Drift { memory: first.memory, peak: first.memory, ..Drift::default() };
        Some(Self { patient, first, drift })
    }

    /// Takes another look.
    pub(super) fn look(&mut self) {
        let Some(now) = self.patient.vitals() else { return };
        self.drift.peak = self.drift.peak.max(now.memory);
        self.drift.errors = now.errors.saturating_sub(self.first.errors);
        let lost = self.first.processes.difference(&now.processes).count();
        self.drift.lost = self.drift.lost.max(lost);
    }

    /// Takes the last look.
    pub(super) fn leave(mut self) -> Drift {
        self.look();
        self.drift
    }
}
