use proptest::prelude::*;

use super::*;

const PERIOD: i64 = 1000;

/// Limiters as somebody else might write them, deciding one request after another.
struct Limiter {
    model: Model,
    admitted: Vec<i64>,
    tokens: f64,
    at: i64,
}

impl Limiter {
    fn new(model: Model, limit: i64) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let tokens = limit as f64;
        Self { model, admitted: Vec::new(), tokens, at: 0 }
    }

    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    fn admits(&mut self, now: i64) -> bool {
        let window = now.div_euclid(PERIOD);
        let within = |number: i64| {
            self.admitted.iter().filter(|at| at.div_euclid(PERIOD) == number).count() as f64
        };
        let admits = match self.model {
            Model::Fixed { limit, .. } => within(window) < limit as f64,
            Model::SlidingCounter { limit, .. } | Model::BindingDeployed { limit, .. } => {
                let elapsed = now.rem_euclid(PERIOD) as f64 / PERIOD as f64;
                within(window - 1) * (1.0 - elapsed) + within(window) < limit as f64
            }
            Model::TokenBucket { limit, .. } => {
                let gained = (now - self.at) as f64 * limit as f64 / PERIOD as f64;
                self.tokens = (self.tokens + gained).min(limit as f64);
                self.at = now;
                let admits = self.tokens >= 1.0;
                self.tokens -= f64::from(u8::from(admits));
                admits
            }
        };
        if admits {
            self.admitted.push(now);
        }
        admits
    }
}

fn models(limit: i64) -> [Model; 4] {
    let period = PERIOD;
    [
        Model::Fixed { limit, period },
        Model::SlidingCounter { limit, period },
        Model::TokenBucket { limit, period },
        Model::BindingDeployed { limit, period },
    ]
}

fn answer(admitted: bool) -> Answer {
    if admitted { Answer::Admitted } else { Answer::Refused }
}

/// What is seen of a limiter: each instant within an interval around it.
fn observe(model: Model, limit: i64, requests: &[(i64, i64, i64)]) -> Vec<Observation> {
    let mut requests: Vec<_> = requests.to_vec();
    let mut now = 10 * PERIOD;
    for (gap, ..) in &mut requests {
        now += *gap;
        *gap = now;
    }
    let mut limiter = Limiter::new(model, limit);
    let seen = requests.into_iter().map(|(at, early, late)| Observation {
        sent: at - early,
        received: at + late,
        answer: answer(limiter.admits(at)),
    });
    seen.collect()
}

