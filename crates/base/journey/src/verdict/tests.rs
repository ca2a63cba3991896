use super::*;

fn times(micros: impl IntoIterator<Item = u64>) -> impl Iterator<Item = Duration> {
    micros.into_iter().map(Duration::from_micros)
}

#[test]
fn the_ranks_are_those_of_the_tables() {
    assert_eq!(ranks(20, 0.5, 0.95), (Some(5), Some(14)));
    // 2 · ½⁶ = 0.031 and 2 · ½⁵ = 0.063.
    assert_eq!(ranks(6, 0.5, 0.95), (Some(0), Some(5)));
    assert_eq!(ranks(5, 0.5, 0.95), (None, None));
    assert_eq!((ranks(367, 0.99, 0.95).1, ranks(368, 0.99, 0.95).1), (None, Some(367)));
    assert_eq!((enough(0.5, 0.95), enough(0.9, 0.95), enough(0.99, 0.95)), (6, 36, 368));
    assert_eq!(ranks(0, 0.5, 0.95), (None, None));
}

#[test]
fn the_interval_holds_the_true_value_as_often_as_it_says() {
    // A fixed sequence instead of chance (Weyl, then mixed): 2000 experiments of 30 samples each from
    // the numbers below 1000, whose true median is 499.5.
    let mut state = 0x9e37_79b9_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % 1_000
    };
    let held = (0..2_000).filter(|_| {
        let quantile = Quantile::of(times((0..30).map(|_| next())), 50.0);
        let (least, most) = (quantile.least.expect("30"), quantile.most.expect("30"));
        least <= Duration::from_nanos(499_500) && most >= Duration::from_nanos(499_500)
    });
    let held = held.count();
    assert!((1_900..2_000).contains(&held), "{held} of 2000");
}

#[test]
fn a_limit_inside_the_interval_is_inconclusive() {
    let quantile = Quantile::of(times(1..=20), 50.0);
    assert_eq!(quantile.estimate, Duration::from_micros(10));
    assert_eq!(quantile.least, Some(Duration::from_micros(6)));
    assert_eq!(quantile.most, Some(Duration::from_micros(15)));
    let answer = |micros| quantile.within(Duration::from_micros(micros)).conclusion;
    assert_eq!(answer(15), Conclusion::Within);
    assert_eq!((answer(14), answer(6)), (Conclusion::Inconclusive, Conclusion::Inconclusive));
    assert_eq!(answer(5), Conclusion::Over);
    let said = quantile.within(Duration::from_micros(14)).to_string();
    assert!(said.contains("p50 of 20") && said.contains("from 0.006 to 0.015 ms"), "{said}");
}

#[test]
fn too_few_say_how_many_it_takes() {
    for count in [0, 1, 5] {
        let verdict = Quantile::of(times(0..count), 50.0).within(Duration::from_secs(1));
        assert_eq!(verdict.conclusion, Conclusion::Inconclusive);
        assert!(verdict.to_string().contains("at least 6"), "{verdict}");
    }
}
