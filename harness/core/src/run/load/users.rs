//! A closed model: users who start again when they are done.

use std::{cell::Cell, rc::Rc, sync::Arc, time::Instant};

use super::{
    LoadRun,
    worker::{LoadWorker, propagate},
};
use crate::{
    model::clock,
    plan::{Until, Users},
    run::worker::{Clients, Worker},
    schedule::Mix,
};

/// One user of this thread.
struct User {
    run: Arc<LoadRun>,
    worker: Rc<Worker>,
    mix: Mix,
    clients: Clients,
    /// Number of the user, and of its first iteration.
    number: u64,
    users: Users,
    /// Iterations that users of this thread started.
    started: Rc<Cell<u64>>,
}

/// Lets the users of this thread do their iterations; returns when they are to stop. Those in
/// flight are left to the drain.
pub(super) async fn all(worker: &mut LoadWorker, users: Users) -> Instant {
    let started = Rc::new(Cell::new(0));
    for number in (worker.config.index..users.count).step_by(worker.config.run.threads) {
        let user = User {
            run: Arc::clone(&worker.config.run),
            worker: Rc::clone(&worker.worker),
            mix: worker.mix().clone(),
            clients: worker.clients(),
            number: number as u64,
            users,
            started: Rc::clone(&started),
        };
        worker.running.spawn_local(user.run());
    }
    let end = wait(worker, users.until).await;
    worker.is_over();
    worker.pace.planned = started.get();
    worker.pace.punctual = started.get();
    end
}

/// Returns when users are to stop, or all have.
async fn wait(worker: &mut LoadWorker, until: Until) -> Instant {
    let start = worker.config.run.start;
    let end = match until {
        Until::Elapsed(duration) => Some(clock::after(start, duration)),
        Until::Iterations(_) => None,
    };
    let stop = worker.config.run.stop.clone();
    let running = &mut worker.running;
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
        let start = self.run.start;
        let mut planned = start;
        let mut number = self.number;
        loop {
            clock::sleep_until(planned).await;
            if self.is_over(number, planned) {
                return;
            }
            self.started.set(self.started.get() + 1);
            let load = &self.run.load.plan;
            let measured = planned.saturating_duration_since(start) >= load.warmup;
            let journey = self.mix.choose(self.run.load.first + number);
            let clients = self.clients.clone();
            let iteration = self.run.iteration(number, &self.worker, clients, measured);
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
            Until::Elapsed(duration) => planned >= clock::after(self.run.start, duration),
            Until::Iterations(count) => number >= count,
        };
        done || self.run.is_over(&self.worker)
    }
}
