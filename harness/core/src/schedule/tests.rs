use proptest::prelude::*;

use super::*;
use crate::plan::Stretch;

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn constant(per_second: f64, duration: Duration) -> Schedule {
    Schedule::new(&Profile::constant(per_second, duration), 7)
}

fn offsets(schedule: &Schedule) -> Vec<Duration> {
    schedule.share(0, 1).map(|(_, offset)| offset).collect()
}

fn rates(stretches: &[(f64, f64, u64)]) -> Profile {
    let stretch = |&(from, to, duration)| Stretch { from, to, duration: ms(duration) };
    Profile::Rates(stretches.iter().map(stretch).collect())
}

#[test]
fn constant_rate_as_a_table() {
    for (rate, duration, expected) in [
        (10.0, ms(300), vec![ms(0), ms(100), ms(200)]),
        (10.0, ms(301), vec![ms(0), ms(100), ms(200), ms(300)]),
        (4.0, ms(1000), vec![ms(0), ms(250), ms(500), ms(750)]),
        (0.5, ms(1000), vec![ms(0)]),
        (1.0, ms(0), vec![]),
    ] {
        let schedule = constant(rate, duration);
        assert_eq!(offsets(&schedule), expected, "{rate}/s for {duration:?}");
        assert_eq!(schedule.at_most(), expected.len() as u64);
    }
}

#[test]
fn changing_rates_as_a_table() {
    for (stretches, expected) in [
        // 1 + 3 = 4 arrivals on average over two seconds: at t²/2 + t = n.
        (vec![(1.0, 3.0, 2000)], vec![0.0, 0.732, 1.236, 1.646]),
        (vec![(3.0, 1.0, 2000)], vec![0.0, 0.354, 0.764, 1.268]),
        (vec![(2.0, 2.0, 1000), (4.0, 4.0, 500)], vec![0.0, 0.5, 1.0, 1.25]),
        // A fraction of an arrival goes on in the next stretch.
        (vec![(1.0, 1.0, 500), (2.0, 2.0, 1000)], vec![0.0, 0.75, 1.25]),
        (vec![], vec![]),
    ] {
        let found = offsets(&Schedule::new(&rates(&stretches), 7));
        let found: Vec<_> = found.iter().map(Duration::as_secs_f64).collect();
        assert_eq!(found.len(), expected.len(), "{stretches:?}: {found:?}");
        for (found, expected) in found.iter().zip(&expected) {
            assert!((found - expected).abs() < 0.001, "{stretches:?}: {found} {expected}");
        }
    }
}

#[test]
fn an_hour_later_there_is_no_drift() {
    let schedule = constant(3.0, Duration::from_secs(3601));
    assert_eq!(schedule.share(3 * 3600, 1).next(), Some((10_800, Duration::from_hours(1))));
}

#[test]
fn random_arrivals_have_the_mean_and_the_spread_of_a_poisson_process() {
    let profile = Profile::Poisson { per_second: 100.0, duration: Duration::from_secs(100) };
    let all = offsets(&Schedule::new(&profile, 7));
    // 10 000 ± 5 standard deviations of 100.
    assert!(all.len().abs_diff(10_000) < 500, "{}", all.len());
    let mut counts = vec![0.0_f64; 100];
    for offset in &all {
        counts[usize::try_from(offset.as_secs()).unwrap()] += 1.0;
    }
    let mean = counts.iter().sum::<f64>() / 100.0;
    let variance = counts.iter().map(|count| (count - mean).powi(2)).sum::<f64>() / 99.0;
    // Equal to the mean, within 5 standard deviations of 14 % for 100 samples.
    assert!((variance / mean - 1.0).abs() < 0.7, "{variance} {mean}");
    assert_eq!(all, offsets(&Schedule::new(&profile, 7)));
    assert_ne!(all, offsets(&Schedule::new(&profile, 8)));
}

fn profile() -> impl Strategy<Value = Profile> {
    let stretch = (0.01f64..5_000.0, 0.01f64..5_000.0, 1u64..3_000);
    prop_oneof![
        (0.01f64..50_000.0, 0u64..2_000)
            .prop_map(|(rate, millis)| Profile::constant(rate, ms(millis))),
        prop::collection::vec(stretch, 0..5).prop_map(|stretches| rates(&stretches)),
        (0.01f64..5_000.0, 1u64..3_000)
            .prop_map(|(per_second, millis)| Profile::Poisson { per_second, duration: ms(millis) }),
    ]
}

/// Arrivals of `profile` before `seconds`, with fractions.
fn integral(profile: &Profile, seconds: f64) -> f64 {
    let Profile::Rates(stretches) = profile else { panic!("{profile:?}") };
    let mut start = 0.0;
    stretches.iter().fold(0.0, |sum, stretch| {
        let length = stretch.duration.as_secs_f64();
        let within = (seconds - start).clamp(0.0, length);
        start += length;
        let slope = (stretch.to - stretch.from) / length;
        sum + stretch.from * within + slope * within * within / 2.0
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn offsets_rise_and_stay_inside(profile in profile(), seed in 0u64..100) {
        let schedule = Schedule::new(&profile, seed);
        let all = offsets(&schedule);
        prop_assert!(all.len() as u64 <= schedule.at_most());
        prop_assert!(all.is_sorted());
        prop_assert!(all.last().is_none_or(|last| *last < schedule.duration()));
    }

    #[test]
    fn shares_are_the_whole(profile in profile(), threads in 1u64..6) {
        let schedule = Schedule::new(&profile, 7);
        let whole: Vec<_> = schedule.share(0, 1).collect();
        let mut parts: Vec<_> =
            (0..threads).flat_map(|first| schedule.share(first, threads)).collect();
        parts.sort_unstable();
        prop_assert_eq!(parts, whole);
    }

    #[test]
    fn the_integral_of_the_rate_at_an_arrival_is_its_number(
        stretches in prop::collection::vec((0.01f64..5_000.0, 0.01f64..5_000.0, 1u64..3_000), 1..5),
    ) {
        let profile = rates(&stretches);
        let schedule = Schedule::new(&profile, 7);
        let total = integral(&profile, f64::MAX);
        prop_assert!((float(schedule.at_most()) - total).abs() <= 1.0 + 1e-6);
        for (number, offset) in schedule.share(0, 17) {
            let found = integral(&profile, offset.as_secs_f64());
            // Nanoseconds are all that is lost.
            prop_assert!((found - float(number)).abs() < 1e-4, "{} {}", found, number);
        }
    }
}
