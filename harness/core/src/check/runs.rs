//! Compares the observed runs with the behavior of a durable executor. It is pure.

use std::time::Duration;

use http::Method;
use serde_json::Value;

use super::{
    clipped,
    oracle::{
        Finding,
        history::{
            History, Operation, What,
            effects::{self, Effect},
            legal, linear,
        },
    },
};
use crate::{
    model::stub::Call,
    plan::{RunPaths, RunsCheck, UserId},
    record::Seen,
};

mod timeline;

pub use timeline::{Happened, events};

/// Characters of an odd answer that a failure shows.
const SHOWN: usize = 60;

/// Everything that is known about the runs of a scenario.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// The history of each run, in the order in which they were first heard of.
    pub histories: Vec<History>,
    /// The owners of the runs, by position: the user who started each, if anybody was told so.
    pub owners: Vec<Option<UserId>>,
    /// Starts that were never answered: each may have made a run.
    pub lost_starts: usize,
    /// The calls that reached the stub, if anybody looks at them.
    pub calls: Vec<Call>,
    /// The number of effects of a run that succeeds.
    pub each: usize,
    /// Other events: crashes, and time that passed.
    pub happened: Vec<Happened>,
    /// The start of the scenario, in milliseconds since 1970, on our clock.
    pub origin: i64,
}

/// The subject of a request.
enum About<'a> {
    Start,
    Read(&'a str),
    Cancel(&'a str),
}

fn about<'s>(seen: &'s Seen, paths: &RunPaths) -> Option<About<'s>> {
    let path = seen.path.split('?').next().unwrap_or_default();
    match seen.method {
        Method::GET => id_in(path, paths.show).map(About::Read),
        Method::POST if id_in(path, paths.start).is_some() => Some(About::Start),
        Method::POST => id_in(path, paths.cancel).map(About::Cancel),
        _ => None,
    }
}

/// Returns the segment of `path` that stands where `pattern` has its `*`, if the others are equal.
fn id_in<'p>(path: &'p str, pattern: &str) -> Option<&'p str> {
    let (mut path, mut pattern) = (path.split('/'), pattern.split('/'));
    let mut id = None;
    loop {
        match (path.next(), pattern.next()) {
            (Some(segment), Some("*")) => id = Some(segment),
            (Some(segment), Some(expected)) if segment == expected => {}
            (None, None) => return id,
            _ => return None,
        }
    }
}

impl Evidence {
    /// Sorts what was seen by run. What somebody else than its owner is told of a run says nothing
    /// about it.
    pub fn new(seen: &[Seen], paths: &RunPaths) -> Self {
        let mut evidence = Self::default();
        let mut seen: Vec<&Seen> = seen.iter().collect();
        seen.sort_by_key(|seen| seen.sent);
        for start in seen.iter().filter(|seen| matches!(about(seen, paths), Some(About::Start))) {
            let id = start.body.as_ref().and_then(|body| body["id"].as_str());
            match (start.status, id) {
                (Some(202), Some(id)) => evidence.add(id, start, What::Started),
                (None | Some(500..), _) => evidence.lost_starts += 1,
                _ => {}
            }
        }
        for seen in seen {
            let (run, what) = match about(seen, paths) {
                Some(About::Read(run)) => (run, read(seen)),
                Some(About::Cancel(run)) => (run, cancel(seen)),
                Some(About::Start) | None => continue,
            };
            if let Some(what) = what
                && evidence.is_of(run, seen.user)
            {
                evidence.add(run, seen, what);
            }
        }
        for history in &mut evidence.histories {
            history.operations.sort_by_key(|operation| operation.sent);
        }
        evidence
    }

    /// Returns whether `user`, or nobody known for `None`, started this run.
    fn is_of(&self, run: &str, user: Option<UserId>) -> bool {
        let index = self.histories.iter().position(|history| history.run == run);
        index.is_some_and(|index| self.owners[index] == user)
    }

    fn add(&mut self, run: &str, seen: &Seen, what: What) {
        let index = self.histories.iter().position(|history| history.run == run);
        let index = index.unwrap_or_else(|| {
            self.histories.push(History { run: run.to_owned(), operations: Vec::new() });
            self.owners.push(seen.user);
            self.histories.len() - 1
        });
        let received = (what != What::MayCancel).then_some(seen.received);
        let operation = Operation { sent: seen.sent, received, what };
        self.histories[index].operations.push(operation);
    }

