//! `load`.

use std::time::Duration;

use crate::{
    language::{
        Diagnostic,
        file::{JourneyFile, LoadFile, ProfileFile},
        quantity::Whole,
        text::Name,
    },
    plan::{Journey, LoadPlan},
};

use super::Resolver;

impl Resolver {
    pub(super) fn load(&mut self, file: &LoadFile) -> LoadPlan {
        let profile = self.profile(&file.profile);
        let warmup = file.warmup.map_or(Duration::ZERO, |time| time.0);
        if let Some(span) = file
            .warmup
            .map(|time| time.span)
            .filter(|_| profile.duration().is_some_and(|duration| warmup >= duration))
        {
            let message = "the warm-up lasts as long as the load, so nothing would be recorded";
            self.error(
                Diagnostic::error("warmup-too-long", message, span)
                    .with_help("make `warmup` shorter than the load"),
            );
        }
        if file.journeys.0.is_empty() {
            let message = "`journeys` is empty: there is nothing for an iteration to do";
            self.error(
                Diagnostic::error("no-journeys", message, file.journeys.span)
                    .with_help("add one, such as `browse: { steps: […] }`"),
            );
        }
        self.no_effect(file);
        let journeys = file.journeys.iter().map(|(name, journey)| self.journey(name, journey));
        let default = LoadPlan::new(profile, journeys.collect());
        LoadPlan {
            warmup,
            drain: file.drain.map_or(default.drain, |time| time.0),
            max_in_flight: file.max_in_flight.map_or(default.max_in_flight, |slots| slots.count()),
            connections: file.connections.unwrap_or_default(),
            max_connections: file.max_connections.map(Whole::count),
            pacing: file.pacing.map_or(default.pacing, |pacing| pacing.value),
            allowed_lag: file.allowed_lag.map_or(default.allowed_lag, |time| time.0),
            abort_after: file.abort_after.map(|time| time.0),
            metered: self.metered,
            ..default
        }
    }

    /// Users neither wait for slots nor arrive at a pace.
    fn no_effect(&mut self, file: &LoadFile) {
        if !matches!(file.profile.value, ProfileFile::Users(_)) {
            return;
        }
        let slots = file.max_in_flight.map(|slots| ("max_in_flight", slots.span));
        let pacing = file.pacing.map(|pacing| ("pacing", pacing.span));
        for (key, span) in slots.into_iter().chain(pacing) {
            let message = format!("`{key}` has no effect on `users`");
            self.error(
                Diagnostic::error("users-and-more", message, span)
                    .with_help("remove it: each user does one thing after another"),
            );
        }
    }

    /// Resolves a journey; its captures end with it.
    fn journey(&mut self, name: &Name, file: &JourneyFile) -> Journey {
        let known = self.scope.known();
        self.scope.in_journey = true;
        let steps = self.some_steps(&file.steps);
        self.scope.in_journey = false;
        self.scope.forget(known);
        let weight = file.weight.map_or(1, |weight| weight.0);
        Journey { name: name.0.clone(), weight: u32::try_from(weight).unwrap_or(u32::MAX), steps }
    }
}
