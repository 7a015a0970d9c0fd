//! What goes on, as lines on stderr.

use super::output;
use crate::execute::{Progress, ProgressEvent};

/// A line for each scenario, and for each second of a load.
#[derive(Debug)]
pub(super) struct Lines;

impl Progress for Lines {
    fn event(&self, event: ProgressEvent<'_>) {
        match event {
            ProgressEvent::Started(plan) => output::say(&format!("running {}", plan.name)),
            ProgressEvent::Load(tick) => output::say(&format!(
                "  {:>3.0}{} s: {:.0}/s, {} in flight, {} failed",
                tick.elapsed.as_secs_f64(),
                tick.total.map_or(String::new(), |t| format!(" of {:.0}", t.as_secs_f64())),
                tick.per_second,
                tick.in_flight,
                tick.failed
            )),
            ProgressEvent::Finished(..) => {}
        }
    }
}
