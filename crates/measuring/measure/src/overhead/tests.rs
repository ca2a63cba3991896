use super::*;

fn stretches(totals: impl IntoIterator<Item = f64>) -> Vec<Stretch> {
    totals.into_iter().map(|total| Stretch { total, cpu: total, lab_cpu: total }).collect()
}

#[test]
fn what_changes_slowly_is_not_taken_for_a_cost() {
    // The machine gets slower all the time; recording always adds 100 to 119.
    let without = stretches((0..20).map(|pair| 1_000.0 + 500.0 * f64::from(pair)));
    let with = stretches((0..20).map(|pair| 1_100.0 + 501.0 * f64::from(pair)));
    let cost = super::cost(&without, &with, |stretch| stretch.total).expect("an interval");
    assert_eq!((cost.added_ns, cost.low_ns, cost.high_ns), (110, 105, 114));
    // What is cheaper with recording is noise, and shown as what it is.
    let cost = super::cost(&with, &without, |stretch| stretch.total).expect("an interval");
    assert!(cost.added_ns < 0 && cost.high_ns < 0, "{cost:?}");
    assert_eq!(super::cost(&without[..5], &with[..5], |stretch| stretch.total), None);
}

#[test]
fn an_interval_that_is_too_wide_decides_nothing() {
    let cost =
        |low_ns, high_ns| Cost { without_ns: 1_000_000, added_ns: (low_ns + high_ns) / 2, low_ns, high_ns };
    assert_eq!(cost(-5_000, 29_000).verdict(AIM), Verdict::Within);
    assert_eq!(cost(31_000, 80_000).verdict(AIM), Verdict::Over);
    // Its middle says 0.5 %, and it may as well be 4.6 %.
    assert_eq!(cost(-38_000, 46_000).verdict(AIM), Verdict::Inconclusive);
}
