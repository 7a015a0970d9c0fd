//! An open model: iterations start when the schedule says, whatever became of earlier ones.

use std::time::{Duration, Instant};

use super::{
    pacer::Pacer,
    share::{Crew, propagate},
};
use crate::{model::clock, plan::Step, schedule::Schedule};

/// An arrival counts as punctual up to this long after the end of the plan: those planned just
/// before it wait for the next tick of the timer.
const GRACE: Duration = Duration::from_millis(5);

/// Starts every iteration of this thread when it is due; returns when arrivals ended.
///
/// # Errors
/// If the system has no timer for the pace.
pub(super) async fn all(crew: &mut Crew) -> Result<Instant, String> {
    let pacer = Pacer::new(crew.load().pacing).map_err(|error| format!("no timer: {error}"))?;
    let start = crew.share.order.start;
    let schedule = Schedule::new(&crew.load().profile, crew.share.order.job.world.seed);
    let end = clock::after(start, schedule.duration());
    let threads = crew.share.order.threads as u64;
    let mut now = clock::now();
    for (number, offset) in schedule.share(crew.share.index as u64, threads) {
        let planned = start + offset;
        if planned > now {
            now = wait(crew, &pacer, planned).await;
        }
        if crew.is_over() {
            return Ok(now.min(end));
        }
        crew.pace.planned += 1;
        crew.pace.punctual += u64::from(now <= end + GRACE);
        arrive(crew, number, planned, offset >= crew.load().warmup);
    }
    Ok(end)
}

/// Returns at `planned` or when the run is stopped, and says what time it is then. Whatever else is
/// due by that time leaves together with what is due at `planned`.
async fn wait(crew: &Crew, pacer: &Pacer, planned: Instant) -> Instant {
    if planned <= clock::now() {
        // Behind: answers must be read all the same.
        tokio::task::yield_now().await;
    } else {
        tokio::select! {
            () = pacer.until(planned) => {}
            () = crew.share.order.stop.wait() => {}
        }
    }
    clock::now()
}

/// Starts iteration `number`, or drops it if all slots are taken.
fn arrive(crew: &mut Crew, number: u64, planned: Instant, measured: bool) {
    while let Some(ended) = crew.running.try_join_next() {
        propagate(ended);
    }
    let journey = crew.journey(number);
    if crew.running.len() >= crew.share.slots {
        if measured {
            drop_arrival(crew, journey, planned);
        }
        return;
    }
    let iteration = crew.share.order.iteration(number, &crew.lane, crew.sender(), measured);
    let load = crew.share.order.job.load.clone();
    crew.running.spawn_local(async move {
        if let Some(journey) = load.journeys.get(journey) {
            // What failed is in the metrics.
            let _ = iteration.run(&journey.steps, planned).await;
        }
    });
}

/// A dropped arrival counts on the first request it would have sent.
fn drop_arrival(crew: &Crew, journey: usize, planned: Instant) {
    let steps = crew.load().journeys.get(journey).map(|journey| journey.steps.as_slice());
    if let Some(request) = Step::flat(steps.unwrap_or_default()).into_iter().find_map(Step::request)
    {
        let mut recorder = crew.lane.recorder.borrow_mut();
        recorder.scheduled(request.id);
        recorder.dropped(request.id, crew.lane.offset(planned));
    }
}
