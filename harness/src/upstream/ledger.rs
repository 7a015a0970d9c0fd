//! What the stub was sent.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Receipt;
use crate::glob;

/// Effects kept in detail, about 300 bytes each; what comes later is counted only, so that memory
/// does not grow with the length of a load.
pub const MAX_EFFECTS: usize = 100_000;

/// All effects, in order of arrival.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Ledger {
    effects: Vec<Effect>,
    /// Effects that came when the ledger was full; repetitions among them are not recognised.
    beyond: u64,
    /// Calls that a fault refused, by path; paths past [`MAX_EFFECTS`] are not kept.
    #[serde(default)]
    refused: BTreeMap<String, u64>,
    /// Calls of other upstreams than the sink, at most [`MAX_EFFECTS`], without their bodies, which
    /// hold secrets.
    #[serde(default)]
    upstream: Vec<Effect>,
    #[serde(skip)]
    by_key: HashMap<String, usize>,
}

/// Calls shown in detail: what a scenario looks at one by one is less.
pub const MAX_SHOWN: usize = 1000;

/// Some of the calls.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Calls {
    /// Calls taken, without those that repeat an idempotency key.
    pub effects: u64,
    /// Calls taken.
    pub deliveries: u64,
    /// Calls that a fault refused.
    pub refused: u64,
    /// The first [`MAX_SHOWN`] effects, in order of arrival.
    pub calls: Vec<Call>,
}

/// An effect as scenarios see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// From 1, among all effects.
    pub number: u64,
    /// The `Idempotency-Key` that it came with.
    pub key: Option<String>,
    /// HTTP method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Its body as JSON; one that is not JSON, as text.
    pub body: Value,
    /// How often it arrived.
    pub deliveries: u64,
}

/// One effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    /// From 1.
    pub number: u64,
    /// The `Idempotency-Key` that it came with.
    pub key: Option<String>,
    /// HTTP method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Body, as text.
    pub body: String,
    /// How often it arrived.
    pub deliveries: u64,
}

impl Ledger {
    /// The effects kept.
    pub fn effects(&self) -> &[Effect] {
        &self.effects
    }

    /// The calls of other upstreams that were kept.
    pub fn upstream_calls(&self) -> &[Effect] {
        &self.upstream
    }

    /// A call of another upstream than the sink.
    pub(super) fn upstream(&mut self, method: &str, path: &str) {
        if self.upstream.len() < MAX_EFFECTS {
            let number = self.upstream.len() as u64 + 1;
            let (method, path, body) = (method.to_owned(), path.to_owned(), String::new());
            self.upstream.push(Effect { number, key: None, method, path, body, deliveries: 1 });
        }
    }

    /// A call that a fault refused.
    pub(super) fn refuse(&mut self, path: String) {
        if self.refused.len() < MAX_EFFECTS || self.refused.contains_key(&path) {
            *self.refused.entry(path).or_default() += 1;
        }
    }

    /// The calls whose path this pattern describes.
    pub(super) fn calls(&self, pattern: &str) -> Calls {
        let mut calls = Calls::default();
        let known = self.effects.iter().chain(&self.upstream);
        for effect in known.filter(|effect| glob::matches(pattern, &effect.path)) {
            calls.effects += 1;
            calls.deliveries += effect.deliveries;
            if calls.calls.len() < MAX_SHOWN {
                calls.calls.push(Call::of(effect));
            }
        }
        let refused = self.refused.iter().filter(|(path, _)| glob::matches(pattern, path));
        calls.refused = refused.map(|(_, count)| count).sum();
        calls
    }

    pub(super) fn record(&mut self, mut effect: Effect) -> Receipt {
        let known = effect.key.as_ref().and_then(|key| self.by_key.get(key));
        if let Some(known) = known.and_then(|index| self.effects.get_mut(*index)) {
            known.deliveries += 1;
            return Receipt { effect: known.number, duplicate: true };
        }
        effect.number = self.effects.len() as u64 + self.beyond + 1;
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

impl Call {
    fn of(effect: &Effect) -> Self {
        let Effect { number, key, method, path, body, deliveries } = effect.clone();
        let body = serde_json::from_str(&body).unwrap_or(Value::String(body));
        Self { number, key, method, path, body, deliveries }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_bounded_and_goes_on_counting() {
        let mut ledger = Ledger::default();
        let effect = |key: usize| Effect {
            number: 0,
            key: Some(key.to_string()),
            method: String::new(),
            path: String::new(),
            body: String::new(),
            deliveries: 1,
        };
        for n in 0..=MAX_EFFECTS {
            assert_eq!(ledger.record(effect(n)).effect, n as u64 + 1);
        }
        assert_eq!((ledger.effects().len(), ledger.beyond), (MAX_EFFECTS, 1));
        assert!(ledger.record(effect(7)).duplicate);
    }
}