fn requests(width: i64) -> impl Strategy<Value = Vec<(i64, i64, i64)>> {
    let gap = prop_oneof![6 => 0..60i64, 1 => 0..2500i64];
    prop::collection::vec((gap, 0..=width, 0..=width), 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// However wide the intervals: a limiter that is right is never said to be wrong.
    #[test]
    fn a_right_limiter_is_never_blamed(
        limit in 1i64..12, width in 0i64..800, seen in requests(800),
    ) {
        let seen: Vec<_> = seen.iter().map(|(g, e, l)| (*g, *e.min(&width), *l.min(&width))).collect();
        for model in models(limit) {
            let all = observe(model, limit, &seen);
            let opinion = model.judge(&all);
            prop_assert!(!opinion.violated(), "{:?} of {:?}: {:?}", model, all, opinion);
        }
    }

    /// Wider intervals leave more undecided, and blame nobody else.
    #[test]
    fn blame_does_not_grow_with_the_intervals(
        limit in 1i64..6, seen in requests(0), widen in 1i64..500,
    ) {
        let model = Model::Fixed { limit, period: PERIOD };
        let wrong = Model::Fixed { limit: limit + 1, period: PERIOD };
        let exact = observe(wrong, limit + 1, &seen);
        let wide: Vec<_> = exact
            .iter()
            .map(|o| Observation { sent: o.sent - widen, received: o.received + widen, ..*o })
            .collect();
        let (exact, wide) = (model.judge(&exact), model.judge(&wide));
        prop_assert!(wide.over.iter().all(|index| exact.over.contains(index)));
        prop_assert!(wide.under.iter().all(|index| exact.under.contains(index)));
    }

    /// One too many and one too few are seen in a burst in one window, request after request.
    #[test]
    fn one_off_is_seen(limit in 2i64..20) {
        let burst: Vec<_> = (0..limit + 3).map(|_| (1, 0, 0)).collect();
        for model in [Model::Fixed { limit, period: PERIOD }, Model::SlidingCounter { limit, period: PERIOD }] {
            let with = |limit| match model {
                Model::Fixed { .. } => Model::Fixed { limit, period: PERIOD },
                _ => Model::SlidingCounter { limit, period: PERIOD },
            };
            let more = model.judge(&observe(with(limit + 1), limit + 1, &burst));
            prop_assert_eq!((more.over.len(), more.under.len()), (1, 0));
            let less = model.judge(&observe(with(limit - 1), limit - 1, &burst));
            prop_assert!(less.over.is_empty() && !less.under.is_empty());
        }
    }

    /// Of requests that are all under way at the same time, whose order nobody knows, as many as the
    /// limit are admitted: no more, and no fewer. Those without an answer may be among them.
    #[test]
    fn one_off_is_seen_whatever_the_order(
        limit in 1i32..20, refused in 1usize..5, lost in 0usize..3, at in 0i64..PERIOD - 9,
    ) {
        let model = Model::Fixed { limit: i64::from(limit), period: PERIOD };
        let burst = |admitted: i32| {
            let admitted = usize::try_from(admitted).unwrap();
            let of = |answer| Observation { sent: at, received: at + 9, answer };
            let counts = [(Answer::Admitted, admitted), (Answer::Refused, refused), (Answer::Unknown, lost)];
            counts.map(|(answer, count)| vec![of(answer); count]).concat()
        };
        prop_assert!(model.judge(&burst(limit)).holds());
        prop_assert_eq!(model.judge(&burst(limit + 1)).over.len(), usize::try_from(limit + 1).unwrap());
        let less = model.judge(&burst(limit - 1));
        prop_assert_eq!(less.under.len(), if lost == 0 { refused } else { 0 });
        prop_assert!(!less.holds());
    }
}

fn at(instant: i64, admitted: bool) -> Observation {
    Observation { sent: instant, received: instant, answer: answer(admitted) }
}

#[test]
fn a_fixed_window_taken_for_a_sliding_one_is_seen() {
    let (limit, period) = (3, PERIOD);
    // Three at the end of a window and three at the beginning of the next.
    let all: Vec<_> = [990, 991, 992, 1001, 1002, 1003].map(|ms| at(ms, true)).into();
    assert!(Model::Fixed { limit, period }.judge(&all).holds());
    let sliding = Model::SlidingCounter { limit, period }.judge(&all);
    assert_eq!(sliding.over, [4, 5]);
    assert!(!Model::TokenBucket { limit, period }.judge(&all).over.is_empty());
}

#[test]
fn what_may_straddle_the_end_of_a_window_is_undecided() {
    let model = Model::Fixed { limit: 1, period: PERIOD };
    let straddles = Observation { sent: 990, received: 1010, answer: Answer::Admitted };
    let opinion = model.judge(&[at(500, true), straddles]);
    assert_eq!(opinion, Opinion { undecided: vec![1], ..Opinion::default() });
    let within = Observation { sent: 990, received: 999, answer: Answer::Admitted };
    assert_eq!(model.judge(&[at(500, true), within]).over, [1]);
}

#[test]
fn the_deployed_binding_may_admit_too_many_and_must_not_refuse_too_early() {
    let model = Model::BindingDeployed { limit: 2, period: PERIOD };
    let all: Vec<_> = (0..9).map(|ms| at(ms, true)).collect();
    assert!(model.judge(&all).holds());
    assert_eq!(model.judge(&[at(0, true), at(1, false)]).under, [1]);
    let late = model.judge(&[at(0, true), at(1, true), at(3 * PERIOD, false)]);
    assert_eq!(late.under, [2], "a limit that never comes back");
}

#[test]
fn an_answer_slower_than_the_windows_says_nothing() {
    let slow = |periods: i64| Observation {
        sent: 0,
        received: periods * PERIOD - 1,
        answer: Answer::Refused,
    };
    for model in models(1).into_iter().take(2) {
        let under = model.judge(&[slow(MAX_STRADDLED)]);
        assert_eq!((under.under.len(), under.undecided.len()), (1, 0));
        let open = model.judge(&[slow(MAX_STRADDLED + 1)]);
        assert_eq!((open.under.len(), open.undecided.len()), (0, 1));
    }
}
