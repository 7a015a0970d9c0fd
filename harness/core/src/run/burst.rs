//! Sends the same request many times, several at once.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    time::Instant,
};

use crate::model::Value;
use futures_util::future::join_all;

use super::{
    attempt::{Due, Miss},
    iteration::{Halt, Iteration},
};
use crate::{
    check::expect::{self, Subjects},
    model::clock,
    plan::{BurstPlan, Claim},
};

/// Holds the totals over the responses of a burst.
struct Tally {
    /// The number of matching responses, by count.
    matching: Vec<u64>,
    /// The different values, by expectation on them: the text is the same for equal values.
    distinct: Vec<BTreeSet<String>>,
    /// The captured values of each response that was as expected, by capture.
    captured: Vec<Vec<Value>>,
}

impl Tally {
    fn new(burst: &BurstPlan) -> Self {
        Self {
            matching: vec![0; burst.counts.len()],
            distinct: vec![BTreeSet::new(); burst.distinct.len()],
            captured: vec![Vec::new(); burst.request.capture.len()],
        }
    }
}

impl Iteration {
    /// Requests are due at the start of the burst, or when the one before them on their place is
    /// done: waiting for a place is what the author asked for, not lateness.
    pub(super) async fn burst(&self, burst: &BurstPlan, start: Instant) -> Result<Instant, Halt> {
        let next = Cell::new(0);
        let halt = Cell::new(None);
        let tally = RefCell::new(Tally::new(burst));
        let timeout = burst.request.timeout;
        let place = async || {
            let mut at = start;
            while next.get() < burst.count && halt.get() != Some(Halt::Absent) {
                let index = next.replace(next.get() + 1);
                let due = Due { at, index, timeout };
                let (received, result) = self.one_of_burst(burst, due, &tally).await;
                at = received;
                if let Err(reason) = result
                    && halt.get() != Some(Halt::Absent)
                {
                    halt.set(Some(reason));
                }
            }
        };
        join_all((0..burst.concurrency.min(burst.count)).map(|_| place())).await;
        let tally = tally.into_inner();
        let held = self.over_all(burst, &tally);
        for (capture, values) in burst.request.capture.iter().zip(tally.captured) {
            self.scope.capture(&capture.name, Value::Array(values));
        }
        halt.get().map_or(held, Err).map(|()| clock::now())
    }

    async fn one_of_burst(
        &self,
        burst: &BurstPlan,
        due: Due,
        tally: &RefCell<Tally>,
    ) -> (Instant, Result<(), Halt>) {
        let request = &burst.request;
        let attempt = self.send_request(request, due).await;
        let received = attempt.received;
        let checked = attempt.check_in_burst(&burst.counts);
        if let Ok(response) = &attempt.outcome {
            let names = self.scope.at(due.index);
            let mut tally = tally.borrow_mut();
            for (count, number) in burst.counts.iter().zip(&mut tally.matching) {
                *number += u64::from(expect::all(&count.matching, response, &names).is_ok());
            }
            let subjects = Subjects::new(response);
            for (distinct, values) in burst.distinct.iter().zip(&mut tally.distinct) {
                if let Ok(Some(value)) = subjects.value(&distinct.subject) {
                    values.insert(value.canonical());
                }
            }
            for (capture, values) in request.capture.iter().zip(&mut tally.captured) {
                if checked.is_ok()
                    && let Ok(Some(value)) = subjects.value(&capture.subject)
                {
                    values.push(value);
                }
            }
        }
        (received, attempt.record(checked))
    }

    /// Checks the conditions on all responses.
    fn over_all(&self, burst: &BurstPlan, tally: &Tally) -> Result<(), Halt> {
        let names = self.scope.at(0);
        let counts = burst.counts.iter().zip(&tally.matching);
        let counts = counts
            .map(|(count, number)| (&count.claim, expect::check_count(count, *number, &names)));
        let distinct = burst.distinct.iter().zip(&tally.distinct).map(|(distinct, values)| {
            (&distinct.claim, expect::check_distinct(distinct, values.len() as u64, &names))
        });
        let checked: Vec<(&Claim, _)> = counts.chain(distinct).collect();
        let mut result = Ok(());
        for (claim, held) in checked {
            if self.measured {
                self.worker.recorder.borrow_mut().claimed(claim, held.is_ok());
            }
            if let Err(mismatch) = held {
                if claim.is_required() {
                    result = Err(Halt::Failed);
                }
                self.sample(&burst.request, claim, Miss::Mismatch(mismatch), None, None);
            }
        }
        if result.is_err() && self.measured {
            self.worker.recorder.borrow_mut().broken_count(burst.request.id);
        }
        result
    }
}
