use super::*;

#[test]
fn percentiles_are_those_of_the_sorted_values() {
    let mut histogram = Histogram::default();
    assert_eq!((histogram.percentile(99.0), histogram.max()), (0, 0));
    (1..=1000).rev().for_each(|value| histogram.record(value));
    assert_eq!([50.0, 90.0, 99.0, 100.0].map(|p| histogram.percentile(p)), [500, 900, 990, 1000]);
    histogram.record(3_600_000_000_123);
    assert_eq!(histogram.percentile(100.0), 3_600_000_000_123, "auto-resized, and no more than the largest");
    // 1001 of 4004: three quarters are zeros.
    assert_eq!([50.0, 75.0, 100.0].map(|p| histogram.percentile_among(p, 4004)), [0, 0, 3_600_000_000_123]);
    assert_eq!(histogram.percentile_among(87.5, 4004), 501);
}
