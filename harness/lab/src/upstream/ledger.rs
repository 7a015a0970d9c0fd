//! Records the calls that the stub received.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use axum::http::{Method, Uri};
use serde::{Deserialize, Serialize};

use super::Receipt;
use crate::model::{
    Value,
    clock::now_millis,
    glob,
    stub::{Arrivals, Call, Calls},
};

/// Effects kept in detail, about 300 bytes each; what comes later is counted only, so that memory
/// does not grow with the length of a load.
pub const MAX_EFFECTS: usize = 100_000;

/// All effects, in order of arrival.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Ledger {
    /// Their bodies are text, which is parsed when somebody asks: a load has no time for it.
    effects: Vec<Call>,
    /// Effects that came when the ledger was full; repetitions among them are not recognised.
    beyond: u64,
    /// Calls that a fault refused, by path; paths past [`MAX_EFFECTS`] are not kept.
    #[serde(default)]
    refused: BTreeMap<String, u64>,
    /// All calls, and so the place of the next in their order.
    #[serde(default)]
    arrivals: Arrivals,
    #[serde(skip)]
    by_key: HashMap<String, usize>,
}

/// Paths of calls that the service may make without a caller who pays: signing in, reports of
/// errors, and the cron, which finishes what keeping search up to date has left over.
const UNOWNED: [&str; 5] = [
    "/google/*",
    "/notion/*",
    "/sentry/*",
    "/cloudflare/*/ai/run/@cf/baai/*",
    "/cloudflare/*/vectorize/*",
];

/// Counts a call to `path`.
fn count(arrivals: &mut Arrivals, path: &str) {
    arrivals.all += 1;
    let unowned = UNOWNED.iter().any(|pattern| glob::matches(pattern, path));
    arrivals.unowned += u64::from(unowned);
}

/// Calls shown in detail: what a scenario looks at one by one is less.
pub const MAX_SHOWN: usize = 1000;

impl Ledger {
    /// Returns the effects kept.
    pub fn effects(&self) -> &[Call] {
        &self.effects
    }

    /// Returns the number of calls that arrived.
    pub(super) const fn arrivals(&self) -> Arrivals {
        self.arrivals
    }

    /// Records that a call was answered after this long.
    pub(super) fn answered(&mut self, after: Duration) {
        let micros = u64::try_from(after.as_micros()).unwrap_or(u64::MAX);
        self.arrivals.answered += 1;
        self.arrivals.busy_us = self.arrivals.busy_us.saturating_add(micros);
    }

    /// Records a call that a fault refused.
    pub(super) fn refuse(&mut self, path: String) {
        count(&mut self.arrivals, &path);
        self.arrivals.refused += 1;
        if self.refused.len() < MAX_EFFECTS || self.refused.contains_key(&path) {
            *self.refused.entry(path).or_default() += 1;
        }
    }

    /// Returns the calls whose path this pattern describes.
    pub(super) fn calls(&self, pattern: &str) -> Calls {
        let mut calls = Calls::default();
        for effect in self.effects.iter().filter(|effect| glob::matches(pattern, &effect.path)) {
            calls.effects += 1;
            calls.deliveries += effect.deliveries;
            if calls.calls.len() < MAX_SHOWN {
                calls.calls.push(shown(effect));
            }
        }
        let refused = self.refused.iter().filter(|(path, _)| glob::matches(pattern, path));
        calls.refused = refused.map(|(_, count)| count).sum();
        calls
    }

    pub(super) fn record(&mut self, mut effect: Call) -> Receipt {
        count(&mut self.arrivals, &effect.path);
        let (turn, now) = (self.arrivals.all, now_millis());
        let known = effect.key.as_ref().and_then(|key| self.by_key.get(key));
        if let Some(known) = known.and_then(|index| self.effects.get_mut(*index)) {
            known.deliveries += 1;
            (known.last, known.last_at) = (turn, now);
            return Receipt { effect: known.number, duplicate: true };
        }
        effect.number = self.effects.len() as u64 + self.beyond + 1;
        (effect.first, effect.last) = (turn, turn);
        (effect.at, effect.last_at) = (now, now);
        let receipt = Receipt { effect: effect.number, duplicate: false };
        if self.effects.len() < MAX_EFFECTS {
            if let Some(key) = effect.key.clone() {
                self.by_key.insert(key, self.effects.len());
            }
            self.effects.push(effect);
        } else {
            self.beyond += 1;
        }
        receipt
    }
}

/// Returns a call without a key and a body.
pub(super) fn call(method: &Method, uri: &Uri) -> Call {
    Call {
        number: 0,
        key: None,
        method: method.to_string(),
        path: uri.to_string(),
        body: Value::String(String::new()),
        deliveries: 1,
        first: 0,
        last: 0,
        at: 0,
        last_at: 0,
    }
}

/// Returns a call as scenarios see it: with a body of JSON as JSON.
fn shown(call: &Call) -> Call {
    let json = call.body.as_str().and_then(|body| Value::parse(body.as_bytes()).ok());
    Call { body: json.unwrap_or_else(|| call.body.clone()), ..call.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_bounded_and_goes_on_counting() {
        let mut ledger = Ledger::default();
        let effect =
            |key: usize| Call { key: Some(key.to_string()), ..call(&Method::GET, &Uri::default()) };
        for n in 0..=MAX_EFFECTS {
            assert_eq!(ledger.record(effect(n)).effect, n as u64 + 1);
        }
        assert_eq!((ledger.effects().len(), ledger.beyond), (MAX_EFFECTS, 1));
        assert!(ledger.record(effect(7)).duplicate);
        let eighth = &ledger.effects()[7];
        assert_eq!((eighth.first, eighth.last), (8, MAX_EFFECTS as u64 + 2));
        ledger.refuse("/sentry/1".to_owned());
        let all = MAX_EFFECTS as u64 + 3;
        let refused = Arrivals { all, unowned: 1, refused: 1, ..Arrivals::default() };
        assert_eq!(ledger.arrivals(), refused);
        ledger.answered(Duration::from_millis(3));
        ledger.answered(Duration::from_millis(1));
        let after = ledger.arrivals().since(refused);
        assert_eq!(after, Arrivals { answered: 2, busy_us: 4000, ..Arrivals::default() });
    }

    #[test]
    fn what_may_be_nobodys_need_not_be_paid_for() {
        let mut arrivals = Arrivals::default();
        let before = arrivals;
        let model = "/cloudflare/client/v4/accounts/local/ai/run/@cf";
        for path in
            ["/charge/1", &format!("{model}/meta/x"), &format!("{model}/baai/y"), "/google/token"]
        {
            count(&mut arrivals, path);
        }
        let arrivals = arrivals.since(before);
        let fits = [1, 2, 3, 4, 5].map(|owned| arrivals.fits(owned));
        assert_eq!(fits, [false, true, true, true, false]);
    }
}
