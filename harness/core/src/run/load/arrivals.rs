//! An open model: iterations start when the schedule says, whatever became of earlier ones.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    pacer::Pacer,
    worker::{LoadWorker, propagate},
};
use crate::{model::clock, plan::Step, schedule::Schedule};

/// An arrival counts as punctual up to this long after the end of the plan: those planned just
/// before it wait for the next tick of the timer.
const GRACE: Duration = Duration::from_millis(5);

/// Starts every iteration of this thread when it is due; returns when arrivals ended.
///
/// # Errors
/// If the system has no timer for the pace.
pub(super) async fn all(worker: &mut LoadWorker) -> io::Result<Instant> {
    let pacer = Pacer::new(worker.plan().pacing)?;
    let start = worker.config.run.start;
    let schedule = Schedule::new(&worker.plan().profile, worker.config.run.load.context.seed);
    let end = clock::after(start, schedule.duration());
    let threads = worker.config.run.threads as u64;
    let mut now = clock::now();
    for (number, offset) in schedule.share(worker.config.index as u64, threads) {
        let planned = start + offset;
        if planned > now {
            now = wait(worker, &pacer, planned).await;
        }
        if worker.is_over() {
            return Ok(now.min(end));
        }
        worker.pace.planned += 1;
        worker.pace.punctual += u64::from(now <= end + GRACE);
        arrive(worker, number, planned, offset >= worker.plan().warmup);
    }
    Ok(end)
}

/// Returns at `planned` or when the run is stopped, and says what time it is then. Whatever else is
/// due by that time leaves together with what is due at `planned`.
async fn wait(worker: &LoadWorker, pacer: &Pacer, planned: Instant) -> Instant {
    if planned <= clock::now() {
        // Behind: answers must be read all the same.
        tokio::task::yield_now().await;
    } else {
        tokio::select! {
            () = pacer.until(planned) => {}
            () = worker.config.run.stop.wait() => {}
        }
    }
    clock::now()
}

/// Starts iteration `number`, or drops it if all slots are taken.
fn arrive(worker: &mut LoadWorker, number: u64, planned: Instant, measured: bool) {
    while let Some(ended) = worker.running.try_join_next() {
        propagate(ended);
    }
    let journey = worker.journey(number);
    if worker.running.len() >= worker.config.slots {
        if measured {
            drop_arrival(worker, journey, planned);
        }
        return;
    }
    let iteration = worker.config.run.iteration(number, &worker.worker, worker.clients(), measured);
    let load = Arc::clone(&worker.config.run.load.plan);
    worker.running.spawn_local(async move {
        if let Some(journey) = load.journeys.get(journey) {
            // What failed is in the metrics.
            let _ = iteration.run(&journey.steps, planned).await;
        }
    });
}

/// A dropped arrival counts on the first request it would have sent.
fn drop_arrival(worker: &LoadWorker, journey: usize, planned: Instant) {
    let steps = worker.plan().journeys.get(journey).map(|journey| journey.steps.as_slice());
    if let Some(request) = Step::flat(steps.unwrap_or_default()).into_iter().find_map(Step::request)
    {
        let mut recorder = worker.worker.recorder.borrow_mut();
        recorder.scheduled(request.id);
        recorder.dropped(request.id, worker.worker.context.offset(planned));
    }
}
