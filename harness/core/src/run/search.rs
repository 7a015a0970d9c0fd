//! A search for the rate at which a threshold falls.

use std::sync::Arc;

use super::{
    Environment,
    load::{self, Job, Loaded},
};
use crate::{
    judge,
    plan::{LoadPlan, Profile, ScenarioPlan, Search, Work},
    record::{Level, PhaseEnd, ScenarioRecord},
    schedule::Schedule,
};

/// Runs the load at one rate after another until one does not hold. What comes back is the highest
/// that held, or the first if none did, with all rates that were tried.
pub(super) async fn run(job: Job, search: Search, environment: &Environment) -> Loaded {
    let mut levels = Vec::new();
    let mut best = Loaded::default();
    let mut first = job.first;
    for rate in search.rates() {
        let at_rate = at_rate(&job, rate, search, first);
        first += Schedule::new(&at_rate.load.profile, environment.seed).at_most();
        let loaded = load::run(at_rate, environment).await;
        let (record, level) = judged(&job.plan, rate, &loaded, environment);
        let holds = level.fell.is_empty() && record.pace.is_some_and(|pace| !pace.gave_up);
        levels.push(level);
        if holds || levels.len() == 1 {
            best = loaded;
        }
        if !holds || environment.stop.raised().is_some() {
            break;
        }
    }
    Loaded { levels, ..best }
}

/// The load of `job` at a constant rate.
fn at_rate(job: &Job, rate: f64, search: Search, first: u64) -> Job {
    let load = LoadPlan { profile: Profile::constant(rate, search.hold), ..(*job.load).clone() };
    Job { load: Arc::new(load), first, ..job.clone() }
}

fn judged(
    plan: &ScenarioPlan,
    rate: f64,
    loaded: &Loaded,
    environment: &Environment,
) -> (ScenarioRecord, Level) {
    let record = ScenarioRecord {
        steps: loaded.metrics.steps.clone(),
        reach: loaded.metrics.reach,
        pace: Some(loaded.pace),
        window: loaded.window,
        setup: PhaseEnd::Done,
        work: PhaseEnd::Done,
        teardown: PhaseEnd::Done,
        hopeless: loaded.hopeless.clone(),
        server: loaded.server,
        stopped: environment.stop.raised(),
        ..ScenarioRecord::default()
    };
    debug_assert!(matches!(plan.work, Work::Load(_)), "only a load is a search");
    let level = judge::level(plan, rate, &record);
    (record, level)
}
