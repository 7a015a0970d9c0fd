//! Models of rate limiters: who had to be admitted, and who could not be.

/// A request of one key, on the clock of the target, in milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observation {
    /// It was decided on at this instant at the earliest.
    pub sent: i64,
    /// It was decided on at this instant at the latest.
    pub received: i64,
    /// The answer of the limiter.
    pub answer: Answer,
}

/// The result of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It was let through.
    Admitted,
    /// It was not.
    Refused,
    /// No answer came: it may have been counted, then or later, or not.
    Unknown,
}

/// The algorithm of a limiter. `limit` requests in `period` milliseconds; what is refused does not
/// count.
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
    /// Counts in the same windows; the window before counts as much as it still overlaps the last
    /// period.
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

/// The result of comparing a model with some observations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opinion {
    /// Indexes of requests with which more were admitted than could be.
    pub over: Vec<usize>,
    /// Indexes of requests that were refused, and had to be admitted.
    pub under: Vec<usize>,
    /// Indexes of requests that were answered rightly or wrongly, depending on when exactly they
    /// were decided on.
    pub undecided: Vec<usize>,
}

impl Opinion {
    /// Returns whether nothing is wrong wherever in their intervals the instants fall.
    pub fn holds(&self) -> bool {
        self.over.is_empty() && self.under.is_empty() && self.undecided.is_empty()
    }

    /// Returns whether something is wrong wherever the instants fall.
    pub fn violated(&self) -> bool {
        !self.over.is_empty() || !self.under.is_empty()
    }
}

/// Holds the amount used when a request was decided on, scaled so that the limit is `limit`.
///
/// Of requests under way at the same time nobody knows which was decided on first. The bounds
/// `provable` and `most` hold for every order: only they say that something is wrong. `least` and
/// `in_order` hold for the order that the answers suggest, admitted before refused; what they leave
/// open depends on instants, not on the order.
#[derive(Clone, Copy)]
struct Used {
    /// The least use by the last of the requests that were decided on by then, whatever their
    /// order.
    provable: i128,
    /// The least use, where everything that may have come before did.
    least: i128,
    /// The greatest use, where what was answered later came later.
    in_order: i128,
    /// The greatest use, whatever the order.
    most: i128,
    limit: i128,
}

impl Used {
    /// Nothing is known.
    const OPEN: Self = Self {
        provable: i128::MIN,
        least: i128::MIN,
        in_order: i128::MAX,
        most: i128::MAX,
        limit: 0,
    };
}

/// A request that may fall into more windows than this says nothing: its answer took longer than
/// most periods.
const MAX_STRADDLED: i64 = 4;

impl Model {
    /// Judges all requests of one key, which had not been used before.
    pub fn judge(&self, all: &[Observation]) -> Opinion {
        let mut opinion = Opinion::default();
        let requests = Requests::new(all);
        for (index, observed) in all.iter().enumerate() {
            let used = self.used(&requests, index);
            let each = |holds: fn(&Used) -> bool| used.iter().all(holds);
            match observed.answer {
                Answer::Unknown => {}
                Answer::Admitted if each(|used| used.provable >= used.limit) => {
                    opinion.over.push(index);
                }
                Answer::Refused if each(|used| used.most < used.limit) => opinion.under.push(index),
                Answer::Admitted if each(|used| used.in_order < used.limit) => {}
                Answer::Refused if each(|used| used.least >= used.limit) => {}
                Answer::Admitted | Answer::Refused => opinion.undecided.push(index),
            }
        }
        opinion
    }

    /// Bounds of what had been used, for each window that the request may have fallen into.
    fn used(&self, requests: &Requests<'_>, index: usize) -> Vec<Used> {
        match *self {
            Self::Fixed { limit, period } => windows(requests, index, limit, period, false),
            Self::SlidingCounter { limit, period } => windows(requests, index, limit, period, true),
            Self::TokenBucket { limit, period } => vec![bucket(requests, index, limit, period)],
            Self::BindingDeployed { limit, period } => {
                vec![deployed(requests, index, limit, period)]
            }
        }
    }
}

/// All requests, and those of them that count or may count, in two orders.
struct Requests<'a> {
    all: &'a [Observation],
    /// Admitted, the last sent first.
    by_sent: Vec<usize>,
    /// Admitted or not known, the last answered first.
    by_received: Vec<usize>,
}

impl<'a> Requests<'a> {
    fn new(all: &'a [Observation]) -> Self {
        let counted = |may: bool| {
            let counts = move |index: &usize| match all[*index].answer {
                Answer::Admitted => true,
                Answer::Unknown => may,
                Answer::Refused => false,
            };
            (0..all.len()).filter(counts).collect::<Vec<_>>()
        };
        let (mut by_sent, mut by_received) = (counted(false), counted(true));
        by_sent.sort_by_key(|index| std::cmp::Reverse(all[*index].sent));
        by_received.sort_by_key(|index| std::cmp::Reverse(ended(&all[*index])));
        Self { all, by_sent, by_received }
    }

    /// Lists the other requests that were admitted and for which this holds.
    fn sure(&self, index: usize, which: impl Fn(&Observation) -> bool) -> i128 {
        count(&self.by_sent, |other| other != index && which(&self.all[other]))
    }

    /// Lists the other requests that were or may have been admitted and for which this holds.
    fn maybe(&self, index: usize, which: impl Fn(usize, &Observation) -> bool) -> i128 {
        count(&self.by_received, |other| other != index && which(other, &self.all[other]))
    }

    /// Returns whether `other` was answered before `index`; one of two at the same instant is the
    /// first.
    fn before(&self, other: usize, index: usize) -> bool {
        (ended(&self.all[other]), other) < (ended(&self.all[index]), index)
    }
}

