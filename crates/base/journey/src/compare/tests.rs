use super::*;

#[test]
fn the_interval_is_the_one_in_the_tables() {
    // The classic table of the sign test: at 95 %, n = 6 allows for (1st, 6th), n = 20 for (6th, 15th).
    let samples = |n: u64| (1..=n).rev().collect::<Vec<u64>>();
    assert_eq!(median_interval(&samples(5), 0.95), None);
    assert_eq!(median_interval(&samples(6), 0.95), Some((1, 6)));
    assert_eq!(median_interval(&samples(20), 0.95), Some((6, 15)));
    assert_eq!(median_interval(&samples(100), 0.95), Some((40, 61)));
    assert_eq!(median_interval(&[], 0.5), None);
    let (low, high) = median_interval(&samples(100_000), 0.95).expect("enough");
    assert!((49_600..=49_700).contains(&low) && (50_300..=50_400).contains(&high), "{low} {high}");
}

/// Made-up times with a long tail, as latencies have: 1 ms and more, in the order of a seeded sequence.
fn times(seed: u64, n: usize, shift: u64) -> Vec<u64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut uniform = || {
        // Xorshift (Marsaglia 2003): good enough to look random to a median.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    (0..50).for_each(|_| _ = uniform());
    (0..n).map(|_| 1_000_000 + shift + (-uniform().max(1e-12).ln() * 100_000.0) as u64).collect()
}

/// How many of `cases` seeded comparisons of two sets of `n` end so.
fn verdicts(cases: u64, n: usize, shift: u64, wanted: Change) -> u64 {
    let ends = |case: u64| {
        let (before, after) = (times(2 * case + 1, n, 0), times(2 * case + 2, n, shift));
        compare(&before, &after, 0.95, 0).expect("not empty").verdict == wanted
    };
    (0..cases).map(|case| u64::from(ends(case))).sum()
}

#[test]
fn the_same_distribution_is_inconclusive_in_nineteen_of_twenty_cases() {
    for n in [15, 40, 200, 1000] {
        let cases = 1_000;
        let same = verdicts(cases, n, 0, Change::Inconclusive);
        assert!(same >= cases * 95 / 100, "{same} of {cases} with n = {n}");
    }
}

#[test]
fn a_shift_is_found_and_its_side_is_right() {
    // 30 µs on a median that is known to about 7 µs.
    for n in [200, 1000] {
        let slower = verdicts(300, n, 60_000, Change::Slower);
        assert!(slower >= 295, "{slower} of 300 with n = {n}");
        assert_eq!(verdicts(300, n, 60_000, Change::Faster), 0);
    }
    let faster = compare(&times(1, 300, 60_000), &times(2, 300, 0), 0.95, 0).expect("not empty");
    assert_eq!(faster.verdict, Change::Faster);
    assert!(faster.high_ns < Some(0) && faster.ratio < Some(1.0), "{faster:?}");
    // The broken twin: who demands more than there is gets no verdict.
    let demanding = compare(&times(1, 300, 60_000), &times(2, 300, 0), 0.95, 100_000).expect("not empty");
    assert_eq!(demanding.verdict, Change::Inconclusive);
}

#[test]
fn too_few_samples_say_nothing() {
    for n in 1..6 {
        let compared = compare(&times(1, n, 0), &times(2, n, 9_000_000), 0.95, 0).expect("not empty");
        assert_eq!((compared.verdict, compared.low_ns), (Change::Inconclusive, None), "n = {n}");
    }
    // A stricter confidence needs more of them: at 99.9 % eleven.
    let of = |n| compare(&times(1, n, 0), &times(2, n, 9_000_000), 0.999, 0).expect("not empty").verdict;
    assert_eq!((of(10), of(11)), (Change::Inconclusive, Change::Slower));
    assert_eq!(compare(&[], &[1], 0.95, 0), None);
}

#[test]
fn neighbours_that_resemble_each_other_count_as_fewer() {
    // The machine is slow for a while, then fast for a while: 40 stretches of 10 alike, no 400 samples.
    let stretches = |seed| -> Vec<u64> {
        let levels = times(seed, 40, 0);
        levels.into_iter().flat_map(|level| std::iter::repeat_n(level, 10)).collect()
    };
    let wrong = |case: u64| {
        let (before, after) = (stretches(2 * case + 1), stretches(2 * case + 2));
        compare(&before, &after, 0.95, 0).expect("not empty").verdict != Change::Inconclusive
    };
    let wrong = (0..400).filter(|case| wrong(*case)).count();
    assert!(wrong <= 40, "{wrong} of 400 comparisons of the same see a difference");
}

#[test]
fn equal_times_are_no_reason_to_panic() {
    let same = compare(&[7; 50], &[7; 50], 0.95, 0).expect("not empty");
    assert_eq!((same.verdict, same.difference_ns, same.low_ns), (Change::Inconclusive, 0, Some(0)));
    let zero = compare(&[0; 50], &[9; 50], 0.95, 0).expect("not empty");
    assert_eq!((zero.verdict, zero.ratio), (Change::Slower, None));
}

proptest::proptest! {
    #[test]
    fn whoever_is_faster_leaves_the_other_slower(
        before in proptest::collection::vec(0_u64..1 << 40, 1..60),
        after in proptest::collection::vec(0_u64..1 << 40, 1..60),
        least in 0_u64..1 << 20,
    ) {
        let there = compare(&before, &after, 0.95, least).expect("not empty");
        let back = compare(&after, &before, 0.95, least).expect("not empty");
        let turned = match there.verdict {
            Change::Faster => Change::Slower,
            Change::Slower => Change::Faster,
            neither => neither,
        };
        proptest::prop_assert_eq!(back.verdict, turned);
        if let (Some(low), Some(high)) = (there.low_ns, there.high_ns) {
            proptest::prop_assert!(low <= there.difference_ns && there.difference_ns <= high);
        }
    }
}
