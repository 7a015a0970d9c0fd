//! Ending a run early.

use tokio::sync::watch;

/// The signal that ends a run early; Ctrl-C outranks SIGTERM.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Signal {
    /// SIGTERM.
    Terminate,
    /// Ctrl-C.
    Interrupt,
}

/// Raised once, seen by every thread of a run.
#[derive(Clone, Debug)]
pub struct StopFlag(watch::Sender<Option<Signal>>);

impl StopFlag {
    /// Not raised.
    pub fn new() -> Self {
        Self(watch::Sender::new(None))
    }

    /// Ends the run. The first signal stays.
    pub fn raise(&self, signal: Signal) {
        self.0.send_if_modified(|raised| {
            let first = raised.is_none();
            raised.get_or_insert(signal);
            first
        });
    }

    /// The signal, if there was one.
    pub fn raised(&self) -> Option<Signal> {
        *self.0.borrow()
    }

    /// Returns when the flag is raised.
    pub async fn wait(&self) {
        // The sender lives in `self`, so the channel cannot close while this waits.
        let _ = self.0.subscribe().wait_for(Option::is_some).await;
    }
}

impl Default for StopFlag {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_signal_stays() {
        let flag = StopFlag::new();
        let waiting = flag.clone();
        let waiter = async move { waiting.wait().await };
        flag.raise(Signal::Terminate);
        flag.raise(Signal::Interrupt);
        waiter.await;
        assert_eq!(flag.raised(), Some(Signal::Terminate));
    }
}
