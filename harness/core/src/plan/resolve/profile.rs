//! `load.profile`.

use std::time::Duration;

use crate::{
    language::{
        Diagnostic, Spanned,
        file::{ConstantFile, ProfileFile, SearchFile, SpikeFile, UsersFile},
    },
    plan::{MAX_RATES, Profile, Raise, Search, Span, Stretch, Until, Users},
};

use super::Resolver;

/// The factor from one rate of a search to the next when the file does not say: five rates for each
/// factor of eight, which brackets a knee within 50 %.
const DEFAULT_FACTOR: f64 = 1.5;

impl Resolver {
    pub(super) fn profile(&mut self, file: &Spanned<ProfileFile>) -> Profile {
        match &file.value {
            ProfileFile::Constant(constant) => Profile::Rates(vec![flat(constant)]),
            ProfileFile::Ramp(ramp) => {
                let (from, to, duration) = (ramp.from.0, ramp.to.0, ramp.duration.0);
                Profile::Rates(vec![Stretch { from, to, duration }])
            }
            ProfileFile::Steps(steps) => {
                if steps.is_empty() {
                    let message = "`steps` is empty: there is no rate";
                    self.error(
                        Diagnostic::error("no-rates", message, file.span)
                            .with_help("add one, such as `{ rate: 10/s, for: 10s }`"),
                    );
                }
                Profile::Rates(steps.iter().map(flat).collect())
            }
            ProfileFile::Spike(spike) => self.spike(spike),
            ProfileFile::Poisson(poisson) => {
                Profile::Poisson { per_second: poisson.rate.0, duration: poisson.duration.0 }
            }
            ProfileFile::Users(users) => Profile::Users(self.users_of_load(users, file.span)),
            ProfileFile::Search(search) => Profile::Search(self.search(search, file.span)),
        }
    }

    fn spike(&mut self, spike: &SpikeFile) -> Profile {
        let (begin, lasts, total) = (spike.at.0, spike.lasts.0, spike.duration.0);
        let after = total.checked_sub(begin + lasts);
        if after.is_none() {
            let message = "the spike ends after the load";
            self.error(
                Diagnostic::error("spike-too-late", message, spike.duration.span)
                    .with_help("make `for` at least as long as `at` and `lasts` together"),
            );
        }
        let stretch = |rate: f64, duration| Stretch { from: rate, to: rate, duration };
        let stretches = [
            stretch(spike.rate.0, begin),
            stretch(spike.peak.0, lasts),
            stretch(spike.rate.0, after.unwrap_or_default()),
        ];
        let not_empty = |stretch: &Stretch| stretch.duration > Duration::ZERO;
        Profile::Rates(stretches.into_iter().filter(not_empty).collect())
    }

    fn users_of_load(&mut self, users: &UsersFile, span: Span) -> Users {
        let until = match (&users.duration, &users.iterations) {
            (Some(duration), None) => Until::Elapsed(duration.0),
            (None, Some(iterations)) => Until::Iterations(iterations.0),
            (duration, _) => {
                let message = if duration.is_some() {
                    "`users` have both `for` and `iterations`"
                } else {
                    "`users` have neither `for` nor `iterations`: they would never stop"
                };
                self.error(
                    Diagnostic::error("users-until", message, span)
                        .with_help("write one of them, such as `for: 10s`"),
                );
                Until::Iterations(1)
            }
        };
        if let Some(iterations) = users.iterations
            && iterations.0 < users.count.0
        {
            let message = "there are more users than iterations, so some would do nothing";
            self.error(
                Diagnostic::error("idle-users", message, iterations.span)
                    .with_help("`iterations` is what all users do together"),
            );
        }
        let think = users.think.map_or(Duration::ZERO, |time| time.0);
        Users { count: users.count.count(), until, think }
    }

    fn search(&mut self, file: &SearchFile, span: Span) -> Search {
        let raise = match (file.step, file.factor) {
            (Some(step), None) => Raise::By(step.0),
            (None, factor) => Raise::Times(factor.map_or(DEFAULT_FACTOR, |factor| factor.0)),
            (Some(_), Some(factor)) => {
                let message = "the search has both `step` and `factor`";
                self.error(
                    Diagnostic::error("step-and-factor", message, factor.span)
                        .with_help("remove one of them"),
                );
                Raise::Times(factor.0)
            }
        };
        let search = Search { from: file.from.0, to: file.to.0, raise, hold: file.hold.0 };
        if search.to <= search.from {
            let message = "the search ends where it begins, or below";
            self.error(
                Diagnostic::error("search-downwards", message, file.to.span)
                    .with_help("make `to` higher than `from`"),
            );
        } else if search.rates().last().is_some_and(|last| *last < search.to) {
            let message = format!("the search would take more than {MAX_RATES} rates");
            self.error(
                Diagnostic::error("search-too-fine", message, span)
                    .with_help("make the step or the factor larger"),
            );
        }
        search
    }
}

fn flat(file: &ConstantFile) -> Stretch {
    Stretch { from: file.rate.0, to: file.rate.0, duration: file.duration.0 }
}
