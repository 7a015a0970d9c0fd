//! A cache in front of something that costs: how often that must have been asked.

use std::collections::BTreeMap;

/// A request for something that is cached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Everything that the answer depends on.
    pub key: String,
    /// The earliest time of arrival, on the clock of the target, in milliseconds.
    pub earliest: i64,
    /// The latest time of the answer, likewise.
    pub latest: i64,
    /// The result of the request.
    pub answer: Answer,
}

/// The result of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It was answered, and the answer may be kept.
    Good,
    /// It was refused, or failed: nothing may be kept. What it asked for was not given either.
    Bad,
    /// The result is unknown: the requested value may have been given, and may be kept.
    Unknown,
}

/// The least and the greatest number of calls to the source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// However the instants fall.
    pub least: usize,
    /// Likewise.
    pub most: usize,
}

/// An entry that the cache holds for a key: made between two instants.
#[derive(Clone, Copy)]
struct Kept {
    from: i64,
    to: i64,
}

/// Returns how often requests must have called the source, by key: once for all that come within
/// `ttl` milliseconds of an answer, also for those that come while the call is in flight.
pub fn calls(requests: &[Request], ttl: i64) -> BTreeMap<&str, Calls> {
    let mut by_key: BTreeMap<&str, Vec<&Request>> = BTreeMap::new();
    for request in requests {
        by_key.entry(&request.key).or_default().push(request);
    }
    by_key.into_iter().map(|(key, requests)| (key, of_one(requests, ttl))).collect()
}

fn of_one(mut requests: Vec<&Request>, ttl: i64) -> Calls {
    requests.sort_by_key(|request| (request.earliest, request.latest));
    let mut calls = Calls::default();
    let mut kept: Option<Kept> = None;
    for request in requests {
        let Request { earliest, latest, answer, .. } = *request;
        if answer == Answer::Bad {
            continue;
        }
        let asks = match kept {
            // Asked for the first time, or past the time of what was kept, wherever that was made.
            None => (usize::from(answer == Answer::Good), 1),
            Some(kept) if earliest > kept.to.saturating_add(ttl) => {
                (usize::from(answer == Answer::Good), 1)
            }
            // Within it.
            Some(kept) if latest <= kept.from.saturating_add(ttl) => (0, 0),
            Some(_) => (0, 1),
        };
        calls.least += asks.0;
        calls.most += asks.1;
        kept = match (asks, kept) {
            ((0, 0), kept) => kept,
            // It may have been kept now, or before.
            ((0, _), Some(kept)) => Some(Kept { to: latest, ..kept }),
            _ => Some(Kept { from: earliest, to: latest }),
        };
        if answer == Answer::Unknown {
            // Whoever comes next may find it, or not.
            calls.most += 1;
        }
    }
    calls
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TTL: i64 = 100;

    fn good(key: &str, earliest: i64, latest: i64) -> Request {
        Request { key: key.to_owned(), earliest, latest, answer: Answer::Good }
    }

    fn total(requests: &[Request]) -> (usize, usize) {
        let calls = calls(requests, TTL);
        (calls.values().map(|c| c.least).sum(), calls.values().map(|c| c.most).sum())
    }

    #[test]
    fn once_for_each_key_and_time() {
        assert_eq!(total(&[good("a", 0, 1), good("a", 99, 100), good("b", 50, 51)]), (2, 2));
        assert_eq!(total(&[good("a", 0, 1), good("a", 102, 103)]), (2, 2), "past its time");
        assert_eq!(total(&[good("a", 0, 1), good("a", 99, 102)]), (1, 2), "nobody knows");
        assert_eq!(total(&[good("a", 0, 50), good("a", 10, 40), good("a", 20, 30)]), (1, 1));
        let bad = Request { answer: Answer::Bad, ..good("a", 0, 1) };
        assert_eq!(total(&[bad.clone(), good("a", 2, 3)]), (1, 1), "an error is not kept");
        let lost = Request { answer: Answer::Unknown, ..bad };
        assert_eq!(total(&[lost, good("a", 2, 3)]), (0, 2));
    }

    proptest! {
        /// A right cache asks as often as is said, wherever in its interval a request is answered.
        #[test]
        fn a_right_cache_is_never_blamed(
            asked in prop::collection::vec((0..3u8, 0..60i64, 0..20i64, 0..20i64), 1..40),
        ) {
            let mut now = 1000;
            let mut kept: BTreeMap<u8, i64> = BTreeMap::new();
            let mut asks = 0;
            let mut requests = Vec::new();
            for (key, gap, early, late) in asked {
                now += gap;
                if kept.get(&key).is_none_or(|at| now >= at + TTL) {
                    kept.insert(key, now);
                    asks += 1;
                }
                requests.push(good(&key.to_string(), now - early, now + late));
            }
            let (least, most) = total(&requests);
            prop_assert!((least..=most).contains(&asks), "{least} <= {asks} <= {most}");
        }
    }
}
