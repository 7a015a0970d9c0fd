//! A clock in full, so that reports can be added up.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hdrhistogram::{
    Histogram,
    serialization::{Deserializer, Serializer as _, V2Serializer},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::record::{Latency, LatencyPart};

/// Why the histograms of a report cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoredError {
    /// They are not there: an early version did not write them.
    #[error("has no histograms: an early version wrote it")]
    Missing,
    /// One is not an HDR histogram.
    #[error("has a histogram that cannot be read")]
    Unreadable,
    /// One has values that those of this program cannot have.
    #[error("has a histogram with other bounds than those of this program")]
    Bounds,
}

/// Every value of a clock.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StoredLatency {
    /// Latencies of operations that were answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered: Option<StoredPart>,
    /// Ages of those that never were: lower bounds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unanswered: Option<StoredPart>,
}

/// A histogram with what it cannot tell exactly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StoredPart {
    /// Nanoseconds: an HDR histogram, V2 encoding, base64.
    pub hdr: String,
    /// The sum of all values in nanoseconds.
    pub total_ns: u64,
    /// The largest in nanoseconds.
    pub max_ns: u64,
}

impl StoredLatency {
    pub(super) fn new(latency: &Latency) -> Self {
        let (answered, unanswered) = latency.parts();
        Self {
            answered: answered.and_then(StoredPart::new),
            unanswered: unanswered.and_then(StoredPart::new),
        }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What was stored.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn latency(&self) -> Result<Latency, StoredError> {
        let part = |part: &Option<StoredPart>| part.as_ref().map(StoredPart::part).transpose();
        Latency::from_parts(part(&self.answered)?, part(&self.unanswered)?)
            .ok_or(StoredError::Bounds)
    }
}

impl StoredPart {
    fn new(part: LatencyPart<'_>) -> Option<Self> {
        let total_ns = u64::try_from(part.total).unwrap_or(u64::MAX);
        Some(Self { hdr: encode(part.histogram)?, total_ns, max_ns: part.max })
    }

    fn part(&self) -> Result<(Histogram<u64>, u128, u64), StoredError> {
        let histogram = decode(&self.hdr).ok_or(StoredError::Unreadable)?;
        Ok((histogram, u128::from(self.total_ns), self.max_ns))
    }
}

/// V2 encoding, base64.
pub(super) fn encode(histogram: &Histogram<u64>) -> Option<String> {
    let mut bytes = Vec::new();
    // Writing to memory fails only for a histogram larger than memory.
    V2Serializer::new().serialize(histogram, &mut bytes).ok()?;
    Some(STANDARD.encode(bytes))
}

/// What [`encode`] made.
pub(super) fn decode(text: &str) -> Option<Histogram<u64>> {
    let bytes = STANDARD.decode(text).ok()?;
    Deserializer::new().deserialize(&mut bytes.as_slice()).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::record::Figure;

    fn latency(answered: &[u64], unanswered: &[u64]) -> Latency {
        let mut latency = Latency::new();
        for nanos in answered {
            latency.record(Duration::from_nanos(*nanos));
        }
        for nanos in unanswered {
            latency.record_unanswered(Duration::from_nanos(*nanos));
        }
        latency
    }

    fn figures(latency: &Latency) -> Vec<Figure> {
        let percentiles = [0.1, 50.0, 95.0, 99.0, 99.9, 100.0];
        let figures = percentiles.iter().map(|percent| latency.percentile(*percent));
        figures.chain([latency.max(), latency.mean()]).collect()
    }

    proptest! {
        /// Adding up what was stored is the same as having recorded it in one place.
        #[test]
        fn what_is_stored_adds_up_without_loss(
            one in prop::collection::vec(1_u64..4_000_000_000_000, 0..100),
            other in prop::collection::vec(1_u64..4_000_000_000_000, 0..100),
            lost in prop::collection::vec(1_u64..4_000_000_000, 0..10),
        ) {
            let mut sum = StoredLatency::new(&latency(&one, &lost)).latency().unwrap();
            sum.merge(&StoredLatency::new(&latency(&other, &[])).latency().unwrap());
            let all: Vec<_> = one.iter().chain(&other).copied().collect();
            prop_assert_eq!(figures(&sum), figures(&latency(&all, &lost)));
            prop_assert_eq!(sum.len(), (all.len() + lost.len()) as u64);
        }
    }

    #[test]
    fn garbage_is_an_error() {
        let part = StoredPart { hdr: "AAAA".to_owned(), total_ns: 1, max_ns: 1 };
        let stored = StoredLatency { answered: Some(part), unanswered: None };
        assert_eq!(stored.latency().unwrap_err(), StoredError::Unreadable);
        let narrow = Histogram::<u64>::new_with_bounds(1, 1000, 1).unwrap();
        let part = StoredPart { hdr: encode(&narrow).unwrap(), total_ns: 1, max_ns: 1 };
        // Values of other bounds still add up, if they fit.
        assert!(StoredLatency { answered: Some(part), unanswered: None }.latency().is_ok());
    }
}
