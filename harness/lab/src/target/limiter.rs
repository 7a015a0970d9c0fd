//! The self-check of a limiter: whether it counts exactly, and how.

use std::{ops::RangeInclusive, time::Duration};

use reqwest::{Method, StatusCode};

use super::{SelfCheck, Target, is_loopback, probe::ProbeError};
use crate::{http::question, model::Capability, model::clock::now_millis, plan::Limiter};

/// Requests of one fresh caller, well past the limit of 100: what an exact limiter admits of them
/// is the same for each caller.
const BURST: usize = 130;
/// Milliseconds of a window.
const WINDOW: i64 = 60_000;
/// The time that must be left of the current window, in milliseconds, so that no burst straddles
/// its end; two bursts take a few seconds at most.
const LEFT: i64 = 10_000;
/// The time after the start of the next window, in milliseconds, from which the clocks agree on
/// which window it is.
const INTO_THE_NEXT: i64 = 1_000;
/// The number of requests of a burst that a sliding counter admits then: a sixtieth of a limit of
/// 100 for each second since the window began. A limiter that keeps a log admits none.
const SLID: RangeInclusive<usize> = 1..=10;

/// Counts the answers to a burst of one caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Burst {
    admitted: usize,
    refused: usize,
    /// The last other status.
    other: Option<StatusCode>,
}

/// Counts the requests of each burst that were admitted.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} of {BURST} requests of fresh callers were admitted")]
struct Admitted(Vec<usize>);

/// Says why nothing is known of a limiter.
#[derive(Debug, thiserror::Error)]
enum LimiterError {
    /// The target did not answer.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// The service is another than ours, or ill.
    #[error("GET /workflows answered {}, so nothing is known of a limiter", .0.as_u16())]
    NotOurs(StatusCode),
    /// The limiter does not admit the same number of each caller's requests.
    #[error(transparent)]
    Inexact(Admitted),
    /// The target is on another machine.
    #[error("its windows are those of its clock, which is not ours")]
    OtherClock,
    /// The next window admitted a number that belongs to no known algorithm.
    #[error("of who had spent the budget the next window admitted {0} of {BURST} requests")]
    UnknownAlgorithm(usize),
}

impl Target {
    /// Lets two callers spend more than their budgets: an exact limiter admits the same of both. If
    /// it matters how it counts, the window after that shows it, up to a minute later.
    pub(super) async fn probe_limiter(&mut self, check: &mut SelfCheck, how: bool) {
        if let Some(limiter) = self.known_limiter() {
            // Ours: the algorithms are known, and scenarios hold them to it.
            let found = format!("{}, by its kind", limiter.name());
            check.found(Capability::ExactLimiter, true, found.clone());
            return check.found(Capability::SlidingLimiter, limiter == Limiter::Sliding, found);
        }
        // A burst is for our service alone: to anyone else it is a flood, and says nothing.
        if let Err(problem) = self.is_ours().await {
            return none(check, &problem.to_string());
        }
        until_left(LEFT).await;
        let mut bursts = Vec::new();
        // Of this look alone: a minute has room for several.
        let callers = ["a", "b"].map(|caller| format!("probe-limiter-{}-{caller}", now_millis()));
        for caller in &callers {
            match self.burst(caller).await {
                Ok(burst) => bursts.push(burst),
                Err(problem) => return none(check, &problem.to_string()),
            }
        }
        match exact(&bursts) {
            Ok(found) => check.found(Capability::ExactLimiter, true, found.to_string()),
            Err(problem) => return none(check, &problem.to_string()),
        }
        if !how {
            return;
        }
        match self.algorithm(&callers[0], bursts[0].admitted).await {
            Ok(limiter) => {
                self.limiter = Some(limiter);
                let found = format!("{}, by what the next window admitted", limiter.name());
                check.found(Capability::SlidingLimiter, limiter == Limiter::Sliding, found);
            }
            Err(why) => check.found(Capability::SlidingLimiter, false, format!("not known: {why}")),
        }
    }