fn count(which: &[usize], holds: impl Fn(usize) -> bool) -> i128 {
    let count = which.iter().filter(|index| holds(**index)).count();
    i128::try_from(count).unwrap_or(i128::MAX)
}

/// Returns the latest time at which a request was decided on: one without an answer may still wait
/// for it.
fn ended(seen: &Observation) -> i64 {
    if seen.answer == Answer::Unknown { i64::MAX } else { seen.received }
}

fn windows(
    requests: &Requests<'_>,
    index: usize,
    limit: i64,
    period: i64,
    slides: bool,
) -> Vec<Used> {
    let this = requests.all[index];
    let (first, last) = (this.sent.div_euclid(period), this.received.div_euclid(period));
    if last - first >= MAX_STRADDLED {
        return vec![Used::OPEN];
    }
    let window = |number| Window { number, period };
    (first..=last).map(|number| window(number).used(requests, index, limit, slides)).collect()
}

/// Part of the time with fixed ends, counted from 1970.
#[derive(Clone, Copy)]
struct Window {
    number: i64,
    period: i64,
}

impl Window {
    fn holds(self, seen: &Observation) -> bool {
        let of = |at: i64| at.div_euclid(self.period);
        of(seen.sent) == self.number && of(ended(seen)) == self.number
    }

    fn may_hold(self, seen: &Observation) -> bool {
        let of = |at: i64| at.div_euclid(self.period);
        of(seen.sent) <= self.number && of(ended(seen)) >= self.number
    }

    fn used(self, requests: &Requests<'_>, index: usize, limit: i64, slides: bool) -> Used {
        let this = requests.all[index];
        let scale = i128::from(self.period);
        let provable = if self.holds(&this) {
            requests.sure(index, |seen| self.holds(seen) && seen.received <= this.received)
        } else {
            requests.sure(index, |seen| self.holds(seen) && seen.received < this.sent)
        };
        let least = requests.sure(index, |seen| self.holds(seen) && seen.sent <= this.received);
        let in_order = requests
            .maybe(index, |other, seen| self.may_hold(seen) && requests.before(other, index));
        let most =
            requests.maybe(index, |_, seen| self.may_hold(seen) && seen.sent <= this.received);
        let (from_before_least, from_before_most) =
            if slides { self.left_over(requests, index) } else { (0, 0) };
        Used {
            provable: provable * scale + from_before_least,
            least: least * scale + from_before_least,
            in_order: in_order * scale + from_before_most,
            most: most * scale + from_before_most,
            limit: i128::from(limit) * scale,
        }
    }

    /// Least and most of what the window before still counts, in milliseconds of it.
    fn left_over(self, requests: &Requests<'_>, index: usize) -> (i128, i128) {
        let this = requests.all[index];
        let before = Self { number: self.number - 1, ..self };
        let (start, end) = (self.number * self.period, (self.number + 1) * self.period);
        let left_at_most = i128::from(end - this.sent.max(start));
        let left_at_least = i128::from(end - this.received.min(end - 1));
        let least = requests.sure(index, |seen| before.holds(seen));
        let most = requests.maybe(index, |_, seen| before.may_hold(seen));
        // A limiter that counts in floating point may be a little below where we are exact.
        let rounding = i128::from(least > 0 && left_at_least < i128::from(self.period));
        (least * left_at_least - rounding, most * left_at_most)
    }
}

/// The tokens of a bucket at an instant are the least, over all instants before it, of what a full
/// bucket then would have left.
fn bucket(requests: &Requests<'_>, index: usize, limit: i64, period: i64) -> Used {
    let all = requests.all;
    let this = all[index];
    let (scale, rate) = (i128::from(period), i128::from(limit));
    let gained = |from: i64, to: i64| rate * i128::from((to - from).max(0));
    let (mut provable, mut least, mut in_order, mut most) = (0, 0, 0, 0);
    // From each start: what was taken since, less what came in since.
    let mut taken = (0, 0);
    for other in requests.by_sent.iter().copied().filter(|other| *other != index) {
        let start = all[other];
        taken.0 += i128::from(start.received <= this.received);
        taken.1 += i128::from(start.sent <= this.received);
        let since = start.sent.min(this.sent);
        provable = provable.max(taken.0 * scale - gained(since, this.received));
        least = least.max(taken.1 * scale - gained(start.sent, this.received));
    }
    let mut taken = (0, 0);
    for other in requests.by_received.iter().copied().filter(|other| *other != index) {
        let start = all[other];
        taken.0 += i128::from(requests.before(other, index));
        taken.1 += i128::from(start.sent <= this.received);
        let came_in = gained(ended(&start), this.sent);
        in_order = in_order.max(taken.0 * scale - came_in);
        most = most.max(taken.1 * scale - came_in);
    }
    // One token must be left: as much as a whole request below a full bucket may be used. Exactly
    // one is a matter of rounding, to limiters that count in floating point.
    let limit = rate * scale - scale + 1;
    Used { provable: provable - 1, least: least - 1, in_order, most, limit }
}

/// Whatever it does inside, it has counted no more than the last two periods saw. It may admit too
/// many, and what it refuses once the limit is spent is its own affair.
fn deployed(requests: &Requests<'_>, index: usize, limit: i64, period: i64) -> Used {
    let this = requests.all[index];
    let most = requests.maybe(index, |_, seen| {
        seen.sent <= this.received && ended(seen) >= this.sent - 2 * period
    });
    let limit = i128::from(limit);
    Used { provable: i128::MIN, least: limit, in_order: i128::MIN, most, limit }
}

#[cfg(test)]
mod tests;
