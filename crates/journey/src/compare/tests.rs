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
