//! The metrics of one thread.

use std::{sync::Arc, time::Duration};

use super::{
    Claims, Failure, Latency, MAX_LATENCY, MAX_SAMPLES, Metrics, Reach, Sketch, StepRecord,
    Timeline,
};
use crate::{
    model::{
        ErrorKind, Parts,
        usage::{Reading, Tallies},
    },
    plan::{Claim, StepId},
};

/// Keeps the metrics of one thread; nothing else writes to it.
#[derive(Debug)]
pub struct Recorder {
    steps: Vec<StepRecord>,
    /// Planned offsets of dropped operations, for each step. Their ages are known at the end.
    dropped: Vec<Latency>,
    claims: Claims,
    /// Failures of steps that send no request.
    failures: Vec<Failure>,
    undecided: Vec<String>,
    remarks: Vec<String>,
    reach: Reach,
    timeline: Timeline,
    used: Tallies,
    window_end: Duration,
}

/// Failures of steps without requests that are kept in full, for each part of a scenario.
pub const MAX_NOTES: usize = 100;

/// Holds the times when an operation was due, was sent, and ended: offsets from the recorder's
/// origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// The time at which it was due.
    pub planned: Duration,
    /// The time at which the generator was ready to send it, if it was: after that it waited for a
    /// connection.
    pub ready: Option<Duration>,
    /// The time at which it was sent, if it was.
    pub sent: Option<Duration>,
    /// The time at which its result was known.
    pub ended: Duration,
}

/// The result of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A complete answer, as expected or not.
    Answered {
        /// Its status code.
        status: u16,
        /// Set if every expectation holds.
        ok: bool,
    },
    /// No complete answer.
    Error(ErrorKind),
    /// Still running when the run ended.
    Unfinished,
}

impl Recorder {
    /// Empty metrics for this many steps. Answers after `window_end`, an offset from the origin, do
    /// not count towards the rate achieved.
    pub fn new(steps: usize, window_end: Duration) -> Self {
        Self {
            steps: vec![StepRecord::default(); steps],
            dropped: vec![Latency::new(); steps],
            claims: Claims::new(),
            failures: Vec::new(),
            undecided: Vec::new(),
            remarks: Vec::new(),
            reach: Reach::default(),
            timeline: Timeline::default(),
            used: Tallies::default(),
            window_end,
        }
    }

    /// Also keeps a timeline from this offset on.
    pub fn with_timeline(self, origin: Duration) -> Self {
        Self { timeline: Timeline::new(origin), ..self }
    }

    /// The response times of all spans so far: cheap enough to be looked at while a load runs.
    pub fn waits(&self) -> Sketch {
        let mut waits = Sketch::default();
        self.timeline.spans().iter().for_each(|span| waits.merge(&span.waits));
        waits
    }

    /// The metrics so far.
    pub fn steps(&self) -> &[StepRecord] {
        &self.steps
    }

    /// An operation is due. It ends with [`Self::ended`] or [`Self::dropped`].
    pub fn scheduled(&mut self, step: StepId) {
        self.step(step).scheduled += 1;
    }

    /// A scheduled operation ended.
    pub fn ended(&mut self, step: StepId, times: Times, outcome: Outcome) {
        let in_window = times.ended <= self.window_end;
        self.timeline.ended(times, outcome);
        let record = self.step(step);
        match outcome {
            Outcome::Answered { status, ok } => {
                *(if ok { &mut record.ok } else { &mut record.failed }) += 1;
                *record.statuses.entry(status).or_default() += 1;
                record.in_window += u64::from(in_window);
            }
            Outcome::Error(kind) => {
                record.failed += 1;
                *record.errors.entry(kind).or_default() += 1;
            }
            Outcome::Unfinished => record.unfinished += 1,
        }
        time(record, times, matches!(outcome, Outcome::Answered { .. }));
    }

    /// The parts of an answered operation's time.
    pub fn parts(&mut self, step: StepId, parts: Parts) {
        let record = self.step(step);
        for (latency, part) in [
            (&mut record.connect, parts.connect),
            (&mut record.tls, parts.tls),
            (&mut record.first_byte, parts.first_byte),
            (&mut record.body, parts.body),
        ] {
            if let Some(part) = part {
                latency.record(part);
            }
        }
    }

    /// Counts what an answer said that it used; in the metrics of the step if `measured`.
    pub fn used(&mut self, step: StepId, reading: Option<Reading>, measured: bool) {
        self.used.count(reading.clone());
        if measured {
            self.step(step).used.count(reading);
        }
    }

