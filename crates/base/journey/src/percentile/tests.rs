use super::*;

/// Just enough, and one less, for each percentile that is printed anywhere.
#[test]
fn no_percentile_is_told_from_fewer_than_carry_it() {
    for (percent, least) in [(50.0, 6), (90.0, 36), (99.0, 368), (99.9, 3_688)] {
        assert_eq!(needed(percent), least, "p{percent}");
        assert!(carries(least, percent) && !carries(least - 1, percent), "p{percent}");
    }
    let of = |count: u64| Percentiles::of((1..=count).rev().collect());
    let told = |of: Percentiles| [of.p50_ns, of.p90_ns, of.p99_ns, of.p999_ns];
    assert_eq!(told(of(5)), [None; 4]);
    assert_eq!(told(of(6)), [Some(3), None, None, None]);
    assert_eq!(told(of(36)), [Some(18), Some(33), None, None]);
    assert_eq!(told(of(368)), [Some(184), Some(332), Some(365), None]);
    assert_eq!(told(of(4_000)), [Some(2_000), Some(3_600), Some(3_960), Some(3_996)]);
    // The ends are always there: they are what was seen, and claim nothing else.
    assert_eq!((of(2).min_ns, of(2).max_ns, of(0)), (1, 2, Percentiles::default()));
}

/// The twin: nearest rank alone has an answer for everything, and calls the largest of five a p99.
#[test]
fn nearest_rank_alone_would_answer_anything() {
    let five = [1, 2, 3, 4, 100];
    assert_eq!(five[(0.99_f64 * 5.0).ceil() as usize - 1], 100);
    assert_eq!(percentile(&five, 99.0), None);
}