    /// Runs at which nobody looked since the last crash, or that had not ended then: by position.
    pub fn to_look_at(&self) -> Vec<usize> {
        let crash = self.happened.iter().filter(|happened| happened.is_crash);
        let crash = crash.map(|happened| happened.at).max().unwrap_or_default();
        let needs = |history: &History| {
            let last = history.reads().last();
            !last.is_some_and(|(read, seen)| read.sent >= crash && seen.status.is_final())
        };
        (0..self.histories.len()).filter(|index| needs(&self.histories[*index])).collect()
    }

    /// Returns the finding of one of the checks.
    pub fn judge(&self, check: RunsCheck) -> Finding {
        if self.histories.is_empty() {
            return Finding::Undecided("no run was acknowledged".to_owned());
        }
        match check {
            RunsCheck::Legal => self.each("only legal transitions", legal::transitions),
            RunsCheck::Durable => self.each("every acknowledged run is there", legal::durable),
            RunsCheck::Linear => self.linear(),
            RunsCheck::Once => {
                let found =
                    effects::once(&self.histories, &self.effects(), self.each, self.lost_starts);
                let expected = format!("{} effects of each run that succeeds, once", self.each);
                self.first(&expected, found)
            }
            RunsCheck::Resumed => {
                let found = effects::resumed(&self.histories, &self.effects());
                self.first("each run goes on from where it was", found)
            }
        }
    }

    fn each(&self, expected: &str, check: impl Fn(&History) -> Option<String>) -> Finding {
        let wrong = self
            .histories
            .iter()
            .find_map(|history| check(history).map(|what| (history.run.clone(), what)));
        self.first(expected, wrong.map_or(Ok(()), Err))
    }

    fn linear(&self) -> Finding {
        let mut undecided = 0;
        for history in &self.histories {
            match linear::order(history) {
                linear::Order::Found => {}
                linear::Order::TooMany => undecided += 1,
                linear::Order::None => {
                    let what = "no order of its answers explains all of them".to_owned();
                    return self.violated(
                        "answers that one run gives, one after another",
                        &history.run,
                        &what,
                    );
                }
            }
        }
        match undecided {
            0 => Finding::Holds,
            _ => Finding::Undecided(format!(
                "the answers about {undecided} runs could be ordered in more than {} ways",
                linear::MAX_TRIED
            )),
        }
    }

    fn first(&self, expected: &str, found: Result<(), (String, String)>) -> Finding {
        match found {
            Ok(()) => Finding::Holds,
            Err((run, what)) => self.violated(expected, &run, &what),
        }
    }

    fn violated(&self, expected: &str, run: &str, what: &str) -> Finding {
        let of = if run.is_empty() { String::new() } else { format!("run {run}: ") };
        Finding::Violated {
            expected: expected.to_owned(),
            actual: format!("{of}{what}"),
            differences: timeline::of(self, run),
        }
    }

    fn effects(&self) -> Vec<Effect> {
        let effect = |call: &Call| Effect {
            key: call.key.as_deref().map(bare).map(str::to_owned),
            target: format!("{} {}", call.method, call.path),
            first: call.first,
            last: call.last,
        };
        self.calls.iter().map(effect).collect()
    }
}

/// A key without the quotes that it may be sent in: it is a string of RFC 9651.
fn bare(key: &str) -> &str {
    key.strip_prefix('"').and_then(|key| key.strip_suffix('"')).unwrap_or(key)
}

fn read(seen: &Seen) -> Option<What> {
    match seen.status? {
        200 => {
            let body = seen.body.as_ref()?;
            let progress = serde_json::from_value(body.clone());
            Some(progress.map_or_else(|_| What::Odd(odd(body)), What::Read))
        }
        404 => Some(What::Absent),
        _ => None,
    }
}

fn odd(body: &Value) -> String {
    clipped(body.get("status").unwrap_or(body), SHOWN)
}

fn cancel(seen: &Seen) -> Option<What> {
    match seen.status {
        Some(202) => Some(What::Cancelled),
        Some(200) => Some(What::CancelledBefore),
        Some(409) => Some(What::Ended),
        Some(404) => Some(What::Absent),
        None | Some(500..) => Some(What::MayCancel),
        Some(_) => None,
    }
}

impl History {
    /// Returns when the run was first heard of, from the start of the scenario.
    pub fn begins(&self) -> Duration {
        self.operations.first().map_or(Duration::ZERO, |operation| operation.sent)
    }
}

#[cfg(test)]
mod tests;
