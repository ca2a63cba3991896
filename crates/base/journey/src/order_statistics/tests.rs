use super::*;

#[test]
fn the_chances_are_those_of_the_tables() {
    // As in any binomial table: n = 20, p = ½ has P(B ≤ 5) = 0.0207 and P(B ≤ 6) = 0.0577.
    let below = |count: usize| chances(20, 0.5).take(count).sum::<f64>();
    assert!((below(6) - 0.0207).abs() < 5e-5 && (below(7) - 0.0577).abs() < 5e-5);
    assert!((chances(20, 0.9).sum::<f64>() - 1.0).abs() < 1e-9);
    // n = 10, p = 0.1: P(B = 0) = 0.3487, P(B = 1) = 0.3874.
    let few: Vec<f64> = chances(10, 0.1).take(2).collect();
    assert!((few[0] - 0.3487).abs() < 5e-5 && (few[1] - 0.3874).abs() < 5e-5);
}

#[test]
fn nothing_can_be_cut_off_too_few() {
    assert_eq!((cut(20, 0.5, 0.025), cut(6, 0.5, 0.025), cut(5, 0.5, 0.025)), (Some(5), Some(0), None));
    assert_eq!((cut(0, 0.5, 0.025), cut(100, 0.0, 0.025)), (None, None));
    // 0.99ⁿ ≤ 0.025 from n = 368 on.
    assert_eq!((cut(367, 0.01, 0.025), cut(368, 0.01, 0.025)), (None, Some(0)));
    // Far beyond what fits into a float as a plain product.
    let k = cut(100_000, 0.5, 0.025).expect("many");
    assert!((49_685..49_695).contains(&k), "{k}");
}
