//! One operation, from due to done.

use std::time::Instant;

use super::{ErrorKind, Phases, clock, lane::Lane};
use crate::{
    plan::StepId,
    record::{Outcome, Times},
};

/// An operation that is due. However its future ends, it is accounted for: one that is dropped
/// before [`Self::end`] counts as unfinished.
#[derive(Debug)]
pub(super) struct Operation<'a> {
    lane: &'a Lane,
    step: StepId,
    planned: Instant,
    ready: Option<Instant>,
    sent: Option<Instant>,
    phases: Phases,
    /// Warm-up operations are sent but not recorded.
    measured: bool,
    ended: bool,
}

impl<'a> Operation<'a> {
    pub(super) fn begin(lane: &'a Lane, step: StepId, planned: Instant, measured: bool) -> Self {
        lane.gauge.start();
        if measured {
            lane.recorder.borrow_mut().scheduled(step);
        }
        Self {
            lane,
            step,
            planned,
            ready: None,
            sent: None,
            phases: Phases::default(),
            measured,
            ended: false,
        }
    }

    /// The request could be sent, were there a connection.
    pub(super) fn ready(&mut self, at: Instant) {
        self.ready = Some(at);
    }

    pub(super) fn sent(&mut self, at: Instant) {
        self.sent = Some(at);
    }

    /// When the parts of the exchange were done.
    pub(super) fn phases(&mut self, phases: Phases) {
        self.phases = phases;
    }

    pub(super) fn end(mut self, at: Instant, outcome: Outcome) {
        let error = match outcome {
            Outcome::Error(kind) => Some(kind),
            Outcome::Answered { .. } | Outcome::Unfinished => None,
        };
        if error != Some(ErrorKind::NotSent) {
            self.lane.recorder.borrow_mut().reached(error);
        }
        self.close(at, outcome);
    }

    fn close(&mut self, at: Instant, outcome: Outcome) {
        self.ended = true;
        self.lane.gauge.end(!matches!(outcome, Outcome::Answered { ok: true, .. }));
        if self.measured {
            let offset = |instant| self.lane.offset(instant);
            let times = Times {
                planned: offset(self.planned),
                ready: self.ready.map(offset),
                sent: self.sent.map(offset),
                ended: offset(at),
            };
            let mut recorder = self.lane.recorder.borrow_mut();
            recorder.ended(self.step, times, outcome);
            if matches!(outcome, Outcome::Answered { .. }) {
                recorder.parts(self.step, self.phases.parts(self.sent, at));
            }
        }
    }
}

impl Drop for Operation<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.close(clock::now(), Outcome::Unfinished);
        }
    }
}
