//! Reads the rate limit of each caller.

use super::{ConfigError, ConfigProblem, wrong};

/// The default number of requests of a caller in a period (the guide's).
pub const RATE_LIMIT: u32 = 100;
/// The default period, in seconds.
pub const RATE_PERIOD_SECONDS: u32 = 60;
/// The largest limit. It allows 16,666 requests a second of one caller, which is more than a Worker
/// is meant for.
pub const MAX_RATE_LIMIT: u32 = 1_000_000;
/// The periods that the platform's limiter has, in seconds.
pub const RATE_PERIODS: [u32; 2] = [10, 60];

/// The rate limit of each caller. On Workers the limit in `wrangler.toml` applies; the two have the
/// same values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// The number of requests in a period.
    pub requests: u32,
    /// The length of the period in seconds.
    pub period_seconds: u32,
}

impl Default for RateLimit {
    fn default() -> Self {
        Self { requests: RATE_LIMIT, period_seconds: RATE_PERIOD_SECONDS }
    }
}

impl RateLimit {
    /// Reads `RATE_LIMIT` (requests) and `RATE_PERIOD` (seconds).
    pub(super) fn from_lookup(
        lookup: &impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let read = |name: &'static str, default: u32| match lookup(name).filter(|v| !v.is_empty()) {
            None => Some(default),
            Some(text) => text.parse().ok(),
        };
        let requests = read("RATE_LIMIT", RATE_LIMIT)
            .filter(|requests| (1..=MAX_RATE_LIMIT).contains(requests))
            .ok_or_else(|| wrong("RATE_LIMIT")(ConfigProblem::RateLimit))?;
        let period_seconds = read("RATE_PERIOD", RATE_PERIOD_SECONDS)
            .filter(|seconds| RATE_PERIODS.contains(seconds))
            .ok_or_else(|| wrong("RATE_PERIOD")(ConfigProblem::RatePeriod))?;
        Ok(Self { requests, period_seconds })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(requests: &str, period: &str) -> Result<RateLimit, ConfigError> {
        RateLimit::from_lookup(&|name| match name {
            "RATE_LIMIT" => Some(requests.to_owned()),
            "RATE_PERIOD" => Some(period.to_owned()),
            _ => None,
        })
    }

    #[test]
    fn limits_at_their_bounds_and_one_past_them() {
        assert_eq!(read("", "").unwrap(), RateLimit::default());
        let limit = |requests, period_seconds| RateLimit { requests, period_seconds };
        assert_eq!(read("1", "10").unwrap(), limit(1, 10));
        assert_eq!(read("1000000", "60").unwrap(), limit(MAX_RATE_LIMIT, 60));
        for bad in ["0", "1000001", "-1", "many", "1.5"] {
            assert_eq!(read(bad, "60").unwrap_err().name, "RATE_LIMIT", "{bad}");
        }
        for bad in ["0", "9", "11", "59", "61", "60 s"] {
            assert_eq!(read("100", bad).unwrap_err().name, "RATE_PERIOD", "{bad}");
        }
    }
}
