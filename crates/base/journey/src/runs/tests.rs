use super::*;
use crate::compare::Change;

/// A seeded sequence of numbers from 0 to 1 (splitmix64, Steele and others 2014).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// `count` runs of 50 journeys: 1 ms and a long tail, and each run as a whole up to `spread` ns slower.
    fn runs(&mut self, count: usize, spread: f64, shift: f64) -> Vec<Vec<u64>> {
        let run = |numbers: &mut Numbers| {
            let start = spread * numbers.next();
            (0..50).map(|_| (1e6 + shift + start - numbers.next().max(1e-12).ln() * 1e5) as u64).collect()
        };
        (0..count).map(|_| run(self)).collect()
    }
}

fn verdicts(cases: u64, design: Design, count: usize, shift: f64, wanted: Change) -> u64 {
    let ends = |case| {
        let mut numbers = Numbers(case);
        let (before, after) = (numbers.runs(count, 2e5, 0.0), numbers.runs(count, 2e5, shift));
        compare_runs(&before, &after, design, 0.95, 0).expect("runs").verdict == wanted
    };
    (0..cases).map(|case| u64::from(ends(case))).sum()
}

#[test]
fn runs_of_the_same_programs_differ_in_no_more_cases_than_is_claimed() {
    for design in [Design::Paired, Design::Unpaired] {
        for count in [2, 5, 12] {
            let same = verdicts(2_000, design, count, 0.0, Change::Inconclusive);
            // 95 % of 2000, less three standard deviations of that count.
            assert!(same >= 1_870, "{same} of 2000, {count} runs, {design:?}");
        }
    }
}

/// The twin: who takes journeys for independent samples, as a comparison of one run with another one must, is wrong
/// far more often.
#[test]
fn journeys_of_one_start_are_no_independent_samples() {
    let wrong = (0..500).filter(|case| {
        let mut numbers = Numbers(*case);
        let (before, after) = (numbers.runs(1, 2e5, 0.0), numbers.runs(1, 2e5, 0.0));
        let compared = crate::compare(&before[0], &after[0], 0.95, 0).expect("samples");
        compared.verdict != Change::Inconclusive
    });
    assert!(wrong.count() > 150);
}

#[test]
fn a_change_that_is_larger_than_the_spread_is_found() {
    for design in [Design::Paired, Design::Unpaired] {
        assert!(verdicts(300, design, 8, 2e5, Change::Slower) >= 295);
        assert_eq!(verdicts(300, design, 8, 2e5, Change::Faster), 0);
    }
}

#[test]
fn one_run_a_side_says_nothing() {
    let mut numbers = Numbers(1);
    let compared =
        compare_runs(&numbers.runs(1, 0.0, 0.0), &numbers.runs(1, 0.0, 9e6), Design::Unpaired, 0.95, 0);
    let compared = compared.expect("runs");
    assert_eq!((compared.verdict, compared.low_ns), (Change::Inconclusive, None));
    assert!(compared.difference_ns > 8_000_000);
    assert_eq!(compare_runs(&[], &numbers.runs(1, 0.0, 0.0), Design::Paired, 0.95, 0), None);
    assert_eq!(compare_runs(&[vec![]], &numbers.runs(1, 0.0, 0.0), Design::Paired, 0.95, 0), None);
}

#[test]
fn the_interval_is_the_one_in_the_tables() {
    // Medians 1, 2, 3 beside 11, 12, 13: differences of 10 without any scatter; t with 4 degrees is 2.776.
    let runs = |first: u64| (first..first + 3).map(|time| vec![time * 1_000]).collect::<Vec<_>>();
    let of = |design| compare_runs(&runs(1), &runs(11), design, 0.95, 0).expect("runs");
    let paired = of(Design::Paired);
    assert_eq!((paired.low_ns, paired.high_ns), (Some(10_000), Some(10_000)));
    let half = 2.776_445 * (1e6_f64 * 2.0 / 3.0).sqrt();
    let welch = of(Design::Unpaired);
    assert_eq!(welch.high_ns, Some((10_000.0 + half).ceil() as i64));
    assert_eq!(welch.verdict, Change::Slower);
}

/// How often 2000 comparisons of the same see a difference, whose number of pairs is decided so.
fn wrong(design: Design, mut pairs: impl FnMut(&[Vec<u64>], &[Vec<u64>]) -> usize) -> u64 {
    let ends = |case: u64| {
        let mut numbers = Numbers(case);
        // Only medians count, so one journey stands for each run.
        let mut runs = || -> Vec<Vec<u64>> {
            (0..30)
                .map(|_| vec![(1e6 + 1e5 * (numbers.next() + numbers.next() + numbers.next())) as u64])
                .collect()
        };
        let (before, after) = (runs(), runs());
        let count = pairs(&before, &after);
        let of = compare_runs(&before[..count], &after[..count], design, 0.95, 0).expect("runs");
        of.verdict != Change::Inconclusive
    };
    (0..2_000).map(ends).map(u64::from).sum()
}

