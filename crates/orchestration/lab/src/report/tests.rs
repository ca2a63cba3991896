use super::*;

#[test]
fn times_are_milliseconds_to_the_microsecond() {
    assert_eq!(time(1_234_567), "1.235 ms");
}

#[test]
fn a_bar_shows_its_share_and_never_more_than_the_whole() {
    assert_eq!(bar(50, 100).chars().count(), BAR / 2);
    assert_eq!(bar(200, 100).chars().count(), BAR);
    assert_eq!(bar(1, 0), "");
}

#[test]
fn the_machine_is_told_in_cores_and_waits() {
    let line = machine(&Machine { cores: 2, ..Machine::default() });
    assert!(line.contains("2 cores"), "{line}");
}
