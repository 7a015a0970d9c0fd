//! The vocabulary of thresholds: figures, comparisons and bounds.

use std::{cmp::Ordering, fmt, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A figure of a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    /// A percentile in (0, 100] of a latency; a [`Quantity::Time`].
    Percentile(Clock, f64),
    /// The mean of a latency; a [`Quantity::Time`].
    Mean(Clock),
    /// The largest latency; a [`Quantity::Time`].
    Max(Clock),
    /// (failed + dropped + unfinished) / scheduled; a [`Quantity::Share`].
    ErrorRate,
    /// Responses with this status / all responses; a [`Quantity::Share`].
    StatusShare(u16),
    /// Completed per second of the measured time; a [`Quantity::Rate`].
    Rate,
    /// Completed; a [`Quantity::Count`].
    Count,
}

/// From when a latency is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Clock {
    /// From the planned time: what a user waits, queueing in the generator included.
    Response,
    /// From the moment the request was sent.
    Service,
    /// From the planned time until it could be sent: the generator's own lateness.
    Lag,
}

/// `<`, `<=`, `>`, `>=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Comparison {
    /// `<`
    #[serde(rename = "<")]
    Below,
    /// `<=`
    #[serde(rename = "<=")]
    AtMost,
    /// `>`
    #[serde(rename = ">")]
    Above,
    /// `>=`
    #[serde(rename = ">=")]
    AtLeast,
}

/// A bound, or a measured figure, with its unit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "unit", content = "value", rename_all = "kebab-case")]
pub enum Quantity {
    /// A duration; a document has it in milliseconds.
    #[serde(rename = "ms")]
    Time(
        #[serde(with = "milliseconds")]
        #[schemars(with = "f64")]
        Duration,
    ),
    /// A part of a whole, 0 to 1.
    Share(f64),
    /// Per second.
    #[serde(rename = "per-second")]
    Rate(f64),
    /// How many.
    Count(u64),
}

/// Writes durations as milliseconds, exact to the nanosecond.
mod milliseconds {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    const NANOS_PER_MS: f64 = 1e6;

    pub(super) fn serialize<S: Serializer>(
        time: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(super::super::float(super::super::nanos(*time)) / NANOS_PER_MS)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        let milliseconds = f64::deserialize(deserializer)?;
        Duration::try_from_secs_f64(milliseconds / 1e3).map_err(D::Error::custom)
    }
}

impl Comparison {
    /// Returns whether it bounds a figure from above, so that a larger figure is a worse one.
    pub const fn is_upper_bound(self) -> bool {
        matches!(self, Self::Below | Self::AtMost)
    }

    /// Returns whether `measured` satisfies the bound. The answer is `None` when the kinds differ
    /// or a value is NaN.
    pub fn holds(self, measured: Quantity, bound: Quantity) -> Option<bool> {
        let order = match (measured, bound) {
            (Quantity::Time(a), Quantity::Time(b)) => a.partial_cmp(&b),
            (Quantity::Share(a), Quantity::Share(b)) | (Quantity::Rate(a), Quantity::Rate(b)) => {
                a.partial_cmp(&b)
            }
            (Quantity::Count(a), Quantity::Count(b)) => a.partial_cmp(&b),
            _ => None,
        }?;
        Some(self.accepts(order))
    }

    /// Returns whether something in this order to the bound satisfies it.
    pub fn accepts(self, order: Ordering) -> bool {
        match self {
            Self::Below => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::Above => order.is_gt(),
            Self::AtLeast => order.is_ge(),
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Below => "<",
            Self::AtMost => "<=",
            Self::Above => ">",
            Self::AtLeast => ">=",
        })
    }
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Response => "response",
            Self::Service => "service",
            Self::Lag => "lag",
        })
    }
}

/// A figure of cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CostFigure {
    /// Dollars for the month of a tier.
    Monthly(String),
    /// Dollars for a thousand requests of the mix at list price.
    Per1000Requests,
    /// Units of a resource for each request of the mix.
    PerRequest(String),
    /// Units of a resource that an answer of this step says it used, on average.
    PerRequestOf(String, String),
    /// Units of a resource that a durable run used after its answer, on average.
    PerRun(String),
}

impl CostFigure {
    /// Returns whether the figure is in US dollars rather than in units of a resource.
    pub const fn is_in_dollars(&self) -> bool {
        matches!(self, Self::Monthly(_) | Self::Per1000Requests)
    }

    /// Returns the resource that is counted, if one is.
    pub fn resource(&self) -> Option<&str> {
        match self {
            Self::PerRequest(resource)
            | Self::PerRequestOf(resource, _)
            | Self::PerRun(resource) => Some(resource),
            Self::Monthly(_) | Self::Per1000Requests => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compares_like_with_like() {
        let ms = |n| Quantity::Time(Duration::from_millis(n));
        assert_eq!(Comparison::Below.holds(ms(5), ms(5)), Some(false));
        assert_eq!(Comparison::AtMost.holds(ms(5), ms(5)), Some(true));
        assert_eq!(Comparison::Above.holds(ms(6), ms(5)), Some(true));
        assert_eq!(Comparison::AtLeast.holds(ms(4), ms(5)), Some(false));
        assert_eq!(Comparison::Below.holds(Quantity::Share(0.1), ms(5)), None);
        assert_eq!(Comparison::Below.holds(Quantity::Rate(f64::NAN), Quantity::Rate(1.0)), None);
    }

    #[test]
    fn a_quantity_survives_a_document() {
        for (quantity, json) in [
            (
                Quantity::Time(Duration::from_nanos(50_000_001)),
                r#"{"unit":"ms","value":50.000001}"#,
            ),
            (Quantity::Share(0.05), r#"{"unit":"share","value":0.05}"#),
            (Quantity::Rate(99.5), r#"{"unit":"per-second","value":99.5}"#),
            (Quantity::Count(7), r#"{"unit":"count","value":7}"#),
        ] {
            assert_eq!(serde_json::to_string(&quantity).unwrap(), json);
            assert_eq!(serde_json::from_str::<Quantity>(json).unwrap(), quantity);
        }
    }
}
