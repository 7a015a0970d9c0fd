use std::f64::consts::TAU;

use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::schedule::{Purpose, random};

fn close(a: f64, b: f64, within: f64) -> bool {
    (a - b).abs() <= within
}

/// Quantiles of Student's t, one-sided (any table; NIST Engineering Statistics Handbook §1.3.6.7.2).
#[test]
fn quantiles_as_in_the_tables() {
    for (degrees, p, expected) in [
        (1_usize, 0.95, 6.314),
        (5, 0.99, 3.365),
        (12, 0.99, 2.681),
        (11, 0.9, 1.363),
        (30, 0.995, 2.750),
    ] {
        let found = student(degrees + 1).unwrap().inverse_cdf(p);
        assert!(close(found, expected, 5e-4), "t({p}, {degrees}) = {found}");
    }
}

/// Fisher's lady tasting tea: three of four right, p = 17/70.
#[test]
fn the_lady_tasting_tea() {
    let of = |failed| Failures { failed, of: 4 };
    let p = failures(of(1), of(3), 0.01).unwrap().p_rise;
    assert!(close(p, 17.0 / 70.0, 1e-9), "{p}");
    let p = failures(of(0), of(4), 0.01).unwrap().p_rise;
    assert!(close(p, 1.0 / 70.0, 1e-9), "{p}");
    assert!(close(failures(of(0), of(0), 0.01).unwrap().p_rise, 1.0, 1e-12));
    assert_eq!(failures(of(0), Failures::default(), 0.01), None);
}

/// Newcombe 1998, table II, case (a): 56/70 − 48/80, 95 %: 0.0524 to 0.3339.
#[test]
fn newcombe_s_own_example() {
    let change =
        failures(Failures { failed: 48, of: 80 }, Failures { failed: 56, of: 70 }, 0.025).unwrap();
    assert!(close(change.low, 0.0524, 1e-3) && close(change.high, 0.3339, 1e-3), "{change:?}");
}

/// Clopper and Pearson: nothing in n trials bounds the rate by 1 − α^(1/n), "the rule of three".
#[test]
fn exact_intervals_at_the_ends() {
    let (low, high) = exact_interval(0, 50, 0.025);
    assert!(close(low, 0.0, 1e-12) && close(high, 1.0 - 0.025_f64.powf(0.02), 1e-6), "{high}");
    let (low, high) = exact_interval(18, 20, 0.025);
    assert!(close(low, 0.683, 1e-3) && close(high, 0.988, 1e-3), "{low} {high}");
    assert!(close(exact_interval(20, 20, 0.025).1, 1.0, 1e-12));
}

#[test]
fn sign_flips_of_equal_differences_reach_the_floor() {
    for pairs in [2, FEWEST, EXACT_PAIRS] {
        let effect = paired(&vec![0.1; pairs], 0.01).unwrap();
        assert!(close(effect.p_rise, smallest_p(pairs), 1e-12), "{effect:?}");
        assert!(close(effect.low, 0.1, 1e-12) && close(effect.high, 0.1, 1e-12));
        assert!(close(paired(&vec![-0.1; pairs], 0.01).unwrap().p_rise, 1.0, 1e-12));
    }
    // One pair more is Student's.
    assert!(paired(&[0.1; EXACT_PAIRS + 1], 0.01).unwrap().p_rise < 1e-12);
    assert!(smallest_p(EXACT_PAIRS + 1) < f64::EPSILON);
}

const FEWEST: usize = crate::gate::FEWEST_PAIRS;

/// 2, −1, 3: of the eight sums 6, 0, 4+4=8−…, only `2+1+3` and `2−1+3` are at least 4.
#[test]
fn sign_flips_by_hand() {
    let effect = paired(&[2.0, -1.0, 3.0], 0.05).unwrap();
    assert!(close(effect.p_rise, 2.0 / 8.0, 1e-12), "{effect:?}");
}

#[test]
fn what_is_not_enough_has_no_effect() {
    assert_eq!(paired(&[0.1], 0.01), None);
    assert_eq!(paired(&[0.1, f64::NAN], 0.01), None);
    assert_eq!(detectable(0.02, MIN_PAIRS - 1, 0.01, 0.9), None);
    assert!(detectable(0.02, MIN_PAIRS, 0.01, 0.9).is_some());
}

#[test]
fn a_percentile_needs_a_hundred_operations_beyond_it() {
    for (percent, operations) in [(95.0, 2000), (99.0, 10_000), (99.9, 100_000), (50.0, 200)] {
        assert_eq!(needed(percent), operations);
        assert!(enough(percent, operations), "p{percent} of {operations}");
        assert!(!enough(percent, operations - 1), "p{percent} of {operations} - 1");
    }
}

/// Holm 1979 by hand: 0.01 ≤ 0.05/4, 0.013 ≤ 0.05/3, 0.03 > 0.05/2.
#[test]
fn holm_steps_down() {
    assert_eq!(holm(&[0.03, 0.01, 0.04, 0.013], 0.05), [false, true, false, true]);
    assert_eq!(holm(&[], 0.05), Vec::<bool>::new());
}

