use super::*;

#[test]
fn a_bar_says_how_far_how_fast_and_how_long() {
    let half = bar(500, 1000, Some(250.0));
    assert_eq!(half.matches('█').count(), BAR_WIDTH / 2);
    assert!(half.ends_with("500 of 1000 journeys, 250 per second, 2 s left"), "{half}");
    assert!(bar(0, 0, None).ends_with("0 of 0 journeys"));
    assert_eq!(bar(7, 5, None).matches('█').count(), BAR_WIDTH);
}
