use super::*;

#[test]
fn what_is_kept_is_spread_evenly() {
    for (of, keep) in [(1, 1), (10, 3), (1000, 7), (5, 5), (5, 9), (10_000, 1000), (10, 0)] {
        let kept: Vec<usize> = (0..of).filter(|at| spread(*at, of, keep)).collect();
        assert_eq!(kept.len(), keep.min(of), "{keep} of {of}");
        let widest = kept.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0);
        assert!(keep == 0 || widest <= of.div_ceil(keep), "{keep} of {of}: {kept:?}");
    }
}

/// A slow journey in the middle of which a tick was stolen: marked, and in every figure.
#[test]
fn a_slow_journey_that_met_a_stolen_tick_counts() {
    let start = journey::example(100).start_unix_ns;
    let steal_time = StealTime::of(vec![(start + 200_000_000, start + 210_000_000, 10_000_000)]);
    let mut tally = Tally::default();
    let journeys = (0..40).map(|at| {
        let mut journey = journey::example(100);
        if at == 7 {
            journey.total_ns = 363_000_000;
        }
        mark_stolen(&mut journey, &steal_time);
        tally.add(&journey);
        journey
    });
    let journeys: Vec<Journey> = journeys.collect();
    let summary = tally.summary(&journeys).expect("clean ones");
    assert_eq!((summary.total.count, summary.disturbed, summary.flagged), (40, 1, 0));
    assert_eq!(summary.total.max_ns, 363_000_000);
    assert!(summary.parts.iter().all(|part| part.journeys == 40), "{:?}", summary.parts);
    assert!(summary.undisturbed.count == 39 && summary.undisturbed.max_ns < 363_000_000);
}
