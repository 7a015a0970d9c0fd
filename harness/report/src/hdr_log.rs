//! The latencies as an HDR interval log (V1.3), as the tools around `HdrHistogram` read it.

use std::time::Duration;

use hdrhistogram::serialization::{
    V2DeflateSerializer,
    interval_log::{IntervalLogWriterBuilder, Tag},
};

use super::{RenderError, RunReport, stored};

/// Nanoseconds are written; the column of maxima is in milliseconds.
const NANOS_PER_MS: f64 = 1e6;

/// A line for each step of each scenario, tagged `scenario:step`, over the scenario's time. Several
/// scenarios follow one another as they ran.
///
/// # Errors
/// [`RenderError::IntervalLog`], if a histogram cannot be written.
pub fn hdr_log(report: &RunReport) -> Result<Vec<u8>, RenderError> {
    let mut bytes = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let start = report.started_at.time();
    let wrong = |error: &dyn std::fmt::Debug| RenderError::IntervalLog(format!("{error:?}"));
    let run = tag(&report.run_id);
    let comment = format!("[Logged with workway, run {run}; response time in nanoseconds]");
    let mut log = IntervalLogWriterBuilder::new()
        .add_comment(&comment)
        .with_start_time(start)
        .with_base_time(start)
        .with_max_value_divisor(NANOS_PER_MS)
        .begin_log_with(&mut bytes, &mut serializer)
        .map_err(|error| wrong(&error))?;
    let mut at = Duration::ZERO;
    for scenario in &report.scenarios {
        let length = Duration::try_from_secs_f64(scenario.duration_s).unwrap_or_default();
        for step in &scenario.steps {
            let Some(histogram) = step.response_hdr.as_deref().and_then(stored::decode) else {
                continue;
            };
            let name = tag(&format!("{}:{}", scenario.name, step.name));
            log.write_histogram(&histogram, at, length, Tag::new(&name))
                .map_err(|error| wrong(&error))?;
        }
        at += length;
    }
    Ok(bytes)
}

/// Without what separates the fields of a line.
fn tag(name: &str) -> String {
    name.chars()
        .map(|c| if c == ',' || c.is_whitespace() || c.is_control() { '_' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_one_field() {
        assert_eq!(tag("a/b:create, then run\n"), "a/b:create__then_run_");
    }
}