    /// Finds the algorithm of the limiter by the requests that it admits in the window after the
    /// one in which `caller` spent `limit`.
    async fn algorithm(&self, caller: &str, limit: usize) -> Result<Limiter, LimiterError> {
        if !is_loopback(&self.url) {
            return Err(LimiterError::OtherClock);
        }
        until_left(WINDOW).await;
        let again = self.burst(caller).await?;
        match again.admitted {
            count if count >= limit => Ok(Limiter::Fixed),
            count if SLID.contains(&count) => Ok(Limiter::Sliding),
            count => Err(LimiterError::UnknownAlgorithm(count)),
        }
    }

    /// Asks once whether the list of workflows is there, as our service answers it.
    ///
    /// # Errors
    /// When it is not.
    async fn is_ours(&self) -> Result<(), LimiterError> {
        let caller = format!("probe-service-{}", now_millis());
        let answer = self.ask(Method::GET, "/workflows", &caller, None).await?;
        let status = answer.status();
        let text = question::read_text(answer).await.map_err(ProbeError::from)?;
        let page = serde_json::from_str::<serde_json::Value>(&text).unwrap_or_default();
        if status.is_success() && page["workflows"].is_array() {
            return Ok(());
        }
        Err(LimiterError::NotOurs(status))
    }

    async fn burst(&self, caller: &str) -> Result<Burst, ProbeError> {
        let mut burst = Burst { admitted: 0, refused: 0, other: None };
        for _ in 0..BURST {
            let status = self.ask(Method::GET, "/workflows", caller, None).await?.status();
            match status {
                StatusCode::TOO_MANY_REQUESTS => burst.refused += 1,
                _ if status.is_success() => burst.admitted += 1,
                other => burst.other = Some(other),
            }
        }
        Ok(burst)
    }
}

fn none(check: &mut SelfCheck, problem: &str) {
    check.found(Capability::ExactLimiter, false, problem);
    check.found(Capability::SlidingLimiter, false, "not known of one that does not count exactly");
}

/// Returns the number of requests that the limiter admits of each caller.
///
/// # Errors
/// [`LimiterError`] if these bursts show no limiter that counts exactly.
fn exact(bursts: &[Burst]) -> Result<Admitted, LimiterError> {
    if let Some(status) = bursts.iter().find_map(|burst| burst.other) {
        return Err(LimiterError::NotOurs(status));
    }
    let is_limited = |burst: &Burst| burst.admitted > 0 && burst.refused > 0;
    let same = bursts.windows(2).all(|pair| pair[0].admitted == pair[1].admitted);
    let admitted = Admitted(bursts.iter().map(|burst| burst.admitted).collect());
    if same && bursts.iter().all(is_limited) {
        Ok(admitted)
    } else {
        Err(LimiterError::Inexact(admitted))
    }
}

/// Waits until so much of a window is left; all of it is left a moment after one began.
async fn until_left(left: i64) {
    let past = now_millis().rem_euclid(WINDOW);
    if WINDOW - past >= left {
        return;
    }
    let pause = u64::try_from(WINDOW - past + INTO_THE_NEXT).unwrap_or_default();
    tokio::time::sleep(Duration::from_millis(pause)).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limiter_is_exact_that_admits_some_and_refuses_the_rest_alike() {
        let burst = |admitted, refused| Burst {
            admitted,
            refused,
            other: (admitted + refused < BURST).then_some(StatusCode::NOT_FOUND),
        };
        assert!(exact(&[burst(100, 30), burst(100, 30)]).is_ok());
        for [first, second] in [
            [burst(100, 30), burst(101, 29)],
            [burst(130, 0), burst(130, 0)],
            [burst(0, 130), burst(0, 130)],
            [burst(0, 0), burst(0, 0)],
            [burst(100, 29), burst(100, 29)],
        ] {
            assert!(exact(&[first, second]).is_err(), "{first:?}");
        }
        assert!(exact(&[burst(0, 0)]).unwrap_err().to_string().contains("answered 404"));
    }
}
