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

#[test]
fn what_was_not_recorded_is_counted_in_the_same_line() {
    let period = Period { passed_over: 1_998, ..Period::new() };
    let line = period.summary().expect("there is something to say");
    assert!(line.starts_with("1998 more requests, not recorded; `lab measure --rate"), "{line}");
    let mut both = period;
    both.more.record(2_000_000);
    let line = both.summary().expect("there is something to say");
    assert!(line.starts_with("… and 1 more in") && line.contains("; 1998 more requests"), "{line}");
}
