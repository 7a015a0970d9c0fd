//! A run on one line of time: what was asked and answered, what its engine says, what reached the
//! outside, and what was done to the target.

use std::{fmt::Write as _, time::Duration};

use serde_json::Value;

use super::{Evidence, bare};
use crate::check::oracle::history::{Operation, What};

/// Lines of a timeline. A run of a few steps takes twenty; the first say where it went wrong.
const MAX_LINES: usize = 60;

/// Something that happened besides requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happened {
    /// The time of the event, from the start of the scenario.
    pub at: Duration,
    /// The description of the event.
    pub what: String,
    /// Set if the event ended the target.
    pub is_crash: bool,
    /// The run that it is about; all of them if empty.
    pub run: String,
}

/// The timeline of one run; nothing for no run.
pub(super) fn of(evidence: &Evidence, run: &str) -> Vec<String> {
    let mut lines: Vec<(Duration, String)> = Vec::new();
    let Some(history) = evidence.histories.iter().find(|history| history.run == run) else {
        return Vec::new();
    };
    lines.extend(told(&history.operations));
    let about = |of: &str| of.is_empty() || of == run;
    let happened = evidence.happened.iter().filter(|happened| about(&happened.run));
    lines.extend(happened.map(|happened| (happened.at, happened.what.clone())));
    lines.extend(evidence.reached(run));
    lines.sort_by_key(|(at, _)| *at);
    let count = lines.len();
    let show = |(at, what): (Duration, String)| format!("{:9.3} s  {what}", at.as_secs_f64());
    let mut shown: Vec<_> = lines.into_iter().take(MAX_LINES).map(show).collect();
    if count > MAX_LINES {
        shown.push(format!("and {} more", count - MAX_LINES));
    }
    shown
}

/// A line for each answer that differs from the one before it.
fn told(operations: &[Operation]) -> Vec<(Duration, String)> {
    let mut lines: Vec<(Duration, String, usize)> = Vec::new();
    for operation in operations {
        let text = line(&operation.what);
        match lines.last_mut() {
            Some((_, last, times)) if *last == text => *times += 1,
            _ => lines.push((operation.sent, text, 1)),
        }
    }
    let show = |(at, text, times): (Duration, String, usize)| {
        let often = if times > 1 { format!(" ({times} times)") } else { String::new() };
        (at, format!("{text}{often}"))
    };
    lines.into_iter().map(show).collect()
}

fn line(what: &What) -> String {
    match what {
        What::Started => "start: acknowledged".to_owned(),
        What::Read(progress) => {
            let mut text = format!("read: {}", progress.status);
            for (index, step) in progress.steps.iter().enumerate() {
                let separator = if index == 0 { " [" } else { ", " };
                let _ = write!(text, "{separator}{} {}", step.status, step.attempts);
            }
            text + if progress.steps.is_empty() { "" } else { "]" }
        }
        What::Absent => "read: not there".to_owned(),
        What::Odd(state) => format!("read: {state}"),
        What::Cancelled => "cancel: done".to_owned(),
        What::CancelledBefore => "cancel: it was cancelled before".to_owned(),
        What::Ended => "cancel: it had ended".to_owned(),
        What::MayCancel => "cancel: no answer".to_owned(),
    }
}

impl Evidence {
    /// Lists the calls of a run that reached the stub.
    fn reached(&self, run: &str) -> Vec<(Duration, String)> {
        let mut lines = Vec::new();
        let prefix = format!("{run}:");
        for call in &self.calls {
            let key = call.key.as_deref().map(bare);
            let Some(step) = key.and_then(|key| key.strip_prefix(&prefix)) else {
                continue;
            };
            let what = format!("effect of step {step}: {} {}", call.method, call.path);
            lines.push((self.offset(call.at), what.clone()));
            if call.deliveries > 1 {
                let times = call.deliveries;
                lines.push((self.offset(call.last_at), format!("{what}, delivery {times}")));
            }
        }
        lines
    }

    fn offset(&self, at: i64) -> Duration {
        Duration::from_millis(u64::try_from(at - self.origin).unwrap_or_default())
    }
}

/// Reads the events of a run from the text of the engine's event stream: the time, on the clock of
/// the target in milliseconds since 1970, and the description.
pub fn events(stream: &str) -> Vec<(i64, String)> {
    let data = stream.lines().filter_map(|line| line.strip_prefix("data: "));
    let events = data.filter_map(|data| serde_json::from_str::<Value>(data).ok());
    events
        .filter_map(|event| {
            let status = event["status"].as_str()?;
            let what = match (event["step"].as_u64(), event["attempt"].as_u64()) {
                (Some(step), Some(attempt)) => {
                    format!("engine: step {step}, attempt {attempt} {status}")
                }
                _ => format!("engine: {status}"),
            };
            Some((event["at"].as_i64()?, what))
        })
        .collect()
}
