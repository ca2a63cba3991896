use super::*;

#[test]
fn what_was_not_shown_is_summed_up_in_one_line() {
    let mut period = Period::new();
    assert_eq!(period.summary(), None);
    (1..=1000).for_each(|ms| period.more.record(ms * 1_000_000));
    let line = period.summary().expect("there is something to say");
    assert!(line.starts_with("… and 1000 more in the last 0.0 s: p50 50"), "{line}");
    assert!(line.contains("max 1000.000 ms"), "{line}");
}
