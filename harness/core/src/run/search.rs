//! A search for the rate at which a threshold falls.

use std::sync::Arc;

use super::{
    Environment,
    load::{self, Load, Loaded},
};
use crate::{
    judge,
    plan::{LoadPlan, Profile, ScenarioPlan, Search, Work},
    record::{Level, PhaseEnd, ScenarioRecord},
    schedule::Schedule,
};

/// Runs the load at one rate after another until one does not hold. What comes back is the highest
/// that held, or the first if none did, with all rates that were tried.
pub(super) async fn run(load: Load, search: Search, environment: &Environment) -> Loaded {
    let mut levels = Vec::new();
    let mut best = Loaded::default();
    let mut first = load.first;
    for rate in search.rates() {
        let at_rate = at_rate(&load, rate, search, first);
        first += Schedule::new(&at_rate.plan.profile, environment.seed).at_most();
        let loaded = load::run(at_rate, environment).await;
        let (record, level) = judged(&load.context.plan, rate, &loaded, environment);
        let holds = level.holds() && record.pace.is_some_and(|pace| !pace.gave_up);
        levels.push(level);
        if holds || levels.len() == 1 {
            best = loaded;
        } else {
            // A target that fell for good is gone, however well it did before.
            best.metrics.reach.then(&loaded.metrics.reach);
        }
        if !holds || environment.stop.raised().is_some() {
            break;
        }
    }
    Loaded { levels, ..best }
}

/// Returns a load at a constant rate.
fn at_rate(load: &Load, rate: f64, search: Search, first: u64) -> Load {
    let profile = Profile::constant(rate, search.hold);
    let plan = Arc::new(LoadPlan { profile, ..(*load.plan).clone() });
    Load { plan, first, ..load.clone() }
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
        hopeless: loaded.aborted_by.clone(),
        server: loaded.server,
        stopped: environment.stop.raised(),
        ..ScenarioRecord::default()
    };
    debug_assert!(matches!(plan.work, Work::Load(_)), "only a load is a search");
    let level = judge::level(plan, rate, &record);
    (record, level)
}
