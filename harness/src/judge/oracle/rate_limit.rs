//! Models of rate limiters: who had to be admitted, and who could not be.

/// A request of one key, on the clock of the target, in milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observation {
    /// It was decided on at this instant at the earliest.
    pub sent: i64,
    /// And at this one at the latest.
    pub received: i64,
    /// Whether it was admitted.
    pub admitted: bool,
}

/// How a limiter decides. `limit` requests in `period` milliseconds; what is refused does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model {
    /// Windows with fixed ends, counted from 1970. Cloudflare's binding in local development is one
    /// (miniflare, `ratelimit-object.worker`).
    Fixed {
        /// Requests.
        limit: i64,
        /// Milliseconds.
        period: i64,
    },
    /// The same windows; the one before counts as much as it still overlaps the last period.
    SlidingCounter {
        /// Requests.
        limit: i64,
        /// Milliseconds.
        period: i64,
    },
    /// A bucket that holds `limit` tokens, and gains as many in a period, evenly.
    TokenBucket {
        /// Tokens.
        limit: i64,
        /// Milliseconds.
        period: i64,
    },
    /// Cloudflare's binding where it is deployed: eventually consistent. It may admit too many, and
    /// never refuses a key that has not spent its limit.
    BindingDeployed {
        /// Requests.
        limit: i64,
        /// Milliseconds.
        period: i64,
    },
}

/// What a model says of some observations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opinion {
    /// Indexes of requests that were admitted, and could not be.
    pub over: Vec<usize>,
    /// Indexes of requests that were refused, and had to be admitted.
    pub under: Vec<usize>,
    /// Requests of which that depends on when exactly they were decided on.
    pub undecided: usize,
}

impl Opinion {
    /// Whether nothing is wrong however the instants fall.
    pub fn holds(&self) -> bool {
        self.over.is_empty() && self.under.is_empty() && self.undecided == 0
    }

    /// Whether something is wrong however the instants fall.
    pub fn violated(&self) -> bool {
        !self.over.is_empty() || !self.under.is_empty()
    }
}

/// Least and most of what had been used when a request was decided on, scaled so that the limit is
/// `limit`.
#[derive(Clone, Copy)]
struct Used {
    least: i128,
    most: i128,
    limit: i128,
}

impl Model {
    /// What it says of all requests of one key, which had not been used before.
    pub fn judge(&self, all: &[Observation]) -> Opinion {
        let mut opinion = Opinion::default();
        for (index, observed) in all.iter().enumerate() {
            let used = self.used(all, index);
            let must_refuse = !used.is_empty() && used.iter().all(|used| used.least >= used.limit);
            let must_admit = used.iter().all(|used| used.most < used.limit);
            match (observed.admitted, must_admit, must_refuse) {
                (true, _, true) => opinion.over.push(index),
                (false, true, _) => opinion.under.push(index),
                (true, true, _) | (false, _, true) => {}
                // What it may do either way, and is known to.
                (true, ..) if matches!(self, Self::BindingDeployed { .. }) => {}
                _ => opinion.undecided += 1,
            }
        }
        opinion
    }

    /// Bounds of what had been used, for each window that the request may have fallen into.
    fn used(&self, all: &[Observation], index: usize) -> Vec<Used> {
        match *self {
            Self::Fixed { limit, period } => windows(all, index, limit, period, false),
            Self::SlidingCounter { limit, period } => windows(all, index, limit, period, true),
            Self::TokenBucket { limit, period } => vec![bucket(all, index, limit, period)],
            Self::BindingDeployed { limit, period } => {
                vec![deployed(all, index, limit, period)]
            }
        }
    }
}

/// Of the other admitted requests, those for which this holds.
fn count(all: &[Observation], index: usize, which: impl Fn(&Observation) -> bool) -> i128 {
    let others = all.iter().enumerate().filter(|(other, seen)| *other != index && seen.admitted);
    i128::try_from(others.filter(|(_, seen)| which(seen)).count()).unwrap_or(i128::MAX)
}

fn windows(all: &[Observation], index: usize, limit: i64, period: i64, slides: bool) -> Vec<Used> {
    let this = all[index];
    let window = |at: i64| at.div_euclid(period);
    let within = |seen: &Observation, number: i64| {
        window(seen.sent) == number && window(seen.received) == number
    };
    let may_be_in = |seen: &Observation, number: i64| {
        window(seen.sent) <= number && window(seen.received) >= number
    };
    (window(this.sent)..=window(this.received))
        .map(|number| {
            let before =
                count(all, index, |seen| within(seen, number) && seen.received < this.sent);
            let beside =
                count(all, index, |seen| may_be_in(seen, number) && seen.sent <= this.received);
            let scale = i128::from(period);
            let limit = i128::from(limit) * scale;
            if !slides {
                return Used { least: before * scale, most: beside * scale, limit };
            }
            // The part of the window before that still counts, in milliseconds of it.
            let start = number * period;
            let left_at_most = i128::from(start + period - this.sent.max(start));
            let left_at_least = i128::from(start + period - this.received.min(start + period - 1));
            let least = count(all, index, |seen| within(seen, number - 1));
            let most = count(all, index, |seen| may_be_in(seen, number - 1));
            // A limiter that counts in floating point may be a little below where we are exact.
            let rounding = i128::from(least > 0 && left_at_least < scale);
            Used {
                least: least * left_at_least + before * scale - rounding,
                most: most * left_at_most + beside * scale,
                limit,
            }
        })
        .collect()
}

/// The tokens of a bucket at an instant are the least, over all instants before it, of what a full
/// bucket then would have left.
fn bucket(all: &[Observation], index: usize, limit: i64, period: i64) -> Used {
    let this = all[index];
    let (scale, rate) = (i128::from(period), i128::from(limit));
    let full = rate * scale;
    let gained = |from: i64, to: i64| rate * i128::from((to - from).max(0));
    let starts = all.iter().enumerate().filter(|(other, seen)| *other != index && seen.admitted);
    let (mut least, mut most) = (0, 0);
    for (_, start) in starts {
        let taken_at_least =
            count(all, index, |seen| seen.sent >= start.sent && seen.received < this.sent);
        least = least.max(taken_at_least * scale - gained(start.sent, this.received));
        let taken_at_most =
            count(all, index, |seen| seen.received >= start.received && seen.sent <= this.received);
        most = most.max(taken_at_most * scale - gained(start.received, this.sent));
    }
    // One token must be left: as much as a whole request below a full bucket may be used. Exactly
    // one is a matter of rounding, to limiters that count in floating point.
    Used { least: least - 1, most, limit: full - scale + 1 }
}

/// Whatever it does inside, it has counted no more than the last two periods saw.
fn deployed(all: &[Observation], index: usize, limit: i64, period: i64) -> Used {
    let this = all[index];
    let most = count(all, index, |seen| {
        seen.sent <= this.received && seen.received >= this.sent - 2 * period
    });
    Used { least: i128::MIN, most, limit: i128::from(limit) }
}

#[cfg(test)]
mod tests;
