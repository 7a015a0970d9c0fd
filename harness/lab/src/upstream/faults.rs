//! Applies faults to calls instead of, or before, answering them.

use serde::{Deserialize, Serialize};

use crate::model::glob;

/// Faults at a time: a scenario has a few.
pub const MAX_FAULTS: usize = 1000;

/// A fault that calls meet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The calls that meet it: a path and query, in which `*` stands for anything.
    pub path: String,
    /// The answer comes after this many milliseconds. The effect is there before.
    pub latency_ms: Option<u64>,
    /// The answer has this status, and there is no effect.
    pub status: Option<u16>,
    /// The fault of the connection.
    #[serde(default)]
    pub connection: Option<ConnectionFault>,
    /// `Retry-After` of that answer.
    #[serde(default)]
    pub retry_after: Option<String>,
    /// The number of calls that meet it; all if absent.
    pub times: Option<u64>,
    /// The number of calls that pass before that.
    #[serde(default)]
    pub skip: u64,
}

/// Names a fault of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionFault {
    /// Gives no answer, and has no effect; the connection stays open.
    Hang,
    /// The connection is reset; there is no effect.
    Reset,
    /// The effect is there; half of its answer arrives, then the connection is reset.
    HalfBody,
    /// 200 with a body that means nothing; there is no effect.
    Nonsense,
}

/// The faults that are set, in order; a call meets the first that it matches.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Fault>);

/// There are [`MAX_FAULTS`] faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there are {MAX_FAULTS} faults already; remove them first")]
pub(super) struct TooManyFaults;

impl Faults {
    /// Adds a fault after the others.
    ///
    /// # Errors
    /// [`TooManyFaults`].
    pub(super) fn add(&mut self, fault: Fault) -> Result<(), TooManyFaults> {
        if self.0.len() == MAX_FAULTS {
            return Err(TooManyFaults);
        }
        self.0.push(fault);
        Ok(())
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Returns the fault that this call meets.
    pub(super) fn meet(&mut self, path: &str) -> Option<Fault> {
        for fault in self.0.iter_mut().filter(|fault| glob::matches(&fault.path, path)) {
            if fault.skip > 0 {
                fault.skip -= 1;
                continue;
            }
            match &mut fault.times {
                Some(0) => {}
                Some(times) => {
                    *times -= 1;
                    return Some(fault.clone());
                }
                None => return Some(fault.clone()),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_meets_so_many_calls_after_so_many() {
        let mut faults = Faults::default();
        let fault = Fault { path: "/a*".into(), times: Some(2), skip: 1, ..Fault::default() };
        faults.add(fault).unwrap();
        let met: Vec<_> =
            ["/b", "/a", "/a1", "/a2", "/a3"].map(|path| faults.meet(path).is_some()).into();
        assert_eq!(met, [false, false, true, true, false]);
        faults.add(Fault { path: "*".into(), ..Fault::default() }).unwrap();
        assert!(faults.meet("/b").is_some());
        faults.clear();
        assert!(faults.meet("/b").is_none());
    }

    #[test]
    fn the_limit_and_one_past_it() {
        let mut faults = Faults::default();
        for _ in 0..MAX_FAULTS {
            faults.add(Fault::default()).unwrap();
        }
        assert_eq!(faults.add(Fault::default()), Err(TooManyFaults));
    }
}