/// The exact test and Student's agree where Student's holds: normal differences, enough pairs. They are
/// not equal, and of any number of samples one is odd, so the samples are always the same.
#[test]
fn both_tests_agree() {
    let mut farthest: f64 = 0.0;
    for seed in 0..256_u32 {
        let mean = 0.02 * (f64::from(seed) / 128.0 - 1.0);
        let mut source = random(u64::from(seed), Purpose::Scenario, 0);
        let differences: Vec<_> = (0..14).map(|_| mean + 0.02 * normal(&mut source)).collect();
        let exact = paired(&differences, 0.01).unwrap();
        let student = paired_student(&differences).unwrap();
        farthest = farthest.max((exact.p_rise - student.p_rise).abs());
        assert!(exact.low <= exact.mean && exact.mean <= exact.high, "{exact:?}");
    }
    assert!(farthest < 0.05, "{farthest}");
}

proptest! {
    /// Turning the sides around turns the result around.
    #[test]
    fn sides_are_alike(differences in prop::collection::vec(-1.0_f64..1.0, 2..14)) {
        let turned: Vec<_> = differences.iter().map(|difference| -difference).collect();
        let (one, other) = (paired(&differences, 0.01).unwrap(), paired(&turned, 0.01).unwrap());
        prop_assert!(close(one.mean, -other.mean, 1e-12));
        prop_assert!(close(one.low, -other.high, 1e-9) && close(one.high, -other.low, 1e-9));
        prop_assert!(one.p_rise + other.p_rise >= 1.0 - 1e-9);
    }

    /// Fisher's p is a probability and falls as head fails more.
    #[test]
    fn more_failures_are_less_likely_by_chance(base in 0_u64..200, head in 0_u64..200) {
        let of = |failed| Failures { failed, of: 1000 };
        let p = |head| failures(of(base), of(head), 0.01).unwrap();
        let (less, more) = (p(head), p(head + 1));
        prop_assert!((0.0..=1.0).contains(&less.p_rise) && more.p_rise <= less.p_rise + 1e-9);
        prop_assert!(less.low <= less.rise && less.rise <= less.high);
    }
}

/// Box and Muller.
fn normal(source: &mut ChaCha8Rng) -> f64 {
    let (a, b): (f64, f64) =
        (source.random_range(f64::EPSILON..1.0), source.random_range(0.0..1.0));
    (-2.0 * a.ln()).sqrt() * (TAU * b).cos()
}

/// The 95th percentile of a window: log-normal latencies (σ 0.5) with AR(1) correlation 0.5, one in
/// a hundred five times as long; the window as a whole 1.5 % faster or slower.
fn window(source: &mut ChaCha8Rng, slower: f64) -> f64 {
    const OPERATIONS: usize = 400;
    const INNOVATION: f64 = 0.866_025_4; // √(1 − 0.5²)
    let luck = slower.ln() + 0.015 * normal(source);
    let mut state = normal(source);
    let mut times: Vec<f64> = (0..OPERATIONS)
        .map(|_| {
            state = 0.5 * state + INNOVATION * normal(source);
            let tail = if source.random_bool(0.01) { 5.0 } else { 1.0 };
            (luck + 0.5 * state).exp() * tail
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[OPERATIONS * 95 / 100]
}

/// How many of `gates` alarm when head is this much slower: significant and above `bound`.
fn alarms(gates: usize, pairs: usize, slower: f64, bound: f64) -> usize {
    let mut source = random(7, Purpose::Scenario, 1);
    let mut gate = || {
        let pair = |_| (window(&mut source, slower) / window(&mut source, 1.0)).ln();
        let effect = paired(&(0..pairs).map(pair).collect::<Vec<_>>(), 0.01).unwrap();
        effect.p_rise <= 0.01 && effect.mean.exp_m1() > bound
    };
    (0..gates).filter(|_| gate()).count()
}

/// Requests of a window are correlated and windows have their own luck; the gate keeps its promise
/// all the same, because it counts pairs.
#[test]
fn simulated_gates_keep_the_false_alarm_rate_and_find_what_they_should() {
    const GATES: usize = 200;
    let significant = alarms(GATES, 12, 1.0, 0.0);
    let false_alarms = alarms(GATES, 12, 1.0, 0.05);
    let found = alarms(GATES, 12, 1.2, 0.05);
    let shown = |what: &str, count: usize| {
        let (low, high) = exact_interval(count as u64, GATES as u64, 0.025);
        println!("{what}: {count} of N = {GATES}, 95 %: {:.1} to {:.1} %", low * 1e2, high * 1e2);
    };
    shown("significant without a change", significant);
    shown("alarms without a change", false_alarms);
    shown("found of 20 % slower", found);
    // 1 % of 200 is 2; more than 8 has probability 2e-4 under it.
    assert!(significant <= 8, "{significant} of {GATES}");
    assert!(false_alarms <= 2, "{false_alarms} of {GATES}");
    assert!(found >= 190, "{found} of {GATES}");
}
