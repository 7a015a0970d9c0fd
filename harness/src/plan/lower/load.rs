//! `load`.

use std::time::Duration;

use crate::{
    plan::{Journey, LoadPlan, Profile},
    scenario::{
        Diagnostic,
        file::{JourneyFile, LoadFile, ProfileFile},
        quantity::Whole,
        text::Name,
    },
};

use super::Lowering;

/// How long iterations may still run after the last arrival when the file does not say.
const DEFAULT_DRAIN: Duration = Duration::from_secs(5);

/// Iterations at once when the file does not say: within the 1024 descriptors that a shell
/// usually allows, with room for everything else.
const DEFAULT_MAX_IN_FLIGHT: usize = 256;

impl Lowering {
    pub(super) fn load(&mut self, file: &LoadFile) -> LoadPlan {
        let (profile, duration) = profile(&file.profile);
        let warmup = file.warmup.map_or(Duration::ZERO, |time| time.0);
        if let Some(span) = file.warmup.map(|time| time.span).filter(|_| warmup >= duration) {
            let message = "the warm-up lasts as long as the load, so nothing would be recorded";
            self.error(
                Diagnostic::error("warmup-too-long", message, span)
                    .with_help("make `warmup` shorter than `for`"),
            );
        }
        if file.journeys.0.is_empty() {
            let message = "`journeys` is empty: there is nothing for an iteration to do";
            self.error(
                Diagnostic::error("no-journeys", message, file.journeys.span)
                    .with_help("add one, such as `browse: { steps: […] }`"),
            );
        }
        let journeys = file.journeys.iter().map(|(name, journey)| self.journey(name, journey));
        LoadPlan {
            profile,
            warmup,
            drain: file.drain.map_or(DEFAULT_DRAIN, |time| time.0),
            journeys: journeys.collect(),
            connections: crate::plan::Connections::default(),
            max_in_flight: file.max_in_flight.map_or(DEFAULT_MAX_IN_FLIGHT, Whole::count),
        }
    }

    /// What a journey captures ends with it.
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

/// The profile and how long it lasts.
fn profile(file: &ProfileFile) -> (Profile, Duration) {
    match file {
        ProfileFile::Constant(constant) => {
            let duration = constant.duration.0;
            (Profile::Constant { per_second: constant.rate.0, duration }, duration)
        }
    }
}
