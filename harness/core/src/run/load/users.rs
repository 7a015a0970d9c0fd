//! A closed model: users who start again when they are done.

use std::{cell::Cell, rc::Rc, time::Instant};

use super::{
    Order,
    share::{Crew, propagate},
};
use crate::{
    model::clock,
    plan::{Until, Users},
    run::{Sender, lane::Lane},
    schedule::Mix,
};

/// One user of this thread.
struct User {
    order: Order,
    lane: Rc<Lane>,
    mix: Mix,
    sender: Sender,
    /// Number of the user, and of its first iteration.
    number: u64,
    users: Users,
    /// Iterations that users of this thread started.
    started: Rc<Cell<u64>>,
}

/// Lets the users of this thread do their iterations; returns when they are to stop. Those in
/// flight are left to the drain.
pub(super) async fn all(crew: &mut Crew, users: Users) -> Instant {
    let started = Rc::new(Cell::new(0));
    for number in (crew.share.index..users.count).step_by(crew.share.order.threads) {
        let user = User {
            order: crew.share.order.clone(),
            lane: Rc::clone(&crew.lane),
            mix: crew.mix().clone(),
            sender: crew.sender(),
            number: number as u64,
            users,
            started: Rc::clone(&started),
        };
        crew.running.spawn_local(user.run());
    }
    let end = wait(crew, users.until).await;
    crew.is_over();
    crew.pace.planned = started.get();
    crew.pace.punctual = started.get();
    end
}

/// Returns when users are to stop, or all have.
async fn wait(crew: &mut Crew, until: Until) -> Instant {
    let start = crew.share.order.start;
    let end = match until {
        Until::Elapsed(duration) => Some(clock::after(start, duration)),
        Until::Iterations(_) => None,
    };
    let stop = crew.share.order.stop.clone();
    let running = &mut crew.running;
    let all = async {
        while let Some(ended) = running.join_next().await {
            propagate(ended);
        }
    };
    tokio::select! {
        () = all => {}
        () = async {
            match end {
                Some(end) => clock::sleep_until(end).await,
                None => std::future::pending().await,
            }
        } => {}
        () = stop.wait() => {}
    }
    end.map_or_else(clock::now, |end| end.min(clock::now()))
}

impl User {
    async fn run(self) {
        let start = self.order.start;
        let mut planned = start;
        let mut number = self.number;
        loop {
            clock::sleep_until(planned).await;
            if self.is_over(number, planned) {
                return;
            }
            self.started.set(self.started.get() + 1);
            let load = &self.order.job.load;
            let measured = planned.saturating_duration_since(start) >= load.warmup;
            let journey = self.mix.choose(self.order.job.first + number);
            let sender = self.sender.clone();
            let iteration = self.order.iteration(number, &self.lane, sender, measured);
            if let Some(journey) = load.journeys.get(journey) {
                // What failed is in the metrics.
                let _ = iteration.run(&journey.steps, planned).await;
            }
            planned = clock::after(clock::now(), self.users.think);
            number += self.users.count as u64;
        }
    }

    fn is_over(&self, number: u64, planned: Instant) -> bool {
        let done = match self.users.until {
            Until::Elapsed(duration) => planned >= clock::after(self.order.start, duration),
            Until::Iterations(count) => number >= count,
        };
        done || self.order.is_over(&self.lane)
    }
}
