//! What the stub was sent.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::{Fault, Receipt};

/// Effects kept in detail, about 300 bytes each; what comes later is counted only, so that memory
/// does not grow with the length of a load.
pub const MAX_EFFECTS: usize = 100_000;

/// All effects, in order of arrival.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Ledger {
    effects: Vec<Effect>,
    /// Effects that came when the ledger was full; repetitions among them are not recognised.
    beyond: u64,
    /// Calls of the other upstreams, in order of arrival; at most [`MAX_EFFECTS`] of them.
    #[serde(default)]
    calls: Vec<Call>,
    #[serde(skip)]
    by_key: HashMap<String, usize>,
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

/// A call of an upstream other than the sink. Neither header nor body: they hold secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// One of [`super::UPSTREAMS`].
    pub upstream: String,
    /// HTTP method.
    pub method: String,
    /// Path below the upstream's own, without the query.
    pub path: String,
    /// What went wrong with it, as programmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
}

impl Ledger {
    /// The calls kept.
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }

    pub(super) fn call(&mut self, call: Call) {
        if self.calls.len() < MAX_EFFECTS {
            self.calls.push(call);
        }
    }

    /// The effects kept.
    pub fn effects(&self) -> &[Effect] {
        &self.effects
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
