use super::*;

#[test]
fn percentiles_are_those_of_the_sorted_values() {
    let mut histogram = Histogram::default();
    assert_eq!((histogram.percentile(99.0), histogram.max()), (None, 0));
    (1..=1000).rev().for_each(|value| histogram.record(value));
    assert_eq!([50.0, 90.0, 99.0].map(|p| histogram.percentile(p)), [Some(500), Some(900), Some(990)]);
    assert_eq!(histogram.percentile(99.9), None, "a thousand are too few");
    histogram.record(3_600_000_000_123);
    assert_eq!(histogram.max(), 3_600_000_000_123, "auto-resized");
    // 1001 of 4004: three quarters are zeros.
    let among = |percent| histogram.percentile_among(percent, 4004);
    assert_eq!([50.0, 75.0, 87.5].map(among), [Some(0), Some(0), Some(501)]);
    let percentiles = histogram.percentiles();
    assert_eq!((percentiles.count, percentiles.min_ns, percentiles.p50_ns), (1001, 1, Some(501)));
}

#[test]
fn a_histogram_tells_as_much_as_the_values_would() {
    for count in [5, 36, 368, 4_000] {
        let mut histogram = Histogram::default();
        (1..=count).for_each(|time| histogram.record(time));
        let (told, exact) = (histogram.percentiles(), Percentiles::of((1..=count).collect()));
        let near = |told: Option<u64>, exact: Option<u64>| match (told, exact) {
            (Some(told), Some(exact)) => told >= exact && told <= exact + exact / 1_000 + 1,
            (told, exact) => told == exact,
        };
        assert!(near(told.p50_ns, exact.p50_ns) && near(told.p999_ns, exact.p999_ns), "{told:?}");
        assert_eq!((told.count, told.min_ns, told.max_ns), (exact.count, exact.min_ns, exact.max_ns));
    }
}