    /// A scheduled operation was not sent: no slot was free when it was due, at this offset.
    pub fn dropped(&mut self, step: StepId, planned: Duration) {
        self.step(step).dropped += 1;
        self.timeline.dropped(planned);
        if planned <= MAX_LATENCY {
            self.dropped[step.0].record(planned);
        } else {
            // Past the range of the histogram; that it waited for some time is still true.
            self.step(step).response.record_unanswered(Duration::ZERO);
        }
    }

    /// A request was sent again so many times.
    pub fn resent(&mut self, step: StepId, times: u32) {
        self.step(step).resent += u64::from(times);
    }

    /// The number of matching responses of a burst was not the expected one.
    pub fn broken_count(&mut self, step: StepId) {
        self.step(step).broken_counts += 1;
    }

    /// Returns whether there is room for another failure of this step.
    pub fn wants_sample(&self, step: StepId) -> bool {
        self.steps[step.0].samples.len() < MAX_SAMPLES
    }

    /// Keeps a failure if there is room.
    pub fn sample(&mut self, step: StepId, failure: Failure) {
        if self.wants_sample(step) {
            self.step(step).samples.push(failure);
        }
    }

    /// A claim was looked at. Only one with a rule is counted.
    pub fn claimed(&mut self, claim: &Claim, held: bool) {
        let Some(rule) = &claim.rule else { return };
        let tally = self.claims.entry((Arc::clone(rule), claim.severity)).or_default();
        *(if held { &mut tally.held } else { &mut tally.broken }) += 1;
    }

    /// Keeps a failure of a step that sends no request, if there is room.
    pub fn note(&mut self, failure: Failure) {
        if self.failures.len() < MAX_NOTES {
            self.failures.push(failure);
        }
    }

    /// Keeps what no verdict depends on.
    pub fn remark(&mut self, remark: String) {
        if self.remarks.len() < MAX_NOTES {
            self.remarks.push(remark);
        }
    }

    /// A model could not decide, and why, if there is room. Said once, whatever rules it concerns.
    pub fn undecided(&mut self, why: String) {
        if self.undecided.len() < MAX_NOTES && !self.undecided.contains(&why) {
            self.undecided.push(why);
        }
    }

    /// Counts a sign that the target is there, or is not; see [`Reach::count`].
    pub fn reached(&mut self, error: Option<ErrorKind>) {
        self.reach.count(error);
    }

    /// Returns the evidence so far on whether the target is there.
    pub fn reach(&self) -> Reach {
        self.reach
    }

    /// Closes the metrics at this offset: what was dropped has been waiting until now.
    pub fn finish(mut self, end: Duration) -> Metrics {
        for (record, dropped) in self.steps.iter_mut().zip(&self.dropped) {
            let Some(histogram) = dropped.histogram() else { continue };
            for planned in histogram.iter_recorded() {
                let latest = histogram.highest_equivalent(planned.value_iterated_to());
                let age = end.saturating_sub(Duration::from_nanos(latest));
                record.response.record_unanswered_n(age, planned.count_since_last_iteration());
            }
        }
        let Self { steps, claims, failures, undecided, remarks, reach, timeline, used, .. } = self;
        Metrics { steps, claims, failures, undecided, remarks, reach, timeline, used }
    }

    fn step(&mut self, step: StepId) -> &mut StepRecord {
        &mut self.steps[step.0]
    }
}

