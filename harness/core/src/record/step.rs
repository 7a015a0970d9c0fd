//! The metrics of one step.

use std::collections::BTreeMap;

use super::{Failure, Latency};
use crate::model::{ErrorKind, usage::Tallies};

/// Failures kept in full for each step: enough to see a pattern, few enough to read, and a bound
/// on memory.
pub const MAX_SAMPLES: usize = 10;

/// The results of the operations of one step. An operation is one request.
#[derive(Clone, Debug, Default)]
pub struct StepRecord {
    /// Operations that were due.
    pub scheduled: u64,
    /// Answered as expected.
    pub ok: u64,
    /// Answered otherwise, or not answered because of an error or a timeout.
    pub failed: u64,
    /// Never sent: no user slot was free when they were due.
    pub dropped: u64,
    /// Still running when the run ended.
    pub unfinished: u64,
    /// Answered before the measured time was over; the base of the rate achieved.
    pub in_window: u64,
    /// Times that a request was sent again, because the target had proved not to process it.
    pub resent: u64,
    /// Bursts whose number of matching responses was not the expected one.
    pub broken_counts: u64,
    /// Answers by status code.
    pub statuses: BTreeMap<u16, u64>,
    /// Failures without a complete answer, by kind.
    pub errors: BTreeMap<ErrorKind, u64>,
    /// The time from the planned start to the end of the answer.
    pub response: Latency,
    /// The time from sending to the end of the answer.
    pub service: Latency,
    /// The time from the planned start until it could be sent: the generator's own lateness. The
    /// wait for a connection after that, if their number is bounded, is not counted.
    pub lag: Latency,
    /// The time from sending until a connection was there, where one had to be made.
    pub connect: Latency,
    /// The time from then until the connection was secure: the TLS handshake.
    pub tls: Latency,
    /// The time from then, or from sending, to the first byte of the answer, where that is known.
    pub first_byte: Latency,
    /// The time from the first to the last byte of the answer, likewise.
    pub body: Latency,
    /// The usage that the answers reported; empty unless the scenario measures it.
    pub used: Tallies,
    /// The first failures.
    pub samples: Vec<Failure>,
}

impl StepRecord {
    /// Adds what another thread saw of the same step.
    pub fn merge(&mut self, other: &Self) {
        self.scheduled += other.scheduled;
        self.ok += other.ok;
        self.failed += other.failed;
        self.dropped += other.dropped;
        self.unfinished += other.unfinished;
        self.in_window += other.in_window;
        self.resent += other.resent;
        self.broken_counts += other.broken_counts;
        for (status, count) in &other.statuses {
            *self.statuses.entry(*status).or_default() += count;
        }
        for (kind, count) in &other.errors {
            *self.errors.entry(*kind).or_default() += count;
        }
        self.response.merge(&other.response);
        self.service.merge(&other.service);
        self.lag.merge(&other.lag);
        self.connect.merge(&other.connect);
        self.tls.merge(&other.tls);
        self.first_byte.merge(&other.first_byte);
        self.body.merge(&other.body);
        self.used.add(&other.used);
        self.samples.extend(other.samples.iter().cloned());
        self.samples.sort_by_key(|sample| sample.at);
        self.samples.truncate(MAX_SAMPLES);
    }

    /// Operations with a complete answer, whatever its status.
    pub fn answered(&self) -> u64 {
        self.statuses.values().sum()
    }

    /// Returns whether every operation that was due is accounted for.
    pub fn balanced(&self) -> bool {
        self.scheduled == self.ok + self.failed + self.dropped + self.unfinished
    }
}
