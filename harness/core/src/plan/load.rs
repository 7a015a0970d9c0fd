//! A load: how many iterations there are, and when they start.

use std::time::Duration;

use super::{Connections, Pacing, Step};

/// Iterations of journeys.
#[derive(Clone, Debug)]
pub struct LoadPlan {
    /// The profile by which iterations start.
    pub profile: Profile,
    /// Iterations planned before this offset are sent but not recorded.
    pub warmup: Duration,
    /// The time that iterations in flight may still run after the last one started; then they count
    /// as unfinished.
    pub drain: Duration,
    /// User slots. An arrival that finds none free is dropped, and counted.
    pub max_in_flight: usize,
    /// The sharing of connections between requests.
    pub connections: Connections,
    /// The most connections that are open at once, ≥ 1. A request that finds none free waits, and
    /// its waiting is response time. Without it there are as many as requests in flight.
    pub max_connections: Option<usize>,
    /// The precision with which iterations start.
    pub pacing: Pacing,
    /// The lag of the generator that decides nothing.
    pub allowed_lag: Duration,
    /// The offset after which the load ends when a threshold is missed that only an unlucky
    /// beginning could excuse.
    pub abort_after: Option<Duration>,
    /// Set if the answers report their usage, and are asked to do so.
    pub metered: bool,
    /// Weighted choices for an iteration.
    pub journeys: Vec<Journey>,
}

/// The profile by which iterations start.
#[derive(Clone, Debug, PartialEq)]
pub enum Profile {
    /// Arrivals do not wait for answers; their rate changes linearly within each stretch.
    Rates(Vec<Stretch>),
    /// Keeps the same rate at random: gaps are exponential, as between people who know nothing of
    /// each other.
    Poisson {
        /// Iterations per second on average, finite and > 0.
        per_second: f64,
        /// The time during which iterations arrive, warm-up included.
        duration: Duration,
    },
    /// Users who start again when they are done.
    Users(Users),
    /// Rates one after another, until a threshold falls.
    Search(Search),
}

/// A time in which the rate changes linearly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stretch {
    /// Iterations per second at its beginning, finite and > 0.
    pub from: f64,
    /// The rate at the end, likewise.
    pub to: f64,
    /// The length of it.
    pub duration: Duration,
}

/// A closed model: a fixed number of users, each of whom does one thing after another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Users {
    /// The number of users, ≥ 1.
    pub count: usize,
    /// The condition that ends them.
    pub until: Until,
    /// The pause between the end of an iteration and the next.
    pub think: Duration,
}

/// The condition after which users start no more iterations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// They stop after this time, warm-up included.
    Elapsed(Duration),
    /// They stop after this many iterations of all users together, ≥ 1.
    Iterations(u64),
}

/// A search for the rate at which a threshold falls.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Search {
    /// The first rate, per second.
    pub from: f64,
    /// The last rate, per second.
    pub to: f64,
    /// The step from one rate to the next.
    pub raise: Raise,
    /// The time for which each rate is held, warm-up included.
    pub hold: Duration,
}

/// The step from one rate to the next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Raise {
    /// This much more, per second; > 0.
    By(f64),
    /// This many times as much; > 1.
    Times(f64),
}

/// The highest rate per second that is paced exactly when nobody says otherwise: the wake-ups take
/// a hundredth of a core there.
pub const EXACT_UP_TO: f64 = 1000.0;

/// One kind of iteration.
#[derive(Clone, Debug)]
pub struct Journey {
    /// Name in the report.
    pub name: String,
    /// Share of iterations, relative to the sum of all weights; ≥ 1.
    pub weight: u32,
    /// The steps once, in order; the first failed step ends the iteration.
    pub steps: Vec<Step>,
}