fn time(record: &mut StepRecord, times: Times, answered: bool) {
    let note = |latency: &mut Latency, from: Duration| {
        let took = times.ended.saturating_sub(from);
        if answered { latency.record(took) } else { latency.record_unanswered(took) }
    };
    note(&mut record.response, times.planned);
    if let Some(sent) = times.sent {
        note(&mut record.service, sent);
    }
    if let Some(ready) = times.ready {
        record.lag.record(ready.saturating_sub(times.planned));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::Figure, *};

    const STEPS: usize = 3;
    const END: Duration = Duration::from_secs(20);

    #[derive(Clone, Copy, Debug)]
    struct Event {
        step: StepId,
        times: Times,
        /// `None`: dropped.
        outcome: Option<Outcome>,
    }

    fn outcome() -> impl Strategy<Value = Option<Outcome>> {
        prop_oneof![
            4 => (prop::sample::select(vec![200, 429, 500]), any::<bool>())
                .prop_map(|(status, ok)| Some(Outcome::Answered { status, ok })),
            1 => prop::sample::select(vec![ErrorKind::Refused, ErrorKind::Timeout])
                .prop_map(|kind| Some(Outcome::Error(kind))),
            1 => Just(Some(Outcome::Unfinished)),
            1 => Just(None),
        ]
    }

    fn event() -> impl Strategy<Value = Event> {
        (0..STEPS, 0u64..10_000_000, 0u64..5_000_000, 0u64..5_000_000, outcome()).prop_map(
            |(step, planned, lag, took, outcome)| {
                let at = Duration::from_micros;
                let times = Times {
                    planned: at(planned),
                    ready: Some(at(planned + lag)),
                    sent: Some(at(planned + lag)),
                    ended: at(planned + lag + took),
                };
                Event { step: StepId(step), times, outcome }
            },
        )
    }

    fn record<'a>(events: impl IntoIterator<Item = &'a Event>) -> Vec<StepRecord> {
        let mut recorder = Recorder::new(STEPS, Duration::from_secs(10));
        for event in events {
            recorder.scheduled(event.step);
            match event.outcome {
                Some(outcome) => recorder.ended(event.step, event.times, outcome),
                None => recorder.dropped(event.step, event.times.planned),
            }
        }
        recorder.finish(END).steps
    }

    #[test]
    fn a_dropped_operation_has_waited_until_the_end() {
        let mut recorder = Recorder::new(1, END);
        recorder.scheduled(StepId(0));
        recorder.dropped(StepId(0), Duration::from_secs(5));
        let steps = recorder.finish(END).steps;
        let Figure::AtLeast(age) = steps[0].response.percentile(50.0) else { panic!() };
        assert!(age > Duration::from_millis(14_950) && age <= Duration::from_secs(15), "{age:?}");
        assert_eq!(steps[0].service.percentile(50.0), Figure::NoData);
    }

    proptest! {
        // Short streams: what matters is every order of events.
        #![proptest_config(ProptestConfig { cases: 10_000, ..ProptestConfig::default() })]

        #[test]
        fn every_stream_of_events_balances(events in prop::collection::vec(event(), 0..8)) {
            let mut recorder = Recorder::new(1, END).with_timeline(Duration::ZERO);
            let only = StepId(0);
            for event in &events {
                recorder.scheduled(only);
                match event.outcome {
                    Some(outcome) => recorder.ended(only, event.times, outcome),
                    None => recorder.dropped(only, event.times.planned),
                }
            }
            let Metrics { steps, timeline, .. } = recorder.finish(END);
            let step = &steps[0];
            prop_assert!(step.balanced());
            prop_assert_eq!(step.scheduled, events.len() as u64);
            prop_assert_eq!(step.response.len(), step.scheduled);
            let spans = timeline.spans();
            prop_assert_eq!(spans.iter().map(|span| span.planned).sum::<u64>(), step.scheduled);
            let ended: u64 = spans.iter().map(|span| span.ended).sum();
            prop_assert_eq!(ended + step.dropped, step.scheduled);
            let failed: u64 = spans.iter().map(|span| span.failed).sum();
            prop_assert_eq!(failed, step.failed + step.unfinished);
        }
    }

    proptest! {
        // Each case adds up dozens of histograms.
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn parts_add_up_to_the_whole(
            events in prop::collection::vec(event(), 0..200), threads in 1usize..5,
        ) {
            let whole = record(&events);
            let mut merged = vec![StepRecord::default(); STEPS];
            for thread in 0..threads {
                let part = record(events.iter().skip(thread).step_by(threads));
                for (sum, step) in merged.iter_mut().zip(&part) {
                    sum.merge(step);
                }
            }
            for (whole, merged) in whole.iter().zip(&merged) {
                prop_assert!(whole.balanced() && merged.balanced());
                prop_assert_eq!(whole.response.len(), whole.scheduled);
                prop_assert_eq!(format!("{whole:?}"), format!("{merged:?}"));
                for percent in [1.0, 50.0, 95.0, 99.9, 100.0] {
                    prop_assert_eq!(
                        whole.response.percentile(percent), merged.response.percentile(percent)
                    );
                }
            }
            let scheduled: u64 = whole.iter().map(|step| step.scheduled).sum();
            prop_assert_eq!(scheduled, events.len() as u64);
        }
    }
}
