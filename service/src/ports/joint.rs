//! Work that many want and that is done once: the memory of an object that coalesces.

use std::sync::{Mutex, PoisonError};

use futures_channel::oneshot::{Receiver, Sender, channel};
use futures_util::{FutureExt, future::Shared};
use serde_json::Value;

use crate::domain::Millis;

/// Work that has not ended after so long never will: its host lost it. Above every deadline of what
/// it waits for.
pub const LOST_AFTER: Millis = 60_000;

/// The work under way, or the last outcome. It lives in memory: an object that is forgotten begins
/// anew.
#[derive(Debug, Default)]
pub struct Joint(Mutex<Option<Work>>);

#[derive(Debug)]
struct Work {
    begun_at: Millis,
    outcome: Shared<Receiver<Outcome>>,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// For everyone who asks.
    pub reply: Value,
    /// Until then it is also for those who ask after its end.
    pub good_until: Millis,
}

/// What to do.
#[derive(Debug)]
pub enum Part {
    /// Do the work, and send what came of it. Dropped unsent, it lets the others know that nothing
    /// will.
    Lead(Sender<Outcome>),
    /// Wait for somebody else's. An error: they gave up.
    Follow(Shared<Receiver<Outcome>>),
}

impl Joint {
    /// Takes part.
    pub fn join(&self, now: Millis) -> Part {
        let mut work = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(work) = work.as_ref().filter(|work| work.is_good(now)) {
            return Part::Follow(work.outcome.clone());
        }
        let (sender, receiver) = channel();
        *work = Some(Work { begun_at: now, outcome: receiver.shared() });
        Part::Lead(sender)
    }

    /// Whether nobody needs what is in here.
    pub fn is_over(&self, now: Millis) -> bool {
        let work = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        !work.as_ref().is_some_and(|work| work.is_good(now))
    }
}

impl Work {
    fn is_good(&self, now: Millis) -> bool {
        // Not `peek`: that sees only what somebody has waited for.
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

    fn leads(joint: &Joint, now: Millis) -> Sender<Outcome> {
        match joint.join(now) {
            Part::Lead(sender) => sender,
            Part::Follow(_) => panic!("somebody else leads"),
        }
    }

    fn follows(joint: &Joint, now: Millis) -> Shared<Receiver<Outcome>> {
        match joint.join(now) {
            Part::Follow(outcome) => outcome,
            Part::Lead(_) => panic!("nobody leads"),
        }
    }

    #[tokio::test]
    async fn one_leads_and_all_hear() {
        let joint = Joint::default();
        let leader = leads(&joint, 0);
        let followers: Vec<_> = (0..50).map(|_| follows(&joint, 1)).collect();
        let outcome = Outcome { reply: json!(1), good_until: 10 };
        leader.send(outcome.clone()).unwrap();
        for follower in followers {
            assert_eq!(follower.await.unwrap(), outcome);
        }
        assert_eq!(follows(&joint, 9).await.unwrap(), outcome, "still good");
        assert!(joint.is_over(10));
        drop(leads(&joint, 10));
    }

    #[tokio::test]
    async fn what_nobody_waited_for_is_over_all_the_same() {
        let joint = Joint::default();
        leads(&joint, 0).send(Outcome { reply: json!("failed"), good_until: 0 }).unwrap();
        assert!(joint.is_over(1));
        leads(&joint, 1).send(Outcome { reply: json!("fine"), good_until: 9 }).unwrap();
        assert_eq!(follows(&joint, 2).await.unwrap().reply, "fine");
    }

    #[tokio::test]
    async fn a_leader_that_gives_up_leaves_nobody_hanging() {
        let joint = Joint::default();
        let leader = leads(&joint, 0);
        let follower = follows(&joint, 0);
        drop(leader);
        assert!(follower.await.is_err());
        let leader = leads(&joint, 0);
        let follower = follows(&joint, LOST_AFTER - 1);
        let _next = leads(&joint, LOST_AFTER);
        drop(leader);
        assert!(follower.await.is_err());
        assert!(!joint.is_over(LOST_AFTER), "the next one is under way");
    }
}
