//! Usage as Cloudflare bills it: the resources behind the names, and the header that tells them.

use http::HeaderMap;
use rust_decimal::Decimal;
use workway_price::{Amounts, Resource, UnknownResource};

pub use workway_core::model::usage::{Counts, RunUsage, Source, StepUsage, Tallies, Tally};
use workway_core::model::usage::{Meter, Reading};

/// The header in which an answer reports its usage: an RFC 8941 dictionary of integers.
pub const USAGE_HEADER: &str = "workway-usage";

/// The reason that no run reports stored amounts: a bill of them needs a month, a run takes
/// minutes.
const STORED: &str = "a run stores nothing for a month; set what is kept";

/// Lists what a source never says, and why not: nothing of these is no zero.
pub fn silent_about(source: Source) -> Vec<(Resource, &'static str)> {
    let silent: &[(Resource, &str)] = match source {
        Source::Answers => &[
            (Resource::CpuMs, "a Worker cannot read its CPU time"),
            (Resource::ActorGbS, "how long objects stay in memory is not measured"),
            (Resource::LogEvents, "lines of log are not counted"),
            (Resource::AnalyticsQueries, "whoever reads analytics asks beside the service"),
            (Resource::LogpushRequests, "Logpush works beside the service"),
        ],
        Source::Analytics => &[
            (Resource::OutboundRequests, "analytics have none"),
            (Resource::VectorDimensionsWritten, "analytics have none"),
            (Resource::AnalyticsPoints, "analytics have none"),
            (Resource::LogEvents, "analytics have none"),
            (Resource::AnalyticsQueries, "analytics have none"),
            (Resource::LogpushRequests, "analytics have none"),
        ],
    };
    let held = Resource::HELD.into_iter().map(|resource| (resource, STORED));
    silent.iter().copied().chain(held).collect()
}

/// Measured usage that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UsageError {
    /// The run did not measure any.
    #[error(
        "{0} holds no usage: run a scenario with a `cost` block against a target that sends \
         Workway-Usage"
    )]
    None(String),
    /// The service named a resource that nobody here knows.
    #[error("the service metered {0}; this program is older than the service")]
    Unknown(#[from] UnknownResource),
}

/// Returns the sums of a tally, exact.
///
/// # Errors
/// [`UsageError::Unknown`].
pub fn amounts(tally: &Tally) -> Result<Amounts, UsageError> {
    let pairs = tally.usage.iter().map(|(name, amount)| {
        let resource: Resource = name.parse()?;
        Ok((resource, Decimal::from(*amount)))
    });
    pairs.collect()
}

/// Returns what one of a tally used on average; `None` when there was none.
///
/// # Errors
/// [`UsageError::Unknown`].
pub fn mean(tally: &Tally) -> Result<Option<Amounts>, UsageError> {
    if tally.count == 0 {
        return Ok(None);
    }
    let count = Decimal::from(tally.count);
    let amounts = amounts(tally)?;
    Ok(Some(amounts.iter().map(|(resource, sum)| (resource, sum / count)).collect()))
}

/// Reads the `Workway-Usage` header of an answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct HeaderMeter;

impl Meter for HeaderMeter {
    fn read(&self, headers: &HeaderMap) -> Option<Reading> {
        let usage = parse_header(headers.get(USAGE_HEADER)?.to_str().ok()?)?;
        let tokens = |name: Resource| usage.get(name.name()).copied().unwrap_or_default();
        let asked_model = tokens(Resource::AiInputTokens) + tokens(Resource::AiOutputTokens) > 0;
        Some(Reading { usage, asked_model })
    }
}

/// Reads a `Workway-Usage` header: an RFC 8941 dictionary of integers. `None` when it is none.
pub fn parse_header(value: &str) -> Option<Counts> {
    let members = value.split(',').map(str::trim).filter(|member| !member.is_empty());
    members
        .map(|member| {
            let (name, amount) = member.split_once('=')?;
            Some((name.to_owned(), amount.parse().ok()?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_as_the_service_writes_them() {
        let counts = |pairs: &[(&str, u64)]| {
            pairs.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect::<Counts>()
        };
        for (header, expected) in [
            ("", Some(counts(&[]))),
            ("rows_read=1", Some(counts(&[("rows_read", 1)]))),
            ("rows_read=1, kv_reads=20", Some(counts(&[("rows_read", 1), ("kv_reads", 20)]))),
            ("rows_read", None),
            ("rows_read=x", None),
            ("rows_read=-1", None),
        ] {
            assert_eq!(parse_header(header), expected, "{header}");
        }
    }
}