impl LoadPlan {
    /// A load with everything else as it is when nobody says otherwise.
    pub fn new(profile: Profile, journeys: Vec<Journey>) -> Self {
        let max_in_flight = match profile {
            Profile::Users(users) => users.count,
            _ => Self::DEFAULT_MAX_IN_FLIGHT,
        };
        Self {
            warmup: Duration::ZERO,
            drain: Self::DEFAULT_DRAIN,
            max_in_flight,
            connections: Connections::Reuse,
            max_connections: None,
            pacing: Pacing::of(profile.peak()),
            allowed_lag: Self::DEFAULT_ALLOWED_LAG,
            abort_after: None,
            metered: false,
            profile,
            journeys,
        }
    }

    /// The lag that a healthy generator may have: the timer ticks once per millisecond, and a busy
    /// machine takes a few more to wake a thread up.
    pub const DEFAULT_ALLOWED_LAG: Duration = Duration::from_millis(5);

    /// The time that iterations may still run after the last arrival.
    pub const DEFAULT_DRAIN: Duration = Duration::from_secs(5);

    /// Iterations at once: within the 1024 descriptors that a shell usually allows, with room for
    /// everything else.
    pub const DEFAULT_MAX_IN_FLIGHT: usize = 256;
}

impl Profile {
    /// Returns a load with the same rate from start to end.
    pub fn constant(per_second: f64, duration: Duration) -> Self {
        Self::Rates(vec![Stretch { from: per_second, to: per_second, duration }])
    }

    /// The highest rate in iterations per second; 0 when nobody knows it before the run.
    pub fn peak(&self) -> f64 {
        match self {
            Self::Rates(stretches) => {
                stretches.iter().map(|stretch| stretch.from.max(stretch.to)).fold(0.0, f64::max)
            }
            Self::Poisson { per_second, .. } => *per_second,
            Self::Users(_) => 0.0,
            Self::Search(search) => search.to,
        }
    }

    /// Returns how long iterations start, if that is known: for a search, at one rate.
    pub fn duration(&self) -> Option<Duration> {
        match self {
            Self::Rates(stretches) => Some(stretches.iter().map(|stretch| stretch.duration).sum()),
            Self::Poisson { duration, .. }
            | Self::Users(Users { until: Until::Elapsed(duration), .. }) => Some(*duration),
            Self::Users(_) => None,
            Self::Search(search) => Some(search.hold),
        }
    }
}

impl Pacing {
    /// Returns the pacing for this rate when nobody says otherwise; see [`EXACT_UP_TO`].
    pub fn of(per_second: f64) -> Self {
        if per_second <= EXACT_UP_TO { Self::Exact } else { Self::Tick }
    }
}

impl Search {
    /// The rates, the lowest first. The last one is [`Self::to`].
    pub fn rates(&self) -> Vec<f64> {
        let mut rates = vec![self.from];
        let mut last = self.from;
        while last < self.to && rates.len() < MAX_RATES {
            last = match self.raise {
                Raise::By(more) => last + more,
                Raise::Times(factor) => last * factor,
            }
            .min(self.to);
            rates.push(last);
        }
        rates
    }
}

/// The most rates of a search. More are too fine a step to tell apart by their latencies.
pub const MAX_RATES: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_loads_are_paced_exactly() {
        assert_eq!(Pacing::of(EXACT_UP_TO), Pacing::Exact);
        assert_eq!(Pacing::of(EXACT_UP_TO + 1.0), Pacing::Tick);
    }

    #[test]
    fn rates_of_a_search() {
        let search =
            |from, to, raise| Search { from, to, raise, hold: Duration::from_secs(1) }.rates();
        let same = |found: Vec<f64>, expected: &[f64]| {
            assert_eq!(format!("{found:?}"), format!("{expected:?}"));
        };
        same(search(10.0, 40.0, Raise::Times(2.0)), &[10.0, 20.0, 40.0]);
        same(search(10.0, 35.0, Raise::Times(2.0)), &[10.0, 20.0, 35.0]);
        same(search(10.0, 30.0, Raise::By(10.0)), &[10.0, 20.0, 30.0]);
        same(search(10.0, 10.0, Raise::By(10.0)), &[10.0]);
        assert_eq!(search(1.0, 100.0, Raise::By(1.0)).len(), MAX_RATES);
        assert_eq!(search(1.0, 101.0, Raise::By(1.0)).len(), MAX_RATES);
    }
}
