//! Searches for an order in which answers about one run could have been given one after another,
//! each at some instant between question and answer: Wing and Gong's search (1993) with Lowe's
//! memory of tried states (2017). Runs are independent of each other, so each is searched on its
//! own.

use std::{collections::HashSet, time::Duration};

use super::{History, Operation, Status, What};

/// Orders tried before it is given up; a client that asks one thing after another needs one for each
/// question.
pub const MAX_TRIED: usize = 50_000;

/// The result of a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// There is an order that explains every answer.
    Found,
    /// There is none.
    None,
    /// More than [`MAX_TRIED`] were tried.
    TooMany,
}

/// The states in which a run may be: a bit for each of [`Status::ALL`], and one for "not there".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Possible(u8);

impl Possible {
    const ABSENT: Self = Self(1 << 7);

    fn of(holds: impl Fn(Status) -> bool) -> Self {
        let states = Status::ALL.into_iter().enumerate();
        Self(states.filter(|(_, state)| holds(*state)).fold(0, |bits, (bit, _)| bits | 1 << bit))
    }

    /// A run that is in this state, and goes on by itself from now on. Nothing is cancelled by
    /// itself.
    fn from(state: Status) -> Self {
        let cancelled = Status::Cancelled;
        Self::of(|later| later == state || (state.may_become(later) && later != cancelled))
    }

    fn may(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Returns the possible states after this answer; `None` if it cannot be given now.
    fn after(self, what: &What) -> Option<Self> {
        let any = |holds: fn(Status) -> bool| self.may(Self::of(holds));
        match what {
            What::Started if self == Self::ABSENT => Some(Self::from(Status::Queued)),
            // The same again: a repetition of the request.
            What::Started => Some(self),
            What::Read(progress) => self
                .may(Self::of(|state| state == progress.status))
                .then(|| Self::from(progress.status)),
            What::Absent => (self == Self::ABSENT).then_some(self),
            What::Cancelled => {
                any(|state| !state.is_final()).then(|| Self::from(Status::Cancelled))
            }
            What::CancelledBefore => {
                any(|state| state == Status::Cancelled).then(|| Self::from(Status::Cancelled))
            }
            What::Ended => {
                let ended = Self::of(|state| state.is_final() && state != Status::Cancelled);
                self.may(ended).then_some(Self(self.0 & ended.0))
            }
            What::MayCancel => {
                let stopped = any(|state| !state.is_final());
                Some(if stopped { Self(self.0 | Self::from(Status::Cancelled).0) } else { self })
            }
            What::Odd(_) => None,
        }
    }
}

/// Searches for an order. A run that was never acknowledged is not judged.
pub fn order(history: &History) -> Order {
    if !history.is_acknowledged() {
        return Order::Found;
    }
    let mut search = Search { operations: &history.operations, tried: HashSet::new() };
    search.run()
}

struct Search<'a> {
    operations: &'a [Operation],
    tried: HashSet<(Vec<u64>, Possible)>,
}

impl Search<'_> {
    fn run(&mut self) -> Order {
        let mut stack = vec![(vec![0; self.operations.len().div_ceil(64)], Possible::ABSENT)];
        while let Some((done, possible)) = stack.pop() {
            if self.is_complete(&done) {
                return Order::Found;
            }
            if self.tried.len() >= MAX_TRIED {
                return Order::TooMany;
            }
            if !self.tried.insert((done.clone(), possible)) {
                continue;
            }
            // The earliest is tried first: it is the last on the stack.
            for index in self.next(&done).into_iter().rev() {
                if let Some(possible) = possible.after(&self.operations[index].what) {
                    let mut done = done.clone();
                    done[index / 64] |= 1 << (index % 64);
                    stack.push((done, possible));
                }
            }
        }
        Order::None
    }

    /// Returns whether every operation with an answer is done; one without an answer need never
    /// have happened.
    fn is_complete(&self, done: &[u64]) -> bool {
        let open = |index: &usize| !has(done, *index) && self.operations[*index].received.is_some();
        !(0..self.operations.len()).any(|index| open(&index))
    }

    /// Lists the operations that may come next: those sent before any of the others was answered.
    fn next(&self, done: &[u64]) -> Vec<usize> {
        let open = || (0..self.operations.len()).filter(|index| !has(done, *index));
        let first = open().filter_map(|index| self.operations[index].received).min();
        let may = |index: &usize| self.operations[*index].sent <= first.unwrap_or(Duration::MAX);
        open().filter(may).collect()
    }
}

fn has(done: &[u64], index: usize) -> bool {
    done[index / 64] & (1 << (index % 64)) != 0
}
