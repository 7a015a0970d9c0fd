//! Single flight: work that many callers want is done once, and all of them get its outcome. An object
//! that coalesces calls keeps it in memory.

use std::sync::{Mutex, PoisonError};

use futures_channel::oneshot::{Receiver, Sender, channel};
use futures_util::{FutureExt, future::Shared};
use serde_json::Value;

use crate::domain::Millis;

/// Work that has not ended after this time, in milliseconds, never will: its host lost it. The limit is
/// above every deadline of what the work waits for.
pub const LOST_AFTER: Millis = 60_000;

/// Holds the work under way, or the last outcome. It lives in memory: an object that the platform
/// evicts begins anew.
#[derive(Debug, Default)]
pub struct SingleFlight(Mutex<Option<Work>>);

#[derive(Debug)]
struct Work {
    begun_at: Millis,
    outcome: Shared<Receiver<Outcome>>,
}

/// The result of the work, for everyone who joined.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The reply.
    pub reply: Value,
    /// The instant until which the reply is also given to callers that join after the work ended.
    pub good_until: Millis,
}

/// The part that a caller takes.
#[derive(Debug)]
pub enum Role {
    /// This caller does the work and sends the outcome. If it drops the sender instead, the others
    /// get an error.
    Lead(Sender<Outcome>),
    /// This caller waits for the outcome of another. It is an error if that one gave up.
    Follow(Shared<Receiver<Outcome>>),
}

impl SingleFlight {
    /// Joins the work, as its leader if none is under way and no outcome is still good.
    pub fn join(&self, now: Millis) -> Role {
        let mut work = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(work) = work.as_ref().filter(|work| work.is_good(now)) {
            return Role::Follow(work.outcome.clone());
        }
        let (sender, receiver) = channel();
        *work = Some(Work { begun_at: now, outcome: receiver.shared() });
        Role::Lead(sender)
    }

    /// Returns whether no work is under way and no outcome is still good.
    pub fn is_over(&self, now: Millis) -> bool {
        let work = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        !work.as_ref().is_some_and(|work| work.is_good(now))
    }
}

impl Work {
    fn is_good(&self, now: Millis) -> bool {
        // `peek` would not do: it sees an outcome only after somebody has waited for it.
        match self.outcome.clone().now_or_never() {
            None => now - self.begun_at < LOST_AFTER,
            Some(Ok(outcome)) => now < outcome.good_until,
            Some(Err(_)) => false,
        }
    }
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests {
    use serde_json::json;

    use super::*;

    fn leads(single_flight: &SingleFlight, now: Millis) -> Sender<Outcome> {
        match single_flight.join(now) {
            Role::Lead(sender) => sender,
            Role::Follow(_) => panic!("somebody else leads"),
        }
    }

    fn follows(single_flight: &SingleFlight, now: Millis) -> Shared<Receiver<Outcome>> {
        match single_flight.join(now) {
            Role::Follow(outcome) => outcome,
            Role::Lead(_) => panic!("nobody leads"),
        }
    }

    #[tokio::test]
    async fn one_leads_and_all_hear() {
        let single_flight = SingleFlight::default();
        let leader = leads(&single_flight, 0);
        let followers: Vec<_> = (0..50).map(|_| follows(&single_flight, 1)).collect();
        let outcome = Outcome { reply: json!(1), good_until: 10 };
        leader.send(outcome.clone()).unwrap();
        for follower in followers {
            assert_eq!(follower.await.unwrap(), outcome);
        }
        assert_eq!(follows(&single_flight, 9).await.unwrap(), outcome, "still good");
        assert!(single_flight.is_over(10));
        drop(leads(&single_flight, 10));
    }

    #[tokio::test]
    async fn what_nobody_waited_for_is_over_all_the_same() {
        let single_flight = SingleFlight::default();
        leads(&single_flight, 0).send(Outcome { reply: json!("failed"), good_until: 0 }).unwrap();
        assert!(single_flight.is_over(1));
        leads(&single_flight, 1).send(Outcome { reply: json!("fine"), good_until: 9 }).unwrap();
        assert_eq!(follows(&single_flight, 2).await.unwrap().reply, "fine");
    }

    #[tokio::test]
    async fn a_leader_that_gives_up_leaves_nobody_hanging() {
        let single_flight = SingleFlight::default();
        let leader = leads(&single_flight, 0);
        let follower = follows(&single_flight, 0);
        drop(leader);
        assert!(follower.await.is_err());
        let leader = leads(&single_flight, 0);
        let follower = follows(&single_flight, LOST_AFTER - 1);
        let _next = leads(&single_flight, LOST_AFTER);
        drop(leader);
        assert!(follower.await.is_err());
        assert!(!single_flight.is_over(LOST_AFTER), "the next one is under way");
    }
}
