//! Time, randomness and the log of the runtime.

use std::time::Duration;

use worker::{Delay, js_sys, send::SendFuture};

use crate::domain::Millis;
use crate::ports::{Clock, PortError, Random};

/// The runtime's clock. It stands still between I/O.
#[derive(Clone, Copy, Debug, Default)]
pub struct JsClock;

impl Clock for JsClock {
    fn now(&self) -> Millis {
        // Not worker's `Date::now`, which makes an object to ask.
        #[expect(clippy::cast_possible_truncation, reason = "whole, and below 2^53")]
        let now = js_sys::Date::now() as Millis;
        now
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send {
        SendFuture::new(Delay::from(duration))
    }
}

/// `crypto.getRandomValues`.
#[derive(Clone, Copy, Debug, Default)]
pub struct JsRandom;

impl Random for JsRandom {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), PortError> {
        getrandom::fill(bytes).map_err(|error| PortError::unavailable("random", error))
    }
}

/// Writes a line to the Worker's log, at the level of information.
pub(super) fn record(line: &str) {
    worker::console_log!("{line}");
}

/// Writes a line to the Worker's log, at the level of errors.
pub(super) fn log(line: &str) {
    worker::console_error!("{line}");
}