/// 5 % of 2000, and three standard deviations of that count.
const CLAIMED: u64 = 130;

/// As a pilot of five decides.
fn planned(design: Design, half_width: f64) -> u64 {
    wrong(design, |before, after| {
        pairs_needed(&before[..5], &after[..5], 0.95, half_width).expect("five pairs").min(30)
    })
}

#[test]
fn a_number_of_runs_that_a_pilot_decided_keeps_its_promise() {
    for half_width in [3e4, 5e4, 8e4, 1.5e5] {
        let wrong = planned(Design::Planned { pilot: 5 }, half_width);
        assert!(wrong <= CLAIMED, "{wrong} of 2000 for ± {half_width}");
    }
}

/// The twin: an interval that forgets who decided is too narrow.
#[test]
fn an_interval_that_forgets_the_pilot_is_wrong_too_often() {
    let most = [3e4, 5e4, 8e4].map(|half_width| planned(Design::Paired, half_width)).into_iter().max();
    assert!(most > Some(CLAIMED), "{most:?} of 2000");
}

/// The twin: who looks after each pair and stops at the first difference finds one far too often.
#[test]
fn looking_after_each_pair_finds_what_is_not_there() {
    let wrong = wrong(Design::Paired, |before, after| {
        let differs = |count: &usize| {
            let of = compare_runs(&before[..*count], &after[..*count], Design::Paired, 0.95, 0);
            of.is_some_and(|of| of.verdict != Change::Inconclusive)
        };
        (2..=30).find(differs).unwrap_or(30)
    });
    assert!(wrong > 3 * CLAIMED, "{wrong} of 2000");
}

/// Medians 10, 12 and 14 µs: a mean of 12, and t with 2 degrees is 4.303.
#[test]
fn a_median_of_runs_has_the_interval_of_their_scatter() {
    let runs = [10_000, 12_000, 14_000].map(|median| vec![median - 1, median, median + 1]);
    let of = median_of_runs(&runs, 0.95).expect("three runs");
    let half = 4.302_653 * (4e6_f64 / 3.0).sqrt();
    let close = |end: Option<Duration>, to: f64| (end.expect("an end").as_nanos() as f64 - to).abs() < 2.0;
    assert!(close(of.least, 12_000.0 - half) && close(of.most, 12_000.0 + half), "{of:?}");
    assert_eq!((of.samples, of.runs, of.estimate), (9, 3, Duration::from_micros(12)));
    let limit = of.within(Duration::from_micros(13));
    assert!(limit.to_string().starts_with("inconclusive: p50 of 9 in 3 runs is 0.012 ms"), "{limit}");
    assert!(limit.to_string().ends_with("(more runs make the interval narrower)"), "{limit}");
    assert!(of.within(Duration::from_micros(30)).is_within());
    let one = median_of_runs(&runs[..1], 0.95).expect("one run");
    assert_eq!((one.least, one.most), (None, None));
    assert_eq!(median_of_runs(&[], 0.95), None);
}

#[test]
fn what_is_narrow_enough_and_no_different_is_equivalent() {
    let mut numbers = Numbers(3);
    let (before, after) = (numbers.runs(12, 2e4, 0.0), numbers.runs(12, 2e4, 0.0));
    let of = compare_runs(&before, &after, Design::Paired, 0.95, 0).expect("runs");
    assert_eq!(of.verdict, Change::Inconclusive);
    let (half, most) = (of.half_width_ns().expect("an interval"), of.at_most_ns().expect("an interval"));
    assert!(half <= most && most < 50_000, "{of:?}");
    assert_eq!(of.or_equivalent(half).verdict, Change::Equivalent);
    assert_eq!(of.or_equivalent(half - 1).verdict, Change::Inconclusive);
    // A difference stays one, and without an interval nothing is known.
    let slower = compare_runs(&before, &numbers.runs(12, 2e4, 9e6), Design::Paired, 0.95, 0).expect("runs");
    assert_eq!(slower.or_equivalent(u64::MAX).verdict, Change::Slower);
    let one = compare_runs(&before[..1], &after[..1], Design::Paired, 0.95, 0).expect("runs");
    assert_eq!(one.or_equivalent(u64::MAX).verdict, Change::Inconclusive);
}

/// What the machine does for a while, it does to both of a pair.
#[test]
fn pairs_see_through_what_drifts() {
    let mut numbers = Numbers(7);
    let drifting = |numbers: &mut Numbers, shift: f64| -> Vec<Vec<u64>> {
        (0..10).flat_map(|at| numbers.runs(1, 2e4, shift + 1e5 * f64::from(at))).collect()
    };
    let (before, after) = (drifting(&mut numbers, 0.0), drifting(&mut numbers, 5e4));
    let of = |design| compare_runs(&before, &after, design, 0.95, 0).expect("runs").verdict;
    assert_eq!((of(Design::Paired), of(Design::Unpaired)), (Change::Slower, Change::Inconclusive));
}
